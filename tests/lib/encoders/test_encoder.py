"""The encoder: unit vectors, the SVD embedding, modality shifts, the fingerprint."""

import hashlib
import json

import pytest
import torch
from pydantic import ValidationError

from sketchray.encoders import Encoder, EncoderConfig, factorise


def images(n: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


def tiny(dim: int | None = 8, *, modality_bias: bool = True) -> Encoder:
    return Encoder(EncoderConfig(backbone="tiny-test", dim=dim, image_size=32, modality_bias=modality_bias))


@pytest.mark.parametrize(("dim", "width"), [(None, 32), (8, 8)])
def test_embeddings_are_float32_unit_vectors(dim: int | None, width: int) -> None:
    encoder = tiny(dim)
    embedding_BD = encoder(images(3), torch.tensor([True, False, True]))
    assert (embedding_BD.shape, embedding_BD.dtype, encoder.dim) == ((3, width), torch.float32, width)
    torch.testing.assert_close(embedding_BD.norm(dim=1), torch.ones(3))


def test_without_embedding_and_shift_it_is_the_backbone_on_normalised_pixels() -> None:
    encoder = tiny(None, modality_bias=False)
    expected = encoder.backbone((images(2).float() - 127) / 128)
    torch.testing.assert_close(encoder.features(images(2), torch.zeros(2, dtype=torch.bool)), expected)


def test_full_rank_factors_give_the_classifier_back_and_lower_rank_its_best_approximation() -> None:
    weight_KD = torch.randn(10, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    embed_dD, head_Kd = factorise(weight_KD, 10)
    torch.testing.assert_close(head_Kd @ embed_dD, weight_KD)
    embed_dD, head_Kd = factorise(weight_KD, 4)
    s_R = torch.linalg.svdvals(weight_KD)
    error = (head_Kd @ embed_dD - weight_KD).square().sum()
    torch.testing.assert_close(error, s_R[4:].square().sum())  # Eckart-Young
    with pytest.raises(ValueError, match=r"embedding of 11 dimensions is above the rank 10"):
        factorise(weight_KD, 11)


def test_the_sign_of_the_factors_does_not_depend_on_the_sign_that_svd_chose() -> None:
    weight_KD = torch.randn(6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    embed_dD, head_Kd = factorise(weight_KD, 3)
    mirrored_dD, mirrored_Kd = factorise(-weight_KD, 3)
    torch.testing.assert_close(mirrored_dD, embed_dD)
    torch.testing.assert_close(mirrored_Kd, -head_Kd)


def test_modality_shifts_start_at_nothing_and_reach_only_their_modality() -> None:
    encoder = tiny()
    as_sketch, as_photo = torch.tensor([False, False]), torch.tensor([True, True])
    torch.testing.assert_close(encoder(images(2), as_sketch), encoder(images(2), as_photo))
    assert encoder.modality_bias is not None
    encoder.modality_bias.data[0] = 1.0
    assert not torch.allclose(encoder(images(2), as_sketch), encoder(images(2), as_photo))
    encoder.features(images(2), as_photo).sum().backward()  # type: ignore[no-untyped-call]
    assert encoder.modality_bias.grad is not None
    assert encoder.modality_bias.grad[0].abs().sum() == 0 < encoder.modality_bias.grad[1].abs().sum()


def test_fingerprint_follows_weights_and_preprocessing_and_nothing_else() -> None:
    encoder = tiny()
    again = tiny()
    assert encoder.fingerprint == again.fingerprint
    again.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert encoder.fingerprint == again.fingerprint
    next(again.embed.parameters()).data[0, 0] += 1e-6
    assert encoder.fingerprint != again.fingerprint
    larger = Encoder(EncoderConfig(backbone="tiny-test", dim=8, image_size=64))
    assert encoder.fingerprint != larger.fingerprint


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"image_size": 4}, {"colour": 3}])
def test_configuration_refuses_what_makes_no_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        EncoderConfig.model_validate(wrong)


def test_the_fingerprint_of_encoders_from_before_weights_and_architecture_stays_what_it_was() -> None:
    encoder = tiny()
    names = ("backbone", "dim", "image_size", "raster_version", "modality_bias")
    described = {name: getattr(encoder.config, name) for name in names} | {"mean": 127.0, "std": 128.0}
    hashed = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    assert encoder.fingerprint == hashed.hexdigest()[:32]
