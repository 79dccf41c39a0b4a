"""The evaluate job on a miniature dataset: the numbers of a plain loop, found again, bad samples named."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from jobs import evaluate as job
from jobs._cli import run_verb
from jobs._evaluate_config import EmbedResources, EvaluateConfig
from jobs._evaluate_samples import choose_samples
from jobs._measuring import evaluate_on_cluster
from sketchray.config import ConfigError
from sketchray.data.loading import SampleLoader
from sketchray.data.reading import DataConfig, read_samples
from sketchray.data.transforms import prepare_photo, prepare_sketch
from sketchray.encoders import Encoder, EncoderConfig, load_encoder, save_pretrained
from sketchray.evaluation import MetricConfig, Report, evaluate

pytestmark = pytest.mark.slow

FROZEN = "frozen:tiny-test@32"
Vectors = npt.NDArray[np.float32]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SKETCHRAY_STORE", f"file://{tmp_path / 'store'}")
    return tmp_path / "store"


def config(root: Path, **change: Any) -> EvaluateConfig:
    return EvaluateConfig.model_validate(
        {"data": DataConfig(root=str(root)), "encoders": [FROZEN], "batch_size": 8} | change
    )


def package(folder: Path, *, size: int, seed: int) -> str:
    torch.manual_seed(seed)
    encoder = Encoder(EncoderConfig(backbone="tiny-test", image_size=size, dim=8))
    for parameter in encoder.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    save_pretrained(encoder, str(folder), metadata={}, card="a test")
    return str(folder)


def by_hand(root: Path, spec: str, **wanted: str) -> tuple[Vectors, list[str | None]]:
    """Embed some samples one after the other, without Ray."""
    encoder, loader = load_encoder(spec), SampleLoader()
    vectors, classes = [], []
    for sample in read_samples(DataConfig(root=str(root))).to_pylist():
        if any(sample[name] != value for name, value in wanted.items()):
            continue
        photo = sample["modality"] == "photo"
        size = encoder.config.image_size
        picture = (
            prepare_photo(loader.photo(sample["uri"]), size)
            if photo
            else prepare_sketch(loader.sketch(sample["uri"]), size)
        )
        with torch.inference_mode():
            vectors.append(encoder(torch.from_numpy(picture)[None], torch.tensor([photo]))[0].numpy())
        classes.append(sample["class_name"] if sample["split"] == "unseen" else None)
    return np.stack(vectors), classes


@pytest.mark.usefixtures("local_ray", "store")
def test_it_gives_the_numbers_of_a_plain_loop(mini_root: Path, tmp_path: Path) -> None:
    trained = package(tmp_path / "trained", size=24, seed=0)
    result = job.run(config(mini_root, encoders=[FROZEN, trained]))
    assert result["status"] == "evaluated"
    rows = {(row["name"], row["distractors"] > 0): row for row in result["rows"]}
    assert len(rows) == len(result["rows"]) == 4
    for spec in (FROZEN, trained):
        queries, query_classes = by_hand(mini_root, spec, modality="sketch", split="unseen")
        uri = spec if spec == FROZEN else f"file://{spec}"
        for with_distractors in (False, True):
            wanted = {"modality": "photo"} | ({} if with_distractors else {"split": "unseen"})
            gallery, gallery_classes = by_hand(mini_root, spec, **wanted)
            expected = evaluate(queries, query_classes, gallery, gallery_classes)
            row = rows[uri, with_distractors]
            assert (row["queries"], row["gallery"], row["distractors"]) == (
                (16, 54, 38) if with_distractors else (16, 16, 0)
            )
            assert row["metrics"] == pytest.approx(expected.metrics, abs=1e-4)
            assert row["metrics_macro"] == pytest.approx(expected.metrics_macro, abs=1e-4)
            assert row["fingerprint"] == load_encoder(spec).fingerprint


@pytest.mark.usefixtures("local_ray")
def test_the_same_evaluation_is_found_again_wherever_the_data_lies(
    mini_root: Path, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = package(tmp_path / "encoder", size=24, seed=0)
    first = job.run(config(mini_root, encoders=[encoder]))
    name = first["evaluation"]
    assert {path.name for path in (store / "evaluations").iterdir() if path.suffix in (".json", ".md")} == {
        f"{name}.json",
        f"{name}.md",
    }
    monkeypatch.setattr(job, "embed_all", lambda *_: pytest.fail("embedded again"))
    elsewhere = shutil.copytree(mini_root, tmp_path / "elsewhere")
    again = job.run(config(elsewhere, encoders=[encoder], resources={"threads": 1}))
    assert again == first | {"status": "found"}
    monkeypatch.undo()
    monkeypatch.setenv("SKETCHRAY_STORE", f"file://{store}")
    package(tmp_path / "encoder", size=24, seed=1)
    other = job.run(config(mini_root, encoders=[encoder]))
    assert other["status"] == "evaluated"
    assert other["evaluation"] != name
    report = store / "evaluations" / f"{other['evaluation']}.json"
    report.write_text(report.read_text()[:100])
    assert job.run(config(mini_root, encoders=[encoder])) == other


@pytest.mark.usefixtures("local_ray", "store")
def test_bad_samples_are_counted_and_named(mini_root: Path, tmp_path: Path) -> None:
    root = shutil.copytree(mini_root, tmp_path / "data")
    (root / "photos" / "star" / "star_0.png").write_bytes(b"not a picture")
    (root / "gallery" / "noise_1.png").write_bytes(b"")
    result = job.run(config(root))
    assert [Path(sample["uri"]).name for sample in result["unreadable"]] == ["noise_1.png", "star_0.png"]
    assert all(sample["reason"] for sample in result["unreadable"])
    assert [row["gallery"] for row in result["rows"]] == [15, 52]
    with pytest.raises(ValueError, match=r"2 of 70 samples are unreadable, more than max_bad=0\.01"):
        job.run(config(root, max_bad=0.01))


@pytest.mark.usefixtures("local_ray", "store")
def test_the_command_prints_json_last_and_writes_a_folder(
    mini_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"data.root={mini_root}", f"encoders=[{FROZEN}]", "distractors=false", f"output={tmp_path / 'out'}"]
    assert run_verb("evaluate", EvaluateConfig, job.run, doc=None, argv=arguments) == 0
    out, err = capsys.readouterr()
    result = json.loads(out.splitlines()[-1])
    assert "map@all[plain]" in err
    report = Report.model_validate_json((tmp_path / "out" / "evaluation.json").read_text())
    assert report.model_dump(mode="json") == {name: result[name] for name in type(report).model_fields}
    assert (tmp_path / "out" / "evaluation.md").read_text() == report.markdown()
    assert run_verb("evaluate", EvaluateConfig, job.run, doc=None, argv=[*arguments, "encoders=[frozen:nothing]"]) == 2
    assert "nothing" in capsys.readouterr().err


@pytest.mark.usefixtures("local_ray", "store")
def test_held_out_classes_are_evaluated_without_opening_an_unseen_sample(mini_root: Path, tmp_path: Path) -> None:
    root = shutil.copytree(mini_root, tmp_path / "data")
    for photo in (*(root / "photos" / "star").iterdir(), *(root / "photos" / "zigzag").iterdir()):
        photo.write_bytes(b"not a picture")
    rankers = [{"name": "nearest"}, {"name": "cluster", "chunks": 1, "codewords": "auto", "oracle": [4]}]
    wanted = config(
        root,
        data={"root": str(root), "held_out": 2},
        query_split="val",
        gallery_split="val",
        distractors=False,
        generalised=True,
        rankers=rankers,
        binary=8,
    )
    result = job.run(wanted)
    assert result["unreadable"] == []
    rows = [row for row in result["rows"] if row["setting"] == "val pictures"]
    assert [(row["ranking"], row["transductive"], row["oracle"]) for row in rows] == [
        ("nearest", False, False),
        ("cluster M=1 K=2 (auto) fusion=0.2", True, False),
        ("cluster M=1 K=4 fusion=0.2", True, True),
        ("8 bits", True, False),
    ]
    assert {(row["queries"], row["gallery"]) for row in rows} == {(16, 16)}
    assert [scores["criterion"] for scores in rows[1]["selection"]["criteria"]] == ["silhouette", "bic"]
    assert {len(row["map_by_class"]) for row in result["rows"]} == {2, 4}  # val or seen classes; with a fifth seen, 4
    assert len(result["harmonic"]) == 4
    assert job.run(wanted) == result | {"status": "found"}
    with pytest.raises(ConfigError, match=r"binary: 1000 bits from the \d+ dimensions of frozen:tiny-test"):
        job.run(config(root, binary=1000))


def test_the_choice_of_samples_is_fixed_and_limited(mini_root: Path) -> None:
    samples = read_samples(DataConfig(root=str(mini_root)))
    limited = choose_samples(samples, config(mini_root, max_queries_per_class=3, max_distractors=10))
    assert sorted(limited.queries["class_name"].to_pylist()) == ["star"] * 3 + ["zigzag"] * 3
    assert limited.distractors.num_rows == 10
    assert set(limited.gallery["split"].to_pylist()) == {"unseen"}
    assert (
        limited.fingerprint
        == choose_samples(samples.slice(0), config(mini_root, max_queries_per_class=3, max_distractors=10)).fingerprint
    )
    everything = choose_samples(samples, config(mini_root))
    assert set(limited.queries["id"].to_pylist()) < set(everything.queries["id"].to_pylist())
    assert everything.distractors.num_rows == 38
    assert choose_samples(samples, config(mini_root, distractors=False)).distractors.num_rows == 0


def test_a_dataset_without_the_split_is_a_clear_error(mini_root: Path) -> None:
    samples = read_samples(DataConfig(root=str(mini_root)))
    seen = samples.filter([split == "seen" for split in samples["split"].to_pylist()])
    with pytest.raises(ConfigError, match="no sketches in its 'unseen' split"):
        choose_samples(seen, config(mini_root))


@pytest.mark.usefixtures("local_ray")
def test_any_division_over_the_cluster_gives_the_identical_numbers() -> None:
    rng = np.random.default_rng(0)
    # Few distinct values, so that most scores tie: the random tie orders must not depend on the division either.
    queries, gallery = (rng.integers(0, 3, (rows, 3)).astype(np.float32) + 0.5 for rows in (40, 150))
    query_classes: list[str | None] = ["abcd"[row % 4] for row in range(40)]
    gallery_classes = ["abc"[row % 3] if row % 5 else None for row in range(150)]
    metrics = MetricConfig(map_at=(5,), precision_at=(5,))
    whole = evaluate(queries, query_classes, gallery, gallery_classes, config=metrics)
    finished: list[int] = []
    divided = evaluate_on_cluster(
        queries,
        query_classes,
        gallery,
        gallery_classes,
        config=metrics,
        resources=EmbedResources(measure_rows=7),
        progress=finished.append,
    )
    assert divided == whole
    assert whole.queries_without_positive == 10
    assert sorted(finished) == [5, 7, 7, 7, 7, 7]
    gallery[3] = 0
    with pytest.raises(ValueError, match="gallery embedding 3 is zero"):
        evaluate_on_cluster(
            queries, query_classes, gallery, gallery_classes, config=metrics, resources=EmbedResources()
        )
