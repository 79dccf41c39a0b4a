"""Encoders by bare name: the one door, and what it does with a folder of the same name."""

import shutil
from pathlib import Path

import pytest

from sketchray import zoo
from sketchray.encoders import (
    Encoder,
    EncoderConfig,
    PackageError,
    encoder_uri,
    from_pretrained,
    load_encoder,
    read_package_config,
    save_pretrained,
)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """A library that comes with one encoder, ``mini``, and a working directory elsewhere."""
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "zoo")
    encoder = Encoder(EncoderConfig(backbone="tiny-test", dim=8, image_size=32))
    save_pretrained(encoder, str(tmp_path / "zoo" / "mini"), metadata={"method": "none"}, card="", dtype="float16")
    (tmp_path / "zoo" / "notes").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return from_pretrained(str(tmp_path / "zoo" / "mini"))


def test_a_bare_name_is_the_shipped_encoder(shipped: Encoder) -> None:
    assert zoo.list_shipped() == ["mini"]
    assert from_pretrained("mini").fingerprint == load_encoder("mini").fingerprint == shipped.fingerprint
    assert read_package_config("mini")["metadata"] == {"method": "none"}
    assert encoder_uri("mini") == "mini", "the name is the same on every machine, a path is not"


def test_a_folder_of_that_name_is_reached_with_a_dot(shipped: Encoder) -> None:
    other = Encoder(EncoderConfig(backbone="tiny-test", dim=4, image_size=32))
    with pytest.raises(ValueError, match=r"mini is an encoder that comes with the library; .* \./mini"):
        save_pretrained(other, "mini", metadata={}, card="")
    save_pretrained(other, "./mini", metadata={}, card="")
    assert (from_pretrained("./mini").dim, from_pretrained("mini").dim) == (4, 8)
    assert encoder_uri("./mini") == f"file://{Path.cwd() / 'mini'}"


def test_an_unknown_name_is_told_what_there_is(shipped: Encoder) -> None:
    with pytest.raises(PackageError, match=r"maxi: no encoder package here .*; by name: mini"):
        from_pretrained("maxi")


def test_a_damaged_one_is_refused_by_its_name(shipped: Encoder) -> None:
    (zoo.ZOO / "mini" / "model.safetensors").write_bytes(b"")
    with pytest.raises(PackageError, match=r"mini: model.safetensors is damaged"):
        load_encoder("mini")
    shutil.rmtree(zoo.ZOO / "mini")
    assert zoo.list_shipped() == []
