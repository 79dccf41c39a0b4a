"""Strangers' bodies and options: hypothesis looks for one that is neither a request nor a problem."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve.errors import ProblemError
from serve.limits import DEFAULT_LIMIT, MAX_BATCH, MAX_DEPTH, MAX_LIMIT, MAX_LISTS, MAX_POINTS
from serve.models import HOUSE
from serve.queries import options_from_text, request_from_json, requests_from_json
from serve.request import SearchRequest
from serve.uploads import sketch_from_picture
from sketchray.data.raster import Strokes

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
numbers = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=12,
)
points = st.lists(st.floats(-1e8, 1e8) | numbers, max_size=4)
drawings = st.lists(st.lists(points, min_size=1, max_size=4), max_size=3)
queries = st.fixed_dictionaries(
    {},
    optional={
        "strokes": drawings | anything,
        "sketches": st.lists(drawings, max_size=9),
        "like": st.text(max_size=4) | anything,
        "limit": st.integers() | anything,
        "offset": st.integers() | anything,
        "ranking": st.sampled_from(["nearest", "cluster", "best"]) | anything,
        "filter": st.text(max_size=12) | st.sampled_from(["label = 'x'", "label is null and"]),
        "gallery": st.text(max_size=5) | st.just("starter"),
    },
)


def ask(**query: Any) -> SearchRequest:
    """Return what a query becomes."""
    return request_from_json(json.dumps(query).encode(), {})


def problem_of(**query: Any) -> ProblemError:
    """Return the problem of a query that is wrong, once its detail is found to be a sentence."""
    with pytest.raises(ProblemError) as caught:
        ask(**query)
    return checked(caught.value)


def checked(problem: ProblemError) -> ProblemError:
    """Return the problem, once its detail is found to be a sentence."""
    assert len(problem.detail) > 10
    assert problem.detail.endswith(".")
    assert len(problem.detail) < 400
    return problem


@unhurried
@given(anything | queries)
def test_any_json_is_a_request_or_a_problem(document: Any) -> None:
    try:
        request = request_from_json(json.dumps(document).encode(), {})
    except ProblemError as problem:
        status = checked(problem).status
        assert status in (400, 422)
        return
    assert bool(request.sketches) != bool(request.like)
    assert 1 <= request.limit <= MAX_LIMIT
    assert request.offset + request.limit <= MAX_DEPTH


@unhurried
@given(st.lists(anything | queries, max_size=4) | anything)
def test_any_batch_is_as_many_answers_or_a_problem(batch: Any) -> None:
    try:
        requests = requests_from_json(json.dumps({"queries": batch}).encode())
    except ProblemError as problem:
        status = checked(problem).status
        assert status in (400, 422)
        return
    assert len(requests) == len(batch)


@unhurried
@given(st.binary(max_size=300))
def test_any_bytes_are_a_problem(data: bytes) -> None:
    for read in (lambda body: request_from_json(body, {}), requests_from_json):
        with pytest.raises(ProblemError) as caught:
            read(data + b"\x00")
        assert checked(caught.value).status == 400
    with pytest.raises(ProblemError) as caught:
        sketch_from_picture(data)
    assert checked(caught.value).status == 422


@unhurried
@given(st.lists(st.tuples(st.sampled_from(["limit", "offset", "filter", "limt"]), st.text(max_size=8)), max_size=3))
def test_any_text_is_an_option_or_a_problem(pairs: list[tuple[str, str]]) -> None:
    try:
        options = options_from_text(pairs)
    except ProblemError as problem:
        status = checked(problem).status
        assert status == 422
        return
    assert options.keys() == {name for name, _ in pairs}
    assert 1 <= options.get("limit", 1) <= MAX_LIMIT


def test_what_is_asked_for_arrives() -> None:
    request = ask(
        sketches=[HOUSE, HOUSE[:1]], limit=7, offset=3, ranking="mixture", min_confidence=0.25, filter="label = 'x'"
    )
    assert (request.limit, request.offset, request.ranking, request.min_confidence) == (7, 3, "mixture", 0.25)
    assert str(request.filter) == "label = 'x'"
    drawn = [[line.T.tolist() for line in sketch.strokes.lines] for sketch in request.sketches]
    assert drawn == [HOUSE, HOUSE[:1]]
    plain = ask(like="an-id")
    assert plain == SearchRequest(like="an-id", limit=DEFAULT_LIMIT)


def test_the_body_goes_before_the_url() -> None:
    body = json.dumps({"strokes": HOUSE, "limit": 7}).encode()
    request = request_from_json(body, options_from_text([("limit", "9"), ("ranking", "cluster")]))
    assert (request.limit, request.ranking) == (7, "cluster")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "exactly one of strokes, sketches and like"),
        ({"strokes": HOUSE, "like": "x"}, "exactly one of"),
        ({"strokes": HOUSE, "limt": 3}, "'limt'; the nearest is limit"),
        ({"strokes": HOUSE, "limit": 201}, "limit: "),
        ({"strokes": HOUSE, "limit": "5"}, "limit: "),
        ({"strokes": HOUSE, "limit": True}, "limit: "),
        ({"strokes": HOUSE, "limit": 200, "offset": 900}, "Offset and limit together are 1100"),
        ({"strokes": HOUSE, "ranking": "best"}, "ranking: "),
        ({"strokes": HOUSE, "min_confidence": 1.5}, "min_confidence: "),
        ({"strokes": HOUSE, "gallery": "../other"}, "gallery: "),
        ({"strokes": [[[1, 2], [1]]]}, "1 ys"),
        ({"strokes": [[[1, 2], [1, None]]]}, "strokes.0.1.1: "),
        ({"strokes": [[[1, 2], [1, 1e8]]]}, "strokes.0.1.1: "),
        ({"strokes": [[[1] * 60_000] * 2] * 2}, f"limit is {MAX_POINTS}"),
        ({"sketches": [HOUSE] * 9}, "sketches: "),
        ({"sketches": []}, "sketches: "),
    ],
)
def test_what_is_wrong_is_said(query: dict[str, Any], said: str) -> None:
    problem = problem_of(**query)
    assert problem.status == 422
    assert said in problem.detail


def test_a_filter_says_where_it_is_wrong() -> None:
    problem = problem_of(strokes=HOUSE, filter="label = 'cat' and or")
    assert (problem.status, problem.position) == (422, 18)
    assert "character 19" in problem.detail
    assert problem.details().position == 18
    assert "position" not in problem_of(strokes=[]).details().model_dump()


def test_more_lists_than_any_drawing_has_are_not_even_parsed() -> None:
    with pytest.raises(ProblemError) as caught:
        request_from_json(b"[" + b"[]," * MAX_LISTS + b"[]]", {})
    assert checked(caught.value).status == 413


def test_a_bad_query_does_not_fail_the_others() -> None:
    good, bad, unlike = requests_from_json(
        json.dumps({"queries": [{"strokes": HOUSE}, {"strokes": []}, {"like": "x"}]}).encode()
    )
    assert isinstance(good, SearchRequest)
    assert isinstance(good.sketches[0], Strokes)
    assert isinstance(bad, ProblemError)
    assert unlike == SearchRequest(like="x")


@pytest.mark.parametrize(
    "body", [{}, [], {"queries": []}, {"queries": [{}] * (MAX_BATCH + 1)}, {"queries": [], "x": 1}]
)
def test_what_is_no_batch(body: Any) -> None:
    with pytest.raises(ProblemError) as caught:
        requests_from_json(json.dumps(body).encode())
    assert checked(caught.value).status == 422
