"""Strangers' bodies: hypothesis looks for one that is neither a sketch nor a problem."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.errors import ProblemError
from serve.limits import MAX_LIMIT
from serve.uploads import query_from_json, read_limit, sketch_from_picture

numbers = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=12,
)
points = st.lists(st.floats(-1e8, 1e8) | numbers, max_size=4)
drawings = st.fixed_dictionaries({"strokes": st.lists(st.lists(points, min_size=1, max_size=4), max_size=3)})


def status_of(problem: ProblemError) -> int:
    """Return the status of a problem, once its detail is found to be a sentence."""
    assert len(problem.detail) > 10
    assert problem.detail.endswith(".")
    return problem.status


@given(anything | drawings | st.fixed_dictionaries({"strokes": anything, "limit": anything}))
def test_any_json_is_a_query_or_a_problem(document: Any) -> None:
    try:
        query = query_from_json(json.dumps(document).encode())
    except ProblemError as problem:
        status = status_of(problem)
        assert status in (400, 422)
        return
    assert len(query.sketch.strokes.lines) <= len(document["strokes"])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_problem(data: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        query_from_json(data + b"\x00")
    assert caught.value.status == 400
    with pytest.raises(ProblemError) as caught:
        sketch_from_picture(data)
    assert caught.value.status == 422


@given(st.integers() | st.text(max_size=8))
def test_limits(value: int | str) -> None:
    try:
        limit = read_limit(value)
    except ProblemError as problem:
        status = status_of(problem)
        assert status == 422
        assert str(value) not in map(str, range(1, MAX_LIMIT + 1))
        return
    assert limit == int(value)
    assert 1 <= limit <= MAX_LIMIT
