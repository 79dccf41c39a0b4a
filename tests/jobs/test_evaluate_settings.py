"""Every setting, ranking and code of an evaluation, on made-up embeddings: the numbers of one process, and of loops."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from jobs._evaluate_config import EmbedResources, EvaluateConfig
from jobs._evaluate_embed import Vectors
from jobs._evaluate_run import evaluate_all
from jobs._evaluate_samples import choose_samples
from jobs._evaluate_settings import settings
from jobs._measuring import evaluate_on_cluster, fit_binary, fit_ranking
from sketchray.data.samples import Sample, sample_table
from sketchray.evaluation import Evaluation, MetricConfig, RankerConfig, Ranking, Report, evaluate
from sketchray.evaluation.binary import binary_codes
from sketchray.ranking import create_ranker

SPLITS = {"seen": ("circle", "square", "cross"), "val": ("arrow",), "unseen": ("star", "zigzag")}
CLUSTER = {"chunks": 2, "codewords": 4, "fusion": 0.2}
METRICS = MetricConfig(map_at=(5,), precision_at=(5,))


def dataset() -> pa.Table:
    rows = [
        Sample(f"{modality}/{word}/{number}", f"file:///{modality}/{word}/{number}", modality, word, split)  # type: ignore[arg-type]
        for split, words in SPLITS.items()
        for word in words
        for modality, count in (("sketch", 11), ("photo", 17))
        for number in range(count)
    ]
    rows += [Sample(f"other/{number}", f"file:///other/{number}", "photo", None, "gallery") for number in range(9)]
    return sample_table(rows)


def made_up(samples: pa.Table, *, seed: int = 0) -> Vectors:
    """Embeddings around a point for each class, the sketches' shifted."""
    rng = np.random.default_rng(seed)
    centres = {word: rng.normal(size=8) for word in [*sum(SPLITS.values(), ()), None]}
    shift = {"sketch": rng.normal(size=8), "photo": np.zeros(8)}
    vectors = [
        centres[sample["class_name"]] + shift[sample["modality"]] + rng.normal(size=8) for sample in samples.to_pylist()
    ]
    row_of = {identifier: row for row, identifier in enumerate(samples["id"].to_pylist())}
    return Vectors(row_of, {"encoder": np.array(vectors, np.float32)}, [])


def config(**change: Any) -> EvaluateConfig:
    values = {"encoders": ["encoder"], "metrics": METRICS, "resources": {"measure_rows": 7}}
    return EvaluateConfig.model_validate(values | change)


Chosen = tuple[npt.NDArray[np.float32], list[str | None]]


class ByHand:
    """Queries and galleries put together row by row, by id, as the settings' names say."""

    def __init__(self, samples: pa.Table, vectors: Vectors) -> None:
        self.samples, self.vectors = samples.to_pylist(), vectors.by_encoder["encoder"]

    def take(self, keep: Callable[[dict[str, Any]], bool], *, relevant: Sequence[str] = ("seen", "unseen")) -> Chosen:
        rows = [row for row, sample in enumerate(self.samples) if keep(sample)]
        names = [self.samples[row] for row in rows]
        return self.vectors[rows], [sample["class_name"] if sample["split"] in relevant else None for sample in names]

    def some(self, modality: str, *splits: str) -> Chosen:
        return self.take(lambda sample: sample["modality"] == modality and sample["split"] in splits)

    def with_a_fifth_seen(self, modality: str) -> Chosen:
        mine = [sample for sample in self.samples if sample["modality"] == modality]
        count = sum(sample["split"] == "unseen" for sample in mine) // 5
        seen = [sample["id"] for sample in mine if sample["split"] == "seen"][:count]
        assert count
        return self.take(
            lambda sample: sample["modality"] == modality and (sample["split"] == "unseen" or sample["id"] in seen)
        )

    def settings(self) -> dict[str, tuple[Chosen, Chosen]]:
        both = self.some("photo", "seen", "unseen")
        unseen = self.some("sketch", "unseen")
        everything = self.take(lambda sample: sample["modality"] == "photo", relevant=["unseen"])
        return {
            "unseen pictures": (unseen, self.some("photo", "unseen")),
            "unseen pictures and distractors": (unseen, everything),
            "generalised: unseen sketches against seen and unseen pictures": (unseen, both),
            "generalised: seen sketches against seen and unseen pictures": (self.some("sketch", "seen"), both),
            "generalised as in SEM-PCYC: unseen sketches and pictures with a fifth as many seen ones": (
                self.with_a_fifth_seen("sketch"),
                self.with_a_fifth_seen("photo"),
            ),
        }


@pytest.fixture(scope="module")
def report(local_ray: None) -> Report:
    samples = dataset()
    rankers = [{"name": "nearest"}, {"name": "cluster", **CLUSTER, "oracle": [2]}]
    wanted = config(rankers=rankers, binary=4, generalised=True)
    return evaluate_all(choose_samples(samples, wanted), made_up(samples), {"encoder": "f00d"}, wanted)


@pytest.mark.slow
def test_every_row_has_the_numbers_of_one_process(report: Report) -> None:
    samples = dataset()
    expected = ByHand(samples, made_up(samples)).settings()
    assert list(report.settings()) == list(expected)
    for setting, rows in report.settings().items():
        (queries, query_classes), (gallery, gallery_classes) = expected[setting]
        assert [(row.ranking, row.marks) for row in rows] == [
            ("nearest", ""),
            ("cluster M=2 K=4 fusion=0.2", "*"),
            ("cluster M=2 K=2 fusion=0.2", "*†"),
            ("4 bits", "*"),
        ]
        rankers = [create_ranker("nearest"), *(create_ranker("cluster", **CLUSTER | {"codewords": k}) for k in (4, 2))]
        alone = [
            evaluate(queries, query_classes, gallery, gallery_classes, ranker=ranker, config=METRICS)
            for ranker in rankers
        ]
        codes = binary_codes(queries, gallery, bits=4)
        alone.append(evaluate(codes[0], query_classes, codes[1], gallery_classes, config=METRICS))
        for row, evaluation in zip(rows, alone, strict=True):
            assert Evaluation(**row.model_dump(include=set(Evaluation.model_fields))) == evaluation, row.ranking
            assert row.fingerprint == "f00d"


@pytest.mark.slow
def test_the_generalised_setting_by_loops(report: Report) -> None:
    samples = dataset()
    vectors = made_up(samples).by_encoder["encoder"].astype(float)
    rows = samples.to_pylist()
    means = {}
    for split in ("unseen", "seen"):
        values = []
        for asking, query in zip(rows, vectors, strict=True):
            if asking["modality"] != "sketch" or asking["split"] != split:
                continue
            cosines = [
                (float(query @ vector / np.linalg.norm(query) / np.linalg.norm(vector)), sample["class_name"])
                for sample, vector in zip(rows, vectors, strict=True)
                if sample["modality"] == "photo" and sample["split"] in ("seen", "unseen")
            ]
            hits, precisions = 0, []
            for rank, (_, name) in enumerate(sorted(cosines, reverse=True), start=1):
                if name == asking["class_name"]:
                    hits += 1
                    precisions.append(hits / rank)
            values.append(sum(precisions) / len(precisions))
        means[split] = sum(values) / len(values)
        (row, *_) = report.settings()[f"generalised: {split} sketches against seen and unseen pictures"]
        assert row.metrics["map@all[plain]"] == pytest.approx(means[split])
    harmonic = [mean for mean in report.harmonic if mean.ranking == "nearest"]
    assert len(report.harmonic) == 4
    assert harmonic[0].setting == "generalised: harmonic mean of unseen and seen sketches"
    assert harmonic[0].metrics["map@all[plain]"] == pytest.approx(
        2 * means["unseen"] * means["seen"] / (means["unseen"] + means["seen"])
    )


@pytest.mark.slow
def test_the_report_says_what_was_learnt_from_what(report: Report) -> None:
    assert "a trained encoder was trained on them" in report.text()
    page = report.markdown()
    assert "| cluster M=2 K=2 fusion=0.2*† |" in page
    assert "## Generalised: harmonic mean of unseen and seen sketches" in page
    assert "gallery-transductive" in page
    assert "(oracle)" in page


def test_each_sample_is_embedded_once() -> None:
    cast = choose_samples(dataset(), config(generalised=True))
    ids = cast.all["id"].to_pylist()
    assert sorted(ids) == sorted({identifier for table in cast for identifier in table["id"].to_pylist()})
    assert cast.seen_gallery.num_rows == 51
    plain = choose_samples(dataset(), config())
    assert plain.seen_queries.num_rows == plain.seen_gallery.num_rows == 0
    assert plain.fingerprint != cast.fingerprint


def test_held_out_classes_are_asked_for_among_themselves() -> None:
    wanted = config(query_split="val", gallery_split="val", generalised=True)
    cast = choose_samples(dataset(), wanted)
    assert set(cast.queries["class_name"].to_pylist()) == set(cast.gallery["class_name"].to_pylist()) == {"arrow"}
    alone, with_others, *generalised = settings(cast, wanted)
    assert list(alone.queries) == ["val pictures"]
    assert set(with_others.gallery["class_name"].to_pylist()) == {"arrow", None}
    for setting in generalised:
        assert not {"star", "zigzag"} & set(setting.gallery["class_name"].to_pylist())


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(
    "ranker",
    [
        {"name": "cluster", "codewords": 5, "chunks": 1, "fusion": 0.0, "tie_break": "none"},
        {"name": "cluster", "codewords": 5, "chunks": 1, "fusion": 0.0},
        {"name": "mixture", "codewords": 3, "chunks": 2},
    ],
)
def test_any_division_gives_the_numbers_of_one_process(ranker: dict[str, Any]) -> None:
    samples = dataset()
    where = "unseen pictures and distractors"
    (queries, query_classes), (gallery, gallery_classes) = ByHand(samples, made_up(samples, seed=3)).settings()[where]
    (ranking,) = RankerConfig(**ranker).rankings()
    resources = EmbedResources(measure_rows=5, measure_mib=1)
    codebook = fit_ranking(ranking, gallery, resources=resources)
    divided = evaluate_on_cluster(
        queries,
        query_classes,
        gallery,
        gallery_classes,
        ranking=ranking,
        codebook=codebook,
        config=METRICS,
        resources=resources,
    )
    whole = evaluate(queries, query_classes, gallery, gallery_classes, ranker=ranking.ranker(), config=METRICS)
    assert divided == whole
    assert (whole.queries_with_ties > 0) == (ranker.get("tie_break") == "none")


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_gallery_that_cannot_be_fitted_is_a_mistake_of_the_user() -> None:
    gallery = np.eye(4, dtype=np.float32)
    with pytest.raises(ValueError, match="4 rows cannot be given 9 codewords"):
        fit_ranking(Ranking("cluster", {"codewords": 9}), gallery, resources=EmbedResources())
    with pytest.raises(ValueError, match="9 bits from 4 dimensions"):
        fit_binary(gallery, bits=9, resources=EmbedResources())
