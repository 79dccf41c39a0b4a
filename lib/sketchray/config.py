"""Typed configuration: a keyword-only model beside each component, whole runs as recipes, dotted overrides.

A recipe is a YAML file whose top-level keys are the verbs (``train``, ``evaluate``, ``index``) and, beside them,
sections that several verbs share (``data``). A verb's configuration is its own section, laid over every shared section
it has a field for; where it holds another verb's configuration (``tune`` that of ``train``), the recipe's for that verb
comes with it.
"""

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from sketchray.storage import NotFound, read_uri


class ConfigError(ValueError):
    """A recipe or an override that cannot be used; the message names the key and what was expected."""


class Config(BaseModel):
    """Base of every component's configuration: keyword-only, immutable, unknown names refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


C = TypeVar("C", bound=Config)


def digest(value: Config | Mapping[str, Any]) -> str:
    """Return 16 hex digits that identify a configuration, independent of key order."""
    plain = value.model_dump(mode="json") if isinstance(value, Config) else value
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_config(
    cls: type[C],
    *,
    verb: str,
    recipe: Path | str | None = None,
    overrides: Sequence[str] = (),
    shared: Sequence[str] = ("data",),
    nested: Sequence[str] = ("train",),
) -> C:
    """Build a verb's configuration from a recipe file and ``key.sub=value`` overrides.

    Args:
        cls: the verb's configuration class.
        verb: the recipe section that belongs to it.
        recipe: a recipe file or its URI in a store, or None for the class's own defaults.
        overrides: dotted assignments; values are read as YAML (``3``, ``true``, ``[a, b]``, ``{k: v}``).
        shared: sections that any verb with a field of that name takes over.
        nested: verbs whose whole configuration any verb with a field of that name takes over.

    Raises:
        ConfigError: unknown key (with the nearest known one), malformed override, or a value of the wrong type.
    """
    values: dict[str, Any] = {}
    if recipe is not None:
        document = _read_yaml(recipe)
        inner = {name: cls.model_fields[name].annotation for name in nested if name in cls.model_fields}
        values = {name: _section(document, name, inner_cls, shared) for name, inner_cls in inner.items()}
        values = _merged(values, _section(document, verb, cls, shared))
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise ConfigError(f"{override!r} is not of the form key.sub=value")
        try:
            _assign(values, key.split("."), yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ConfigError(f"{key}: {text!r} is not readable as a YAML value ({error})") from error
    return build_config(cls, values)


def override(config: C, values: Mapping[str, Any]) -> C:
    """Return a configuration with some values replaced, by dotted key.

    Raises:
        ConfigError: unknown key (with the nearest known one), or a value of the wrong type.
    """
    changed = config.model_dump()
    for key, value in values.items():
        _assign(changed, key.split("."), value)
    return build_config(type(config), changed)


def build_config(cls: type[C], values: Mapping[str, Any], *, where: str = "") -> C:
    """Build a configuration from plain values.

    Args:
        cls: the configuration class.
        values: by name, as a recipe states them.
        where: prefix of the names in messages, as ``method.``.

    Raises:
        ConfigError: unknown key (with the nearest known one), or a value of the wrong type.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(cls, error, where)) from error


def _read_yaml(place: Path | str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(read_uri(str(place)).decode())
    except NotFound as error:
        raise ConfigError(f"no recipe {place}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place}: not readable as YAML ({error})") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{place}: a recipe is a mapping of verbs to their configuration")
    return document


def _section(document: Mapping[str, Any], verb: str, cls: Any, shared: Sequence[str]) -> dict[str, Any]:
    values = {name: document[name] for name in shared if name in document and name in cls.model_fields}
    return _merged(values, document.get(verb) or {})


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        name: _merged(base[name], over[name])
        for name in base.keys() & over.keys()
        if isinstance(base[name], dict) and isinstance(over[name], dict)
    }
    return {**base, **over, **both}


def _assign(values: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        child = values.get(name)
        values[name] = child = dict(child) if isinstance(child, dict) else {}
        values = child
    values[path[-1]] = value


def _explain(cls: type[BaseModel], error: ValidationError, where: str) -> str:
    lines = []
    known = list(_dotted_names(cls, where))
    for problem in error.errors(include_url=False):
        key = where + ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
            lines.append(f"unknown key {key}{hint}")
        else:
            lines.append(f"{key}: {problem['msg']} (got {problem['input']!r})")
    return "; ".join(lines)


def _dotted_names(cls: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in cls.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _dotted_names(field.annotation, f"{prefix}{name}.")
