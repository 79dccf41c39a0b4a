"""The score split over places, against a slow definition, and what follows from it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sketchray.data.transforms import Picture
from sketchray.encoders import Encoder, EncoderConfig, explain, load_encoder

SIZE = 64


def pictures(seed: int = 0) -> tuple[Picture, Picture]:
    random = np.random.default_rng(seed)
    sketch, photo = (random.integers(0, 256, (3, SIZE, SIZE), np.uint8) for _ in range(2))
    return sketch, photo


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    encoder = Encoder(EncoderConfig(backbone="tiny-test", dim=5, image_size=SIZE))
    assert encoder.modality_bias is not None
    encoder.modality_bias.data.normal_(generator=torch.Generator().manual_seed(1))
    return encoder


def cosine(encoder: Encoder, sketch: Picture, photo: Picture) -> float:
    """The score as the search has it."""
    with torch.no_grad():
        vectors = encoder(torch.from_numpy(np.stack([sketch, photo])), torch.tensor([False, True]))
    return float(vectors[0] @ vectors[1])


def slow_pairs(encoder: Encoder, sketch: Picture, photo: Picture) -> np.ndarray:
    """Every pair of places on its own: its dot product, over both numbers of places and both lengths."""
    sides = []
    for number, image in enumerate((sketch, photo)):
        with torch.no_grad():
            x_13HW = encoder.backbone.normalise(torch.from_numpy(image)[None].float())
            f_Dhw = encoder.backbone.feature_map(x_13HW, torch.tensor([bool(number)]))[0]
        assert encoder.modality_bias is not None
        places = {}
        for row in range(f_Dhw.shape[1]):
            for column in range(f_Dhw.shape[2]):
                shifted_D = f_Dhw[:, row, column] + encoder.modality_bias[number].detach()
                places[row, column] = encoder.embed.get_parameter("weight").detach().double() @ shifted_D.double()
        sides.append((places, torch.stack(list(places.values())).mean(dim=0).norm()))
    (sketch_places, sketch_length), (photo_places, photo_length) = sides
    side = f_Dhw.shape[1]
    pairs = np.zeros((side, side, side, side))
    for one, z_d in sketch_places.items():
        for other, y_d in photo_places.items():
            pairs[one + other] = (z_d @ y_d) / (sketch_length * photo_length * side**4)
    return pairs


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_slow_definition_and_sums_to_the_score(encoder: Encoder, seed: int) -> None:
    sketch, photo = pictures(seed)
    explanation, slow = explain(encoder, sketch, photo), slow_pairs(encoder, sketch, photo)
    assert explanation.exact
    np.testing.assert_allclose(explanation.pairs(), slow, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(explanation.sketch(), slow.sum((2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(explanation.photo(), slow.sum((0, 1)), rtol=1e-4, atol=1e-6)
    score = cosine(encoder, sketch, photo)
    for parts in (explanation.pairs(), explanation.sketch(), explanation.photo()):
        assert parts.sum() == pytest.approx(score, abs=1e-5)
    assert explanation.score == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("name", ["convnextv2_tiny", "cse_resnet50", "dino_vitb16"])
def test_it_sums_to_the_score_whatever_the_backbone_and_says_where_it_assumes(
    name: str, published: Callable[[str], Path]
) -> None:
    encoder = load_encoder(f"frozen:{name}@{SIZE}:{published(name)}")
    sketch, photo = pictures()
    explanation = explain(encoder, sketch, photo)
    assert explanation.exact == (name != "dino_vitb16")
    assert explanation.pairs().sum() == pytest.approx(cosine(encoder, sketch, photo), abs=1e-4)


def test_sketch_and_photo_are_not_mixed_up(encoder: Encoder) -> None:
    sketch, photo = pictures()
    there, back = explain(encoder, sketch, photo), explain(encoder, photo, sketch)
    assert not np.allclose(there.sketch(), back.photo(), atol=1e-6), "the shift knows the modality"
    assert encoder.modality_bias is not None
    plain = Encoder(encoder.config.model_copy(update={"modality_bias": False}))
    np.testing.assert_allclose(
        explain(plain, sketch, photo).sketch(), explain(plain, photo, sketch).photo(), rtol=1e-4, atol=1e-6
    )


def test_what_matches_in_one_place_is_found_there(encoder: Encoder) -> None:
    """The same patch in two corners: the pair of these places is the one that stands out."""
    plain = Encoder(encoder.config.model_copy(update={"modality_bias": False, "dim": None}))
    random = np.random.default_rng(3)
    sketch, photo = (np.full((3, SIZE, SIZE), 127, np.uint8) for _ in range(2))
    patch = random.integers(0, 256, (3, 24, 24), np.uint8)
    sketch[:, :24, :24] = photo[:, -24:, -24:] = patch
    explanation = explain(plain, sketch, photo)
    side = explanation.sketch_hwd.shape[0]
    row, column, other_row, other_column = np.unravel_index(int(explanation.pairs().argmax()), (side,) * 4)
    assert max(row, column) <= side // 2 - 1
    assert min(other_row, other_column) >= side // 2


def test_an_embedding_of_nothing_has_no_parts(encoder: Encoder) -> None:
    silent = Encoder(encoder.config)
    for parameter in silent.parameters():
        parameter.data.zero_()
    explanation = explain(silent, *pictures())
    assert explanation.score == cosine(silent, *pictures()) == 0
    assert not explanation.pairs().any()
