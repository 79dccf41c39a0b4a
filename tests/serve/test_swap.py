"""New versions under load: no request fails, every answer is right and from one version; bad versions are refused."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import torch

from serve.examples import examples
from sketchray.data.raster import Strokes
from sketchray.data.transforms import prepare_sketch
from sketchray.encoders import Encoder, load_encoder
from sketchray.gallery import gallery_store, roll_back
from sketchray.storage import Store, open_store
from tests.serve.conftest import SWAPS, Picture, Served, draw_pictures, publish_pictures

pytestmark = pytest.mark.slow
OTHER = "frozen:tiny-test@48"  # another encoder, of another size
LIMIT = 7
SECONDS = 240.0  # a swap takes two or three, on a quiet machine


class Truth:
    """What every version should answer, score by score, computed here."""

    def __init__(self) -> None:
        self._scores: dict[str, list[dict[str, float]]] = {}

    def add(self, version: str, pictures: list[Picture], encoder: Encoder) -> str:
        """Compute the scores of every example sketch with every picture."""
        size, matrix_ND = encoder.config.image_size, np.stack([picture.vector_D for picture in pictures])
        sketches = [prepare_sketch(Strokes.from_json(example.strokes), size) for example in examples()]
        with torch.inference_mode():
            sketch_B = torch.zeros(len(sketches), dtype=torch.bool)
            query_BD = encoder(torch.from_numpy(np.stack(sketches)), sketch_B).numpy()
        ids = [picture.id for picture in pictures]
        self._scores[version] = [dict(zip(ids, row_N.tolist(), strict=True)) for row_N in query_BD @ matrix_ND.T]
        return version

    def check(self, number: int, answer: dict[str, Any]) -> None:
        """Compare one answer with the version that it says it is from."""
        scores = self._scores[answer["gallery_version"]][number]
        best = sorted(scores.values(), reverse=True)[:LIMIT]
        found = [result["score"] for result in answer["results"]]
        assert found == pytest.approx(best, abs=1e-5)
        assert [scores[result["id"]] for result in answer["results"]] == pytest.approx(found, abs=1e-5)
        assert len({result["id"] for result in answer["results"]}) == LIMIT


class Load:
    """Some clients that search without a pause, as long as the block lasts; every answer is kept."""

    def __init__(self, url: str, clients: int = 3) -> None:
        self.answers: list[tuple[int, httpx.Response]] = []
        self._url, self._stop = url, threading.Event()
        self._threads = [threading.Thread(target=self._search, args=(seed,)) for seed in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _search(self, seed: int) -> None:
        choose = random.Random(seed)
        with httpx.Client(base_url=self._url, timeout=240) as http:
            while not self._stop.is_set():
                number = choose.randrange(len(examples()))
                body = {"strokes": examples()[number].strokes, "limit": LIMIT, "gallery": SWAPS}
                self.answers.append((number, http.post("/v1/search", json=body)))

    def check(self, truth: Truth) -> Counter[str]:
        """Check that no request failed and every answer is right; return how many came from each version."""
        versions: Counter[str] = Counter()
        for number, answer in self.answers:
            assert answer.status_code == 200, answer.text
            truth.check(number, answer.json())
            versions[answer.json()["gallery_version"]] += 1
        return versions


@pytest.fixture(scope="module")
def other(served: Served) -> tuple[Encoder, list[Picture]]:
    """The other encoder, and the pictures by it."""
    encoder = load_encoder(OTHER)
    return encoder, draw_pictures(encoder)


@pytest.fixture
def store(served: Served) -> Iterator[Store]:
    """The store; afterwards a version that can be answered from is current again."""
    store = open_store(served.store)
    yield store
    publish_pictures(store, SWAPS, list(served.pictures.values())[:20], served.encoder)


def wait_for(served: Served, version: str, *, refused: bool = False) -> dict[str, Any]:
    """Wait until every ingress answers from a version, or tells that it was refused."""
    deadline, steady = time.monotonic() + SECONDS, 0
    said: dict[str, Any] = {}
    while steady < 8:  # a connection each, so that both ingress replicas are asked
        assert time.monotonic() < deadline, said
        said = httpx.get(f"{served.url}/v1/gallery", params={"name": SWAPS}, timeout=240).json()
        there = (said["refused"] or {}).get("version") if refused else said["gallery_version"]
        steady = steady + 1 if there == version else 0
        time.sleep(0.02)
    return said


def test_swaps_under_load_neither_fail_nor_mix(
    served: Served, store: Store, other: tuple[Encoder, list[Picture]]
) -> None:
    pictures, truth = list(served.pictures.values()), Truth()
    first = truth.add(publish_pictures(store, SWAPS, pictures[:20], served.encoder), pictures[:20], served.encoder)
    wait_for(served, first)
    with Load(served.url) as load:
        second = truth.add(publish_pictures(store, SWAPS, pictures[15:], served.encoder), pictures[15:], served.encoder)
        wait_for(served, second)
        encoder, drawn = other
        third = truth.add(publish_pictures(store, SWAPS, drawn[:30], encoder, OTHER), drawn[:30], encoder)
        info = wait_for(served, third)
        assert info["model"].endswith(encoder.fingerprint[:12])
        roll_back(gallery_store(store, SWAPS))
        wait_for(served, second)
        before = len(load.answers)
        while len(load.answers) < before + 20:
            time.sleep(0.02)
    versions = load.check(truth)
    assert set(versions) == {first, second, third}
    assert load.answers[-1][1].json()["gallery_version"] == second


@pytest.mark.parametrize("fault", ["torn object", "wrong fingerprint", "not a picture"])
def test_a_bad_version_is_refused_by_name_and_the_old_one_goes_on(served: Served, store: Store, fault: str) -> None:
    pictures, truth = list(served.pictures.values()), Truth()
    good = truth.add(publish_pictures(store, SWAPS, pictures[:20], served.encoder), pictures[:20], served.encoder)
    wait_for(served, good)
    with Load(served.url, clients=1) as load:
        if fault == "torn object":
            bad = publish_torn(store, pictures[20:40], served.encoder)
            reason = "SHA-256"
        elif fault == "wrong fingerprint":
            bad = publish_pictures(store, SWAPS, pictures[20:40], served.encoder, OTHER)
            reason = "similarities mean nothing"
        else:
            broken = [picture._replace(jpeg=b"no picture") for picture in pictures[20:40]]
            bad = publish_pictures(store, SWAPS, broken, served.encoder)
            reason = "is not a picture"
        info = wait_for(served, bad, refused=True)
    assert reason in info["refused"]["reason"]
    assert info["gallery_version"] == good
    assert set(load.check(truth)) == {good}
    roll_back(gallery_store(store, SWAPS))
    deadline = time.monotonic() + SECONDS
    while httpx.get(f"{served.url}/v1/gallery", params={"name": SWAPS}, timeout=240).json()["refused"] is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def publish_torn(store: Store, pictures: list[Picture], encoder: Encoder) -> str:
    """Publish a version, one of whose objects is written with a bit flipped."""
    kind = type(store)
    write = kind.write

    def torn(self: Store, key: str, data: bytes, **conditions: Any) -> str:
        if "shard-0001" in key and ".vectors." in key:
            data = data[:100] + bytes([data[100] ^ 1]) + data[101:]
        return write(self, key, data, **conditions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "write", torn)
        return publish_pictures(store, SWAPS, pictures, encoder)


def test_without_a_director_everything_goes_on_and_the_next_one_knows(served: Served, store: Store) -> None:
    pictures, truth = list(served.pictures.values()), Truth()
    first = truth.add(publish_pictures(store, SWAPS, pictures[:20], served.encoder), pictures[:20], served.encoder)
    wait_for(served, first)
    with Load(served.url, clients=1) as load:
        director(served).kill()
        second = publish_pictures(store, SWAPS, pictures[10:50], served.encoder)
        truth.add(second, pictures[10:50], served.encoder)
        wait_for(served, second)
    assert set(load.check(truth)) == {first, second}


def director(served: Served) -> psutil.Process:
    """Return the process of the director's replica."""
    for process in psutil.Process(served.pid).children(recursive=True):
        if ":director" in " ".join(process.cmdline()):
            return process
    pytest.fail("there is no director")
