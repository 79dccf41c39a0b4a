"""``rollback``: an older version is made current again."""

from typing import Any

from jobs._index_publish import describe
from sketchray.config import Config
from sketchray.gallery import gallery_store, open_gallery
from sketchray.gallery.publish import roll_back
from sketchray.storage import default_store


class RollbackConfig(Config):
    """A way back.

    Attributes:
        gallery: its name.
        version: the version to make current again; None for the one before the current one.
    """

    gallery: str
    version: str | None = None


def rollback(config: RollbackConfig) -> dict[str, Any]:
    """Move the pointer; return what is current now."""
    store = default_store()
    place = gallery_store(store, config.gallery)
    pointer = roll_back(place, config.version)
    return describe(place, open_gallery(store, config.gallery, pointer.version).manifest) | {"status": "rolled back"}
