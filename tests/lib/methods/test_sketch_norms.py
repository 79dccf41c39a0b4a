"""The sketches' batch-norm statistics: against a layer-by-layer loop, bounded, on ranks, and in the methods."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from sketchray.encoders import Encoder, EncoderConfig, modality_norms
from sketchray.methods.sketch_norms import SketchNormsConfig, adapt_sketch_norms

Ranks = Callable[..., list[Any]]
COUNT, SIDE = 7, 32


def encoder_of(**options: Any) -> Encoder:
    config = EncoderConfig(backbone="efficientnet_lite0", dim=None, image_size=SIDE, sketch_norms=True)
    torch.manual_seed(0)
    return Encoder(config.model_copy(update=options), pretrained=False).double()


def sketches() -> Tensor:
    return torch.randint(
        100, 256, (COUNT, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(3)
    )


def clean(modality: str, *, rank: int = 0, ranks: int = 1) -> Iterator[tuple[Tensor, list[str]]]:
    assert modality == "sketch"
    rows = range(rank, COUNT, ranks)
    for part in (rows[first : first + 2] for first in range(0, len(rows), 2)):
        yield sketches()[list(part)], [f"sketch-{row}" for row in part]


def statistics(encoder: Encoder) -> list[tuple[Tensor, Tensor]]:
    norms = [norm.sketch for norm in modality_norms(encoder.backbone)]
    return [(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms]  # type: ignore[union-attr]


@torch.no_grad()
def expected(share: float, most: int) -> list[tuple[Tensor, Tensor]]:
    """Move one norm after the other; for each, pass all sketches again through those that are moved already."""
    encoder = encoder_of()
    for norm in modality_norms(encoder.backbone):
        came: list[Tensor] = []
        hook = norm.register_forward_pre_hook(lambda _, args, came=came: came.append(args[0]))
        encoder.features(sketches()[:most], torch.zeros(min(most, COUNT), dtype=torch.bool))
        hook.remove()
        values_CN = came[0].movedim(1, 0).flatten(1)
        mean_C = values_CN.sum(dim=1) / values_CN.shape[1]
        variance_C = ((values_CN - mean_C[:, None]) ** 2).sum(dim=1) / values_CN.shape[1]
        for own_C, measured_C in ((norm.sketch.running_mean, mean_C), (norm.sketch.running_var, variance_C)):
            assert own_C is not None
            own_C.copy_((1 - share) * own_C + share * measured_C)
    return statistics(encoder)


@pytest.mark.parametrize(("share", "most"), [(0.3, 100), (1.0, 5)])
def test_every_layer_moves_towards_what_passes_the_moved_ones_before_it(share: float, most: int) -> None:
    encoder = encoder_of()
    photos = [norm.photo.running_mean.clone() for norm in modality_norms(encoder.backbone)]  # type: ignore[union-attr]
    adapt_sketch_norms([encoder], clean, SketchNormsConfig(share=share, samples=most))
    torch.testing.assert_close(statistics(encoder), expected(share, most))
    for before, norm in zip(photos, modality_norms(encoder.backbone), strict=True):
        assert norm.photo.running_mean is not None
        torch.testing.assert_close(norm.photo.running_mean, before)


def test_an_encoder_that_trained_with_them_keeps_them() -> None:
    encoder = encoder_of()
    adapt_sketch_norms([encoder], clean, SketchNormsConfig())
    before = statistics(encoder)
    adapt_sketch_norms([encoder], clean, SketchNormsConfig(share=0.9))
    torch.testing.assert_close(statistics(encoder), before, rtol=0, atol=0)


def test_without_such_norms_nothing_is_read_and_without_sketches_it_says_so() -> None:
    plain = encoder_of(sketch_norms=False)
    adapt_sketch_norms([plain], lambda modality: pytest.fail(f"read {modality}"), SketchNormsConfig())
    with pytest.raises(ValueError, match="not one sketch"):
        adapt_sketch_norms([encoder_of()], lambda _: iter(()), SketchNormsConfig())


def on_a_rank() -> list[tuple[Tensor, Tensor]]:
    encoder = encoder_of()
    rank, ranks = dist.get_rank(), dist.get_world_size()
    adapt_sketch_norms(
        [encoder], lambda modality: clean(modality, rank=rank, ranks=ranks), SketchNormsConfig(samples=5)
    )
    return statistics(encoder)


def test_two_ranks_measure_what_one_would(two_ranks: Ranks) -> None:
    alone = encoder_of()
    adapt_sketch_norms([alone], clean, SketchNormsConfig(samples=5))
    for theirs in two_ranks(on_a_rank):
        torch.testing.assert_close(theirs, statistics(alone))


@pytest.mark.parametrize("name", ["bridge", "ama"])
def test_a_method_measures_them_before_its_first_epoch(small: Any, name: str) -> None:
    options: dict[str, Any] = {"head": {"hidden": 8, "bottleneck": 8, "outputs": 8}} if name == "ama" else {"ema": 0.9}
    method = small.method(name, sketch_norms=True, **options)
    before = [statistics(encoder) for encoder in method.starting()]
    method.start_epoch(1, clean)
    torch.testing.assert_close([statistics(encoder) for encoder in method.starting()], before)
    method.start_epoch(0, clean)
    student, follower = method.starting()
    torch.testing.assert_close(statistics(student), statistics(follower))
    assert not torch.equal(statistics(student)[0][0], before[0][0][0])
