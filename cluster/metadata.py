"""What Ray keeps with a job, so that one can tell later which it was: its verb, its recipe, the code's commit."""

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

MODULE = "jobs."


def job_metadata(argv: Sequence[str], checkout: Path) -> dict[str, str]:
    """Return what a command line and a checkout tell of a job.

    Args:
        argv: the job's command, as ``python -m jobs.train --recipe rpkd-starter``.
        checkout: where the code is from.

    Returns:
        ``verb`` and ``recipe`` where the command names them; ``commit`` where the checkout is one of git, with ``+``
        behind it where files were changed since.
    """
    told = {}
    for option, value in pairwise(argv):
        if option == "-m" and value.startswith(MODULE):
            told["verb"] = value.removeprefix(MODULE)
        if option == "--recipe":
            told["recipe"] = value
    commit = _git(checkout, "rev-parse", "HEAD")
    if commit:
        told["commit"] = commit + ("+" if _git(checkout, "status", "--porcelain", "--untracked-files=no") else "")
    return told


def _git(checkout: Path, *arguments: str) -> str:
    """Return what git says, an empty text where there is no git or no repository."""
    try:
        command = ["git", "-C", str(checkout), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def main(arguments: Sequence[str]) -> int:
    """Print the metadata of ``python -m ARGUMENTS`` as JSON, for ``ray job submit --metadata-json``."""
    print(json.dumps(job_metadata(["-m", *arguments], Path.cwd())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
