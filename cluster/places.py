"""Places that the demo is told, looked at before it starts anything: what is wrong with them is said at once."""

from cluster.store_server import BUCKET
from sketchray.storage.folder import folder_of


def check_places(pictures: str | None, encoder: str, *, own_store: bool) -> None:
    """Refuse a folder that is not there, and a bucket that no variable leads to.

    Args:
        pictures: folder or URI of pictures; None for those of a dataset.
        encoder: a package's URI or path, a shipped one's name, or ``frozen:<backbone>``.
        own_store: ``SKETCHRAY_STORE`` names the user's own store; without, the demo's takes the ``AWS_*`` variables.

    Raises:
        ValueError: which of them, and what to do.
    """
    if pictures is not None and (pictures.startswith("file://") or "://" not in pictures):
        folder = folder_of(pictures)
        if not folder.exists():
            raise ValueError(f"--pictures {pictures}: no such folder")
    for option, uri in (("--pictures", pictures or ""), ("--encoder", encoder)):
        bucket = uri.removeprefix("s3://").partition("/")[0]
        if uri.startswith("s3://") and not own_store and "@" not in bucket and bucket != BUCKET:
            raise ValueError(
                f"{option} {uri}: the demo's own store has the bucket {BUCKET} alone. Set SKETCHRAY_STORE and the "
                f"AWS_* variables to use yours, or name an AWS profile that reaches it: s3://PROFILE@{bucket}/..."
            )
