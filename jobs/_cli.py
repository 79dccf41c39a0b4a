"""The command shape of every verb: ``python -m jobs.<verb> --recipe NAME key=value ...``, one JSON line at the end."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from jobs._cluster import leave
from sketchray.config import Config, ConfigError, load_config

RECIPES = Path(__file__).parent / "recipes"

C = TypeVar("C", bound=Config)


def recipe_path(name: str) -> Path:
    """Return the file of a recipe: a name in ``jobs/recipes`` or a path ending in ``.yaml``.

    Raises:
        ConfigError: no such recipe; the message lists those there are.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else RECIPES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.yaml")))
        raise ConfigError(f"no recipe {name!r}; known: {known}")
    return path


def run_verb(
    verb: str,
    cls: type[C],
    run: Callable[[C], dict[str, Any]],
    *,
    doc: str | None,
    argv: Sequence[str] | None = None,
    failed: Callable[[dict[str, Any]], bool] | None = None,
) -> int:
    """Parse the command line, run the verb, print its result as the last line of standard output.

    Args:
        verb: the module's name below ``jobs``, and its section of a recipe.
        cls: its configuration.
        run: what it does.
        doc: its help text.
        argv: the arguments; None for those of the process.
        failed: tells of a result whether it is a failure for all that; None if none is.

    Returns:
        The exit status: 0; 1 for such a result; 2 after one clear line on standard error for anything the user can
        mend; 130 after Ctrl-C.
    """
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=f"python -m jobs.{verb}", description=doc, formatter_class=plain)
    parser.add_argument("--recipe", metavar="NAME", help="a name in jobs/recipes, or a YAML file")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="dotted overrides, e.g. method.tau=0.1")
    args = parser.parse_args(argv)
    try:
        recipe = recipe_path(args.recipe) if args.recipe else None
        result = run(load_config(cls, verb=verb, recipe=recipe, overrides=args.overrides))
    except (ConfigError, ValueError, OSError) as error:
        print(f"{verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{verb}: interrupted", file=sys.stderr)
        return 130
    leave()  # or a worker's log line could come after the last one
    print(json.dumps(result), flush=True)
    return int(failed is not None and failed(result))
