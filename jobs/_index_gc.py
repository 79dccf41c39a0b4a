"""``gc``: versions that no reader can still hold go, and the work of runs that were given up."""

from datetime import timedelta
from typing import Any

from pydantic import Field

from sketchray.config import Config
from sketchray.gallery.gc import collect_garbage
from sketchray.storage import default_store


class GcConfig(Config):
    """A garbage collection.

    Attributes:
        gallery: its name.
        keep: how many of the versions that were current stay whatever their age, the current one among them.
        older_than_hours: how long ago a version must have ceased to be current, or a run have stopped writing: longer
            than any build takes, and than a reader goes without opening the current version.
        dry_run: delete nothing, only say what would go.
    """

    gallery: str
    keep: int = Field(default=3, ge=1)
    older_than_hours: float = Field(default=24, ge=0)
    dry_run: bool = False


def gc(config: GcConfig) -> dict[str, Any]:
    """Collect a gallery's garbage; return what went, or would go."""
    age = timedelta(hours=config.older_than_hours)
    collected = collect_garbage(
        default_store(), config.gallery, keep=config.keep, older_than=age, dry_run=config.dry_run
    )
    status = "counted" if config.dry_run else "collected"
    return {"gallery": config.gallery, "status": status, **collected.model_dump(mode="json")}
