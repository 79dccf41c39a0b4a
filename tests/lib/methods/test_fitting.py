"""Steps and their state: rates, refusals, and a run that goes on as if it had never stopped."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sketchray.config import ConfigError
from sketchray.encoders import EncoderConfig
from sketchray.methods import create_method, list_methods
from sketchray.methods.fitting import load_state, save_state, train_step


def fit(small: Any, method: Any, optimizers: Any, steps: range) -> list[dict[str, float]]:
    return [train_step(method, small.batch(s), optimizers, step=s, total=6) for s in steps]


def test_methods_are_listed_and_an_unknown_one_is_refused() -> None:
    assert "rpkd" in list_methods()
    with pytest.raises(ConfigError, match=r"method\.name: unknown method 'sake'; known: .*rpkd"):
        create_method("sake", classes=["cat", "cup"], encoder=EncoderConfig(backbone="tiny-test", dim=4))


def test_a_step_lowers_the_loss_and_sets_the_rate_of_each_group(small: Any) -> None:
    method = small.method(lr=1e-3, head_lr=1e-2, warmup=1)
    optimizers = method.optimizers(6)
    first = train_step(method, small.batch(0), optimizers, step=0, total=6)
    for step in range(1, 6):
        last = train_step(method, small.batch(0), optimizers, step=step, total=6)
    assert last["loss"] < first["loss"]
    rates = [group["lr"] for group in optimizers["student"].param_groups]
    assert rates == pytest.approx([1e-3 * method.lr_factor(5, 6), 1e-2 * method.lr_factor(5, 6)])


def test_a_loss_that_is_not_finite_stops_before_the_update(small: Any) -> None:
    method = small.method()
    method.classifier.prototypes_Cd.data[0, 0] = torch.nan
    before = [p.clone() for p in method.student.parameters()]
    with pytest.raises(FloatingPointError, match="step 7: the loss is not finite"):
        train_step(method, small.batch(0), method.optimizers(9), step=7, total=9)
    assert all(torch.equal(p, q) for p, q in zip(method.student.parameters(), before, strict=True))


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(small: Any, tmp_path: Path, ema: float) -> None:
    unbroken = small.method(ema=ema, dtype=torch.float32)
    log = fit(small, unbroken, optimizers := unbroken.optimizers(6), range(3))
    save_state(tmp_path, unbroken, optimizers, step=3)
    log = fit(small, unbroken, optimizers, range(3, 6))

    torch.manual_seed(99)
    resumed = create_method("rpkd", classes=list("abcde"), encoder=unbroken.student.config, ema=ema, frozen_stages=1)
    fresh = resumed.optimizers(6)
    assert load_state(tmp_path, resumed, fresh) == 3
    assert fit(small, resumed, fresh, range(3, 6)) == log
    assert all(torch.equal(t, resumed.state_dict()[name]) for name, t in unbroken.state_dict().items())


def test_the_frozen_teacher_is_not_in_the_state(small: Any, tmp_path: Path) -> None:
    method = small.method()
    save_state(tmp_path, method, method.optimizers(6), step=0)
    assert b"teacher." not in (tmp_path / "method.safetensors").read_bytes()


def test_a_state_that_is_damaged_or_of_another_method_is_refused(small: Any, tmp_path: Path) -> None:
    method = small.method()
    optimizers = method.optimizers(6)
    fit(small, method, optimizers, range(1))
    with pytest.raises(ValueError, match=r"no training state that fits .*method\.safetensors"):
        load_state(tmp_path, method, optimizers)
    save_state(tmp_path, method, optimizers, step=1)
    for other in (small.method(dim=6), small.method(inst=0), small.method(ema=0.5)):
        with pytest.raises(ValueError, match="no training state that fits this method"):
            load_state(tmp_path, other, other.optimizers(6))
    state = json.loads((tmp_path / "state.json").read_text())
    state["optimizers"]["second"] = state["optimizers"].pop("student")
    (tmp_path / "state.json").write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"optimisers \['second'\], not \['student'\]"):
        load_state(tmp_path, method, optimizers)
    weights = (tmp_path / "method.safetensors").read_bytes()
    (tmp_path / "method.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ValueError, match="no training state that fits this method"):
        load_state(tmp_path, method, optimizers)
