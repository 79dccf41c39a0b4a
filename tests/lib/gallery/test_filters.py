"""Filters: every row they find is one that a row-by-row reading of the same expression finds, and no other."""

import math
import operator as op
import pickle
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.gallery.filter_terms import Comparison, Condition, Group, IsNull, Membership, Not, Term, TextMatch
from sketchray.gallery.filters import Filter, FilterError, parse_filter
from sketchray.gallery.manifest import Column
from sketchray.gallery.segment import vector_schema

COLUMNS = {
    "label": "string",
    "select all": "string",
    "in": "string",
    "views": "int64",
    "price": "float64",
    "approved": "bool",
    "taken": "timestamp",
}
SCHEMA = vector_schema(2, [Column(name=name, type=kind) for name, kind in COLUMNS.items() if name != "label"])
SCHEMA_OF_ROWS = pa.schema([SCHEMA.field(name) for name in COLUMNS])
TEXTS = ("", "cat", "Cat", "cats", "it's", 'a "b"', "%", "ÿ", "𝄞", "null")
DAY = datetime(2024, 5, 1, 10, tzinfo=UTC)
VALUES: dict[str, tuple[Any, ...]] = {
    "string": TEXTS,
    "int64": (0, -1, 7, 2**53 + 1, 2**63 - 1, -(2**63)),
    "float64": (0.0, -0.0, 0.1, -2.5, 1e300, 5e-324, math.nan, math.inf),
    "bool": (True, False),
    "timestamp": (DAY, DAY + timedelta(microseconds=1), datetime(1970, 1, 1, tzinfo=UTC)),
}


def slow_value(column: str, value: Any) -> Any:
    if COLUMNS[column] != "timestamp":
        return value
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def slow_match(term: Term, row: dict[str, Any]) -> bool | None:
    """Return what an expression says of one row: true, false or null."""
    if isinstance(term, Not):
        inner = slow_match(term.term, row)
        return None if inner is None else not inner
    if isinstance(term, Group):
        answers = [slow_match(part, row) for part in term.terms]
        decisive = term.word == "or"
        return decisive if decisive in answers else None if None in answers else not decisive
    assert isinstance(term, Condition)
    cell = row[term.column]
    missing = cell is None or (isinstance(cell, float) and math.isnan(cell))
    if isinstance(term, IsNull):
        return missing
    return None if missing else slow_condition(term, cell)


def slow_condition(term: Condition, cell: Any) -> bool:
    """Return what a condition says of a cell that is not null."""
    if isinstance(term, TextMatch):
        return term.text in cell if term.match == "contains" else cell.startswith(term.text)
    if isinstance(term, Membership):
        return any(cell == slow_value(term.column, member) for member in term.members)
    assert isinstance(term, Comparison)
    compare = {"=": op.eq, "!=": op.ne, "<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge}[term.order]
    return bool(compare(cell, slow_value(term.column, term.value)))


def literals(column: str) -> st.SearchStrategy[Any]:
    kind = COLUMNS[column]
    if kind == "timestamp":
        return st.sampled_from(("2024-05-01T10:00", "2024-05-01T12:00:00.000001+02:00", "1970-01-01", "0001-01-02"))
    if kind == "int64":
        return st.sampled_from((*VALUES[kind], 7.0)) | st.integers(-(2**63), 2**63 - 1)
    if kind == "float64":
        return st.sampled_from((0, 7, 0.1, -2.5)) | st.floats(allow_nan=False, allow_infinity=False)
    return st.sampled_from(VALUES[kind]) | st.text(max_size=4) if kind == "string" else st.booleans()


def conditions(column: str) -> st.SearchStrategy[Term]:
    orders = ("=", "!=") if COLUMNS[column] == "bool" else ("=", "!=", "<", "<=", ">", ">=")
    members = st.lists(literals(column), min_size=1, max_size=3).map(tuple)
    kinds: list[st.SearchStrategy[Term]] = [
        st.builds(Comparison, st.just(column), st.sampled_from(orders), literals(column)),
        st.builds(Membership, st.just(column), members),
        st.builds(IsNull, st.just(column)),
    ]
    if COLUMNS[column] == "string":
        matches = st.sampled_from(("contains", "startswith"))
        kinds.append(st.builds(TextMatch, st.just(column), matches, literals(column)))
    return st.one_of(kinds)


def grown(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, inner) | st.builds(Group, st.sampled_from(("and", "or")), parts)


TERMS = st.recursive(st.sampled_from(tuple(COLUMNS)).flatmap(conditions), grown, max_leaves=6)


def random_rows(count: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    choices = {name: (None, None, *VALUES[kind]) for name, kind in COLUMNS.items()}
    return [{name: cells[rng.integers(len(cells))] for name, cells in choices.items()} for _ in range(count)]


ROWS = random_rows(60)
PARTS = [pa.Table.from_pylist(ROWS[first : first + 25], schema=SCHEMA_OF_ROWS) for first in (0, 25, 50)]
TABLE = pa.concat_tables([*PARTS, SCHEMA_OF_ROWS.empty_table()])


@settings(max_examples=80, deadline=None)
@given(term=TERMS)
def test_what_matches_is_what_a_row_by_row_reading_finds(term: Term) -> None:
    found = Filter(term).mask(TABLE)
    assert found.dtype == np.bool_
    assert found.tolist() == [slow_match(term, row) is True for row in ROWS]
    text = str(Filter(term))
    assert parse_filter(text) == Filter(term)
    assert str(parse_filter(text)) == text


@pytest.mark.parametrize("column", COLUMNS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_column_is_compared_as_a_row_by_row_reading_does(column: str, data: st.DataObject) -> None:
    term = data.draw(conditions(column))
    for negated in (term, Not(term)):
        assert Filter(negated).mask(TABLE).tolist() == [slow_match(negated, row) is True for row in ROWS]


def test_a_table_without_rows_has_no_matches() -> None:
    assert parse_filter("views > 3 or label is null").mask(SCHEMA_OF_ROWS.empty_table()).shape == (0,)


PICTURES = pa.table(
    {
        "id": ["a", "b", "c", "d"],
        "label": ["cat", "dog", None, "Cat"],
        "price": [9.5, None, 3.0, float("nan")],
        "taken": pa.array([DAY, None, DAY, None], pa.timestamp("us", tz="UTC")),
    }
)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("label = 'cat'", "a"),
        ('label = "cat" OR label = "dog"', "ab"),
        ("not label = 'cat'", "bd"),
        ("label not in ('cat', 'dog')", "d"),
        ("label is null or label != 'cat'", "bcd"),
        ("price is null", "bd"),
        ("not price > 5", "c"),
        ("price > 5 or not price > 5", "ac"),
        ("label contains 'at' and not label startswith 'C'", "a"),
        ("id in ('a','b','c') and label = 'cat' or id = 'd'", "ad"),
        ("id = 'd' or id in ('a','b','c') and label = 'dog'", "bd"),
        ("(id = 'd' or id = 'a') and label = 'cat'", "a"),
        ("taken >= '2024-05-01' and taken < '2024-05-02'", "ac"),
        ("taken > '2024-05-01T12:00:00+02:00'", ""),
        ("\"id\"='a'", "a"),
    ],
)
def test_the_grammar_by_example(text: str, ids: str) -> None:
    found = parse_filter(text)
    assert "".join(PICTURES.filter(pa.array(found.mask(PICTURES)))["id"].to_pylist()) == ids
    assert parse_filter(str(found)) == found
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "expected a column, found the end"),
        ("label = ", 8, "expected a value"),
        ("label = cat", 8, "a text in quotes, .* found cat"),
        ("label = null", 8, "null only after is"),
        ("label = 'cat", 8, "a quote that is not closed"),
        ("label == 'cat'", 7, "found ="),
        ("label = 'a' label = 'b'", 12, "expected and, or or the end, found label"),
        ("label = 'a' and", 15, "expected a column"),
        ("(label = 'a'", 12, r"expected \), found the end"),
        ("label not = 'a'", 10, "expected in, contains or startswith"),
        ("label in ()", 10, "expected a value"),
        ("price = 12a", 8, "'1' here"),
        ("price = 1e999", 8, "too large"),
        ("price ! 3", 6, "'!' here"),
        ("label = 'a\ud800'", 10, "surrogate"),
    ],
)
def test_a_wrong_text_says_where(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError, match=message) as caught:
        parse_filter(text)
    assert caught.value.position == position
    assert f"character {position + 1}:" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("views > 3 and lable = 'x'", 14, "no column lable; is it label"),
        ("zzz = 1", 0, "there are id, uri, etag, label"),
        ("embedding is null", 0, "the column embedding cannot be filtered by"),
        ("label = 3", 0, "3 is not a text in quotes, as the column label has"),
        ("views = '3'", 0, "'3' is not a whole number"),
        ("views = 2.5", 0, "not a whole number"),
        ("views = 9223372036854775808", 0, "of 64 bits"),
        ("views = true", 0, "true is not a whole number"),
        ("price = true", 0, "not a number"),
        ("approved = 1", 0, "true or false"),
        ("approved < true", 0, "no order"),
        ("taken > 'yesterday'", 0, "'yesterday' is not a time"),
        ("taken > '9999-12-31T23:59:59-12:00'", 0, "is not a time"),
        ("views contains '3'", 0, "contains is for texts"),
    ],
)
def test_a_filter_that_does_not_fit_the_columns_is_refused(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError, match=message) as caught:
        parse_filter(text).check(SCHEMA)
    assert caught.value.position == position
    with pytest.raises(FilterError, match=message):
        parse_filter(text).mask(SCHEMA.empty_table())


def test_a_filter_names_the_columns_that_it_needs() -> None:
    found = parse_filter("label = 'a' and not (views > 1 or \"select all\" is null)")
    assert found.columns == {"label", "views", "select all"}
    found.check(SCHEMA)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(" * 60_000, "64 levels"),
        ("not " * 15_000, "64 levels"),
        (" or ".join(["a=1"] * 300), "more than 256 conditions"),
        ("a = '" + "x" * 70_000 + "'", "65,536 are allowed"),
        ("'" + "''" * 32_000, "not closed"),
        ('"' + "''" * 32_000, "not closed"),
        (" " * 65_000 + "?", r"'\?' here"),
        ("a = " + "9" * 60_000, "too large"),
        ("a = " + "1" * 30_000 + "." + "1" * 30_000 + "e", "'1' here"),
        ("x" * 65_000, "expected a comparison"),
        ("a in (" + "1," * 32_000, "expected a value"),
    ],
)
def test_hostile_texts_are_refused_at_once(text: str, message: str) -> None:
    started = time.process_time()
    with pytest.raises(FilterError, match=message) as caught:
        parse_filter(text)
    assert time.process_time() - started < 3
    assert len(str(caught.value)) < 300


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab'\"()=<>!, 0.e-+nult\n\0ü") | st.characters(), max_size=40))
def test_of_any_text_only_a_filter_error_escapes(text: str) -> None:
    try:
        found = parse_filter(text)
    except FilterError:
        return
    assert parse_filter(str(found)) == found


def test_the_deepest_filter_that_is_allowed_is_evaluated() -> None:
    deep = parse_filter("not (" * 32 + "label = 'cat'" + ")" * 32)
    assert deep.mask(PICTURES).tolist() == [True, False, False, False]
