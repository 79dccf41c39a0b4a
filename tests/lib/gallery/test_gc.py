"""What no reader and no writer can need goes, and nothing else, whatever else happens meanwhile."""

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.gallery import Gallery, GalleryError, claims, open_gallery, write_gallery
from sketchray.gallery.claims import CLAIM, MARK, claim, mark
from sketchray.gallery.compact import compact_gallery
from sketchray.gallery.gc import Collected, collect_garbage
from sketchray.gallery.publish import HISTORY, Pointer, Retired, list_versions, roll_back
from sketchray.gallery.retention import old_versions
from sketchray.gallery.update import changes_of_gallery, update_gallery
from sketchray.gallery.verify import verify
from sketchray.storage import Conflict, Entry, Store
from sketchray.storage.folder import FolderStore

Rows = Callable[..., pa.Table]
Publisher = Callable[..., Gallery]
HOUR, NOW = timedelta(hours=1), datetime(2026, 1, 1, tzinfo=UTC)


def make_older(store: Store, age: timedelta) -> None:
    """Let some time pass for everything that a folder store holds."""
    for entry in store.list():
        path = Path(store.uri_of(entry.key).removeprefix("file://"))
        written = path.stat().st_mtime - age.total_seconds()
        os.utime(path, (written, written))
        if path.name == "CURRENT":
            current = json.loads(path.read_text())
            for retired in current["retired"]:
                retired["until"] = str(datetime.fromisoformat(retired["until"]) - age)
            path.write_text(json.dumps(current))
            os.utime(path, (written, written))


@pytest.fixture
def three(make_rows: Rows, publish_rows: Publisher, store: Store) -> tuple[Gallery, Gallery, Gallery]:
    """A gallery, updated, and compacted; the three versions share objects. All of it was long ago."""
    rows = make_rows(12)
    base = publish_rows(rows, shards=2)
    listing = rows.slice(1)
    updated = update_gallery(base, changes_of_gallery(base, listing), rows.slice(0, 0)).gallery
    compacted = compact_gallery(updated).gallery
    make_older(store, 5 * HOUR)
    return base, updated, compacted


@pytest.fixture
def old_store(three: tuple[Gallery, Gallery, Gallery], store: Store) -> Path:
    """The folder of that store, to be copied."""
    return Path(store.uri.removeprefix("file://"))


def test_a_version_goes_when_it_is_old_and_not_among_the_last(
    three: tuple[Gallery, Gallery, Gallery], store: Store
) -> None:
    base, updated, compacted = three
    everything = {entry.key for entry in store.list()}
    for options in ({"keep": 3, "older_than": HOUR}, {"keep": 1, "older_than": 9 * HOUR}):
        collected = collect_garbage(store, "g", **options)  # type: ignore[arg-type]
        assert set(collected.kept) == {base.version, updated.version, compacted.version}
        assert (collected.versions, collected.objects) == ((), 0)
    assert {entry.key for entry in store.list()} == everything
    collected = collect_garbage(store, "g", keep=2, older_than=HOUR)
    assert collected.versions == (base.version,)
    assert [verify(gallery) for gallery in (updated, compacted)] == [[], []]
    with pytest.raises(GalleryError, match=f"no version {base.version}"):
        roll_back(base.store, base.version)


def test_a_dry_run_says_what_would_go_and_deletes_nothing(
    three: tuple[Gallery, Gallery, Gallery], store: Store
) -> None:
    before = {entry.key: entry.etag for entry in store.list()}
    foreseen = collect_garbage(store, "g", keep=1, older_than=HOUR, dry_run=True)
    assert {entry.key: entry.etag for entry in store.list()} == before
    collected = collect_garbage(store, "g", keep=1, older_than=HOUR)
    assert collected == foreseen.model_copy(update={"dry_run": False})
    assert len(before) - len(list(store.list())) == collected.objects > 0
    assert [entry.key for entry in store.list() if entry.key.endswith(MARK)] == []


def test_age_counts_from_when_a_version_ceased_to_be_current(
    three: tuple[Gallery, Gallery, Gallery], store: Store
) -> None:
    base, _, compacted = three
    roll_back(base.store, base.version)  # `compacted` was served until this moment
    collected = collect_garbage(store, "g", keep=1, older_than=HOUR)
    assert set(collected.kept) == {base.version, compacted.version}


def test_what_an_unfinished_publisher_wrote_lately_is_not_touched(
    three: tuple[Gallery, Gallery, Gallery], store: Store
) -> None:
    place = three[0].store
    place.write("versions/0000/shard-0000.a.vectors.parquet", b"young")
    place.write("versions/1111/shard-0000.a.vectors.parquet", b"young, then old")
    make_older(place.child("versions/1111"), 2 * HOUR)
    collect_garbage(store, "g", keep=1, older_than=HOUR)
    assert place.exists("versions/0000/shard-0000.a.vectors.parquet")
    assert not place.exists("versions/1111/shard-0000.a.vectors.parquet")


def test_abandoned_work_goes_but_for_the_record_of_a_kept_version(
    three: tuple[Gallery, Gallery, Gallery], store: Store
) -> None:
    base, _, compacted = three
    place = base.store
    place.write("work/dead/part-0.parquet", b"x")
    place.write("work/dead/part-0.json", b"x")
    place.write("work/found/done.json", json.dumps({"version": compacted.version}).encode())
    place.write("work/lost/done.json", json.dumps({"version": base.version}).encode())
    place.write("work/odd/done.json", b"[")
    make_older(place.child("work"), 2 * HOUR)
    place.write("work/alive/part-0.parquet", b"x")
    collected = collect_garbage(store, "g", keep=1, older_than=HOUR)
    assert collected.work == ("dead", "lost", "odd")
    assert {entry.key.split("/")[1] for entry in place.list("work/")} == {"alive", "found"}


def test_no_empty_folder_is_left(three: tuple[Gallery, Gallery, Gallery], store: Store) -> None:
    base, _, _ = three
    place, root = base.store, Path(base.store.uri.removeprefix("file://"))
    place.write("work/dead/objects/report.parquet", b"x")
    place.write("work/ended/objects/report.parquet", b"x")
    place.delete("work/ended/objects/report.parquet")
    make_older(place.child("work"), 2 * HOUR)
    collect_garbage(store, "g", keep=1, older_than=HOUR, dry_run=True)
    assert (root / "work/ended/objects").is_dir()
    collect_garbage(store, "g", keep=1, older_than=HOUR)
    assert list((root / "work").iterdir()) == []
    there = {path.name for path in (root / "versions").iterdir()}
    assert there == {entry.key.split("/")[1] for entry in place.list("versions/")}
    place.write("work/dead/part-000000.json", b"anew")
    assert place.read("work/dead/part-000000.json") == b"anew"


def test_nothing_goes_where_it_is_not_known_what_is_needed(
    three: tuple[Gallery, Gallery, Gallery], store: Store
) -> None:
    base, updated, compacted = three
    key = f"versions/{updated.version}/manifest.json"
    base.store.write(key, b"{}")
    with pytest.raises(GalleryError, match=f"{updated.version}/manifest.json: not a gallery manifest"):
        collect_garbage(store, "g", keep=2, older_than=HOUR)
    base.store.delete(f"versions/{compacted.version}/manifest.json")
    with pytest.raises(GalleryError, match=f"current version {compacted.version} has no manifest; nothing is deleted"):
        collect_garbage(store, "g", keep=1, older_than=HOUR)
    assert verify(base) == []
    with pytest.raises(GalleryError, match="keep is 0"):
        collect_garbage(store, "g", keep=0)


def test_a_gallery_that_is_not_there_is_an_error_and_work_without_a_version_is_not(
    three: tuple[Gallery, Gallery, Gallery], store: Store
) -> None:
    with pytest.raises(GalleryError, match="no gallery 'f' has been published; there are: g"):
        collect_garbage(store, "f")
    begun = store.child("galleries/f/work/dead")
    begun.write("part-0.parquet", b"x")
    make_older(begun, 2 * HOUR)
    assert collect_garbage(store, "f", older_than=HOUR).work == ("dead",)


def test_a_killed_collection_is_gone_on_with(three: tuple[Gallery, Gallery, Gallery], store: Store) -> None:
    base, _, compacted = three
    dead = base.store.child(f"versions/{base.version}")
    assert mark(dead, before=datetime.now(UTC)) is not None
    collected = collect_garbage(store, "g", keep=1, older_than=HOUR)
    assert base.version in collected.kept  # the mark is young: its owner may be at work
    with pytest.raises(Conflict, match="a garbage collection is deleting this, or ended while it did"):
        claim(dead, wait_s=0.0)
    dead.delete(CLAIM)
    make_older(dead, 2 * HOUR)
    collected = collect_garbage(store, "g", keep=1, older_than=HOUR)
    assert collected.kept == (compacted.version,)
    assert verify(compacted) == []


PUBLISHED = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(
    published=PUBLISHED,
    written=st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10), min_size=1),
    unfinished=st.sets(st.sampled_from("abcdef"), max_size=2),
    keep=st.integers(1, 4),
    age=st.integers(0, 12),
)
def test_old_versions_are_those_of_the_definition(
    published: list[str], written: dict[str, int], unfinished: set[str], keep: int, age: int
) -> None:
    """Versions were published one an hour, the last one now; ``written`` says how long ago their objects were."""
    unfinished = unfinished - {published[-1]}
    last = {version: len(published) - 1 - i for i, version in enumerate(published)}  # hours since it was made current
    until = {version: hours - 1 for version, hours in last.items()}  # ... since it ceased to be
    retired = sorted(last.keys() - {published[-1]}, key=lambda version: -until[version])
    pointer = Pointer(
        published[-1], "", "", tuple(Retired(version=one, until=NOW - until[one] * HOUR) for one in retired)
    )
    versions = {
        version: [Entry("x", 1, "", NOW - hours * HOUR)]
        + ([] if version in unfinished else [Entry("manifest.json", 1, "", NOW - (hours + 1) * HOUR)])
        for version, hours in written.items()
    }
    found = old_versions(versions, pointer, keep=keep, before=NOW - age * HOUR)
    complete = [version for version in sorted(last, key=lambda version: last[version]) if version in written]
    kept = [version for version in complete if version not in unfinished][:keep]
    slow = {v for v in written if v not in kept and min(written[v], until.get(v, 99)) >= age}
    assert set(found) == slow


def test_a_version_that_a_full_history_forgot_counts_as_current_until_the_history_begins() -> None:
    retired = tuple(Retired(version=f"v{i}", until=NOW - (HISTORY - i) * HOUR) for i in range(HISTORY))
    versions = {"forgotten": [Entry("manifest.json", 1, "", NOW - 999 * HOUR)]}
    pointer = Pointer("now", "", "", retired)
    assert "forgotten" not in old_versions(versions, pointer, keep=1, before=NOW - (HISTORY + 1) * HOUR)
    assert "forgotten" in old_versions(versions, pointer, keep=1, before=NOW - (HISTORY - 1) * HOUR)


class Turns:
    """Lets two threads use a store in turns, an operation at a time, in a given order; then one after the other."""

    def __init__(self, order: list[int]) -> None:
        self.order, self.alive = iter(order), {0, 1}
        self.now, self.changed = next(self.order, 0), threading.Condition()
        self.me = threading.local()

    @contextmanager
    def turn(self) -> Iterator[None]:
        me = getattr(self.me, "number", None)
        if me is None:  # not one of the two
            yield
            return
        with self.changed:
            assert self.changed.wait_for(lambda: self.now == me, timeout=240)
            try:
                yield
            finally:
                self._pass(next(self.order, 1 - me))

    def _pass(self, to: int) -> None:
        self.now = to if to in self.alive else 1 - to
        self.changed.notify_all()

    def run(self, number: int, work: Callable[[], Any]) -> Any:
        self.me.number = number
        try:
            return work()
        except (Conflict, GalleryError) as error:
            return error
        finally:
            with self.changed:
                self.alive.discard(number)
                self._pass(1 - number)


@dataclass(frozen=True)
class Stepped(FolderStore):
    """A folder store whose every operation waits for its turn."""

    turns: Turns = field(compare=False)

    def child(self, prefix: str) -> "Stepped":
        return Stepped(super().child(prefix).root, self.turns)

    def read(self, key: str) -> bytes:
        with self.turns.turn():
            return super().read(key)

    def write(self, key: str, data: bytes, *, only_if_absent: bool = False, if_match: str | None = None) -> str:
        with self.turns.turn():
            return super().write(key, data, only_if_absent=only_if_absent, if_match=if_match)

    def head(self, key: str) -> Entry | None:
        with self.turns.turn():
            return super().head(key)

    def delete(self, key: str) -> None:
        with self.turns.turn():
            super().delete(key)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        with self.turns.turn():
            yield from list(super().list(prefix))

    def prune(self) -> None:
        with self.turns.turn():
            super().prune()


WAYS = ("go back", "build again", "update")
MANY = [pytest.param(way, 300, marks=pytest.mark.full) for way in WAYS]


@pytest.mark.parametrize(("way", "examples"), [*((way, 8) for way in WAYS), *MANY])
def test_a_publisher_and_a_collector_never_meet(
    old_store: Path, make_rows: Rows, tmp_path: Path, way: str, examples: int
) -> None:
    """In whatever order their operations come, what is current is whole, and a publisher is not told a lie."""
    rows = make_rows(12)

    @settings(max_examples=examples, deadline=None)
    @given(order=st.lists(st.integers(0, 1), max_size=60))
    def check(order: list[int]) -> None:
        copy = Path(tempfile.mkdtemp(dir=tmp_path)) / "store"
        shutil.copytree(old_store, copy)
        turns = Turns(order)
        store = Stepped(copy, turns)
        compacted = open_gallery(store, "g")
        updated = open_gallery(store, "g", compacted.manifest.parent)

        def publisher() -> str:
            if way == "go back":
                return roll_back(updated.store, updated.version).version
            if way == "build again":
                encoder = updated.manifest.encoder
                return write_gallery(store, "g", rows, encoder=encoder, source="s3://b", shards=2).version
            changes = changes_of_gallery(compacted, rows.slice(3))
            return update_gallery(compacted, changes, rows.slice(0, 0)).gallery.version

        def collector() -> Collected:
            return collect_garbage(store, "g", keep=1, older_than=HOUR)

        with ThreadPoolExecutor(2) as pool:
            tasks = [pool.submit(turns.run, number, work) for number, work in enumerate((publisher, collector))]
            published, collected = (task.result(60) for task in tasks)
        current = open_gallery(store, "g")
        assert isinstance(collected, Collected)
        assert current.version == (published if isinstance(published, str) else compacted.version)
        assert isinstance(published, str) or way == "go back"
        for version in list_versions(current.store):
            assert verify(open_gallery(store, "g", version)) == []

    with mock.patch.object(claims, "LOOK_S", 0.0):
        check()
