"""The audit command on Parquet files, as another project's user would call it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sketchray.data.protocols import get_protocol
from sketchray.evaluation import evaluate
from sketchray.evaluation.__main__ import main
from sketchray.evaluation.features import read_features
from sketchray.ranking import create_ranker

QUERY_CLASSES: list[str | None] = [*"aabbcc"]
GALLERY_CLASSES: list[str | None] = [*"abcd" * 12, None, None]


def write(path: Path, classes: list[str | None], *, seed: int, fixed: bool = True) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(len(classes), 6)).astype(np.float32)
    kind = pa.list_(pa.float32(), 6) if fixed else pa.list_(pa.float32())
    columns = {"id": [f"{seed}-{row}" for row in range(len(classes))], "class_name": classes}
    pq.write_table(pa.table({**columns, "embedding": pa.array(vectors.tolist(), kind)}), path)
    return vectors


PROMISED = {
    *("map@all[plain]", "map@all[voc]", "map@200[min]", "map@200[hits]", "map@200[all]"),
    *("p@100[k]", "p@100[min]", "p@200[k]"),
}


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
    assert set(document["metrics"]) >= PROMISED <= set(document["metrics_macro"])
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


def protocol_file(path: Path, classes: list[str], rows: int, *, seed: int) -> None:
    write(path, [classes[row % len(classes)] for row in range(rows)], seed=seed)


def test_a_protocol_is_checked_and_its_metrics_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unseen = list(get_protocol("sketchy-21").unseen)
    protocol_file(tmp_path / "q.parquet", unseen, 42, seed=0)
    protocol_file(tmp_path / "g.parquet", [name.upper() for name in unseen], 10_453, seed=1)
    files = [str(tmp_path / "q.parquet"), str(tmp_path / "g.parquet"), f"--json={tmp_path / 'json'}"]
    assert main([*files, "--protocol=sketchy-21"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["map@200[voc]", "map@200[min]", "map@200[hits]", "p@200[k]"]
    assert lines[-1] == "warning: queries: 42, but sketchy-21 has 12,694"
    document = json.loads((tmp_path / "json").read_text())
    assert "10,453, the known size" in document["protocol"]["known size of the gallery"]
    assert document["queries"] == 42  # the upper-case classes were found

    protocol_file(tmp_path / "q.parquet", unseen[1:], 40, seed=0)
    assert main([*files, "--protocol=sketchy-21"]) == 0
    assert f"warning: no queries of 1 of sketchy-21's classes: {unseen[0]}" in capsys.readouterr().out

    protocol_file(tmp_path / "q.parquet", [*unseen, "zebra"], 40, seed=0)
    assert main([*files, "--protocol=sketchy-21"]) == 2
    assert "1 query classes are not among the 21 unseen ones of sketchy-21: zebra" in capsys.readouterr().err
    assert main([*files, "--protocol=sketchy-25"]) == 2
    assert "sketchy-25-sake or sketchy-25-sempcyc" in capsys.readouterr().err


def test_rankers_are_rows_beside_cosine_and_sweeps_are_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = write(tmp_path / "q.parquet", QUERY_CLASSES, seed=0)
    gallery = write(tmp_path / "g.parquet", GALLERY_CLASSES, seed=1)
    files = [str(tmp_path / "q.parquet"), str(tmp_path / "g.parquet"), f"--json={tmp_path / 'json'}"]
    options = ["--codewords=4", "--chunks=2", "--fusion=0.1", "--oracle-sweep=2,8"]
    assert main([*files, "--ranker=nearest", "--ranker=cluster", "--ranker=mixture", *options]) == 0
    document = json.loads((tmp_path / "json").read_text())
    shown = [(row["ranking"], row["transductive"], row["oracle"]) for row in document["rows"]]
    assert shown == [
        ("nearest", False, False),
        *(
            (f"{name} M=2 K={codewords} fusion=0.1", True, codewords != 4)
            for name in ("cluster", "mixture")
            for codewords in (4, 2, 8)
        ),
    ]
    assert document["metrics"] == evaluate(queries, QUERY_CLASSES, gallery, GALLERY_CLASSES).metrics
    for row in document["rows"][1:]:
        name, _, codewords, _ = row["ranking"].split()
        ranker = create_ranker(name, chunks=2, codewords=int(codewords[2:]), fusion=0.1)
        expected = evaluate(queries, QUERY_CLASSES, gallery, GALLERY_CLASSES, ranker=ranker)
        assert row["metrics"] == expected.metrics
    printed = capsys.readouterr().out
    assert " cluster M=2 K=4 fusion=0.1* " in printed
    assert " mixture M=2 K=8 fusion=0.1*†" in printed

    assert main([*files, "--codewords=4"]) == 2
    assert "codewords given, but no --ranker that takes it" in capsys.readouterr().err
    assert main([*files, "--ranker=cluster", "--chunks=4", "--codewords=2"]) == 2
    assert "6 dimensions do not divide into 4" in capsys.readouterr().err
    assert main([*files, "--ranker=cluster", "--codewords=-1"]) == 2
    assert "codewords" in capsys.readouterr().err


def test_the_number_of_codewords_is_chosen_and_shown_without_a_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "q.parquet", QUERY_CLASSES, seed=0)
    write(tmp_path / "g.parquet", GALLERY_CLASSES, seed=1)
    files = [str(tmp_path / "q.parquet"), str(tmp_path / "g.parquet"), f"--json={tmp_path / 'json'}"]
    assert main([*files, "--ranker=cluster", "--codewords=auto"]) == 0
    row = json.loads((tmp_path / "json").read_text())["rows"][1]
    chosen = row["selection"]["codewords"]
    assert row["ranking"] == f"cluster M=2 K={chosen} (auto) fusion=0.2"
    printed = capsys.readouterr().out
    assert [criterion["criterion"] for criterion in row["selection"]["criteria"]] == ["silhouette", "bic"]
    assert "| K | silhouette | bic |" in printed
    write(tmp_path / "g.parquet", [None if name is None else "a" for name in GALLERY_CLASSES], seed=1)
    assert main([*files, "--ranker=cluster", "--codewords=auto"]) == 0
    assert json.loads((tmp_path / "json").read_text())["rows"][1]["selection"] == row["selection"]
