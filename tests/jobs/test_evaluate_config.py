"""What an evaluation is told: its name covers all of it, a mistake is named, a protocol leads the report."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from jobs._evaluate_config import EvaluateConfig
from jobs._evaluate_report import make_report
from jobs._evaluate_samples import choose_samples
from sketchray.data.protocols import get_protocol
from sketchray.data.samples import Sample, sample_table
from sketchray.evaluation import Row, evaluate


def config(**change: Any) -> EvaluateConfig:
    return EvaluateConfig.model_validate({"encoders": ["encoder"]} | change)


def test_the_report_of_a_protocol_starts_with_what_papers_report_and_says_what_differs() -> None:
    unseen = get_protocol("sketchy-21").unseen[1:]
    rows = [
        Sample(f"{modality}/{word}", f"file:///{modality}/{word}", modality, word, "unseen")
        for word in unseen
        for modality in ("sketch", "photo")
    ]
    wanted = config(data={"reader": "sketchy", "protocol": "sketchy-21"})
    evaluation = evaluate(np.eye(20), unseen, np.eye(20), unseen)
    row = Row(**evaluation.model_dump(), name="encoder", setting="unseen pictures")
    report = make_report(choose_samples(sample_table(rows), wanted), wanted, rows=[row], harmonic=(), unreadable=())
    assert report.headline == ("map@200[voc]", "map@200[min]", "map@200[hits]", "p@200[k]")
    assert "no queries of 1 of sketchy-21's classes: bat" in report.warnings
    assert "gallery: 20, but sketchy-21 has 12,553 (listed) or 10,453 (dedup)" in report.warnings
    assert "sketchy-21, 21 unseen classes" in report.markdown()


def test_the_name_of_an_evaluation_says_how_it_was_ranked() -> None:
    def name(**change: Any) -> str:
        return config(**change).evaluation_id(samples="s", encoders={"encoder": "e"})

    cluster = {"name": "cluster", "codewords": 4}
    different = [
        name(),
        name(generalised=True),
        name(binary=4),
        name(binary=8),
        name(rankers=[{"name": "nearest"}, cluster]),
        name(rankers=[{"name": "nearest"}, cluster | {"oracle": [2]}]),
        name(rankers=[{"name": "nearest"}, cluster | {"fusion": 0.0}]),
        name(rankers=[{"name": "nearest"}, {"name": "cluster", "codewords": "auto"}]),
        name(rankers=[cluster]),
        name(query_split="val", gallery_split="val"),
        name(data={"protocol": "sketchy-21"}),
    ]
    assert len(set(different)) == len(different)
    assert name(resources={"fit_cpus": 2.0}) == name() == name(rankers=[{"name": "nearest"}])
    assert name(rankers=[cluster | {"chunks": 2}]) == name(rankers=[cluster])  # the default, said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rankers": [{"name": "nearst"}]}, "unknown ranker 'nearst'"),
        ({"rankers": [{"name": "cluster", "codeword": 3}]}, "ranking.codeword"),
        ({"rankers": [{"name": "nearest", "oracle": [3]}]}, "ranking.codewords"),
        ({"rankers": []}, "rankers"),
        ({"generalised": True, "query_split": "seen", "gallery_split": "seen"}, "not the seen classes"),
        ({"generalised": True, "query_split": "val"}, "one query_split and gallery_split"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**change)
