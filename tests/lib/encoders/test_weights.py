"""Published weights: found where the user says, and named where they are not."""

from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from sketchray.encoders.weights import find_weights, read_tensors


@pytest.mark.parametrize("wrong", ["no/such/folder", "/no/such", "missing.pth", "../up/there", "https://a.b/c.pth"])
def test_a_missing_path_is_named_and_no_hub_is_asked(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *args, **kwargs: pytest.fail("asked the hub"))
    with pytest.raises(ValueError, match=f"backbone b: no weights at {wrong}"):
        find_weights("b", wrong)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_hub_gives_safetensors_or_else_the_older_file(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def snapshot_download(name: str, *, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        if f"*{Path(file).suffix}" in allow_patterns:
            (tmp_path / file).touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert find_weights("b", "owner/model") == tmp_path
    assert [name for name, _ in asked] == ["owner/model"] * (1 if file.endswith("safetensors") else 2)
    assert all("config.json" in patterns for _, patterns in asked)


def test_a_hub_that_cannot_be_asked_is_a_plain_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*args: object, **kwargs: object) -> str:
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(ValueError, match=r"b: owner/model is no path here, nor can the hub give it \(no network\)"):
        find_weights("b", "owner/model")


def test_a_folder_must_hold_one_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"should hold one file of weights, and holds: none"):
        read_tensors("b", tmp_path)
    for name in ("a.safetensors", "b.safetensors"):
        save_file({"x": torch.zeros(1)}, tmp_path / name)
    with pytest.raises(ValueError, match=r"holds: a.safetensors, b.safetensors"):
        read_tensors("b", tmp_path)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object]]:
        return Path.touch, (self.path,)


def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"x": Trap(tmp_path / "ran")}, tmp_path / "trap.pth")
    with pytest.raises(ValueError, match=r"trap.pth is not readable as weights"):
        read_tensors("b", tmp_path / "trap.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pth"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match=f"{name} is not readable as weights"):
        read_tensors("b", tmp_path / name)


def test_a_file_of_other_things_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "checkpoint.pth")
    with pytest.raises(ValueError, match="holds something else than tensors by name"):
        read_tensors("b", tmp_path / "checkpoint.pth")
