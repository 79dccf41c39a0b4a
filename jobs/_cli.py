"""The command shape of every verb: ``python -m jobs.<verb> --recipe NAME key=value ...``, one JSON line at the end."""

import argparse
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jobs._cluster import leave
from jobs._errors import mendable, root
from sketchray.config import Config, ConfigError, load_config

RECIPES = Path(__file__).parent / "recipes"
INTERRUPTED = 130  # exit status of what Ctrl-C ended, as shells have it
LEAVE_WITHIN_S = 30.0  # the time that an interrupted job has to leave its cluster

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


def recipe_place(name: str) -> Path | str:
    """Return where a recipe is: what `recipe_path` says, or the URI that it is given by.

    Raises:
        ConfigError: as `recipe_path`.
    """
    return name if "://" in name else recipe_path(name)


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
        The exit status: 0; 1 for such a result, and after a traceback and a line for a defect of ours; 2 after one
        clear line on standard error for anything the user can mend, wherever it went wrong. After Ctrl-C it does not
        return: the process ends with one line and status 130.
    """
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=f"python -m jobs.{verb}", description=doc, formatter_class=plain)
    parser.add_argument("--recipe", metavar="NAME", help="a name in jobs/recipes, a YAML file, or its URI in a store")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="dotted overrides, e.g. method.tau=0.1")
    args = parser.parse_args(argv)
    try:
        recipe = recipe_place(args.recipe) if args.recipe else None
        result = run(load_config(cls, verb=verb, recipe=recipe, overrides=args.overrides))
    except KeyboardInterrupt:
        _end_interrupted(verb)
    except Exception as error:
        leave()  # or a worker's log line could come after this one
        if told := mendable(error):
            print(f"{verb}: {told}", file=sys.stderr)
            return 2
        traceback.print_exc()
        print(f"{verb}: failed, and not by what it was told: {root(error)}", file=sys.stderr)
        return 1
    leave()  # likewise
    print(json.dumps(result), flush=True)
    return int(failed is not None and failed(result))


def _end_interrupted(verb: str) -> NoReturn:
    """Leave the cluster, say so in one line, and end the process at once.

    Ctrl-C may tear anything in two: a lock that is held for ever, a module half imported. Python's own way out waits
    for such things, or complains of them after that line.
    """
    leaving = threading.Thread(target=leave, daemon=True)
    leaving.start()
    leaving.join(LEAVE_WITHIN_S)
    print(f"{verb}: interrupted", file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)
