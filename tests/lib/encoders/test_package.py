"""The encoder package: what is written is what is read; anything else is refused with its name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sketchray.encoders import (
    Encoder,
    EncoderConfig,
    PackageError,
    from_pretrained,
    load_encoder,
    read_package_config,
    save_pretrained,
)


@pytest.fixture
def encoder() -> Encoder:
    encoder = Encoder(EncoderConfig(backbone="tiny-test", dim=8, image_size=32))
    generator = torch.Generator().manual_seed(0)
    for parameter in encoder.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return encoder


@pytest.fixture
def package(tmp_path: Path, encoder: Encoder) -> Path:
    save_pretrained(encoder, str(tmp_path / "package"), metadata={"method": "none"}, card="# A card\n")
    return tmp_path / "package"


def test_a_package_read_back_is_the_same_encoder(package: Path, encoder: Encoder) -> None:
    assert {path.name for path in package.iterdir()} >= {"config.json", "model.safetensors", "README.md"}
    again = from_pretrained(str(package))
    assert again.config == encoder.config
    assert again.fingerprint == encoder.fingerprint == read_package_config(str(package))["fingerprint"]
    assert not again.training
    images_B3HW = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    photo_B = torch.tensor([True, False])
    assert torch.equal(again(images_B3HW, photo_B), encoder(images_B3HW, photo_B))


def test_metadata_and_card_travel_along(package: Path) -> None:
    assert read_package_config(f"file://{package}")["metadata"] == {"method": "none"}
    assert (package / "README.md").read_text() == "# A card\n"
    assert load_encoder(f"file://{package}").config.dim == 8


def change(package: Path, edit: Callable[[dict[str, object]], object]) -> None:
    config = json.loads((package / "config.json").read_text())
    edit(config)
    (package / "config.json").write_text(json.dumps(config))


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no package": (lambda p: p.rename(p.with_name("elsewhere")), r"no encoder package here \(config.json is missing"),
    "no weights": (lambda p: (p / "model.safetensors").unlink(), "model.safetensors is missing"),
    "truncated": (lambda p: (p / "model.safetensors").write_bytes((p / "model.safetensors").read_bytes()[:99]), "dam"),
    "one bit": (lambda p: flip_a_byte(p / "model.safetensors"), "model.safetensors is damaged"),
    "not JSON": (lambda p: (p / "config.json").write_text("{"), "not readable as JSON"),
    "a list": (lambda p: (p / "config.json").write_text("[]"), "not of format version 1"),
    "newer": (lambda p: change(p, lambda c: c.update(format_version=2)), "not of format version 1"),
    "no hash": (lambda p: change(p, lambda c: c.pop("weights")), "lacks or garbles a field .*weights"),
    "unknown key": (lambda p: change(p, lambda c: c["encoder"].update(colour=1)), "lacks or garbles a field"),  # type: ignore[attr-defined]
    "other shape": (lambda p: change(p, lambda c: c["encoder"].update(dim=9)), "does not fit config.json"),  # type: ignore[attr-defined]
    "other size": (lambda p: change(p, lambda c: c["encoder"].update(image_size=64)), "fingerprint"),  # type: ignore[attr-defined]
    "raster": (lambda p: change(p, lambda c: c["encoder"].update(raster_version=99)), "sketch raster version 99"),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_package_is_refused_by_name(package: Path, kind: str) -> None:
    damage, message = DAMAGE[kind]
    damage(package)
    with pytest.raises(PackageError, match=message) as caught:
        from_pretrained(str(package))
    assert str(package) in str(caught.value)


def test_frozen_backbones_load_by_name() -> None:
    encoder = load_encoder("frozen:tiny-test@64")
    assert (encoder.config.image_size, encoder.dim, encoder.modality_bias) == (64, 32, None)
    assert load_encoder("frozen:tiny-test").config.image_size == 128
    for spec in ("frozen:tiny-test@", "frozen:tiny-test@big", "frozen:tiny-test@9", "frozen:nothing"):
        with pytest.raises(ValueError, match=r"frozen|unknown backbone"):
            load_encoder(spec)


def test_a_package_from_before_weights_and_architecture_reads_as_ever(package: Path, encoder: Encoder) -> None:
    change(package, lambda c: [c["encoder"].pop(name) for name in ("weights", "architecture")])  # type: ignore[attr-defined]
    assert from_pretrained(str(package)).fingerprint == encoder.fingerprint
