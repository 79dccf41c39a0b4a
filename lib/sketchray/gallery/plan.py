"""How a gallery is made, as far as those need to know who go on with it."""

from typing import Literal

from pydantic import Field

from sketchray.config import Config


class IndexPlan(Config):
    """How base segments are searched.

    Attributes:
        kind: ``flat`` compares every row in float32, ``flat-fp16`` and ``flat-int8`` compare copies of half and a
            quarter of the size, ``ivf-int8`` looks into some lists of an inverted file, ``hnsw`` walks a graph over
            int8 vectors; ``auto`` is ``flat`` up to ``exact_rows`` of a segment and ``ivf-int8`` above. All but
            ``flat`` are held beside the vectors, from which candidates are scored again: they save time, not memory.
        factory: a faiss factory string instead, as ``IVF1024,PQ64``; it goes before ``kind``.
        exact_rows: rows of a segment up to which ``auto`` searches exactly.
    """

    kind: Literal["auto", "flat", "flat-fp16", "flat-int8", "ivf-int8", "hnsw"] = "auto"
    factory: str | None = None
    exact_rows: int = Field(default=200_000, ge=0)


class GalleryPlan(Config):
    """What an update and a compaction take where they are not told otherwise.

    Attributes:
        sources: URIs of the prefixes or folders that are listed, or of one table; empty where they are not known.
        exclude: key prefixes of each that are not the gallery's.
        index: of base segments.
    """

    sources: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    index: IndexPlan = IndexPlan()
