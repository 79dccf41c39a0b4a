"""A finished stage is skipped exactly as long as its result can be trusted."""

from pathlib import Path
from typing import Any

import pytest

from cluster.stages import Stages, source_digest, stage_key, texts
from sketchray.storage import Store, open_store


class Work:
    """Makes one object, and counts how often."""

    def __init__(self, store: Store, key: str = "made/object") -> None:
        self.calls = 0
        self.store = store
        self.key = key

    def __call__(self) -> dict[str, Any]:
        self.calls += 1
        self.store.write(self.key, b"1")
        return {"uri": self.store.uri_of(self.key.partition("/")[0])}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def fresh(tmp_path: Path, store: Store) -> Stages:
    return Stages(tmp_path / "stages.json", store)


def test_a_finished_stage_is_skipped_in_the_next_run(tmp_path: Path, store: Store) -> None:
    work = Work(store)
    first = fresh(tmp_path, store).run("train", "k", work)
    again = fresh(tmp_path, store)
    assert again.run("train", "k", work) == first
    assert work.calls == 1
    assert again.timings[0].note.startswith("done before")
    assert "train" in again.table()


def test_a_stage_runs_again_when_its_objects_are_gone(tmp_path: Path, store: Store) -> None:
    work = Work(store)
    fresh(tmp_path, store).run("train", "k", work)
    store.delete("made/object")
    fresh(tmp_path, store).run("train", "k", work)
    assert work.calls == 2


def test_another_key_before_it_runs_a_stage_again(tmp_path: Path, store: Store) -> None:
    first, second = Work(store, "a/x"), Work(store, "b/x")
    for key in ("old", "new"):
        stages = fresh(tmp_path, store)
        stages.run("train", key, first)
        stages.run("index", "same", second)
    assert (first.calls, second.calls) == (2, 2)


def test_a_failed_stage_is_not_remembered(tmp_path: Path, store: Store) -> None:
    def fail() -> dict[str, Any]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fresh(tmp_path, store).run("train", "k", fail)
    work = Work(store)
    fresh(tmp_path, store).run("train", "k", work)
    assert work.calls == 1


def test_a_stage_that_leaves_nothing_in_the_store_always_runs(tmp_path: Path, store: Store) -> None:
    calls: list[str] = []

    def work() -> dict[str, Any]:
        calls.append("work")
        return {"root": "somewhere"}

    for _ in range(2):
        fresh(tmp_path, store).run("data", "k", work)
    assert len(calls) == 2


def test_a_damaged_record_counts_as_none(tmp_path: Path, store: Store) -> None:
    work = Work(store)
    fresh(tmp_path, store).run("train", "k", work)
    (tmp_path / "stages.json").write_text('{"train": {"key"')
    fresh(tmp_path, store).run("train", "k", work)
    assert work.calls == 2


def test_the_key_follows_command_recipe_and_source(tmp_path: Path) -> None:
    source, recipe = tmp_path / "source", tmp_path / "recipe.yaml"
    source.mkdir()
    (source / "a.py").write_text("1")
    recipe.write_text("train: {}")
    keys = {stage_key(["a"], folders=[source], recipe=recipe)}
    keys.add(stage_key(["b"], folders=[source], recipe=recipe))
    recipe.write_text("train: {steps: 1}")
    keys.add(stage_key(["a"], folders=[source], recipe=recipe))
    (source / "a.py").write_text("2")
    keys.add(stage_key(["a"], folders=[source], recipe=recipe))
    assert len(keys) == 4


def test_the_source_digest_ignores_what_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    before = source_digest([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    assert source_digest([tmp_path]) == before
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert source_digest([tmp_path]) != before


def test_texts_are_found_at_any_depth() -> None:
    assert sorted(texts({"a": "1", "b": [{"c": "2"}, 3, None, ["4"]]})) == ["1", "2", "4"]
