"""One optimiser step, for the Ray job and for a plain loop alike, and the state that carries it over a restart."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.amp import GradScaler
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from sketchray.methods.base import Batch, Method
from sketchray.methods.compute import ComputeConfig
from sketchray.methods.state import load_state, save_state

__all__ = ["load_state", "save_state", "train_step"]


PLAIN = ComputeConfig()


def train_step(
    model: Method | DistributedDataParallel,
    batch: Batch,
    optimizers: Mapping[str, Optimizer],
    *,
    step: int,
    total: int,
    compute: ComputeConfig = PLAIN,
    scaler: GradScaler | None = None,
) -> dict[str, float]:
    """Do one optimiser step on this rank's part of a global batch.

    Args:
        model: a method, or the method wrapped for several ranks.
        batch: this rank's samples.
        optimizers: the method's own (`Method.optimizers`).
        step: global step, from 0.
        total: steps of the whole run; both set the learning rate.
        compute: how the step is computed.
        scaler: ``compute.scaler(device)``, the same for all steps of a run; fp16 needs it.

    Returns:
        The loss terms over the global batch, the same on every rank; where gradients are clipped, ``grad_norm`` as it
        was before, and in fp16 ``loss_scale``. A step whose gradients overflow in fp16 updates nothing: its
        ``grad_norm`` is 0, and the scale falls.

    Raises:
        FloatingPointError: the loss is not finite, or the gradient to be clipped is not; nothing was updated.
    """
    method = model.module if isinstance(model, DistributedDataParallel) else model
    assert isinstance(method, Method)
    factor = method.lr_factor(step, total)
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])
        optimizer.zero_grad(set_to_none=True)
    with compute.within(method):
        terms = model(dataclasses.replace(batch, step=step))
    values = _over_ranks({name: term.detach() for name, term in terms.items()})
    if not all(map(math.isfinite, values.values())):
        raise FloatingPointError(f"step {step}: the loss is not finite: {values}")
    scaler = scaler or GradScaler(enabled=False)
    scaler.scale(terms["loss"]).backward()
    resting = method.resting(step)
    awake = [optimizer for name, optimizer in optimizers.items() if name not in resting]
    values |= _update(awake, scaler, compute.clip_norm, step=step)
    method.after_step(step)
    return values


def _update(
    optimizers: Sequence[Optimizer], scaler: GradScaler, clip_norm: float | None, *, step: int
) -> dict[str, float]:
    """Let the optimisers step on the gradients there are; return what is worth logging of it."""
    values = {}
    if clip_norm is not None:
        for optimizer in optimizers:
            scaler.unscale_(optimizer)
        groups = (group for optimizer in optimizers for group in optimizer.param_groups)
        norm = float(clip_grad_norm_([p for group in groups for p in group["params"]], clip_norm))
        if not math.isfinite(norm) and not scaler.is_enabled():
            raise FloatingPointError(f"step {step}: the gradient is not finite")
        values["grad_norm"] = norm if math.isfinite(norm) else 0.0
    for optimizer in optimizers:
        scaler.step(optimizer)
    scaler.update()
    return values | ({"loss_scale": scaler.get_scale()} if scaler.is_enabled() else {})


def _over_ranks(terms: dict[str, Tensor]) -> dict[str, float]:
    stacked_T = torch.stack(list(terms.values()))
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(stacked_T)
        stacked_T /= dist.get_world_size()
    return dict(zip(terms, stacked_T.tolist(), strict=True))
