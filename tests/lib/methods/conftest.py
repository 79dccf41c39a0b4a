"""A small RPKD run that any process can rebuild: five classes of random pictures."""

import pytest
import torch
from torch import Tensor

from sketchray.encoders import EncoderConfig
from sketchray.methods import RPKD, Batch, create_method

N_CLASSES, SIDE = 5, 32


def pictures(n: int, seed: int) -> Tensor:
    return torch.randint(0, 256, (n, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


class SmallRun:
    """Builds methods, class photos and batches that depend on nothing but their arguments."""

    def method(self, *, dim: int | None = 8, dtype: torch.dtype = torch.float64, **options: object) -> RPKD:
        """Return a prepared RPKD on the tiny backbone."""
        torch.manual_seed(0)
        encoder = EncoderConfig(backbone="tiny-test", dim=dim, image_size=SIDE)
        method = create_method("rpkd", classes=list("abcde"), encoder=encoder, **{"frozen_stages": 1, **options})
        assert isinstance(method, RPKD)
        method.to(dtype).prepare([(pictures(10, 1), torch.arange(10) % N_CLASSES)])
        return method

    def batch(self, step: int, *, rank: int = 0, ranks: int = 1, rows: int = 4) -> Batch:
        """Return a rank's part of the global batch of a step."""
        part = slice(rank * rows // ranks, (rank + 1) * rows // ranks)
        sketch_labels_B, photo_labels_B = (torch.arange(rows) + step) % 3, (2 * torch.arange(rows) + step) % 4
        return Batch(
            sketches=pictures(rows, 100 + step)[part],
            sketch_labels=sketch_labels_B[part],
            sketch_ids=[f"sketch-{step}-{i}" for i in range(rows)][part],
            photos=pictures(rows, 200 + step)[part],
            photo_labels=photo_labels_B[part],
            photo_ids=[f"photo-{step}-{i}" for i in range(rows)][part],
        )


@pytest.fixture
def small() -> SmallRun:
    return SmallRun()
