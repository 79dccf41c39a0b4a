"""Two publishers, any number of times: exactly one wins, and the other is told which version did."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sketchray.gallery import EncoderRef, Gallery, gallery_store, open_gallery, write_gallery
from sketchray.gallery.publish import list_versions
from sketchray.gallery.update import changes_of_gallery, update_gallery
from sketchray.gallery.verify import verify
from sketchray.storage import Conflict, Store, open_store

Rows = Callable[..., pa.Table]
ENCODER = EncoderRef(uri="frozen:made@32", fingerprint="0123456789abcdef")
ROUNDS = [5, pytest.param(50, marks=pytest.mark.full)]
PUBLISHER = """
import sys
import pyarrow.parquet as pq
from sketchray.gallery import open_gallery
from sketchray.gallery.update import changes_of_gallery, update_gallery
from sketchray.storage import Conflict, open_store

store, rows = open_store(sys.argv[1]), pq.read_table(sys.argv[2])
print("ready", flush=True)
for line in sys.stdin:  # a line is a round: the number of rows that the gallery shall have
    parent = open_gallery(store, "g")
    wanted = rows.slice(0, int(line))
    changes = changes_of_gallery(parent, wanted)
    print("go?", flush=True)
    sys.stdin.readline()
    try:
        print("won", update_gallery(parent, changes, wanted).gallery.version, flush=True)
    except Conflict as error:
        print("lost", error, flush=True)
"""


def check_round(ends: list[str], store: Store, parent: Gallery) -> Gallery:
    """Check how one race ended: one line ``won <version>``, one line ``lost <message>``."""
    won, lost = sorted(ends, reverse=True)
    current = open_gallery(store, "g")
    assert won == f"won {current.version}"
    assert lost.startswith("lost ")
    assert (
        f"version {current.version} was published meanwhile" in lost or f"version {current.version} is current" in lost
    )
    assert current.manifest.parent == parent.version != current.version
    assert verify(current) == []
    return current


def check_all(store: Store) -> None:
    """Check that losers are whole too, though not current."""
    versions = list(list_versions(gallery_store(store, "g")))
    assert all(verify(open_gallery(store, "g", version)) == [] for version in versions[:20])


@pytest.mark.parametrize("rounds", ROUNDS)
def test_of_two_threads_exactly_one_publishes(make_rows: Rows, store: Store, rounds: int) -> None:
    gallery = write_gallery(store, "g", make_rows(4), encoder=ENCODER, source="s3://b")
    for i in range(rounds):
        wanted = [make_rows(4, seed=2 * i + 1), make_rows(4, seed=2 * i + 2)]
        start = threading.Barrier(2)

        def publish(rows: pa.Table, parent: Gallery = gallery, start: threading.Barrier = start) -> str:
            changes = changes_of_gallery(parent, rows)
            start.wait(60)
            try:
                return f"won {update_gallery(parent, changes, rows).gallery.version}"
            except Conflict as error:
                return f"lost {error}"

        with ThreadPoolExecutor(2) as pool:
            gallery = check_round(list(pool.map(publish, wanted)), store, gallery)
    check_all(store)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["folder", "s3"])
@pytest.mark.parametrize("rounds", ROUNDS)
def test_of_two_processes_exactly_one_publishes(
    make_rows: Rows, request: pytest.FixtureRequest, tmp_path: Path, backend: str, rounds: int
) -> None:
    store = open_store(request.getfixturevalue("s3_store_uri") if backend == "s3" else str(tmp_path / "store"))
    gallery = write_gallery(store, "g", make_rows(4), encoder=ENCODER, source="s3://b")
    racers = []
    for seed in (1, 2):
        pq.write_table(make_rows(2 * rounds + 2, seed=seed), tmp_path / f"{seed}.parquet")
        command = [sys.executable, "-c", PUBLISHER, store.uri, str(tmp_path / f"{seed}.parquet")]
        racers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1))

    def hear(racer: "subprocess.Popen[str]") -> str:
        assert racer.stdout is not None
        return racer.stdout.readline().strip()

    def tell(line: str) -> list[str]:
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write(f"{line}\n")
            racer.stdin.flush()
        return [hear(racer) for racer in racers]

    try:
        assert [hear(racer) for racer in racers] == ["ready", "ready"]
        for i in range(rounds):
            assert tell(str(i + 2)) == ["go?", "go?"]
            gallery = check_round(tell("go"), store, gallery)
        check_all(store)
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
