"""An encoder in memory; releases that share one hold it once."""

from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from serve.examples import examples
from serve.rasters import Raster, draw
from sketchray.data.raster import Strokes


class Parts(NamedTuple):
    """The score of a sketch and a picture, and the shares (h, w) that their places have in it.

    Attributes:
        sketch_hw, picture_hw: float64; each sums to the score.
        score: cosine similarity.
        exact: the encoder has these parts by nature.
    """

    sketch_hw: npt.NDArray[np.float64]
    picture_hw: npt.NDArray[np.float64]
    score: float
    exact: bool


class Model:
    """An encoder that embeds sketches.

    Args:
        uri: of an encoder package, or the spec of a frozen backbone.

    Raises:
        ValueError: it cannot be loaded.
    """

    def __init__(self, uri: str) -> None:
        from sketchray.encoders import folded, load_encoder

        encoder = load_encoder(uri).eval()
        self._encoder = folded(encoder)
        self.fingerprint = encoder.fingerprint
        self.dim = encoder.dim
        self.image_size = encoder.config.image_size
        self.calibration = encoder.calibration
        self.probes = probe_rasters(self.image_size)

    def embed(self, images: Sequence[Raster]) -> npt.NDArray[np.float32]:
        """Return unit vectors (B, dim) of B canonical sketch rasters, each uint8 (size, size)."""
        import torch

        with torch.inference_mode():
            image_BHW = torch.from_numpy(np.stack(images))
            photo_B = torch.zeros(len(images), dtype=torch.bool)
            vector_BD: npt.NDArray[np.float32] = self._encoder(
                image_BHW[:, None].expand(-1, 3, -1, -1), photo_B
            ).numpy()
        return vector_BD

    def explain(self, image_HW: Raster, picture_3HW: Raster) -> Parts:
        """Return which parts of a canonical sketch raster (size, size) and a picture (3, size, size) match."""
        from sketchray.encoders import explain

        found = explain(self._encoder, np.broadcast_to(image_HW, picture_3HW.shape), picture_3HW)
        return Parts(found.sketch(), found.photo(), found.score, found.exact)


class Models:
    """The encoders of this process that are still held by somebody, by where they came from."""

    def __init__(self) -> None:
        self._models: WeakValueDictionary[tuple[str, str], Model] = WeakValueDictionary()

    def load(self, uri: str, fingerprint: str) -> Model:
        """Return the encoder of this fingerprint, read unless somebody holds it.

        Raises:
            ValueError: it cannot be loaded. Whether it is of this fingerprint is the caller's to check.
        """
        model = self._models.get((uri, fingerprint))
        if model is None:
            model = Model(uri)
            self._models[uri, model.fingerprint] = model
        return model


def probe_rasters(size: int) -> list[Raster]:
    """Return the canonical rasters of the example sketches, each uint8 (size, size)."""
    return [draw(Strokes.from_json(example.strokes), size) for example in examples()]
