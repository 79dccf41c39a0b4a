"""What an update has to do, by shard, on disk: in memory is one shard's at a time, and how much there is."""

from collections.abc import Sequence

import pyarrow as pa

from sketchray.gallery.changes import Changes
from sketchray.gallery.pile import Pile

TABLES = ("new", "changed", "rewritten")


class ChangesByShard:
    """The changes of every shard.

    Attributes:
        kept: pictures that are as they were, by shard.

    Args:
        shards: how many.
    """

    def __init__(self, shards: int) -> None:
        self._tables, self._gone = {name: Pile(shards) for name in TABLES}, Pile(shards)
        self.kept = [0] * shards

    def add(self, shard: int, changes: Changes) -> None:
        """Take the changes of a shard, once."""
        for name, pile in self._tables.items():
            pile.add(shard, getattr(changes, name))
        self._gone.add(shard, pa.table({"id": pa.array(changes.gone, pa.string())}))
        self.kept[shard] = changes.kept

    def of(self, shard: int) -> Changes:
        """Return the changes of a shard."""
        new, changed, rewritten = (pile.rows_of(shard) for pile in self._tables.values())
        return Changes(new, changed, rewritten, self._gone.rows_of(shard)["id"].to_pylist(), self.kept[shard])

    def none(self, shard: int) -> bool:
        """Return whether a shard stays as it is."""
        return not any(pile.rows[shard] for pile in (*self._tables.values(), self._gone))

    def to_embed(self, shard: int) -> pa.Table:
        """Return the new and the changed pictures of a shard, sorted by id."""
        return self.of(shard).to_embed

    @property
    def embedded(self) -> Sequence[int]:
        """How many pictures there are to embed, by shard."""
        return [new + changed for new, changed in zip(*(self._tables[name].rows for name in TABLES[:2]), strict=True)]

    def counted(self) -> dict[str, int]:
        """Return how many pictures are ``new``, ``changed``, ``rewritten``, ``gone`` and ``kept``."""
        counts = {name: sum(pile.rows) for name, pile in self._tables.items()}
        return counts | {"gone": sum(self._gone.rows), "kept": sum(self.kept)}
