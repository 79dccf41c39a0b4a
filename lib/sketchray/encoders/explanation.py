"""Which parts of a sketch and of a picture matched: the score, split over their places.

The features of a convolutional network are the mean of its last maps, and all that follows up to the normalisation is
linear. So each embedding is a sum over places, and the cosine of two is a sum over pairs of places (S. Zhu, T. Yang and
C. Chen, "Visual Explanation for Deep Metric Learning", IEEE Transactions on Image Processing 2021: its activation
decomposition, and the point-to-point maps; for one side alone before them A. Stylianou, R. Souvenir and R. Pless,
"Visualizing Deep Similarity Networks", WACV 2019). Nothing is left over and nothing is fitted.

Shapes: h x w places of the sketch or the photo, d the embedding.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sketchray.data.transforms import Picture
from sketchray.encoders.encoder import Encoder

Places = NDArray[np.float64]
SHORTEST = 1e-12  # below it normalising divides by this, as torch's does


@dataclass(frozen=True)
class Explanation:
    """The cosine of a sketch and a photo in its parts.

    Attributes:
        sketch_hwd: what each place of the sketch adds to its unit vector.
        photo_hwd: the same for the photo. The two grids are of one size.
        exact: the network has such parts by nature; otherwise the sum is right, and which place has which part of it is
            the assumption of its `feature_map`.
    """

    sketch_hwd: Places
    photo_hwd: Places
    exact: bool

    @property
    def score(self) -> float:
        """The cosine: the sum of all pairs."""
        return float(self.sketch_hwd.sum((0, 1)) @ self.photo_hwd.sum((0, 1)))

    def sketch(self) -> Places:
        """Return the share (h, w) that each place of the sketch has in the score: its pairs with the whole photo.

        Shares sum to the score; where a place speaks against the match, its share is negative.
        """
        return np.asarray(self.sketch_hwd @ self.photo_hwd.sum((0, 1)))

    def photo(self) -> Places:
        """Return the share (h, w) of each place of the photo, as `sketch` does."""
        return np.asarray(self.photo_hwd @ self.sketch_hwd.sum((0, 1)))

    def pairs(self) -> Places:
        """Return the share of every pair, (h, w) of the sketch by (h, w) of the photo."""
        pairs: Places = np.einsum("abd,cxd->abcx", self.sketch_hwd, self.photo_hwd)
        return pairs


def explain(encoder: Encoder, sketch_3HW: Picture, photo_3HW: Picture) -> Explanation:
    """Split the score of a sketch and a photo over their places.

    Args:
        encoder: of both.
        sketch_3HW: uint8, from ``prepare_sketch`` at the encoder's size.
        photo_3HW: uint8, from ``prepare_photo``.

    Returns:
        The parts, in float64.
    """
    images_23HW = torch.from_numpy(np.stack([sketch_3HW, photo_3HW]))
    images_23HW = images_23HW.to(next(encoder.parameters()).device)
    with torch.inference_mode():
        photo_2 = torch.tensor([False, True], device=images_23HW.device)
        z_2hwd = encoder.local_features(images_23HW, photo_2).movedim(1, -1).double().cpu().numpy()
    lengths_2 = np.linalg.norm(z_2hwd.mean((1, 2)), axis=-1).clip(min=SHORTEST)
    places = z_2hwd.shape[1] * z_2hwd.shape[2]
    sketch_hwd, photo_hwd = (z_hwd / (places * length) for z_hwd, length in zip(z_2hwd, lengths_2, strict=True))
    return Explanation(sketch_hwd, photo_hwd, exact=encoder.backbone.mean_pooled)
