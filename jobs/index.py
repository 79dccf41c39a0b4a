"""Make a searchable gallery of the pictures in a bucket or folder, with Ray Data, and publish it as a new version.

    python -m jobs.index build gallery=mine source=s3://bucket/pictures encoder=frozen:efficientnet_lite0@128

A build that was killed goes on where it stopped; one that is finished is found again. Unreadable pictures are counted
and named in the version's report.
"""

import sys
import time
from typing import Any

import ray.exceptions

from jobs._cli import run_verb
from jobs._cluster import connect
from jobs._index_config import IndexConfig
from jobs._index_embed import embed_parts
from jobs._index_parts import part_rows
from jobs._index_publish import Publication
from jobs._progress import Progress
from sketchray.encoders import load_encoder
from sketchray.gallery import EncoderRef, gallery_store, read_pointer
from sketchray.gallery.source import list_pictures, listing_digest
from sketchray.storage import StoreError, default_store, open_store


def run(config: IndexConfig) -> dict[str, Any]:
    """Build a gallery version, or go on, or find the finished one; return what there is to say of it."""
    started = time.perf_counter()
    gallery = gallery_store(default_store(), config.gallery)
    expected = read_pointer(gallery)
    source = open_store(config.source)
    pictures, problems = list_pictures(source, exclude=config.exclude)
    total = pictures.num_rows + len(problems)
    encoder = load_encoder(config.encoder)
    uri = config.encoder if config.encoder.startswith("frozen:") else open_store(config.encoder).uri
    reference = EncoderRef(uri=uri, fingerprint=encoder.fingerprint)
    run_id = config.run_id(listing=listing_digest(pictures), encoder=reference)
    publication = Publication(gallery, run_id, config, expected=expected)
    if found := publication.find():
        return publication.describe(found) | {"status": "found"}

    connect()
    bar = Progress(pictures.num_rows, "index", unit="picture")
    seconds: dict[str, float] = {}
    resumed = len(publication.parts.finished())
    for summary in embed_parts(
        pictures, source, publication.parts, config, image_size=encoder.config.image_size, encoder=uri
    ):
        problems.extend(summary.problems)
        seconds = {stage: seconds.get(stage, 0.0) + spent for stage, spent in summary.seconds.items()}
        bar.add(summary.rows + len(summary.problems))
    bar.close()
    publication.refuse_too_many(problems, total)
    count = len(part_rows(pictures.num_rows, config.part_size))
    built = publication.publish(reference, dimension=encoder.dim, count=count, problems=problems)
    seconds["all"] = time.perf_counter() - started
    rounded = {stage: round(spent, 1) for stage, spent in seconds.items()}
    return publication.describe(built) | {
        "status": "built",
        "parts": count,
        "parts_resumed": resumed,
        "seconds": rounded,
    }


def run_plainly(config: IndexConfig) -> dict[str, Any]:
    """Run; a store that fails in a worker is the store's error, not the worker's."""
    try:
        return run(config)
    except ray.exceptions.RayError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, StoreError):
            cause = getattr(cause, "cause", None) or cause.__cause__
        if cause is None:
            raise
        raise cause from error


if __name__ == "__main__":
    sys.exit(run_verb("index", IndexConfig, run_plainly, doc=__doc__, action="build"))
