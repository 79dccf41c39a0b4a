"""Rasters on their way to the encoder."""

import numpy as np

from serve.examples import examples
from serve.rasters import draw, pack, unpack
from sketchray.data.raster import Strokes


def test_what_is_packed_comes_out_the_same_and_is_small() -> None:
    for example in examples():
        image_HW = draw(Strokes.from_json(example.strokes), 224)
        packed = pack(image_HW)
        np.testing.assert_array_equal(unpack(packed), image_HW)
        assert len(packed) < image_HW.size / 8


def test_noise_comes_out_the_same() -> None:
    image_HW = np.random.default_rng(0).integers(0, 256, (37, 37), dtype=np.uint8)
    np.testing.assert_array_equal(unpack(pack(image_HW)), image_HW)
