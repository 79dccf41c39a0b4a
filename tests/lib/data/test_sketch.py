"""Strokes and bitmaps from outside: what is taken and what is refused."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketchray.data.sketch import MAX_POINTS, MAX_STROKES, Bitmap, Strokes

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=24,
)


def test_strokes_become_points() -> None:
    strokes = Strokes.from_json([[[1, 2.5], [3, 4]], [[], []], [[7], [8], [0]]])
    assert [line.tolist() for line in strokes.lines] == [[[1, 3], [2.5, 4]], [[7, 8]]]


@pytest.mark.parametrize(
    ("drawing", "reason"),
    [
        ("abc", "not str"),
        ({"strokes": []}, "not dict"),
        ([1], "stroke 0 is not of the form"),
        ([[[1], [2]], [[1], 2]], "stroke 1 is not of the form"),
        ([[[1]]], "stroke 0 is not of the form"),
        ([[[1, 2], [1]]], "stroke 0 has 2 xs and 1 ys"),
        ([[[float("nan")], [1]]], "stroke 0: 'nan'"),
        ([[[1], [float("inf")]]], "stroke 0: 'inf'"),
        ([[[10**400], [1]]], "stroke 0: '1000"),
        ([[["1"], [1]]], "stroke 0: '1'"),
        ([[[True], [1]]], "stroke 0: 'True'"),
        ([[[None], [1]]], "stroke 0: 'None'"),
        ([[[1], [1]]] * (MAX_STROKES + 1), "2001 strokes"),
        ([[[1] * (MAX_POINTS + 1), [1] * (MAX_POINTS + 1)]], "100001 points"),
        ([[[1] * 60_000, [1] * 60_000]] * 2, "120000 points"),
    ],
)
def test_what_is_no_drawing_is_refused_with_the_place(drawing: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Strokes.from_json(drawing)


@given(json_values | st.lists(st.lists(st.lists(st.floats() | st.integers(), max_size=3), max_size=3), max_size=3))
def test_any_json_is_taken_or_refused_with_a_value_error(value: Any) -> None:
    try:
        strokes = Strokes.from_json(value)
    except ValueError:
        return
    assert all(np.isfinite(line).all() and line.shape[1] == 2 and len(line) for line in strokes.lines)


def test_strokes_survive_json() -> None:
    drawing = [[[0, 1, 2], [5, 6, 7]]]
    assert Strokes.from_json(json.loads(json.dumps(drawing))).lines[0].T.tolist() == drawing[0]


def test_polarity_of_an_array_is_the_callers_word() -> None:
    array = np.array([[0, 255], [10, 0]], dtype=np.uint8)
    np.testing.assert_array_equal(Bitmap.from_array(array).ink_HW, array)
    np.testing.assert_array_equal(Bitmap.from_array(array, ink=0).ink_HW, 255 - array)


@pytest.mark.parametrize("array", [np.zeros((2, 2)), np.zeros((2, 2, 3), np.uint8), np.zeros((0, 4), np.uint8)])
def test_an_array_of_another_kind_is_refused(array: Any) -> None:
    with pytest.raises(ValueError, match="a bitmap is uint8"):
        Bitmap.from_array(array)
