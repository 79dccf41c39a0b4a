"""The encoder deployment: canonical sketch rasters to unit vectors, many requests a forward pass."""

import asyncio

import numpy as np
import numpy.typing as npt
from ray import serve

from serve.threads import numeric_pool
from sketchray.gallery import Gallery

MAX_BATCH = 16


class SketchEncoder:
    """One replica of the query encoder.

    Args:
        gallery: the gallery version whose encoder to load.
        threads: torch threads of one replica.

    Raises:
        ValueError: the encoder that the manifest names cannot be loaded, or is no longer the one that made the gallery.
    """

    def __init__(self, gallery: Gallery, *, threads: int) -> None:
        from sketchray.encoders import load_encoder

        self._pool = numeric_pool("encoder", threads)
        self._encoder = load_encoder(gallery.manifest.encoder.uri).eval()
        gallery.check_encoder(self._encoder.fingerprint)
        size = self._encoder.config.image_size
        self._pool.submit(self._forward, np.zeros((1, 3, size, size), np.uint8)).result()  # the first pass is slow

    async def image_size(self) -> int:
        """Return the side of the pictures that `embed` takes, in pixels."""
        return self._encoder.config.image_size

    # No waiting on purpose: what arrives while a batch runs forms the next, and a lone query goes at once.
    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0.0)
    async def embed(self, images: list[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.float32]]:
        """Embed sketches.

        Args:
            images: each uint8 (3, size, size), from ``prepare_sketch``.

        Returns:
            One float32 (dim,) unit vector each.
        """
        loop = asyncio.get_running_loop()
        return list(await loop.run_in_executor(self._pool, self._forward, np.stack(images)))

    def _forward(self, images_B3HW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            photo_B = torch.zeros(len(images_B3HW), dtype=torch.bool)
            vectors_BD: npt.NDArray[np.float32] = self._encoder(torch.from_numpy(images_B3HW), photo_B).numpy()
        return vectors_BD
