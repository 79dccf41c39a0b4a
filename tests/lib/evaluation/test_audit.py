"""The audit command on Parquet files, as another project's user would call it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sketchray.evaluation import evaluate
from sketchray.evaluation.__main__ import main
from sketchray.evaluation.features import read_features

QUERY_CLASSES: list[str | None] = [*"aabbcc"]
GALLERY_CLASSES: list[str | None] = [*"abcd" * 12, None, None]


def write(path: Path, classes: list[str | None], *, seed: int, fixed: bool = True) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(len(classes), 6)).astype(np.float32)
    kind = pa.list_(pa.float32(), 6) if fixed else pa.list_(pa.float32())
    columns = {"id": [f"{seed}-{row}" for row in range(len(classes))], "class_name": classes}
    pq.write_table(pa.table({**columns, "embedding": pa.array(vectors.tolist(), kind)}), path)
    return vectors


@pytest.mark.parametrize("fixed", [True, False])
def test_every_output_holds_the_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str], fixed: bool) -> None:
    queries = write(tmp_path / "q.parquet", QUERY_CLASSES, seed=0, fixed=fixed)
    gallery = write(tmp_path / "g.parquet", GALLERY_CLASSES, seed=1, fixed=fixed)
    outputs = [f"--{kind}={tmp_path / kind}" for kind in ("json", "markdown", "plot")]
    assert main([str(tmp_path / "q.parquet"), str(tmp_path / "g.parquet"), *outputs]) == 0
    expected = evaluate(queries, QUERY_CLASSES, gallery, GALLERY_CLASSES)
    document = json.loads((tmp_path / "json").read_text())
    assert document["metrics"] == expected.metrics
    assert document["metrics_macro"] == expected.metrics_macro
    assert document["chance"] == expected.chance
    assert document["distractors"] == 14
    printed = capsys.readouterr().out
    page = (tmp_path / "markdown").read_text()
    for name, value in expected.metrics.items():
        assert f"| {name} | {value:.4f} |" in page
        assert name in printed
    lines = ElementTree.parse(tmp_path / "plot").findall("{*}polyline")
    assert len(lines) == 2
    assert len(lines[0].attrib["points"].split()) == len(expected.curve.ranks)


def test_binary_codes_are_a_marked_row_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "q.parquet", QUERY_CLASSES, seed=0)
    write(tmp_path / "g.parquet", GALLERY_CLASSES, seed=1)
    files = [str(tmp_path / "q.parquet"), str(tmp_path / "g.parquet")]
    assert main([*files, "--bits=4", f"--json={tmp_path / 'json'}"]) == 0
    features, codes = json.loads((tmp_path / "json").read_text())["rows"]
    assert not features["transductive"]
    assert codes["transductive"]
    assert codes["queries_with_ties"] == 6
    assert "4 bits*" in capsys.readouterr().out
    assert main([*files, "--bits=7"]) == 2
    assert "7 bits from 6 dimensions" in capsys.readouterr().err


def test_mistakes_in_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "good.parquet", GALLERY_CLASSES, seed=1)
    (tmp_path / "text.parquet").write_text("not a table")
    good = pq.read_table(tmp_path / "good.parquet").select(["id", "class_name"]).slice(0, 2)
    tables = {
        "none": (good, "no column embedding; it has id, class_name"),
        "ragged": (good.append_column("embedding", [[[1.0], [1.0, 2.0]]]), "row 1 has 2 dimensions, row 0 has 1"),
        "words": (good.append_column("embedding", [[["x"], ["y"]]]), "not lists of numbers"),
        "flat": (good.append_column("embedding", [[1.0, 2.0]]), "holds double, not lists"),
        "null": (good.append_column("embedding", [[None, [2.0]]]), "1 rows have no embedding"),
        "hole": (good.append_column("embedding", [[[1.0], [None]]]), "without nulls"),
        "wide": (good.append_column("embedding", [[[1.0], [2.0]]]), "1 dimensions, those of the gallery 6"),
    }
    for name, (table, _) in tables.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    double = pa.table({"id": ["a", "a"], "class_name": ["x", "y"], "embedding": [[1.0], [2.0]]})
    pq.write_table(double, tmp_path / "double.parquet")
    pq.write_table(double.slice(0, 0), tmp_path / "empty.parquet")
    messages = {name: message for name, (_, message) in tables.items()} | {
        "double": "the first: 'a'",
        "empty": "no rows",
        "text": "not readable as Parquet",
        "absent": "no such file",
    }
    for name, message in messages.items():
        assert main([str(tmp_path / f"{name}.parquet"), str(tmp_path / "good.parquet")]) == 2
        error = capsys.readouterr().err
        assert message in error, name
        assert error.startswith("evaluation: ")
        assert len(error.splitlines()) == 1


def test_a_sliced_and_chunked_table_reads_like_a_whole_one(tmp_path: Path) -> None:
    vectors = write(tmp_path / "whole.parquet", GALLERY_CLASSES, seed=3)
    table = pq.read_table(tmp_path / "whole.parquet")
    pq.write_table(pa.concat_tables([table.slice(5, 20), table.slice(25)]), tmp_path / "part.parquet", row_group_size=7)
    features = read_features(tmp_path / "part.parquet")
    np.testing.assert_array_equal(features.embedding_ND, vectors[5:])
    assert features.classes == GALLERY_CLASSES[5:]
