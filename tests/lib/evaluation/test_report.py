"""The report: every number is in it, and what a reader must not overlook is said."""

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from sketchray.evaluation import Harmonic, Report, Row, Unreadable, evaluate
from sketchray.evaluation.plot import precision_plot
from sketchray.evaluation.tables import COLUMNS, labels
from sketchray.ranking import Selection


def row(name: str, seed: int, **about: Any) -> Row:
    rng = np.random.default_rng(seed)
    queries, gallery = rng.normal(size=(7, 4)), rng.normal(size=(30, 4))
    evaluation = evaluate(queries, [*"aabbab", "lost"], gallery, [*"ab" * 10, *[None] * 10])
    return Row(**evaluation.model_dump(), name=name, **{"setting": "unseen"} | about)


def report(*rows: Row, **more: Any) -> Report:
    return Report(
        **more,
        title="Unseen classes",
        protocol={"data": "abc", "queries": "unseen"},
        rows=list(rows),
        unreadable=(Unreadable(uri="photos/broken.png", reason="the file is empty"),),
    )


def test_markdown_holds_every_number() -> None:
    first, second = row("s3://x/encoders/one", 0), row("frozen:tiny@32", 1, setting="with distractors")
    page = report(first, second).markdown()
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    for evaluation, label in ((first, "one"), (second, "frozen:tiny@32")):
        assert f"| Mean over queries | {label} | chance |" in lines
        for values, chance in (
            (evaluation.metrics, evaluation.chance),
            (evaluation.metrics_macro, evaluation.chance_macro),
        ):
            for name, value in values.items():
                assert f"| {name} | {value:.4f} | {chance[name]:.4f} |" in lines
    assert all(f"- `{name}`: " in page for name in first.metrics)


def test_what_was_left_out_is_said() -> None:
    page = report(row("one", 0)).markdown()
    assert "1 queries left out, the gallery holds nothing of their class (lost)" in page
    assert "1 unreadable" in page
    assert "`photos/broken.png`: the file is empty" in page
    assert "photos/broken.png" in report(row("one", 0)).text()


def test_transductive_rows_are_marked_everywhere() -> None:
    marked = report(row("plain", 0), row("clustered", 0, transductive=True))
    assert "clustered*" in marked.text()
    assert "plain*" not in marked.text()
    assert "`clustered`: ranks with structure learnt from the unlabelled gallery" in marked.markdown()


def test_oracle_rows_are_marked_everywhere_beside_the_choice_without_labels() -> None:
    selection = Selection.model_validate(
        {
            "codewords": 8,
            "grid": (8, 16),
            "criteria": [
                {"criterion": "silhouette", "scores": (0.25, 0.125), "choice": 8},
                {"criterion": "bic", "scores": (-2.0, -1.0), "choice": 16},
            ],
            "rows": 30,
            "dimensions": 4,
        }
    )
    chosen = row("one", 0, ranking="cluster K=8 (auto)", transductive=True, selection=selection)
    swept = row("one", 1, ranking="cluster K=16", transductive=True, oracle=True)
    made = report(row("one", 2), chosen, swept)
    for text in (made.text(), made.markdown()):
        assert "cluster K=8 (auto)*" in text
        assert "cluster K=16*†" in text
        assert "| 8 | 0.25* | -2 |" in text
        assert "| 16 | 0.125 | -1* |" in text
        assert "only the labels of the unseen classes tell (oracle)" in text
    assert "†" not in report(row("one", 2), chosen).text()


def test_the_headline_comes_first_and_warnings_are_shown() -> None:
    made = report(row("one", 0), headline=("p@100[k]", "map@200[hits]"), warnings=("no queries of 2 classes",))
    assert [line.split()[0] for line in made.text().splitlines()[2:5]] == [
        "p@100[k]",
        "map@200[hits]",
        "map@all[plain]",
    ]
    assert made.markdown().index("| p@100[k] |") < made.markdown().index("| map@200[hits] |")
    assert "warning: no queries of 2 classes" in made.text()
    assert "- no queries of 2 classes" in made.markdown()


def test_many_rows_go_on_in_a_table_below() -> None:
    rows = [row(f"encoder{number}", number) for number in range(COLUMNS + 2)]
    heads = [line for line in report(*rows).markdown().splitlines() if line.startswith("| Mean over queries")]
    assert [head.count("encoder") for head in heads] == [COLUMNS, 2]
    text = report(*rows).text()
    for number, made in enumerate(rows):
        assert f"encoder{number}" in text
        assert f"{made.metrics['map@all[plain]']:.4f}" in text


def test_harmonic_means_are_those_of_each_metric() -> None:
    seen, unseen = (row("one", seed, setting=setting, transductive=True) for seed, setting in ((0, "s"), (1, "u")))
    mean = Harmonic.of(seen, unseen, setting="harmonic mean")
    for name in ("metrics", "metrics_macro", "chance"):
        for metric, value in getattr(mean, name).items():
            a, b = getattr(seen, name)[metric], getattr(unseen, name)[metric]
            assert value == pytest.approx(2 / (1 / a + 1 / b))
    page = report(seen, unseen, harmonic=(mean,)).markdown()
    assert "## Harmonic mean" in page
    assert f"| map@all[plain] | {mean.metrics['map@all[plain]']:.4f} |" in page
    assert "one*" in page


def test_the_plot_has_a_line_and_a_marked_legend_entry_a_row() -> None:
    rows = [
        row("one", 0),
        row("one", 1, ranking="cluster K=8", transductive=True),
        row("one", 2, ranking="cluster K=9", transductive=True, oracle=True),
    ]
    picture = ElementTree.fromstring(precision_plot(rows))
    lines = picture.findall("{*}polyline")
    assert len(lines) == 4
    assert len({line.attrib.get("stroke-dasharray") for line in lines}) == 4
    texts = [text.text or "" for text in picture.findall("{*}text")]
    assert {"nearest", "cluster K=8*", "cluster K=9*†", "chance"} <= set(texts)
    assert any("gallery-transductive" in text for text in texts)
    assert any("oracle" in text for text in texts)
    places = [float(text.attrib["y"]) for text in picture.findall("{*}text")]
    assert max(places) < float(picture.attrib["height"])


def test_text_columns_align_and_equal_labels_are_told_apart() -> None:
    text = report(row("s3://a/model", 0), row("s3://b/model", 1)).text()
    head, *lines = text.splitlines()[1:-1]
    assert "model (1)" in head
    assert "model (2)" in head
    assert {len(line) for line in lines} == {len(head)}


def test_json_round_trip() -> None:
    made = report(row("one", 0))
    assert Report.model_validate_json(made.model_dump_json()) == made


def test_titles_say_what_differs() -> None:
    one, clustered = row("s3://x/one", 0), row("s3://x/one", 0, ranking="cluster K=8", transductive=True)
    other = row("s3://x/two", 1)
    assert labels([one]) == ["one"]
    assert labels([one, clustered]) == ["nearest", "cluster K=8*"]
    assert labels([one, clustered, other]) == ["one", "one, cluster K=8*", "two"]
