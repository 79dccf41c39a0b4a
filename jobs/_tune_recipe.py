"""The best trial as a recipe: a file that ``python -m jobs.train --recipe FILE`` takes."""

from collections.abc import Sequence
from typing import Any

import yaml

from jobs._train_config import TrainConfig
from jobs._tune_space import Point, at_point
from sketchray.config import Config


def best_recipe(original: TrainConfig, point: Point, *, says: Sequence[str]) -> str:
    """Return the recipe of the final run, with every value that is no default.

    It trains on all seen classes: what the search held out, it held out to choose.

    Args:
        original: the training section that the search started from.
        point: the values to train with.
        says: lines of comment, at its top.
    """
    config = at_point(original, point)
    final = config.model_copy(update={"data": config.data.model_copy(update={"held_out": 0}), "validate_per_class": 0})
    if final.ship == "best":  # which needs held-out classes
        final = final.model_copy(update={"ship": "last"})
    train = stated(final, TrainConfig())
    sections = {"data": train.pop("data", {"reader": final.data.reader}), "train": train}
    comment = "".join(f"# {line}\n" for line in says)
    return comment + yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=120)


def stated(config: Config, default: Config) -> dict[str, Any]:
    """Return, nested, the plain values in which a configuration differs from another of its class."""
    differs = {}
    for name, plain in config.model_dump(mode="json").items():
        value, other = getattr(config, name), getattr(default, name)
        if value != other:
            differs[name] = stated(value, other) if isinstance(value, Config) and type(value) is type(other) else plain
    return differs
