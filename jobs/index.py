"""Make a searchable gallery of the pictures in buckets or folders, and keep it true, with Ray.

    python -m jobs.index build    gallery=mine source=s3://bucket/pictures [encoder=s3://bucket/encoders/RUN]
    python -m jobs.index update   gallery=mine [source=s3://bucket/pictures]
    python -m jobs.index compact  gallery=mine
    python -m jobs.index verify   gallery=mine [all=true]
    python -m jobs.index gc       gallery=mine [keep=3 older_than_hours=24 dry_run=true]
    python -m jobs.index rollback gallery=mine [version=...]

Without a verb it builds. A source is one URI or several ([a, b]), or a Parquet or CSV file of URIs; an update lists
the gallery's own unless it is told another. The encoder that comes with the library does where none is named. A run
that was killed goes on where it stopped; one that is finished is found again. Unreadable pictures are counted, and
named in the version's report.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from jobs._cli import run_verb
from jobs._index_build import build
from jobs._index_compact import CompactConfig, compact
from jobs._index_config import BuildConfig
from jobs._index_gc import GcConfig, gc
from jobs._index_rollback import RollbackConfig, rollback
from jobs._index_update import UpdateConfig, update
from jobs._index_verify import VerifyConfig, verify
from sketchray.config import Config

VERBS: dict[str, tuple[type[Config], Callable[[Any], dict[str, Any]]]] = {
    "build": (BuildConfig, build),
    "update": (UpdateConfig, update),
    "compact": (CompactConfig, compact),
    "verify": (VerifyConfig, verify),
    "gc": (GcConfig, gc),
    "rollback": (RollbackConfig, rollback),
}


def main(argv: Sequence[str]) -> int:
    """Run the verb that the first argument names, or ``build``.

    Returns:
        The exit status, as `run_verb` has it: 1 also if a verification found damage.
    """
    verb, arguments = (argv[0], argv[1:]) if argv and argv[0] in VERBS else ("build", argv)
    config, run = VERBS[verb]
    return run_verb("index", config, run, doc=__doc__, argv=arguments, failed=is_damaged)


def is_damaged(result: dict[str, Any]) -> bool:
    """Return whether a verification found damage."""
    return bool(result.get("status") == "damaged")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
