"""Small runs of any method that any process can rebuild: five classes of random pictures."""

from typing import NamedTuple

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from sketchray.encoders import EncoderConfig
from sketchray.methods import Batch, Method, create_method
from sketchray.methods.compute import ComputeConfig
from sketchray.methods.fitting import PLAIN, train_step

N_CLASSES, SIDE = 5, 32
STUDENT = {"frozen_stages": 1}
DEFAULTS = dict.fromkeys(("rpkd", "finetune", "clusterretri", "sbka", "bridge"), STUDENT)


def pictures(n: int, seed: int) -> Tensor:
    return torch.randint(0, 256, (n, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


class Steps(NamedTuple):
    """What some steps left: their terms, the first one's gradients, and the state at the end."""

    log: list[dict[str, float]]
    gradients: dict[str, Tensor]
    weights: dict[str, Tensor]


class SmallRun:
    """Builds methods, class photos and batches that depend on nothing but their arguments."""

    def method(
        self,
        name: str = "rpkd",
        *,
        dim: int | None = 8,
        sketch_norms: bool = False,
        dtype: torch.dtype = torch.float64,
        **options: object,
    ) -> Method:
        """Return a prepared method on the tiny backbone."""
        torch.manual_seed(0)
        encoder = EncoderConfig(backbone="tiny-test", dim=dim, image_size=SIDE, sketch_norms=sketch_norms)
        method = create_method(name, classes=list("abcde"), encoder=encoder, **{**DEFAULTS.get(name, {}), **options})
        method.to(dtype).prepare([(pictures(10, 1), torch.arange(10) % N_CLASSES)])
        return method

    def steps(
        self, method: Method, *, ranks: int = 1, first: int = 0, last: int = 3, compute: ComputeConfig = PLAIN
    ) -> Steps:
        """Train on this rank's part of the batches of some steps of a run of three."""
        rank = dist.get_rank() if ranks > 1 else 0
        model: Method | DistributedDataParallel = DistributedDataParallel(method) if ranks > 1 else method
        optimizers, log, gradients = method.optimizers(3), [], {}
        scaler = compute.scaler(torch.device("cpu"))
        for step in range(first, last):
            batch = self.batch(step, rank=rank, ranks=ranks)
            log.append(train_step(model, batch, optimizers, step=step, total=3, compute=compute, scaler=scaler))
            if step == first:
                gradients = {n: p.grad.clone() for n, p in method.named_parameters() if p.grad is not None}
        return Steps(log, gradients, {name: t.clone() for name, t in method.state_dict().items()})

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
