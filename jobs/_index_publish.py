"""From finished parts to a published version: one task a shard, hashes to the driver, bytes to the store."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import ray

from jobs._index_config import IndexConfig
from jobs._index_parts import Parts, Problem, may_pass
from sketchray.gallery import (
    Content,
    EncoderRef,
    GalleryError,
    IndexPlan,
    Manifest,
    Pointer,
    Segment,
    encode_report,
    encode_segment,
    place,
    publish,
    store_manifest,
)
from sketchray.gallery.build import describe_version, rows_of_shard
from sketchray.gallery.publish import version_key
from sketchray.gallery.segment import REPORT, read_table
from sketchray.storage import Store, open_store

DONE = "done.json"


@ray.remote(num_cpus=0.25)
def shard_segment(parts: Parts, count: int, shard: int, shards: int) -> tuple[Segment, dict[str, bytes]]:
    """Collect one shard's rows from all parts; the bytes stay in Ray's object store until the version is known."""
    rows = pa.concat_tables([rows_of_shard(parts.read(part), shard, shards) for part in range(count)])
    return encode_segment(rows, shard=shard, plan=IndexPlan(), codebooks={})


@ray.remote(num_cpus=0.25)
def write_objects(gallery: Store, version: str, objects: dict[str, bytes]) -> None:
    """Write a version's objects; they are named by their content's digest, so writing them twice changes nothing."""
    for key, data in objects.items():
        gallery.write(version_key(version, key), data)


class Publication:
    """The way of one build into a gallery: its work prefix, and the pointer as it was when the build began."""

    def __init__(self, gallery: Store, run_id: str, config: IndexConfig, *, expected: Pointer | None) -> None:
        self.gallery, self.config, self.expected = gallery, config, expected
        self.work = gallery.child(f"work/{run_id}")
        self.parts = Parts(self.work)

    def find(self) -> Manifest | None:
        """Return the version that this build gave when it ran before, made current again, or None."""
        if not self.work.exists(DONE):
            return None
        version = json.loads(self.work.read(DONE))["version"]
        key = version_key(version, "manifest.json")
        if not self.gallery.exists(key):
            return None
        publish(self.gallery, version, expected=self.expected)
        return Manifest.from_bytes(self.gallery.read(key), where=self.gallery.uri_of(key))

    def refuse_too_many(self, problems: Sequence[Problem], total: int) -> None:
        """Stop before publishing if more pictures are unreadable than the configuration allows.

        Raises:
            GalleryError: they are, or all are; the message says where their report lies.
        """
        if len(problems) <= self.config.max_bad * total and len(problems) < total:
            return
        reference, data = encode_report(problems)
        self.work.write(reference.key, data)
        first = problems[0]
        raise GalleryError(
            f"{len(problems)} of {total} pictures cannot be indexed, max_bad allows {self.config.max_bad:.0%}; nothing "
            f"is published. {self.work.uri_of(reference.key)} names them; the first: {first['uri']}: {first['reason']}"
        )

    def publish(self, encoder: EncoderRef, *, dimension: int, count: int, problems: Sequence[Problem]) -> Manifest:
        """Build the shards, write the version, make it current, and forget the parts.

        Args:
            encoder: what embedded the parts.
            dimension: of an embedding.
            count: number of parts, all finished.
            problems: the unreadable pictures.

        Raises:
            Conflict: another version was published meanwhile.
        """
        config, gallery = self.config, self.gallery
        build: Any = shard_segment.options(num_returns=2)  # so that the bytes do not pass through this process
        built = [build.remote(self.parts, count, shard, config.shards) for shard in range(config.shards)]
        segments = tuple(ray.get([segment for segment, _ in built]))
        report, report_data = encode_report(problems)
        content = place(
            Content(encoder=encoder, dimension=dimension, shards=config.shards, segments=segments, report=report)
        )
        version = content.version()
        gallery.write(version_key(version, report.key), report_data)
        ray.get([write_objects.remote(gallery, version, objects) for _, objects in built])
        parent = self.expected.version if self.expected else None
        rows = sum(segment.vectors.rows for segment in segments)
        source = open_store(config.source).uri
        described = describe_version(config.gallery, content, parent=parent, source=source, rows=rows)
        manifest = store_manifest(gallery, described)
        publish(gallery, version, expected=self.expected)
        if not any(map(may_pass, problems)):  # otherwise the next run tries those pictures again
            self.work.write(DONE, json.dumps({"version": version}).encode())
            self.parts.remove()
        return manifest

    def describe(self, manifest: Manifest) -> dict[str, Any]:
        """Return what the job says of a version: its place, its size, and the first of its unreadable pictures."""
        report = manifest.content.report
        assert report is not None, "every build writes a report"
        return {
            "gallery": manifest.name,
            "version": manifest.version,
            "uri": self.gallery.uri_of(version_key(manifest.version, "manifest.json")),
            "encoder": manifest.encoder.uri,
            "rows": manifest.rows,
            "unreadable": manifest.unreadable,
            "unreadable_first": read_table(self.gallery, report, REPORT, sorted_by_id=False).slice(0, 10).to_pylist(),
            "report": self.gallery.uri_of(report.key),
        }
