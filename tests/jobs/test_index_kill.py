"""A build that is killed at any moment, and run again, ends as an undisturbed one does."""

import random
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from jobs._index_build import build
from jobs._index_config import BuildConfig
from sketchray.gallery import gallery_store
from sketchray.storage import Store, open_store

pytestmark = pytest.mark.slow
ENCODER = "frozen:tiny-test@32"
SMALL: dict[str, Any] = {"part_size": 3, "batch_size": 2, "shards": 3, "codebooks": {"codewords": 4}}
ARGUMENTS = [f"encoder={ENCODER}", "part_size=3", "batch_size=2", "shards=3", "codebooks.codewords=4"]


class Calm(NamedTuple):
    """An undisturbed build: its version, and how long it took, in seconds."""

    version: str
    seconds: float


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SKETCHRAY_STORE", str(tmp_path / "store"))
    return open_store(str(tmp_path / "store"))


def claimed(place: Store) -> bool:
    return any(entry.key.endswith("/CLAIM") for entry in place.list("work/"))


def wait_for_claim(job: Any, place: Store) -> float:
    """Wait until a build begins its work; return when that was."""
    while not claimed(place):
        assert job.poll() is None, job.communicate()[1]
        time.sleep(0.01)
    return time.monotonic()


@pytest.fixture
def calm(local_ray: None, store: Store, pictures: Store) -> Calm:
    began = time.monotonic()
    version = build(config("calm", pictures))["version"]
    return Calm(version, time.monotonic() - began)


def config(name: str, pictures: Store) -> BuildConfig:
    known = {"gallery": name, "source": pictures.uri, "encoder": ENCODER}
    return BuildConfig.model_validate(known | SMALL)


def finished_parts(place: Store) -> set[str]:
    """Return the summaries of finished parts, with the moment that they were written."""
    return {entry.key + entry.etag for entry in place.list("work/") if "/part-" in entry.key and ".json" in entry.key}


def kill_and_run_again(name: str, after: float, store: Store, pictures: Store, index_job: Any) -> dict[str, Any]:
    """Kill a build that many seconds after its work began; return the result of the next."""
    place = gallery_store(store, name)
    job = index_job("build", f"gallery={name}", f"source={pictures.uri}", *ARGUMENTS)
    time.sleep(max(0, wait_for_claim(job, place) + after - time.monotonic()))
    job.kill()
    job.communicate()
    before = finished_parts(place)
    result = build(config(name, pictures))
    if result["status"] == "built":
        # Actors end a moment after their driver: a part more may have been finished by then.
        assert result["parts_resumed"] >= len(before)
    return result


def test_a_killed_build_ends_with_the_version_of_an_undisturbed_one(
    store: Store, pictures: Store, index_job: Any, calm: Calm
) -> None:
    after = random.uniform(0, calm.seconds)
    result = kill_and_run_again("killed", after, store, pictures, index_job)
    assert result["version"] == calm.version, f"killed after {after:.3f} s"


@pytest.mark.full
def test_ten_killed_builds_end_with_the_version_of_an_undisturbed_one(
    store: Store, pictures: Store, index_job: Any, calm: Calm
) -> None:
    for i in range(10):
        after = random.uniform(i, i + 1) / 10 * calm.seconds  # a moment in each tenth
        result = kill_and_run_again(f"killed-{i}", after, store, pictures, index_job)
        assert result["version"] == calm.version, f"killed after {after:.3f} s"


def test_an_interrupted_build_says_so_in_one_line(store: Store, pictures: Store, index_job: Any) -> None:
    job = index_job("build", "gallery=g", f"source={pictures.uri}", *ARGUMENTS)
    wait_for_claim(job, gallery_store(store, "g"))
    job.send_signal(signal.SIGINT)
    output, errors = job.communicate(timeout=600)
    assert (job.returncode, output) == (130, ""), errors
    assert errors.strip().splitlines()[-1] == "index: interrupted"
    assert "Traceback" not in errors


def test_parts_that_were_there_are_not_embedded_again_and_segments_not_made_again(
    local_ray: None, store: Store, pictures: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, same = gallery_store(store, "g"), config("g", pictures)

    def build_up_to_publishing(patch: pytest.MonkeyPatch) -> None:
        patch.setattr("jobs._index_build.publish_run", stop)
        with pytest.raises(KeyboardInterrupt):
            build(same)

    with monkeypatch.context() as patch:
        build_up_to_publishing(patch)
    kept = {entry.key: entry.etag for entry in place.list("work/") if not entry.key.endswith("/CLAIM")}
    assert sum("segment-" in key for key in kept) == 3
    with monkeypatch.context() as patch:
        patch.setattr("jobs._index_embed.Embedder", None)
        build_up_to_publishing(patch)
    now = {entry.key: entry.etag for entry in place.list("work/")}
    assert {key.rpartition("/")[2] for key, etag in kept.items() if now.get(key) != etag} == {"report.parquet"}
    assert build(same)["parts_resumed"] == sum(".json" in key and "/part-" in key for key in kept)


def stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt
