"""From a run's objects to a published version, and what a verb says of it."""

from collections.abc import Sequence
from typing import Any

from jobs._index_parts import Problem, may_pass
from jobs._index_work import Work
from sketchray.gallery import (
    Content,
    GalleryError,
    GalleryPlan,
    Manifest,
    ObjectRef,
    Pointer,
    encode_report,
    place,
    publish,
)
from sketchray.gallery.build import describe_version
from sketchray.gallery.publish import begin_version, store_manifest, version_key
from sketchray.gallery.segment import REPORT, read_table
from sketchray.storage import Store

NAMED = 10  # unreadable pictures in a result


def report_problems(work: Work, problems: Sequence[Problem], *, total: int, max_bad: float) -> ObjectRef:
    """Write the report of unreadable pictures; stop the run if there are more than its configuration allows.

    Raises:
        GalleryError: there are, or all are unreadable; the message says where their report lies.
    """
    reference, data = encode_report(problems)
    work.objects.write(reference.key, data)
    if len(problems) > max_bad * total or (problems and len(problems) == total):
        first = problems[0]
        raise GalleryError(
            f"{len(problems)} of {total} pictures cannot be indexed, max_bad allows {max_bad:.0%}; nothing is "
            f"published. {work.objects.uri_of(reference.key)} names them; the first: {first['uri']}: {first['reason']}"
        )
    return reference


def publish_run(
    work: Work,
    content: Content,
    *,
    name: str,
    source: str,
    plan: GalleryPlan,
    rows: int,
    expected: Pointer | None,
    problems: Sequence[Problem] = (),
) -> Manifest:
    """Write a version of everything that a run has made, make it current, and forget the work.

    Args:
        work: the run's.
        content: what the version consists of; keys without a folder are of the run's objects.
        name: the gallery.
        source: where the pictures come from, in words.
        plan: how the version was made.
        rows: pictures that can be found.
        expected: the pointer as it was when the run began.
        problems: unreadable pictures; if one may be there the next time, the same run then tries again.

    Raises:
        Conflict: another version was published meanwhile; the work stays.
    """
    content = place(content)
    version, parent = content.version(), expected.version if expected else None
    begin_version(work.gallery, version)
    work.copy_to(version)
    described = describe_version(name, content, parent=parent, source=source, rows=rows, plan=plan)
    manifest = store_manifest(work.gallery, described)
    publish(work.gallery, version, expected=expected)
    work.finish(version, again=any(map(may_pass, problems)))
    return manifest


def find_run(work: Work, *, expected: Pointer | None) -> Manifest | None:
    """Return the version that a run gave when it ran before, made current again, or None."""
    version = work.published()
    if version is None:
        return None
    key = version_key(version, "manifest.json")
    if not work.gallery.exists(key):
        return None
    publish(work.gallery, version, expected=expected)
    return Manifest.from_bytes(work.gallery.read(key), where=work.gallery.uri_of(key))


def describe(gallery: Store, manifest: Manifest) -> dict[str, Any]:
    """Return what a verb says of a version: its place, its size, and the first of its unreadable pictures.

    Its report may lie in the folder of an older version, as any of its objects: what is the same is not written twice.
    """
    content, report = manifest.content, manifest.content.report
    unreadable = [] if report is None else read_table(gallery, report, REPORT, sorted_by_id=False).to_pylist()
    return {
        "gallery": manifest.name,
        "version": manifest.version,
        "parent": manifest.parent,
        "uri": gallery.uri_of(version_key(manifest.version, "manifest.json")),
        "encoder": manifest.encoder.uri,
        "rows": manifest.rows,
        "shards": content.shards,
        "segments": len(content.segments),
        "codebooks": [codebook.name for codebook in content.codebooks],
        "unreadable": manifest.unreadable,
        "unreadable_first": unreadable[:NAMED],
        "report": gallery.uri_of(report.key) if report else None,
    }
