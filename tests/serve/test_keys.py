"""API keys: what is kept of them, who is let in, what the command line does, and who hears of a revocation."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serve.keyfile import KeyFile, KeyFileError, change_keys, new_key, proof_of, read_keys
from serve.keyring import KeyRing
from serve.keys import main
from serve.session import Shown, make_token, read_token
from sketchray.storage import StoreError

Capture = pytest.CaptureFixture[str]


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a file of keys may be: in a folder, in an object store."""
    place = tmp_path.as_uri() if request.param == "folder" else str(request.getfixturevalue("s3_store_uri"))
    return f"{place}/keys.json"


@pytest.fixture
def create(uri: str, capsys: Capture) -> Callable[..., str]:
    """Make a key as an operator does; return its text."""

    def run(name: str, *options: str) -> str:
        capsys.readouterr()
        assert main(["create", name, "--keys", uri, *options]) == 0
        return capsys.readouterr().out.strip()

    return run


def identity(key: str) -> str:
    return key.split("_")[1]


def test_a_key_is_shown_once_and_cannot_be_read_from_the_file(uri: str, create: Callable[..., str]) -> None:
    first, second = create("ana"), create("ben", "--rate", "5", "--burst", "10")
    assert re.fullmatch(r"sketchray_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", first)
    stored = read_keys(uri).file
    text = stored.model_dump_json()
    for key in (first, second):
        assert key.split("_", 2)[2] not in text
        assert proof_of(key).hex() not in text
    assert [(key.name, key.rate, key.burst) for key in stored.keys] == [("ana", None, None), ("ben", 5.0, 10.0)]
    assert [key.id for key in stored.keys] == [identity(first), identity(second)]


def test_only_the_whole_key_is_let_in(uri: str, create: Callable[..., str]) -> None:
    key, other = create("ana"), create("ben")
    ring = KeyRing(uri)
    found = ring.of_key(key)
    assert found is not None
    assert found.name == "ana"
    crossed = f"sketchray_{identity(key)}_{other.split('_', 2)[2]}"  # ana's id, ben's secret
    last = "A" if key[-1] != "A" else "B"
    for wrong in ("", identity(key), key[:-1], key[:-1] + last, key + "x", key.upper(), crossed, "é" * 70, found.hash):
        assert ring.of_key(wrong) is None


def test_a_revoked_key_and_its_sessions_are_over(uri: str, create: Callable[..., str], capsys: Capture) -> None:
    key, other = create("ana"), create("ben")
    replicas = [KeyRing(uri), KeyRing(uri)]
    token = replicas[0].begin_session(key, seconds=60)
    assert [ring.of_session(token) is not None for ring in replicas] == [True, True]
    assert main(["revoke", identity(key), "--keys", uri]) == 0
    assert [ring.refresh() for ring in replicas] == [True, True]
    assert [ring.refresh() for ring in replicas] == [False, False]
    for ring in replicas:
        assert ring.of_key(key) is None
        assert ring.of_session(token) is None
        assert ring.of_key(other) is not None
    assert main(["revoke", identity(key), "--keys", uri]) == 1
    assert "was revoked at" in capsys.readouterr().err
    assert main(["list", "--keys", uri]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [(line.split()[0], " revoked " in line) for line in lines] == [
        (identity(key), True),
        (identity(other), False),
    ]


@pytest.fixture
def watching(uri: str, create: Callable[..., str]) -> Iterator[tuple[str, list[KeyRing]]]:
    """A key, and two replicas that look at the file every 20 ms."""
    key = create("ana")
    rings = [KeyRing(uri, every_s=0.02) for _ in range(2)]
    for ring in rings:
        ring.watch()
    yield key, rings
    for ring in rings:
        ring.close()


def test_every_replica_hears_of_a_revocation_by_itself(uri: str, watching: tuple[str, list[KeyRing]]) -> None:
    key, rings = watching
    assert all(ring.of_key(key) for ring in rings)
    assert main(["revoke", identity(key), "--keys", uri]) == 0
    deadline = time.monotonic() + 240
    while any(ring.of_key(key) for ring in rings):
        assert time.monotonic() < deadline, "a replica goes on with a revoked key"
        time.sleep(0.01)


def test_what_is_known_goes_on_without_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys.json"
    text, made = new_key("ana")
    change_keys(str(path), lambda file: file.model_copy(update={"keys": (made,)}), create=True)
    ring = KeyRing(str(path), every_s=0.01)
    whole = path.read_bytes()
    ring.watch()
    try:
        for broken in (None, b"{", b"", b"\xff\xfe", b'{"format": 2}', b'{"format": 1, "secret": "5", "keys": []}'):
            path.unlink() if broken is None else replace(path, broken)
            time.sleep(0.15)
            assert ring.of_key(text) is not None
        complaints = [record.message for record in caplog.records if record.levelname == "ERROR"]
        assert len(complaints) == len(set(complaints)) >= 3, "each trouble is told once"
        assert not any(KeyFile.model_validate_json(whole).secret in line for line in complaints)
        revoked = made.model_copy(update={"revoked_at": made.created_at})
        replace(path, KeyFile(keys=(revoked,)).model_dump_json().encode())
        deadline = time.monotonic() + 240
        while ring.of_key(text):
            assert time.monotonic() < deadline, "the file is whole again, and nobody looks"
            time.sleep(0.01)
    finally:
        ring.close()


def replace(path: Path, data: bytes) -> None:
    """Write a file whole, as stores do."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.replace(path)


@pytest.mark.parametrize("content", [None, b"", b"{}x", b"[]", b'{"format": 1, "secret": "zz", "keys": []}'])
def test_a_missing_or_foreign_file_is_told_by_its_name(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KeyFileError, match=r"keys\.json"):
        KeyRing(str(path))
    assert main(["list", "--keys", str(path)]) == 1


def test_a_secret_is_never_in_a_message(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret = "f" * 63 + "g"
    path.write_text(json.dumps({"format": 1, "secret": secret, "keys": []}))
    with pytest.raises(KeyFileError) as raised:
        read_keys(str(path))
    assert secret not in str(raised.value)


def test_keys_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    uri = str(tmp_path / "keys.json")
    statuses: list[int] = []
    makers = [
        threading.Thread(target=lambda n=n: statuses.append(main(["create", f"k{n}", "--keys", uri]))) for n in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(240)
    assert statuses == [0] * 8
    assert sorted(key.name for key in read_keys(uri).file.keys) == sorted(f"k{n}" for n in range(8))


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", ""],
        ["create", "a", "--rate", "0"],
        ["create", "a", "--rate", "nan"],
        ["create", "a", "--burst", "0.5"],
    ],
)
def test_what_cannot_be_a_key_is_refused(arguments: list[str], tmp_path: Path, capsys: Capture) -> None:
    assert main([*arguments, "--keys", str(tmp_path / "keys.json")]) == 1
    assert re.fullmatch(r"error: a key's .*\n", capsys.readouterr().err)
    assert not (tmp_path / "keys.json").exists()


def test_the_file_lies_in_the_store_if_nothing_else_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.delenv("SKETCHRAY_STORE", raising=False)
    assert main(["list"]) == 1
    assert "SKETCHRAY_STORE" in capsys.readouterr().err
    monkeypatch.setenv("SKETCHRAY_STORE", str(tmp_path))
    assert main(["create", "ana"]) == 0
    assert (tmp_path / "keys.json").exists()
    assert main(["revoke", "0" * 12]) == 1
    assert "0" * 12 in capsys.readouterr().err


def test_a_session_ends_when_it_says_and_cannot_be_changed() -> None:
    secret, other = "ab" * 32, "cd" * 32
    shown = Shown("0123456789ab", 1000, bytes(range(32)))
    token = make_token(secret, shown)
    assert read_token(secret, token, 999.9) == shown
    assert read_token(secret, token, 1000) is None
    assert read_token(other, token, 0) is None
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert read_token(secret, changed, 0) is None
    for foreign in ("", "v1", token + "A", token.replace("v1.", "v2."), token.upper(), "é" * 100):
        assert read_token(secret, foreign, 0) is None


def test_the_file_alone_makes_no_session(uri: str, create: Callable[..., str]) -> None:
    """Whoever reads the file has its secret and the hash of the key, but not the proof that the hash is of."""
    key = create("ana")
    stored = read_keys(uri).file
    ring = KeyRing(uri)
    for proof in (bytes.fromhex(stored.keys[0].hash), bytes.fromhex(stored.secret), bytes(32)):
        forged = make_token(stored.secret, Shown(identity(key), int(time.time()) + 60, proof))
        assert ring.of_session(forged) is None
    assert ring.of_session(make_token(stored.secret, Shown(identity(key), int(time.time()) + 60, proof_of(key))))


def test_a_store_that_is_away_is_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(StoreError, match="keys"):
        KeyRing("s3://nowhere/keys.json")
