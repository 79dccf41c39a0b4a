"""Finished stages are remembered, and skipped while what they made is still in the store."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sketchray.config import digest
from sketchray.storage import Store, StoreError

SOURCES = (".py", ".yaml", ".csv", ".txt")


class Timing(NamedTuple):
    """How long a stage took, and whether it was done already."""

    stage: str
    seconds: float
    note: str


class Stages:
    """Runs the stages of a pipeline in order.

    A stage's key stands for what its result depends on, beside the stages before it. A stage whose key, and those of
    all before it, are as they were is skipped while every object that its result names is in the store. Stages are safe
    to run again in any case: the record saves the time to find that out.

    Args:
        record: a JSON file.
        store: where the stages put what they make.
    """

    def __init__(self, record: Path, store: Store) -> None:
        self.timings: list[Timing] = []
        self._record = record
        self._store = store
        self._chain = ""

    def note(self, name: str, seconds: float) -> None:
        """Put something that is always done into the table as well."""
        self.timings.append(Timing(name, seconds, ""))

    def run(self, name: str, key: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a stage's result, from the record if it can be trusted, else by `work`."""
        started = time.monotonic()
        key = self._chain = digest({"key": key, "after": self._chain})
        known = self._load().get(name)
        if known is not None and known.get("key") == key and self._is_there(known["result"]):
            self.timings.append(Timing(name, time.monotonic() - started, f"done before, in {known['seconds']:.1f} s"))
            return dict(known["result"])
        result = work()
        seconds = time.monotonic() - started
        self._save(name, {"key": key, "result": result, "seconds": round(seconds, 1)})
        self.timings.append(Timing(name, seconds, str(result.get("status", ""))))
        return result

    def table(self) -> str:
        """Return the timings as lines of text."""
        total = sum(timing.seconds for timing in self.timings)
        rows = [*self.timings, Timing("all", total, "")]
        width = max(len(row.stage) for row in rows)
        return "\n".join(f"  {row.stage:<{width}} {row.seconds:7.1f} s  {row.note}".rstrip() for row in rows)

    def _is_there(self, result: dict[str, Any]) -> bool:
        prefix = f"{self._store.uri}/"
        keys = [uri.removeprefix(prefix).rstrip("/") for uri in texts(result) if uri.startswith(prefix)]
        try:
            return bool(keys) and all(self._exists(key) for key in set(keys))
        except StoreError:
            return False

    def _exists(self, key: str) -> bool:
        return self._store.exists(key) or next(iter(self._store.list(f"{key}/")), None) is not None

    def _load(self) -> dict[str, Any]:
        try:
            known = json.loads(self._record.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _save(self, name: str, entry: dict[str, Any]) -> None:
        temporary = self._record.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._load() | {name: entry}, indent=1))
        temporary.replace(self._record)


def stage_key(argv: Sequence[str], *, folders: Sequence[Path], recipe: Path | None) -> str:
    """Return the key of a stage: a digest of its command, its recipe, and the source code that it runs."""
    text = recipe.read_text() if recipe is not None and recipe.is_file() else ""
    return digest({"argv": list(argv), "recipe": text, "source": source_digest(folders)})


def source_digest(folders: Sequence[Path]) -> str:
    """Return a digest of the source files under some folders."""
    hashed = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.suffix in SOURCES):
            hashed.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()[:16]


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for child in value.values():
            yield from texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from texts(child)
