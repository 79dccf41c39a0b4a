"""Run a verb of ``jobs/`` as a user would, and read the result from the last line that it prints."""

import json
import subprocess
import sys
import time
from typing import Any


def job(verb: str, recipe: str | None, *overrides: str) -> dict[str, Any]:
    """Run ``python -m jobs.<verb>`` and return its result with ``wall_s``, the seconds that it all took."""
    named = [] if recipe is None else ["--recipe", recipe]
    command = [sys.executable, "-m", f"jobs.{verb}", *named, *overrides]
    started = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    result["wall_s"] = time.monotonic() - started
    said = " ".join(command[2:])
    print(f"{said[:200]}: {result['status']}, {result['wall_s']:.0f} s", file=sys.stderr, flush=True)
    return result
