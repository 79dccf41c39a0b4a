"""The calibrated score: a map that never reorders, and that travels with its own encoder only."""

import hashlib
import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.calibration import MAX_KNOTS, TIE_BREAK
from sketchray.encoders import (
    Calibration,
    CalibrationError,
    Encoder,
    EncoderConfig,
    PackageError,
    from_pretrained,
    save_pretrained,
)

NAME = "0123456789abcdef" * 2
COSINE = st.floats(-1, 1, width=32)


def calibration(
    scores: tuple[float, ...] = (-0.2, 0.1, 0.6), log_odds: tuple[float, ...] = (-4.0, -1.0, 2.5), encoder: str = NAME
) -> Calibration:
    words = "2 seen classes (a, b)"
    return Calibration(
        encoder=encoder, scores=scores, log_odds=log_odds, data=words, queries=3, pictures=4, base_rate=0.5
    )


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    scores = draw(st.lists(COSINE, min_size=1, max_size=MAX_KNOTS, unique=True))
    odds = draw(st.lists(st.floats(-14, 14), min_size=len(scores), max_size=len(scores)))
    return calibration(tuple(sorted(scores)), tuple(sorted(odds)))


def slow_probability(of: Calibration, score: float) -> float:
    knots = list(zip(of.scores, of.log_odds, strict=True))
    odds = knots[0][1] if score <= knots[0][0] else knots[-1][1]
    for (low, at_low), (high, at_high) in pairwise(knots):
        if low <= score <= high:
            odds = at_low + (at_high - at_low) * (score - low) / (high - low)
    return 1 / (1 + math.exp(-(odds + TIE_BREAK * score)))


@settings(deadline=None, max_examples=60)
@given(calibrations(), st.lists(COSINE, min_size=1, max_size=20))
def test_the_probability_is_linear_in_log_odds_between_knots(fitted: Calibration, scores: list[float]) -> None:
    expected = [slow_probability(fitted, score) for score in scores]
    np.testing.assert_allclose(fitted.probability(np.array(scores)), expected, rtol=1e-9)
    assert fitted.probability(scores[0]) == pytest.approx(expected[0])


@settings(deadline=None, max_examples=60)
@given(calibrations(), st.lists(COSINE, min_size=2, max_size=40))
def test_a_higher_score_is_never_less_probable_and_more_probable_beyond_rounding(
    fitted: Calibration, scores: list[float]
) -> None:
    knots = np.array(fitted.scores)
    around = np.concatenate([np.array(scores), knots, np.nextafter(knots, -2), np.nextafter(knots, 2)])
    ascending = np.sort(np.concatenate([around, around + 1e-7]))
    probability = fitted.probability(ascending)
    assert ((probability > 0) & (probability < 1)).all()
    assert (np.diff(probability) >= 0).all()
    assert (np.diff(probability)[np.diff(ascending) >= 1e-7] > 0).all()


@settings(deadline=None, max_examples=60)
@given(calibrations())
def test_bytes_read_back_are_the_same_map(fitted: Calibration) -> None:
    assert Calibration.from_bytes(fitted.to_bytes()) == fitted


def test_scores_of_any_shape_and_nan() -> None:
    score_QK = np.array([[0.1, np.nan], [0.9, -0.9]], np.float32)
    probability_QK = calibration().probability(score_QK)
    assert probability_QK.shape == (2, 2)
    assert np.isnan(probability_QK).tolist() == [[False, True], [False, False]]


def changed(**change: object) -> bytes:
    return json.dumps(json.loads(calibration().to_bytes()) | change).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not readable as JSON"),
        (b"\xff\xfe", "not readable as JSON"),
        (b"[]", "of format version None"),
        (changed(version=2), "of format version 2, this is 1"),
        (changed(scores=[0.1, 0.1, 0.2]), "the scores do not ascend"),
        (changed(log_odds=[0, -1, 2]), "the log-odds descend"),
        (changed(log_odds=[0, 1]), "3 scores but 2 log-odds"),
        (changed(scores=[], log_odds=[]), "scores"),
        (changed(log_odds=[0, 1, math.inf]), "log_odds"),
        (changed(scores=list(range(99)), log_odds=list(range(99))), "scores"),
        (changed(encoder="me"), "encoder"),
        (changed(colour=1), "colour"),
    ],
)
def test_what_is_no_calibration_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(CalibrationError, match=said):
        Calibration.from_bytes(data)


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(EncoderConfig(backbone="tiny-test", dim=8, image_size=32))


@pytest.fixture
def package(tmp_path: Path, encoder: Encoder) -> Path:
    encoder.calibration = calibration(encoder=encoder.fingerprint)
    save_pretrained(encoder, str(tmp_path), metadata={}, card="# A card\n", figures={"reliability.svg": "<svg/>"})
    return tmp_path


def test_a_package_keeps_the_calibration_and_the_encoder_its_fingerprint(package: Path, encoder: Encoder) -> None:
    again = from_pretrained(str(package))
    assert again.calibration == encoder.calibration
    encoder.calibration = None
    assert again.fingerprint == encoder.fingerprint
    assert (package / "reliability.svg").read_text() == "<svg/>"
    save_pretrained(encoder, str(package), metadata={}, card="")
    assert from_pretrained(str(package)).calibration is None


def test_another_encoders_calibration_is_not_saved(tmp_path: Path, encoder: Encoder) -> None:
    encoder.calibration = calibration()
    with pytest.raises(CalibrationError, match=f"of the encoder {NAME}, not of {encoder.fingerprint}"):
        save_pretrained(encoder, str(tmp_path), metadata={}, card="")
    assert not list(tmp_path.iterdir())


def put(package: Path, data: bytes) -> None:
    """Put another calibration into a package, with its hash, as someone would who knows the format."""
    (package / "calibration.json").write_bytes(data)
    config = json.loads((package / "config.json").read_text())
    config["calibration"]["sha256"] = hashlib.sha256(data).hexdigest()
    (package / "config.json").write_text(json.dumps(config))


def test_a_foreign_damaged_or_missing_calibration_is_refused_by_name(package: Path) -> None:
    file, good = package / "calibration.json", (package / "calibration.json").read_bytes()
    refused = pytest.raises(PackageError, match=f"{package}: calibration.json.* is damaged")
    file.write_bytes(good.replace(b"-4.0", b"-3.0"))
    with refused:
        from_pretrained(str(package))
    put(package, changed(log_odds=[3, 2, 1]))
    with refused:
        from_pretrained(str(package))
    put(package, calibration().to_bytes())
    with pytest.raises(PackageError, match=f"{package}: calibration.json: .* is of the encoder {NAME}"):
        from_pretrained(str(package))
    file.unlink()
    with pytest.raises(PackageError, match=r"calibration\.json is missing"):
        from_pretrained(str(package))
    put(package, good)
    assert from_pretrained(str(package)).calibration is not None


def test_a_package_from_before_calibrations_reads_as_ever(package: Path) -> None:
    config = json.loads((package / "config.json").read_text())
    del config["calibration"]
    (package / "config.json").write_text(json.dumps(config))
    assert from_pretrained(str(package)).calibration is None
