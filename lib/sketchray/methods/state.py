"""The state of a training run as files: safetensors and JSON, no pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor
from torch.amp import GradScaler
from torch.optim import Optimizer

from sketchray.methods.base import Method

METHOD, OPTIMIZERS, STATE = "method.safetensors", "optimizers.safetensors", "state.json"


def save_state(
    folder: Path,
    method: Method,
    optimizers: Mapping[str, Optimizer],
    *,
    step: int,
    scaler: GradScaler | None = None,
) -> None:
    """Write everything that `load_state` needs to go on.

    Args:
        folder: exists; files of these names in it are replaced.
        method: its frozen reloadable weights are left out.
        optimizers: by name.
        step: the next step to do.
        scaler: of the loss, for a run in fp16.
    """
    weights = {name: t for name, t in method.state_dict().items() if not name.startswith(method.reloadable)}
    moments: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        numbers: dict[str, dict[str, Any]] = {}
        for index, entries in state["state"].items():
            for key, value in entries.items():
                if isinstance(value, Tensor):
                    moments[f"{name}/{index}/{key}"] = value
                else:
                    numbers.setdefault(str(index), {})[key] = value
        plain[name] = {"param_groups": state["param_groups"], "numbers": numbers}
    _write_tensors(folder / METHOD, weights)
    _write_tensors(folder / OPTIMIZERS, moments)
    scale = scaler.state_dict() if scaler is not None else {}
    (folder / STATE).write_text(json.dumps({"step": step, "optimizers": plain, "scaler": scale}))


def load_state(
    folder: Path, method: Method, optimizers: Mapping[str, Optimizer], *, scaler: GradScaler | None = None
) -> int:
    """Bring a method, its optimisers and its loss scaler to where `save_state` left them.

    Args:
        folder: what `save_state` wrote.
        method: built as the saved one was.
        optimizers: fresh ones of that method.
        scaler: a fresh one, for a run in fp16.

    Returns:
        The next step to do.

    Raises:
        ValueError: a file is missing or damaged, or belongs to another method or configuration.
    """
    try:
        weights = safetensors.torch.load((folder / METHOD).read_bytes())
        moments = safetensors.torch.load((folder / OPTIMIZERS).read_bytes())
        state = json.loads((folder / STATE).read_text())
        step, plain = int(state["step"]), state["optimizers"]
        _load_method(method, weights)
        if set(plain) != set(optimizers):
            raise RuntimeError(f"optimisers {sorted(plain)}, not {sorted(optimizers)}")
        for name, optimizer in optimizers.items():
            _load_optimizer(name, optimizer, plain[name], moments)
        if scaler is not None:
            scaler.load_state_dict(state.get("scaler", {}))  # an enabled one refuses what a disabled one saved
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise ValueError(f"{folder}: no training state that fits this method ({error})") from error
    return step


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    path.write_bytes(safetensors.torch.save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}))


def _load_method(method: Method, weights: dict[str, Tensor]) -> None:
    outcome = method.load_state_dict(weights, strict=False)
    missing = [name for name in outcome.missing_keys if not name.startswith(method.reloadable)]
    if missing or outcome.unexpected_keys:
        raise RuntimeError(f"missing {missing}, unknown {outcome.unexpected_keys}")


def _load_optimizer(name: str, optimizer: Optimizer, plain: dict[str, Any], moments: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in plain["numbers"].items()}
    for key, value in moments.items():
        owner, index, entry = key.split("/")
        if owner == name:
            state.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": plain["param_groups"]})
