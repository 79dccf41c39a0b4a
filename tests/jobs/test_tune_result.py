"""What came of a search: table, Parquet, plot, and a recipe that the train job takes."""

import io
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from jobs import tune
from jobs._evaluate_config import EvaluateConfig
from jobs._train_config import TrainConfig
from jobs._tune_plot import search_plot
from jobs._tune_recipe import best_recipe
from jobs._tune_result import FILES, collect
from jobs._tune_space import Point
from sketchray.config import load_config
from sketchray.data.reading import DataConfig
from sketchray.storage import open_store
from tests.jobs.tune_trials import TRIALS

TRAIN: dict[str, Any] = {
    "encoder": {"backbone": "tiny-test", "image_size": 32, "dim": 8},
    "method": {"name": "rpkd", "warmup": 1},
    "steps": 4,
    "checkpoint_every": 2,
    "sketch_batch": 8,
    "photo_batch": 8,
    "prepare_per_class": 4,
    "resources": {"workers": 1, "cpus": 0.5},
}
BASE = TrainConfig.model_validate(TRAIN)


def test_the_recipe_trains_with_the_values_on_all_seen_classes(tmp_path: Path) -> None:
    original = TrainConfig.model_validate(
        TRAIN | {"data": {"root": "/some where", "held_out": 3}, "ship": "best", "validate_per_class": 4}
    )
    path = tmp_path / "best.yaml"
    point: Point = {"method.lr": 1e-5, "method.sketch_teacher": "itself"}
    path.write_text(best_recipe(original, point, says=["Two lines", "of comment."]))
    for place in (path, f"file://{path}"):
        final = load_config(TrainConfig, verb="train", recipe=place)
        assert final.method == {"name": "rpkd", "warmup": 1, "lr": 1e-5, "sketch_teacher": "itself"}
        assert final.data == DataConfig(root="/some where")
        assert final.model_copy(update={"method": BASE.method, "data": BASE.data}) == BASE
        final.check()
    assert path.read_text().startswith("# Two lines\n# of comment.\ndata:\n")
    assert load_config(EvaluateConfig, verb="evaluate", recipe=path, overrides=["encoders=[x]"]).data == final.data


def test_the_best_is_the_finished_trial_that_ends_highest(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    found = collect("t", trials=TRIALS, metric="map@all[plain]", held_out=["x", "y"], store=store)
    assert (found.best, found.recipe) == (1, f"file://{tmp_path}/best.yaml")
    assert shlex.split(found.command or "")[-1] == found.recipe
    assert [row.trial for row in found.ranked] == [1, 0, 2, 3]
    with pytest.raises(ValueError, match="all 1 trials failed; the first: broken"):
        collect("t", trials=TRIALS[3:], metric="map@all[plain]", held_out=["x", "y"], store=store)


def test_what_came_of_a_search_is_a_table_a_parquet_file_a_plot_and_a_recipe(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    found = collect("t", trials=TRIALS[:2], metric="map@all[plain]", held_out=["x", "y"], store=store)
    found.write(store, BASE)
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == set(FILES)
    assert tune.find(store) == found
    rows = collect("t", trials=TRIALS, metric="map@all[plain]", held_out=["x"], store=store).rows().to_pylist()
    assert [row["map@all[plain]"] for row in rows] == [0.5, 0.6, 0.95, None]
    assert [row["encoder.backbone"] for row in rows] == [None, "tiny-test", "7", None]
    assert rows[1]["curve"] == [{"step": 2, "value": 0.4}, {"step": 4, "value": 0.6}]
    assert pq.read_table(io.BytesIO(store.read("trials.parquet"))).num_rows == 2
    lines = store.read("trials.md").decode().splitlines()
    assert lines[2] == "| 1 | finished | 4 | 0.6000 | method.lr=0.2 encoder.backbone=tiny-test |"
    assert lines[3] == "| 0 (the recipe) | finished | 4 | 0.5000 | method.lr=0.1 |"
    assert "trial 1 0.6000; the recipe it started from 0.5000." in store.read("best.yaml").decode()


def test_the_plot_shows_each_curve_and_points_out_the_best() -> None:
    svg = ElementTree.fromstring(search_plot(TRIALS, best=1, metric="map@all[plain]"))
    lines = [element for element in svg.iter() if element.tag.endswith("polyline")]
    assert [line.get("stroke") for line in lines] == ["#bbbbbb", "#d55e00", "#009e73"]  # the best above all
    assert [len(line.get("points", "").split()) for line in lines] == [1, 2, 2]
    texts = [element.text for element in svg.iter() if element.tag.endswith("text")]
    assert {"best: trial 1", "the recipe's own values: trial 0", "stopped", "0.950", "0.400"} <= set(texts)
