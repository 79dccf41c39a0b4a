"""The example sketches are drawings that the API takes, each one its own."""

import numpy as np

from serve.examples import SIDE, examples
from sketchray.data.raster import Strokes, canonical, rasterise


def test_examples_are_drawings_on_the_square() -> None:
    names = [example.name for example in examples()]
    assert len(set(names)) == len(names) >= 8
    for example in examples():
        points_P2 = np.concatenate(Strokes.from_json(example.strokes).lines)
        assert points_P2.min() >= 0
        assert points_P2.max() <= SIDE
        assert np.ptp(points_P2, axis=0).max() > 0.7 * SIDE, f"{example.name} is too small to look at"
        steps = [np.hypot(*np.diff(line, axis=0).T).max(initial=0) for line in Strokes.from_json(example.strokes).lines]
        assert max(steps) < 0.05 * SIDE, f"{example.name}: the pad smooths lines, so that corners need points near them"


def test_no_two_examples_look_alike_to_an_encoder() -> None:
    ink_NHW = np.stack([rasterise(canonical(Strokes.from_json(e.strokes)), 32) < 128 for e in examples()])
    for one in range(len(ink_NHW)):
        for other in range(one):
            shared = (ink_NHW[one] & ink_NHW[other]).sum() / (ink_NHW[one] | ink_NHW[other]).sum()
            assert shared < 0.5, (examples()[one].name, examples()[other].name)
