"""Configuration of a search, and what it makes of the dataset: held-out seen classes to select on."""

from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from jobs._tracking_config import NO_TRACKING
from jobs._train_config import TrainConfig
from jobs._train_data import class_names
from jobs._tune_space import Space
from sketchray.config import Config, ConfigError, digest
from sketchray.data.held_out import hold_out
from sketchray.data.samples import data_fingerprint


class TuneConfig(Config):
    """A search over training configurations. The same search on the same data is found again.

    Attributes:
        train: what the trials have in common: the recipe's training section.
        space: a distribution by dotted key of ``train``, as ``{method.inst: {loguniform: [0.01, 1]}}``.
        trials: how many configurations are tried; the first is the recipe's own, which the others are to beat.
        concurrent: how many at once; each takes what ``train.resources`` says.
        grace_steps: no trial is stopped before this step; None is the first checkpoint.
        reduction: of the trials that reach a rung (``grace_steps`` times a power of this), one in so many goes on.
        metric: what the held-out classes are measured by, one of the evaluator's names.
        held_out: share of the seen classes to hold out, where ``train.data.held_out`` does not state a number of them.
        validate_per_class: sketches and photos of each held-out class, at most.
        seed: of the search.
    """

    train: TrainConfig = TrainConfig()
    space: dict[str, Any] = Field(default_factory=dict)
    trials: int = Field(default=8, ge=1)
    concurrent: int = Field(default=2, ge=1)
    grace_steps: int | None = Field(default=None, ge=1)
    reduction: float = Field(default=2.0, gt=1)
    metric: Literal["map@all[plain]", "map@all[voc]", "map@200[min]", "p@100[k]", "p@200[k]"] = "map@all[plain]"
    held_out: float = Field(default=0.2, lt=1)
    validate_per_class: int = Field(default=20, ge=1)
    seed: int = 0

    @property
    def objective(self) -> str:
        """The metric under the name that training reports it by."""
        return f"val/{self.metric}"

    def base(self, samples: pa.Table) -> tuple[TrainConfig, pa.Table]:
        """Return (what the trials have in common, the rows that they may read: seen and held-out classes).

        Raises:
            ConfigError: nothing is to be held out, or too few classes are.
        """
        data = self.train.data
        if not data.held_out:
            if self.held_out <= 0:
                raise ConfigError(
                    "held_out=0 leaves only unseen classes to select on, which is never done here: "
                    "give a share of the seen classes, or their number as train.data.held_out"
                )
            seen = samples.filter(pc.equal(samples["split"], "seen"))
            count = max(2, round(self.held_out * len(class_names(seen))))
            data = data.model_copy(update={"held_out": count})
            samples = hold_out(samples, count, seed=data.held_out_seed)
        base = self.train.model_copy(
            update={
                "data": data,
                "validate_per_class": self.validate_per_class,
                "ship": "last",
                "tracking": NO_TRACKING,
            }
        )
        return base, samples.filter(pc.is_in(samples["split"], value_set=pa.array(["seen", "val"])))

    def asha(self, base: TrainConfig, space: Space) -> dict[str, Any]:
        """Return the arguments of Ray Tune's scheduler.

        Raises:
            ConfigError: ``grace_steps`` beyond the last step.
        """
        ends = space["steps"].ends if "steps" in space else (base.steps,)
        steps = int(max(end for end in ends if isinstance(end, int | float)))
        grace = self.grace_steps or min(base.checkpoint_every, steps)
        if grace > steps:
            raise ConfigError(f"grace_steps={grace}: a trial has no more than {steps} steps")
        return {"time_attr": "step", "max_t": steps, "grace_period": grace, "reduction_factor": self.reduction}

    def tune_id(self, base: TrainConfig, space: Space, samples: pa.Table) -> str:
        """Name the search: the same arguments on the same data give the same name, on any cluster."""
        own = self.model_dump(mode="json", include={"trials", "grace_steps", "reduction", "metric", "seed"})
        domains = {key: domain.model_dump(mode="json") for key, domain in space.items()}
        return digest(own | {"base": base.run_id(data_fingerprint(samples)), "space": domains})
