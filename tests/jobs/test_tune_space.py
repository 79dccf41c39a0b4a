"""The search space: what may be in it, and what Optuna draws and remembers of it."""

from typing import Any

import pytest

from jobs._cli import recipe_path
from jobs._train_config import TrainConfig
from jobs._tune_config import TuneConfig
from jobs._tune_proposals import propose
from jobs._tune_space import at_point, present_point, read_space
from sketchray.config import ConfigError, load_config
from sketchray.methods.registry import method_config

BASE = TrainConfig.model_validate({"method": {"name": "rpkd", "warmup": 1}, "steps": 4})


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "no key to search over"),
        ({"method.inzt": {"uniform": [0, 1]}}, r"method\.inzt; did you mean method\.inst"),
        ({"stps": {"choice": [3]}}, "unknown key stps; did you mean steps"),
        ({"method.inst": {"uniform": [-1, 1]}}, r"space\.method\.inst: .*greater than or equal to 0 \(got -1\.0\)"),
        ({"steps": {"choice": [10, "many"]}}, "many"),
        ({"steps": {"integer": [10, 10]}}, "not below"),
        ({"method.lr": {"loguniform": [0, 1]}}, "above 0"),
        ({"method.lr": {"uniform": [0, 1], "choice": [1]}}, "one form"),
        ({"method.lr": {"unifrom": [0, 1]}}, r"method\.lr\.unifrom: .* is not a distribution; it is \{uniform"),
        ({"method.lr": 0.1}, "not a distribution"),
        ({"data.held_out": {"integer": [2, 4]}}, "all trials share data"),
        ({"method.name": {"choice": ["rpdk"]}}, "unknown method 'rpdk'"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_by_key(space: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_space(space, BASE)


def test_an_override_replaces_the_recipes_domain_of_a_key() -> None:
    recipe = {"method.lr": {"uniform": [0.1, 0.2]}, "method.inst": {"choice": [0.1, 1]}}
    space = read_space(recipe | {"method": {"lr": {"loguniform": [0.001, 1]}}}, BASE)
    assert {key: domain.ends for key, domain in space.items()} == {"method.lr": (0.001, 1), "method.inst": (0.1, 1)}


@pytest.mark.parametrize("method", ["finetune", "rpkd", "clusterretri", "sbka", "ama"])
def test_each_methods_recipe_for_tiny_51_has_a_space_that_can_be_searched(method: str) -> None:
    recipe = recipe_path(f"{method}-tiny51")
    search = load_config(TuneConfig, verb="tune", recipe=recipe)
    assert search.train.steps == load_config(TrainConfig, verb="train", recipe=recipe).steps
    assert search.grace_steps == search.train.checkpoint_every
    space = read_space(search.space, search.train)
    assert {"method.lr"} < space.keys()
    assert present_point(search.train, space).keys() == space.keys()


def test_the_recipes_own_values_are_a_point_too() -> None:
    base = TrainConfig(method={"name": "rpkd", "inst": 0.5}, steps=4)
    forms: dict[str, Any] = {"method.lr": {"loguniform": [1e-4, 1]}, "method.inst": {"uniform": [0, 1]}}
    space = read_space(forms | {"steps": {"integer": [2, 9]}, "method.name": {"choice": ["rpkd"]}}, base)
    point = present_point(base, space)
    assert point == {"method.lr": 2e-4, "method.inst": 0.5, "steps": 4, "method.name": "rpkd"}
    assert create(at_point(base, point)) == create(base)


def create(fit: TrainConfig) -> Any:
    options = dict(fit.method)
    return method_config(options.pop("name"), **options)


def test_a_value_keeps_four_digits_and_stays_within_its_domain() -> None:
    forms: dict[str, Any] = {"method.lr": {"loguniform": [0.00123416, 0.5]}, "method.warmup": {"integer": [1, 9]}}
    space = read_space(forms | {"method.sketch_teacher": {"choice": ["class", "itself"]}}, BASE)
    rate, warmup, teacher = space.values()
    assert [rate.value_of(drawn) for drawn in (0.00123418, 0.0123456)] == [0.00123416, 0.01235]
    assert [rate.drawn_as(value) for value in (0.00123416, 0.5, 0.6, "a", None)] == [0.00123416, 0.5, None, None, None]
    assert (warmup.value_of(3), warmup.drawn_as(9), warmup.drawn_as(2.5)) == (3, 9, None)
    assert (teacher.value_of(1), teacher.drawn_as("class"), teacher.drawn_as("it")) == ("itself", 0, None)


def test_a_choice_may_be_of_lists() -> None:
    base = TrainConfig(method={"name": "ama"})
    space = read_space({"method.granularities": {"choice": [[8, 16], [4, 8, 16]]}}, base)
    drawn = [propose(space, seed=seed, number=1, known=[]) for seed in range(8)]
    assert {str(point["method.granularities"]) for point in drawn} == {"[8, 16]", "[4, 8, 16]"}
    assert at_point(base, drawn[0]).method == {"name": "ama"} | {"granularities": drawn[0]["method.granularities"]}
