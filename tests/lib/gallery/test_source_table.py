"""A table of URIs: what becomes a picture, what becomes metadata, and what is said of the rest."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sketchray.data.samples import sample_id
from sketchray.gallery import pile, source_etags, source_table
from sketchray.gallery.filters import parse_filter
from sketchray.gallery.manifest import Column
from sketchray.gallery.source import LISTING, Problem, list_source
from sketchray.storage import NotFound, open_store, read_uri

CSV = """uri,label,price,views,approved,taken,day,note
a.png,cat,9.5,3,true,2024-05-01T00:00:00Z,2024-05-02,"one, ""two""
three"
sub/b c.jpg,,nan,,,2024-05-01T10:30:00+02:00,,NA
{root}/c.png,dog,2,-7,false,,,
"""


class Whole(NamedTuple):
    """A small source as it is listed, the pictures sorted by id."""

    pictures: pa.Table
    columns: tuple[Column, ...]
    problems: list[Problem]


def list_whole(*sources: str) -> Whole:
    listing = list_source(sources)
    return Whole(listing.divide(1).pictures.rows_of(0), listing.columns, listing.problems)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a.png", "sub/b c.jpg", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def listed(root: Path, rows: dict[str, Any] | pa.Table) -> Any:
    pq.write_table(rows if isinstance(rows, pa.Table) else pa.table(rows), root / "table.parquet")
    return list_whole(f"{root}/table.parquet")


def test_a_csv_file_gives_pictures_and_metadata(root: Path) -> None:
    (root / "table.CSV").write_text(CSV.format(root=root))
    pictures, columns, problems = list_whole(f"{root}/table.CSV")
    assert problems == []
    kinds = {"price": "float64", "views": "int64", "approved": "bool", "taken": "timestamp"}
    kinds |= {"day": "timestamp", "note": "string"}
    assert columns == tuple(Column(name=name, type=kind) for name, kind in kinds.items())
    rows = {row["label"]: row for row in pictures.to_pylist()}
    assert pictures["id"].to_pylist() == sorted(pictures["id"].to_pylist())
    for label, name in (("cat", "a.png"), (None, "sub/b c.jpg"), ("dog", "c.png")):
        uri, entry = f"file://{root}/{name}", open_store(str(root)).head(name)
        assert entry is not None
        own = (rows[label]["uri"], rows[label]["id"], rows[label]["etag"])
        assert own == (uri, sample_id(uri), entry.etag)
        assert read_uri(uri) == name.encode()
    values = {label: tuple(row[name] for name in kinds) for label, row in rows.items()}
    assert values == {
        "cat": (9.5, 3, True, datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC), 'one, "two"\nthree'),
        None: (None, None, None, datetime(2024, 5, 1, 8, 30, tzinfo=UTC), None, "NA"),
        "dog": (2.0, -7, False, None, None, None),
    }
    found = parse_filter("price > 5 and taken >= '2024-05-01'").mask(pictures)
    assert pictures.filter(pa.array(found))["label"].to_pylist() == ["cat"]


def test_every_type_of_a_parquet_file_becomes_one_of_a_gallery(root: Path) -> None:
    moment = datetime(2024, 5, 1, 10, tzinfo=UTC)
    columns: dict[str, tuple[pa.Array, str, Any]] = {
        "large": (pa.array(["x"], pa.large_string()), "string", "x"),
        "categorical": (pa.array(["x"]).dictionary_encode(), "string", "x"),
        "clock": (pa.array([time(10, 30)]), "string", "10:30:00.000000"),
        "nothing": (pa.nulls(1), "string", None),
        "small": (pa.array([3], pa.uint8()), "int64", 3),
        "coded": (pa.array([7], pa.int32()).dictionary_encode(), "int64", 7),
        "half": (pa.array([0.5], pa.float32()), "float64", 0.5),
        "endless": (pa.array([float("inf")]), "float64", None),
        "exact": (pa.array([Decimal("1.25")]), "float64", 1.25),
        "day": (pa.array([date(2024, 5, 1)]), "timestamp", moment.replace(hour=0)),
        "nanos": (pa.array([moment.timestamp() * 10**9 + 1], pa.timestamp("ns")), "timestamp", moment),
        "zoned": (pa.array([moment], pa.timestamp("s", tz="Europe/Berlin")), "timestamp", moment),
    }
    listing = listed(root, {"uri": ["a.png"]} | {name: array for name, (array, *_) in columns.items()})
    assert listing.columns == tuple(Column(name=name, type=kind) for name, (_, kind, _) in columns.items())
    [row] = listing.pictures.to_pylist()
    assert {name: row[name] for name in columns} == {name: value for name, (*_, value) in columns.items()}


def test_ids_and_etags_that_are_given_are_taken(root: Path) -> None:
    table = {"uri": ["s3://nowhere/x.png", "a.png"], "id": ["of-mine_1", "A"], "etag": ["e1", None]}
    pictures = listed(root, table).pictures
    assert pictures["id"].to_pylist() == ["A", "of-mine_1"]
    assert pictures["etag"].to_pylist() == [open_store(str(root)).head("a.png").etag, "e1"]  # type: ignore[union-attr]


def test_rows_that_are_no_picture_are_problems(root: Path) -> None:
    uris = [
        "a.png",
        None,
        "",
        "ftp://x/y.png",
        "../a.png",
        "gone.png",
        f"{root}/a.png",
        "c.png",
        "sub/b c.jpg",
        "c2.png",
    ]
    ids = ["1", "2", "3", "4", "5", "6", "7", "not/safe", None, "1"]
    pictures, _, problems = listed(root, {"uri": uris, "id": ids})
    assert pictures["uri"].to_pylist() == [f"file://{root}/a.png"]
    table = f"file://{root}/table.parquet"
    identity = "an id has letters, digits, '_' and '-', at most 64"
    expected = {
        table: {f"row 2 of {table}: it has no uri", f"row 3 of {table}: it has no uri"},
        "ftp://x/y.png": {f"row 4 of {table}: ftp://x: a store is s3://bucket/prefix, file:///abs/folder or a path"},
        "../a.png": {f"row 5 of {table}: file://{root}: '../a.png' is not a relative object key"},
        f"file://{root}/gone.png": {"there is no such object"},
        f"file://{root}/a.png": {f"row 7 of {table}: an earlier row has the same uri"},
        "c.png": {f"row 8 of {table}: its id is 'not/safe'; {identity}"},
        "sub/b c.jpg": {f"row 9 of {table}: its id is none; {identity}"},
        f"file://{root}/c2.png": {f"row 10 of {table}: an earlier row has the same id"},
    }
    found: dict[str, set[str]] = {}
    for problem in problems:
        assert problem["stage"] == "list"
        found.setdefault(problem["uri"], set()).add(problem["reason"])
    assert found == expected


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"url": ["a.png"]}, "a column 'uri' is missing; there are url"),
        ({"uri": [3]}, "the column 'uri' is int64, and must be string"),
        ({"uri": ["a.png"], "label": [True]}, "the column 'label' is bool, and must be string"),
        ({"uri": ["a.png"], "key": [1]}, "cannot be called 'key'"),
        ({"uri": ["a.png"], "embedding": [1]}, "cannot be called 'embedding'"),
        ({"uri": ["a.png"], "": [1]}, "cannot be called ''"),
        ({"uri": ["a.png"], "tags": [["x"]]}, r"'tags' is list<.*>; metadata is string, int64, float64, bool"),
        ({"uri": ["a.png", "c.png"], "n": pa.array([1, 2**63], pa.uint64())}, "the column 'n', row 2: .*not in range"),
        ({"uri": ["a.png"], "t": pa.array([2**40], pa.timestamp("s"))}, "the column 't', row 1: .*years 1 to 9999"),
        (
            {"uri": ["a.png"], "t": pa.array([b"\xff"]).cast(pa.string(), safe=False)},
            "the column 't', row 1: .*UTF8",
        ),
        (pa.table([["a.png"], [1], [2]], names=["uri", "n", "n"]), "there are two columns 'n'"),
        ({"uri": pa.array([], pa.string())}, "no picture there"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(root: Path, rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"table\.parquet.*{message}"):
        listed(root, rows)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Empty CSV file"),
        (b"uri,n\na.png,1\nb.png,1,2\n", "Row #3: Expected 2 columns, got 3"),
        (b"uri\n\xff.png\n", "column #0: Row #2: .*UTF8"),
        (b"url,n\na.png,1\n", "a column 'uri' is missing; there are url, n"),
        (b"uri,n,n\na.png,1,2\n", "there are two columns 'n'"),
        (b"uri,\na.png,1\n", "cannot be called ''"),
    ],
)
def test_a_csv_file_that_cannot_be_used_says_where(root: Path, data: bytes, message: str) -> None:
    (root / "table.csv").write_bytes(data)
    with pytest.raises(ValueError, match=rf"table\.csv: .*{message}"):
        list_whole(f"{root}/table.csv")


def test_types_of_a_csv_file_are_told_from_all_its_values(root: Path) -> None:
    rows = [f"{number}.png,e,{number},{number},{'x' * 2**16}" for number in range(20)] + ["last.png,e,0.5,x,"]
    (root / "table.csv").write_text("\n".join(["uri,etag,a,b,c", *rows]))  # more than one block of the reader
    listing = list_whole(f"{root}/table.csv")
    assert (listing.pictures.num_rows, listing.problems) == (21, [])
    assert [column.type for column in listing.columns] == ["float64", "string", "string"]


def test_a_value_is_named_by_its_row_of_the_whole_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_table, "CHUNK", 2)
    with pytest.raises(ValueError, match=r"the column 'n', row 4: .*not in range"):
        listed(root, {"uri": ["a.png"] * 5, "n": pa.array([1, 2, 3, 2**63, 5], pa.uint64())})


@pytest.mark.parametrize("name", ["table.parquet", "table.csv"])
def test_a_file_that_is_not_there_is_named(root: Path, name: str) -> None:
    with pytest.raises(NotFound, match=f"{root}/{name}: no such object"):
        list_source([f"{root}/{name}"])


def test_a_file_that_is_no_parquet_is_refused(root: Path) -> None:
    (root / "table.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ValueError, match=r"table\.parquet: not readable as a table"):
        list_whole(f"{root}/table.parquet")


def test_a_table_in_chunks_is_the_table(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uris = [f"{number}.png" for number in range(40)] + ["a.png", "3.png", "a.png", "c.png"]
    etags = ["e"] * 20 + [None] * 20 + ["e", "e", "e", None]
    whole = listed(root, {"uri": uris, "etag": etags, "n": list(range(44))})
    assert whole.pictures.num_rows == 22
    assert whole.pictures.schema.names == [*LISTING.names, "n"]
    monkeypatch.setattr(source_table, "CHUNK", 7)
    monkeypatch.setattr(source_table, "COMPARED", 6)
    monkeypatch.setattr(pile, "PART_ROWS", 4)
    monkeypatch.setattr(source_etags, "CHUNK", 5)
    again = list_whole(f"{root}/table.parquet")
    assert again.pictures.equals(whole.pictures)
    assert sorted(map(str, again.problems)) == sorted(map(str, whole.problems))
    assert len(whole.problems) == 22
