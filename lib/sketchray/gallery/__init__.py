"""The gallery's format on disk: segments, manifest, publishing, opening."""

from sketchray.gallery.build import encode_report, encode_segment, place
from sketchray.gallery.codebooks import Codebooks, FitPlan
from sketchray.gallery.compact import compact_gallery
from sketchray.gallery.gc import collect_garbage
from sketchray.gallery.manifest import (
    CodebookRef,
    Column,
    Content,
    EncoderRef,
    GalleryError,
    Manifest,
    ObjectRef,
    Segment,
    check_name,
    shard_of,
)
from sketchray.gallery.plan import GalleryPlan, IndexPlan
from sketchray.gallery.publish import (
    Pointer,
    gallery_store,
    list_galleries,
    publish,
    read_pointer,
    roll_back,
    store_manifest,
)
from sketchray.gallery.reader import Gallery, open_gallery
from sketchray.gallery.shard import Hit, Ranking, Shard, merge
from sketchray.gallery.update import update_gallery
from sketchray.gallery.write import write_gallery

__all__ = [
    "CodebookRef",
    "Codebooks",
    "Column",
    "Content",
    "EncoderRef",
    "FitPlan",
    "Gallery",
    "GalleryError",
    "GalleryPlan",
    "Hit",
    "IndexPlan",
    "Manifest",
    "ObjectRef",
    "Pointer",
    "Ranking",
    "Segment",
    "Shard",
    "check_name",
    "collect_garbage",
    "compact_gallery",
    "encode_report",
    "encode_segment",
    "gallery_store",
    "list_galleries",
    "merge",
    "open_gallery",
    "place",
    "publish",
    "read_pointer",
    "roll_back",
    "shard_of",
    "store_manifest",
    "update_gallery",
    "write_gallery",
]
