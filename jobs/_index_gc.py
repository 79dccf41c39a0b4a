"""``gc``: versions that no reader can still hold go, and the work of runs that were given up."""

from datetime import timedelta
from typing import Any

from jobs._index_config import GcConfig
from sketchray.gallery.gc import collect_garbage
from sketchray.storage import default_store


def gc(config: GcConfig) -> dict[str, Any]:
    """Collect a gallery's garbage; return what went, or would go."""
    age = timedelta(hours=config.older_than_hours)
    collected = collect_garbage(
        default_store(), config.gallery, keep=config.keep, older_than=age, dry_run=config.dry_run
    )
    status = "counted" if config.dry_run else "collected"
    return {"gallery": config.gallery, "status": status, **collected.model_dump(mode="json")}
