"""The report: every number is in it, and what a reader must not overlook is said."""

import numpy as np

from sketchray.evaluation import Report, Row, Unreadable, evaluate


def row(name: str, seed: int, *, transductive: bool = False, setting: str = "unseen") -> Row:
    rng = np.random.default_rng(seed)
    queries, gallery = rng.normal(size=(7, 4)), rng.normal(size=(30, 4))
    evaluation = evaluate(queries, [*"aabbab", "lost"], gallery, [*"ab" * 10, *[None] * 10])
    return Row(**evaluation.model_dump(), name=name, setting=setting, transductive=transductive)


def report(*rows: Row) -> Report:
    return Report(
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


def test_text_columns_align_and_equal_labels_are_told_apart() -> None:
    text = report(row("s3://a/model", 0), row("s3://b/model", 1)).text()
    head, *lines = text.splitlines()[1:-1]
    assert "model (1)" in head
    assert "model (2)" in head
    assert {len(line) for line in lines} == {len(head)}


def test_json_round_trip() -> None:
    made = report(row("one", 0))
    assert Report.model_validate_json(made.model_dump_json()) == made
