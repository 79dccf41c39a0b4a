"""Methods by name."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from sketchray.config import Config, ConfigError, build_config
from sketchray.encoders import EncoderConfig
from sketchray.methods.base import Method

Config_contra = TypeVar("Config_contra", bound=Config, contravariant=True)


class MethodClass(Protocol[Config_contra]):
    """How a method is built: what `register_method` takes."""

    def __call__(self, *, classes: Sequence[str], encoder: EncoderConfig, config: Config_contra) -> Method:
        """Build the method for these seen classes."""


_METHODS: dict[str, tuple[MethodClass[Any], type[Config]]] = {}


def register_method(name: str, method: MethodClass[Config_contra], config: type[Config_contra]) -> None:
    """Add a method and its configuration class under a name."""
    _METHODS[name] = (method, config)


def list_methods() -> list[str]:
    """Return the names that `create_method` knows."""
    return sorted(_METHODS)


def create_method(name: str, *, classes: Sequence[str], encoder: EncoderConfig, **options: Any) -> Method:
    """Build a method; seed torch first, since heads start at random.

    Args:
        name: one of `list_methods()`.
        classes: the seen classes' words; a label is a place in them.
        encoder: the student.
        options: the method's own configuration.

    Raises:
        ConfigError: unknown method, or an option it does not have or cannot use.
    """
    config = method_config(name, **options)
    return _METHODS[name][0](classes=classes, encoder=encoder, config=config)


def method_config(name: str, **options: Any) -> Config:
    """Return a method's configuration without building the method: what checks a recipe's ``method`` quickly.

    Raises:
        ConfigError: as `create_method`.
    """
    if name not in _METHODS:
        raise ConfigError(f"method.name: unknown method {name!r}; known: {', '.join(list_methods())}")
    return build_config(_METHODS[name][1], options, where="method.")
