"""Which pictures a gallery is made of: those of bucket prefixes and folders, or those that a table names."""

from collections.abc import Sequence

from sketchray.data.folder import PICTURES
from sketchray.gallery.listing import Listing
from sketchray.gallery.source_prefixes import list_prefixes
from sketchray.gallery.source_rows import LISTING, Problem
from sketchray.gallery.source_table import TABLES, list_table
from sketchray.storage import open_store

__all__ = ["LISTING", "Listing", "Problem", "list_source"]


def list_source(sources: Sequence[str], *, exclude: Sequence[str] = ()) -> Listing:
    """List a gallery's pictures. A picture is read by its ``uri`` alone (`sketchray.storage.read_uri`).

    Args:
        sources: URIs of bucket prefixes or folders (see `list_prefixes`), or of one Parquet or CSV file that names
            pictures by URI (see `list_table`). ``s3://profile@bucket/prefix`` is on another endpoint than the store,
            or takes other credentials (see `sketchray.storage.open_store`).
        exclude: key prefixes to leave out, below each prefix or folder.

    Returns:
        The listing, whose ids and uris are unique once it is divided.

    Raises:
        ValueError: no source, one named twice, a table beside others, a table that cannot be used, or no picture.
        StoreError: a source cannot be read, or the folder for temporary files is full.
    """
    stores = [open_store(source) for source in sources]
    uris = [store.uri for store in stores]
    if not stores:
        raise ValueError("there is no source")
    if twice := [uri for uri in uris if uris.count(uri) > 1]:
        raise ValueError(f"{twice[0]}: this source is named twice")
    tables = [uri for uri in uris if uri.lower().endswith(TABLES)]
    if tables and len(uris) > 1:
        raise ValueError(f"{tables[0]}: a table of URIs is a source alone; beside it is {', '.join(uris)}")
    problems: list[Problem] = []
    if tables:
        pictures, columns = list_table(tables[0], problems)
        listing = Listing(pictures, columns, problems)
    else:
        listing = Listing(list_prefixes(stores, problems, exclude=exclude), (), problems)
    if not listing.rows and not problems:
        raise ValueError(f"{', '.join(uris)}: no picture there ({', '.join(PICTURES)})")
    return listing
