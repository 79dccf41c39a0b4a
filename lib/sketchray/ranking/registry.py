"""Rankers by name."""

from typing import Any, Protocol, TypeVar

from sketchray.config import Config, ConfigError, build_config
from sketchray.ranking.base import Ranker

Config_contra = TypeVar("Config_contra", bound=Config, contravariant=True)


class RankerClass(Protocol[Config_contra]):
    """How a ranker is built: what `register_ranker` takes."""

    def __call__(self, config: Config_contra) -> Ranker:
        """Build the ranker."""


_RANKERS: dict[str, tuple[RankerClass[Any], type[Config]]] = {}


def register_ranker(name: str, ranker: RankerClass[Config_contra], config: type[Config_contra]) -> None:
    """Add a ranker and its configuration class under a name."""
    _RANKERS[name] = (ranker, config)


def list_rankers() -> list[str]:
    """Return the names that `create_ranker` knows."""
    return sorted(_RANKERS)


def ranker_config(name: str, **options: Any) -> Config:
    """Return a ranker's whole configuration, defaults filled in.

    Raises:
        ConfigError: as `create_ranker`.
    """
    if name not in _RANKERS:
        raise ConfigError(f"ranking.name: unknown ranker {name!r}; known: {', '.join(list_rankers())}")
    return build_config(_RANKERS[name][1], options, where="ranking.")


def create_ranker(name: str, **options: Any) -> Ranker:
    """Build a ranker.

    Args:
        name: one of `list_rankers()`.
        options: the ranker's own configuration.

    Raises:
        ConfigError: unknown ranker, or an option it does not have or cannot use.

    Example:
        >>> create_ranker("nearest").transductive
        False
    """
    config = ranker_config(name, **options)
    return _RANKERS[name][0](config)
