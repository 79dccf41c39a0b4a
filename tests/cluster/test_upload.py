"""The store ends up holding what the folder holds, whatever it held before."""

import json
from pathlib import Path

import pytest

from cluster.upload import listing_digest, main, upload
from sketchray.storage import Store, open_store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "photos" / "cat").mkdir(parents=True)
    (root / "photos" / "cat" / "a b.png").write_bytes(b"one")
    (root / "names.json").write_bytes(b"{}")
    (root / ".hidden").write_bytes(b"no")
    return root


def content(store: Store) -> dict[str, bytes]:
    return {entry.key: store.read(entry.key) for entry in store.list()}


def mirror(root: Path, store: Store) -> None:
    assert upload(root, store)["source"] == store.uri
    assert content(store) == {"photos/cat/a b.png": b"one", "names.json": b"{}"}


def test_a_plain_folder_as_the_store(root: Path, tmp_path: Path) -> None:
    mirror(root, open_store(str(tmp_path / "store")))


@pytest.mark.slow
def test_s3_gets_only_what_changed(root: Path, s3_store_uri: str) -> None:
    store = open_store(s3_store_uri)
    store.write("gone.png", b"old")
    store.write("names.json", b"changed")
    mirror(root, store)
    again = upload(root, store)
    assert (again["uploaded"], again["kept"], again["deleted"]) == (0, 2, 0)


def test_the_listing_digest_follows_content_and_names(root: Path) -> None:
    digests = {listing_digest(root)}
    (root / "photos" / "cat" / "a b.png").write_bytes(b"other")
    digests.add(listing_digest(root))
    (root / "photos" / "cat" / "a b.png").rename(root / "photos" / "cat" / "c.png")
    digests.add(listing_digest(root))
    (root / ".hidden").write_bytes(b"hidden files do not count")
    digests.add(listing_digest(root))
    assert len(digests) == 3


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_nothing_to_upload_is_an_error(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=folder):
        upload(tmp_path / folder, open_store(str(tmp_path / "store")))


def test_the_command_adds_and_deletes_nothing(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(str(tmp_path / "store"))
    store.write("kept.png", b"old")
    assert main([str(root), store.uri]) == 0
    assert json.loads(capsys.readouterr().out) == {"source": store.uri, "uploaded": 2, "kept": 0, "deleted": 0}
    assert set(content(store)) == {"photos/cat/a b.png", "names.json", "kept.png"}
    assert main([str(root / "missing"), store.uri]) == 2
    assert capsys.readouterr().err == f"upload: {root}/missing: not a folder\n"
