"""AMA: its terms and their weights, no labels, the teacher that ships, resumed runs, two ranks against one."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, AdamW

from sketchray.config import ConfigError
from sketchray.data.samples import Modality
from sketchray.encoders import EncoderConfig
from sketchray.losses import cluster_contrast, confident, distance_alignment, self_distillation, similarity_guidance
from sketchray.methods import AMA, Batch, Method, create_method
from sketchray.methods.ama_terms import spread
from sketchray.methods.compute import ComputeConfig
from sketchray.methods.fitting import PLAIN, load_state, save_state, train_step

Ranks = Callable[..., list[Any]]
SIDE, SMALL_SIDE, SAMPLES, STEPS = 32, 16, 12, 6


class NoLabels(Tensor):
    """A tensor that may be carried about and not looked at."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{function} touched the labels")


def ama(*, dim: int | None = 8, dtype: torch.dtype = torch.float64, **options: Any) -> AMA:
    torch.manual_seed(0)
    small: dict[str, Any] = {
        "head": {"hidden": 16, "bottleneck": 8, "outputs": 24},
        "crops": {"local_crops": 2, "local_size": SMALL_SIDE},
        "granularities": (2, 4),
        "contrast_from": 2,
        "contrast_full": 4,
        "mutual_from": 2,
        "ema_half_life": 3,
        "confidence": 0.0,
        "optimizer": "adamw",
        "lr": 1e-3,
    }
    encoder = EncoderConfig(backbone="tiny-test", dim=dim, image_size=SIDE)
    method = create_method("ama", classes=[], encoder=encoder, **(small | options))
    assert isinstance(method, AMA)
    return method.to(dtype)


def pictures(*shape: int, seed: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def names(modality: str) -> list[str]:
    return [f"{modality}-{i}" for i in range(SAMPLES)]


def batch(step: int, *, rank: int = 0, ranks: int = 1, rows: int = 4) -> Batch:
    """A rank's part of a step's global batch: samples that `clean` also yields, and labels that must not be read."""
    part = slice(rank * rows // ranks, (rank + 1) * rows // ranks)
    crops = {
        m: (pictures(rows, 2, 3, SIDE, SIDE, seed=k + step)[part],
            pictures(rows, 2, 3, SMALL_SIDE, SMALL_SIDE, seed=k + 50 + step)[part])
        for m, k in (("sketch", 100), ("photo", 200))
    }  # fmt: skip
    ids = {m: [names(m)[(step * rows + i) % SAMPLES] for i in range(rows)][part] for m in crops}
    hidden = torch.zeros(rows, dtype=torch.int64)[part].as_subclass(NoLabels)
    return Batch(
        sketches=crops["sketch"][0][:, 0],
        sketch_labels=hidden,
        sketch_ids=ids["sketch"],
        photos=crops["photo"][0][:, 0],
        photo_labels=hidden,
        photo_ids=ids["photo"],
        sketch_crops=crops["sketch"],
        photo_crops=crops["photo"],
    )


def clean(modality: Modality, *, rank: int = 0, ranks: int = 1) -> Iterator[tuple[Tensor, list[str]]]:
    """This rank's share of all training samples, in batches of three."""
    images, ids = pictures(SAMPLES, 3, SIDE, SIDE, seed=7 + len(modality))[rank::ranks], names(modality)[rank::ranks]
    for first in range(0, len(ids), 3):
        yield images[first : first + 3], ids[first : first + 3]


class Run(NamedTuple):
    """What some steps left behind."""

    log: list[dict[str, float]]
    gradients: dict[str, Tensor]
    state: dict[str, Tensor]


def run(method: AMA, optimizers: Any, steps: range, *, ranks: int = 1, compute: ComputeConfig = PLAIN) -> Run:
    """Train with an epoch of two steps; keep the gradients of the last step."""
    rank = dist.get_rank() if ranks > 1 else 0
    wrapped: Method | DistributedDataParallel = DistributedDataParallel(method) if ranks > 1 else method
    log = []
    for step in steps:
        if step % 2 == 0:
            method.start_epoch(step // 2, lambda modality: clean(modality, rank=rank, ranks=ranks))
        part = batch(step, rank=rank, ranks=ranks)
        log.append(train_step(wrapped, part, optimizers, step=step, total=STEPS, compute=compute))
    gradients = {n: p.grad.clone() for n, p in method.named_parameters() if p.grad is not None}
    return Run(log, gradients, {name: t.clone() for name, t in method.state_dict().items()})


def test_it_asks_for_no_labels_and_reads_none() -> None:
    method = ama()
    assert not method.needs_labels
    with pytest.raises(AssertionError, match="touched the labels"):
        batch(0).labels  # noqa: B018 - that the trap works
    log = run(method, method.optimizers(STEPS), range(STEPS)).log
    assert all(math.isfinite(value) for values in log for value in values.values())
    assert log[-1]["sd_sketch"] < log[0]["sd_sketch"]


@pytest.mark.parametrize("dim", [8, None])
def test_terms_are_composed_as_stated(dim: int | None) -> None:
    weights: dict[str, Any] = {"sketch": 2.0, "photo": 1.0, "contrast": 0.4, "guidance": 0.3, "mutual": 0.2}
    method = ama(dim=dim, confidence=0.2, tau_mutual=0.05, **weights)
    run(method, method.optimizers(STEPS), range(3))  # clusters were found, student and teacher have parted
    part, aligned = batch(3), []
    centres = method.centre_MK.clone()
    terms = {name: term.item() for name, term in method(Batch(**{**vars(part), "step": 3})).items()}
    expected = {}
    for m, (crops, ids) in {
        "sketch": (part.sketch_crops, part.sketch_ids),
        "photo": (part.photo_crops, part.photo_ids),
    }.items():
        photo = torch.full((4,), m == "photo")
        views = [size[:, v] for size in crops for v in range(2)]
        z = torch.stack([method.student.encoder.features(view, photo) for view in views])
        h = torch.stack([method.student.head(view) for view in z])
        tz = torch.stack([method.teacher.encoder.features(view, photo) for view in views[:2]])
        th = torch.stack([method.teacher.head(view) for view in tz])
        q, k = F.normalize(z, dim=2), F.normalize(tz, dim=2)
        centre = centres[int(m == "photo")]
        expected[f"sd_{m}"] = self_distillation(h, th, centre, student_temperature=0.1, teacher_temperature=0.04)
        clusters = method.clusters(m)  # type: ignore[arg-type]
        own = clusters.lookup(ids, k[0])
        kept = torch.stack(
            [confident(k[0], c, o, temperature=0.2, least=0.2) for c, o in zip(clusters.centroids, own, strict=True)]
        )
        expected[f"kept_{m}"] = kept.double().mean()
        expected[f"cc_{m}"] = cluster_contrast(q[0], q[1:], own, kept, temperature=0.2)
        same = torch.arange(4).repeat(2)
        expected[f"sg_{m}"] = similarity_guidance(q[:2].flatten(0, 1), k.flatten(0, 1), same)
        expected[f"spread_{m}"] = spread(k[0])
        pairs = zip(method.sketch_clusters.centroids, method.photo_clusters.centroids, strict=True)
        aligned += [distance_alignment(q[0], a, b, temperature=0.05) for a, b in pairs]
    expected["ma"] = torch.stack(aligned).mean()
    factor = {"sd_sketch": 2.0, "sd_photo": 1.0, "ma": 0.2, "sg_sketch": 0.3, "sg_photo": 0.3}
    factor |= {"cc_sketch": 0.2, "cc_photo": 0.2}  # step 3 is half-way from 2 to 4
    loss = sum(weight * expected[name].item() for name, weight in factor.items())
    shares = {f"share_{name}": weight * expected[name].item() / loss for name, weight in factor.items()}
    wanted = {name: term.item() for name, term in expected.items()} | shares | {"loss": loss}
    assert terms == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_terms_start_at_their_steps_and_a_weight_of_zero_leaves_one_out() -> None:
    method = ama(contrast_from=2, contrast_full=4, mutual_from=4)
    log = run(method, method.optimizers(STEPS), range(STEPS)).log
    started = {name: [values[name] != 0 for values in log].index(True) for name in ("cc_photo", "sg_photo", "ma")}
    assert started == {"cc_photo": 2, "sg_photo": 4, "ma": 4}
    assert [method.config.contrast_weight(step) for step in (1, 2, 3, 4, 9)] == [0, 0, 0.25, 0.5, 0.5]
    method = ama(contrast=0, guidance=0, mutual=0)
    values = run(method, method.optimizers(STEPS), range(STEPS)).log[-1]
    assert [values[name] for name in ("cc_sketch", "sg_sketch", "ma")] == [0, 0, 0]
    assert len(method.sketch_clusters) == 0  # nothing reads clusters, so none were made


def test_what_ships_is_the_teacher_and_half_of_it_is_younger_than_the_half_life() -> None:
    method = ama(ema_half_life=4)
    assert method.encoder is method.teacher.encoder
    before = [p.clone() for p in method.teacher.parameters()]
    for p in method.student.parameters():
        p.data += 1
    for step in range(4):
        method.after_step(step)
    for old, new in zip(before, method.teacher.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.5)
    assert not any(p.requires_grad for p in method.teacher.parameters())


def test_what_ships_can_be_drawn_back_towards_what_it_started_from() -> None:
    method = ama(start_share=0.25)
    method.begin_from(ama().encoder)
    before = [p.clone() for p in method.encoder.parameters()]
    for p in method.teacher.parameters():
        p.data += 1
    method.finish(lambda _: iter(()))
    for old, new in zip(before, method.encoder.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.75)


def test_every_trainable_parameter_gets_a_gradient_from_the_first_step_on() -> None:
    method = ama(frozen_stages=1)
    method(batch(0))["loss"].backward()
    for name, parameter in method.named_parameters():
        trains = name.startswith("student.") and not name.startswith("student.encoder.backbone.layers.0.")
        assert parameter.requires_grad == trains == (parameter.grad is not None), name


@pytest.mark.parametrize("centre", ["modality", "shared"])
def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(centre: str, tmp_path: Path) -> None:
    unbroken = ama(dtype=torch.float32, centre=centre)
    optimizers = unbroken.optimizers(STEPS)
    run(unbroken, optimizers, range(5))  # into the third epoch
    save_state(tmp_path, unbroken, optimizers, step=5)
    whole = run(unbroken, optimizers, range(5, 6))

    resumed = ama(dtype=torch.float32, centre=centre)
    fresh = resumed.optimizers(STEPS)
    assert load_state(tmp_path, resumed, fresh) == 5
    again = run(resumed, fresh, range(5, 6))
    assert again.log == whole.log
    assert all(torch.equal(again.state[name], value) for name, value in whole.state.items())


def test_a_state_of_other_granularities_is_refused(tmp_path: Path) -> None:
    method = ama()
    optimizers = method.optimizers(STEPS)
    run(method, optimizers, range(3))
    save_state(tmp_path, method, optimizers, step=3)
    for other in (ama(granularities=(2,)), ama(granularities=(2, 3))):
        with pytest.raises(ValueError, match="no training state that fits this method"):
            load_state(tmp_path, other, other.optimizers(STEPS))


def whole_run(centre: str, ranks: int, micro_batch: int | None) -> Run:
    method = ama(centre=centre, tau_mutual=0.1, confidence=0.2)
    compute = ComputeConfig(micro_batch=micro_batch)
    return run(method, method.optimizers(STEPS), range(STEPS), ranks=ranks, compute=compute)


@pytest.mark.parametrize(("centre", "micro_batch"), [("modality", 3), ("shared", None)])
def test_two_ranks_equal_one_process_with_the_whole_batch(
    centre: str, micro_batch: int | None, two_ranks: Ranks
) -> None:
    one = whole_run(centre, 1, None)
    assert one.log[-1]["kept_photo"] > 0
    for theirs in two_ranks(whole_run, centre, 2, micro_batch):
        for mine, yours in zip(one.log, theirs.log, strict=True):
            assert yours == pytest.approx(mine, rel=1e-7, abs=1e-9)
        for name, gradient in one.gradients.items():
            torch.testing.assert_close(theirs.gradients[name], gradient, rtol=1e-5, atol=1e-10, msg=name)
        assert one.state.keys() == theirs.state.keys()
        for name, value in one.state.items():
            torch.testing.assert_close(theirs.state[name], value, rtol=1e-5, atol=1e-7, msg=name)


def test_a_batch_of_one_sketch_and_one_photo_trains() -> None:
    method = ama()
    run(method, method.optimizers(STEPS), range(3))
    values = train_step(method, batch(3, rows=1), method.optimizers(1), step=3, total=4)
    assert all(map(math.isfinite, values.values()))


def test_a_batch_without_views_is_refused() -> None:
    part = batch(0)
    with pytest.raises(ValueError, match="several views of each photo"):
        ama()(Batch(**{**vars(part), "photo_crops": ()}))


def test_spread_is_one_on_the_sphere_and_nothing_at_a_point() -> None:
    x = torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))
    assert spread(F.normalize(x, dim=1)).item() == pytest.approx(1, abs=0.02)
    assert spread(F.normalize(x[:1], dim=1).expand(9, 16)).item() == pytest.approx(0, abs=1e-6)


def test_the_papers_optimiser_is_the_default_and_the_rate_falls_to_nothing() -> None:
    torch.manual_seed(0)
    head = {"hidden": 8, "bottleneck": 8, "outputs": 8}
    encoder = EncoderConfig(backbone="tiny-test", dim=8, image_size=SIDE)
    method = create_method("ama", classes=[], encoder=encoder, head=head)
    optimizer = method.optimizers(10)["student"]
    assert isinstance(optimizer, SGD)
    assert [(g["lr"], g["momentum"], g["weight_decay"]) for g in optimizer.param_groups] == [(2e-4, 0.9, 1e-4)] * 2
    assert method.lr_factor(0, 10) == 1
    assert method.lr_factor(10, 10) == pytest.approx(0)
    assert isinstance(ama(head_lr=0.1).optimizers(10)["student"], AdamW)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tau_teachers": 1}, r"unknown key method.tau_teachers; did you mean method.tau_teacher\?"),
        ({"granularities": ()}, r"method.granularities"),
        ({"crops": {"global_crops": 1}}, r"method.crops.global_crops"),
        ({"crops": {"local_scale": (0.6, 0.2)}}, r"local_scale: 0.6 to 0.2 is not a range"),
    ],
)
def test_a_wrong_option_is_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ama(**wrong)
