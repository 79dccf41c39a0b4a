"""How an encoder comes into the library: rounded, with its card and figures, and not too large."""

import json
from pathlib import Path

import pytest

from sketchray import zoo
from sketchray.encoders import Encoder, EncoderConfig, load_encoder, read_package_config, save_pretrained
from sketchray.zoo import __main__ as command


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """A package in ``tmp_path/trained``, and an empty zoo."""
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "zoo")
    encoder = Encoder(EncoderConfig(backbone="tiny-test", dim=8, image_size=32))
    figures = {"reliability.svg": "<svg/>"}
    save_pretrained(encoder, str(tmp_path / "trained"), metadata={"run": "r"}, card="# Trained\n", figures=figures)
    return encoder


def test_a_package_becomes_a_name(package: Encoder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "card.md").write_text("# Mini\n")
    assert command.main([str(tmp_path / "trained"), "mini", "--card", str(tmp_path / "card.md")]) == 0
    record = json.loads(capsys.readouterr().out)
    assert zoo.list_shipped() == ["mini"]
    assert load_encoder("mini").fingerprint == record["fingerprint"] != package.fingerprint == record["made_from"]
    assert read_package_config("mini")["metadata"] == {"run": "r", "made_from": package.fingerprint}
    assert (zoo.ZOO / "mini" / "README.md").read_text() == "# Mini\n"
    assert (zoo.ZOO / "mini" / "reliability.svg").read_text() == "<svg/>"

    (zoo.ZOO / "mini" / "old.svg").touch()
    assert command.main([str(tmp_path / "trained"), "mini"]) == 0, "what is there is replaced"
    assert not (zoo.ZOO / "mini" / "old.svg").exists()
    assert (zoo.ZOO / "mini" / "README.md").read_text() == "# Trained\n"


def test_what_is_too_large_or_missing_is_told(
    package: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "LARGEST", 1000)
    assert command.main([str(tmp_path / "trained"), "mini"]) == 2
    assert "more than 1000" in capsys.readouterr().err
    assert zoo.list_shipped() == []
    assert command.main([str(tmp_path / "nothing"), "mini"]) == 2
    assert "no encoder package here" in capsys.readouterr().err
