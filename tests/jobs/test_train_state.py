"""A run's state: interrupted and uninterrupted losses are the same numbers, and the best checkpoint can be shipped."""

from pathlib import Path
from typing import Any

import pytest
import torch

from jobs._checkpoints import Checkpoints
from jobs._train_config import TrainConfig
from jobs._train_state import TrainState
from sketchray.config import ConfigError
from sketchray.methods import Batch
from sketchray.methods.fitting import train_step
from sketchray.storage import open_store

CLASSES = list("abcd")
CPU = torch.device("cpu")


class Rank:
    """The only rank of a run of six steps, without Ray; a checkpoint after every second step."""

    def __init__(self, store: Path, method: str, scores: tuple[float, ...] = ()) -> None:
        encoder = {"backbone": "tiny-test", "image_size": 32, "dim": 8}
        self.config = TrainConfig.model_validate({"encoder": encoder, "method": {"name": method}, "steps": 6})
        self.scores, criterion = scores, "val/score" if scores else None
        self.checkpoints = Checkpoints(open_store(str(store)), criterion=criterion)
        self.method = self.config.create(CLASSES)
        self.optimizers = self.method.optimizers(6)
        self.scaler = self.config.compute.scaler(CPU)
        self.state = TrainState(self.method, self.optimizers, self.scaler, checkpoints=self.checkpoints, rank=0)
        restored = self.state.restore()
        if restored is None:
            self.method.prepare([(images(8, 0), torch.arange(8) % 4)])
        self.step = restored or 0

    def run(self, until: int = 6) -> None:
        while self.step < until:
            batch, compute = batch_of(self.step), self.config.compute
            terms = train_step(
                self.method, batch, self.optimizers, step=self.step, total=6, compute=compute, scaler=self.scaler
            )
            self.step += 1
            self.state.did_step(terms)
            if self.step % 2 == 0:
                self.state.save(self.step, {"val/score": self.scores[self.step // 2 - 1]} if self.scores else {})
        self.state.wait()

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.clone() for name, tensor in self.method.encoder.state_dict().items()}


def images(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator)


def batch_of(step: int) -> Batch:
    labels, ids = (torch.arange(4) + step) % 4, [f"{step}-{row}" for row in range(4)]
    return Batch(images(4, 10 + step), labels, ids, images(4, 20 + step), labels, ids)


def same(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("method", ["finetune", "rpkd", "clusterretri"])
def test_interrupted_and_uninterrupted_runs_have_the_same_losses(tmp_path: Path, method: str) -> None:
    whole, first = Rank(tmp_path / "whole", method), Rank(tmp_path / "cut", method)
    whole.run()
    first.run(until=3)  # the third step is lost
    second = Rank(tmp_path / "cut", method)
    assert second.step == 2
    second.run()
    assert second.checkpoints.curve() == whole.checkpoints.curve()
    assert len(whole.checkpoints.curve()) == 6
    assert same(second.weights(), whole.weights())


def test_the_best_is_what_a_run_goes_to_when_it_ships_it(tmp_path: Path) -> None:
    rank = Rank(tmp_path / "run", "finetune", scores=(0.2, 0.9, 0.4))
    rank.run(until=4)
    best = rank.weights()
    rank.run()
    assert not same(best, rank.weights())
    rank.state.go_to_best()
    assert same(best, rank.weights())


def test_a_batch_must_be_divisible_by_every_number_of_workers_it_may_meet() -> None:
    def said(**resources: int) -> str:
        config = TrainConfig.model_validate({"sketch_batch": 12, "photo_batch": 20, "resources": resources})
        with pytest.raises(ConfigError) as error:
            config.check()
        return str(error.value)

    TrainConfig.model_validate({"sketch_batch": 12, "resources": {"workers": 4, "min_workers": 1}}).check()
    assert said(workers=4, min_workers=2) == "photo_batch=20 cannot be divided by resources.workers=3"
    assert said(workers=5) == "sketch_batch=12 cannot be divided by resources.workers=5"
    assert said(workers=8, min_workers=6) == "sketch_batch=12 cannot be divided by resources.workers=7 or 8"
    assert said(workers=1, min_workers=2) == "resources.min_workers=2 is more than resources.workers=1"


def test_shipping_the_best_needs_a_criterion_and_names_another_run() -> None:
    with pytest.raises(ConfigError, match=r"ship=best needs validate_per_class above 0 and data\.held_out"):
        TrainConfig(ship="best").check()
    last, best = TrainConfig(validate_per_class=4), TrainConfig(validate_per_class=4, ship="best")
    best.check()
    assert last.run_id("abc") != best.run_id("abc")
