"""The search space: a distribution for each dotted key of a training configuration, checked before anything starts."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, model_validator

from jobs._train_config import TrainConfig
from sketchray.config import Config, ConfigError, build_config, override
from sketchray.methods.registry import method_config

Scalar = bool | int | float | str | None
Value = Scalar | list[Scalar]
Point = dict[str, Value]  # one trial's values by dotted key

FORMS = "{uniform: [low, high]}, {loguniform: [low, high]}, {integer: [low, high]} or {choice: [...]}"
# What makes trials comparable, as the samples that are learnt from and measured on, and what changes no trial.
FIXED = ("data", "resources", "validate_per_class", "calibrate_per_class", "ship", "tracking")
DIGITS = 4
ABSENT = object()


class Domain(Config):
    """What one key may be; exactly one of the forms is given.

    Attributes:
        uniform: a number between two.
        loguniform: a number between two positive ones, uniform in its logarithm.
        integer: a whole number between two, both included.
        choice: one of these, each a plain value or a list of them.
    """

    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None
    integer: tuple[int, int] | None = None
    choice: tuple[Value, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "Domain":
        if len(self.model_fields_set) != 1:
            raise ValueError(f"one form is to be given: {FORMS}")
        for bounds in (self.uniform, self.loguniform, self.integer):
            if bounds is not None and not bounds[0] < bounds[1]:
                raise ValueError(f"the lower bound {bounds[0]} is not below the upper bound {bounds[1]}")
        if self.loguniform is not None and self.loguniform[0] <= 0:
            raise ValueError("loguniform: bounds are above 0")
        return self

    @property
    def ends(self) -> tuple[Value, ...]:
        """Both bounds, or every choice."""
        return self.choice or self.uniform or self.loguniform or self.integer or ()

    def distribution(self) -> Any:
        """Return Optuna's distribution: of the value, or of a choice's place in the list of them."""
        from optuna import distributions

        if self.choice is not None:
            return distributions.CategoricalDistribution(range(len(self.choice)))
        if self.integer is not None:
            return distributions.IntDistribution(*self.integer)
        low, high = self._bounds()
        return distributions.FloatDistribution(low, high, log=self.loguniform is not None)

    def value_of(self, drawn: Any) -> Value:
        """Return the value that Optuna drew: with four significant digits, and still within the bounds."""
        if self.choice is not None:
            return self.choice[int(drawn)]
        if not isinstance(drawn, float):
            return int(drawn)
        low, high = self._bounds()
        return min(max(float(f"{drawn:.{DIGITS}g}"), low), high)

    def drawn_as(self, value: Value) -> Any:
        """Return what Optuna would have drawn for a value, None where it would not have drawn it."""
        if self.choice is not None:
            return self.choice.index(value) if value in self.choice else None
        low, high = self._bounds()
        number = isinstance(value, int if self.integer else int | float) and not isinstance(value, bool)
        return value if number and low <= value <= high else None  # type: ignore[operator]  # it is a number

    def _bounds(self) -> tuple[float, float]:
        bounds = self.integer or self.loguniform or self.uniform
        assert bounds is not None, "a choice has no bounds"
        return bounds


Space = dict[str, Domain]


def read_space(space: Mapping[str, Any], base: TrainConfig) -> Space:
    """Return the domain of every dotted key.

    Args:
        space: as a recipe states it, ``{method.inst: {loguniform: [0.01, 1]}}`` or, as overrides make it, nested.
        base: what the trials have in common; every end of every domain is tried on it.

    Raises:
        ConfigError: no space, no such key (with the nearest known one), a value that the key cannot have, not a
            distribution, or a key that all trials have to share.
    """
    domains = {key: build_config(Domain, value, where=f"space.{key}.") for key, value in _leaves(space)}
    if not domains:
        raise ConfigError(f"space: no key to search over; give some, as space.method.inst=FORM, where FORM is {FORMS}")
    for key, domain in domains.items():
        if key.partition(".")[0] in FIXED:
            raise ConfigError(f"space.{key}: all trials share {', '.join(FIXED)}, or they could not be compared")
        for value in domain.ends:
            try:
                at_point(base, {key: value})
            except ConfigError as error:
                raise ConfigError(f"space.{key}: {error}") from error
    return domains


def at_point(base: TrainConfig, point: Point) -> TrainConfig:
    """Return a trial's configuration.

    Raises:
        ConfigError: an unknown key, or a value that it cannot have.
    """
    config = override(base, point)
    options = dict(config.method)
    method_config(options.pop("name", ""), **options)
    return config


def present_point(base: TrainConfig, space: Space) -> Point:
    """Return what the keys of a space are without any search; a key that the method does not have is left out."""
    options = dict(base.method)
    method = method_config(options.pop("name", ""), **options)
    values = {key: _value(base, method, key.split(".")) for key in space}
    return {key: value for key, value in values.items() if value is not ABSENT}


def _value(base: TrainConfig, method: Config, path: list[str]) -> Any:
    if path == ["method", "name"]:
        return base.method["name"]
    found: Any = method if path[0] == "method" else base
    for name in path[1:] if path[0] == "method" else path:
        found = getattr(found, name, ABSENT)
    return found


def _leaves(space: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in space.items():
        key = f"{prefix}{name}"
        if not isinstance(value, Mapping):
            raise ConfigError(f"space.{key}: {value!r} is not a distribution; it is {FORMS}")
        if value.keys() & Domain.model_fields.keys():
            yield key, value
        else:
            yield from _leaves(value, f"{key}.")
