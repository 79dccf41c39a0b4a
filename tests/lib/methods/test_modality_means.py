"""The modalities' means taken out of an encoder: against loops, on ranks that share the samples, and in a method."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from sketchray.encoders import Encoder, EncoderConfig
from sketchray.methods.modality_means import subtract_modality_means

Ranks = Callable[..., list[Any]]
COUNT, SIDE = 7, 32


def encoder_of(**options: Any) -> Encoder:
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(backbone="tiny-test", dim=8, image_size=SIDE, **options)).double()
    if encoder.modality_bias is not None:
        torch.nn.init.normal_(encoder.modality_bias)
    return encoder


def pictures(modality: str) -> Tensor:
    """Return samples of a modality: photos are light, so that the modalities differ."""
    generator = torch.Generator().manual_seed(len(modality))
    low, high = (0, 200) if modality == "sketch" else (100, 256)
    return torch.randint(low, high, (COUNT, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)


def clean(modality: str, *, rank: int = 0, ranks: int = 1) -> Iterator[tuple[Tensor, list[str]]]:
    rows = range(rank, COUNT, ranks)
    for part in (rows[first : first + 2] for first in range(0, len(rows), 2)):
        yield pictures(modality)[list(part)], [f"{modality}-{row}" for row in part]


@torch.no_grad()
def expected(encoder: Encoder, modality: str, most: int) -> Tensor:
    """Return the mean embedding of the first samples, one after the other, had the encoder no shift."""
    assert encoder.modality_bias is not None
    photo = torch.tensor([modality == "photo"])
    shift = encoder.modality_bias[photo.long()]
    features = [encoder.features(image[None], photo) - encoder.embed(shift) for image in pictures(modality)[:most]]
    total_1d: Tensor = sum(features[1:], features[0])
    return total_1d / len(features)


@torch.no_grad()
@pytest.mark.parametrize("most", [COUNT, 5, 100])
def test_what_is_subtracted_is_the_mean_of_the_first_samples_of_each_modality(most: int) -> None:
    encoder, before = encoder_of(), encoder_of()
    subtract_modality_means(encoder, clean, most=most)
    for modality in ("sketch", "photo"):
        photo_B = torch.full((COUNT,), modality == "photo")
        assert before.modality_bias is not None
        plain = before.features(pictures(modality), photo_B) - before.embed(before.modality_bias[photo_B.long()])
        wanted = plain - expected(before, modality, most)
        torch.testing.assert_close(encoder.features(pictures(modality), photo_B), wanted)


def test_without_a_shift_or_without_samples_it_says_so() -> None:
    with pytest.raises(ValueError, match=r"centre_samples: .* no shift"):
        subtract_modality_means(encoder_of(modality_bias=False), clean, most=3)
    with pytest.raises(ValueError, match="not one photo"):
        subtract_modality_means(encoder_of(), lambda m: clean(m) if m == "sketch" else iter(()), most=3)


def shifts_on_a_rank() -> Tensor | None:
    encoder = encoder_of()
    rank, ranks = dist.get_rank(), dist.get_world_size()
    subtract_modality_means(encoder, lambda modality: clean(modality, rank=rank, ranks=ranks), most=5)
    return encoder.modality_bias


def test_two_ranks_take_out_what_one_would(two_ranks: Ranks) -> None:
    alone = encoder_of()
    subtract_modality_means(alone, clean, most=5)
    for theirs in two_ranks(shifts_on_a_rank):
        torch.testing.assert_close(theirs, alone.modality_bias)


@pytest.mark.parametrize("name", ["finetune", "ama"])
def test_a_method_takes_them_out_of_what_ships_and_only_when_asked(small: Any, name: str) -> None:
    options: dict[str, Any] = {"head": {"hidden": 8, "bottleneck": 8, "outputs": 8}} if name == "ama" else {"ema": 0.9}
    plain, centred = small.method(name, **options), small.method(name, centre_samples=COUNT, **options)
    for method in (plain, centred):
        method.finish(clean)
    assert not plain.encoder.modality_bias.any()
    with torch.no_grad():
        mean_d = centred.encoder.features(pictures("photo"), torch.ones(COUNT, dtype=torch.bool)).mean(0)
    torch.testing.assert_close(mean_d, torch.zeros_like(mean_d))
    assert centred.encoder.modality_bias.abs().sum() > 0
