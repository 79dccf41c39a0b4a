"""One optimiser step, for the Ray job and for a plain loop alike, and the state that carries it over a restart."""

import dataclasses
import math
from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from sketchray.methods.base import Batch, Method
from sketchray.methods.state import load_state, save_state

__all__ = ["load_state", "save_state", "train_step"]


def train_step(
    model: Method | DistributedDataParallel,
    batch: Batch,
    optimizers: Mapping[str, Optimizer],
    *,
    step: int,
    total: int,
) -> dict[str, float]:
    """Do one optimiser step on this rank's part of a global batch.

    Args:
        model: a method, or the method wrapped for several ranks.
        batch: this rank's samples.
        optimizers: the method's own (`Method.optimizers`).
        step: global step, from 0.
        total: steps of the whole run; both set the learning rate.

    Returns:
        The loss terms over the global batch, the same on every rank.

    Raises:
        FloatingPointError: the loss is not finite; nothing was updated.
    """
    method = model.module if isinstance(model, DistributedDataParallel) else model
    assert isinstance(method, Method)
    factor = method.lr_factor(step, total)
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])
        optimizer.zero_grad(set_to_none=True)
    terms = model(dataclasses.replace(batch, step=step))
    values = _over_ranks({name: term.detach() for name, term in terms.items()})
    if not all(map(math.isfinite, values.values())):
        raise FloatingPointError(f"step {step}: the loss is not finite: {values}")
    terms["loss"].backward()
    resting = method.resting(step)
    for name, optimizer in optimizers.items():
        if name not in resting:
            optimizer.step()
    method.after_step(step)
    return values


def _over_ranks(terms: dict[str, Tensor]) -> dict[str, float]:
    stacked_T = torch.stack(list(terms.values()))
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(stacked_T)
        stacked_T /= dist.get_world_size()
    return dict(zip(terms, stacked_T.tolist(), strict=True))
