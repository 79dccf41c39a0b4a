"""Replicas killed, versions swapped, the store away, all under load: no wrong answer, and everything goes on again."""

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.serving_chaos import ChaosPlan, chaos, chaos_table
from benchmarks.serving_load import Answer
from benchmarks.serving_made import Truth, Vectors, embed_drawings, made_drawings, made_vectors, publish_made
from benchmarks.serving_target import current_version, replicas_below, wait_for
from serve.errors import TOO_MANY
from sketchray.encoders import Encoder
from sketchray.gallery import EncoderRef
from sketchray.storage import open_store
from tests.serve.conftest import ENCODER, LEAST, SHARDS, SWAPS, Served, publish_pictures

pytestmark = pytest.mark.slow
ROWS = 60
SHORT = ChaosPlan(rate=2, kills=1, together=True, swaps=1, away_s=2, pause_s=1, patience_s=240)
FULL = ChaosPlan(rate=6, kills=3, swaps=10, away_s=30, pause_s=15)


class Shared:
    """The server that all tests share, and its store, a folder that can be put out of reach."""

    gallery = SWAPS

    def __init__(self, served: Served) -> None:
        self.url = served.url
        self.versions: dict[str, Vectors] = {}
        self._encoder, self._process = served.encoder, psutil.Process(served.pid)
        self._folder = Path(served.store.removeprefix("file://"))
        self._hidden = self._folder.with_name(f"{self._folder.name}-away")

    def replicas(self) -> dict[str, list[psutil.Process]]:
        return replicas_below(self._process)

    def least(self, deployment: str) -> int:
        return LEAST.get(deployment, 1)

    def publish(self) -> str:
        vectors = made_vectors(ROWS, self._encoder.dim, seed=len(self.versions))
        encoder = EncoderRef(uri=ENCODER, fingerprint=self._encoder.fingerprint)
        store = open_store(str(self._folder))
        version = publish_made(store, vectors, encoder=encoder, shards=SHARDS, gallery=self.gallery)
        self.versions[version] = vectors
        return version

    def lose_store(self) -> None:
        self._folder.rename(self._hidden)

    def find_store(self) -> None:
        if self._hidden.exists():
            self._hidden.rename(self._folder)


def turned_away(answer: Answer) -> bool:
    """Tell whether a request was refused at once because too many others were in flight."""
    return answer.status == 503 and json.loads(answer.body or "{}")["detail"] == TOO_MANY


@pytest.fixture
def shared(served: Served) -> Iterator[Shared]:
    shared = Shared(served)
    version = shared.publish()
    wait_for(lambda: current_version(shared) == version, what="the made gallery", patience_s=240)
    yield shared
    shared.find_store()
    publish_pictures(open_store(served.store), SWAPS, list(served.pictures.values())[:20], served.encoder)


@pytest.mark.parametrize(
    "plan", [pytest.param(SHORT, id="short"), pytest.param(FULL, id="full", marks=pytest.mark.full)]
)
def test_what_breaks_under_load_gives_no_wrong_answer_and_is_repaired(
    shared: Shared, encoder: Encoder, plan: ChaosPlan
) -> None:
    drawings = made_drawings(16)
    outcome = chaos(shared, shared.versions, drawings, Truth(embed_drawings(encoder, drawings)), plan)
    done, events, checks = outcome
    told = chaos_table(outcome, plan)
    print(told)

    assert not [check.wrong for check in checks if check.wrong], told
    # Every version that was published was answered from, the first and those that came with and after the chaos.
    assert {check.version for check in checks} == set(shared.versions)
    assert len(shared.versions) == 1 + plan.swaps + 1
    # Only a killed replica loses requests: those asked before it is replaced. Any other is answered, or turned away at
    # the door where the machine cannot keep up with the load.
    kills = [event for event in events if event.what.startswith("kill")]
    failed = [answer for answer in done.answers if answer.status != 200]
    spared = [
        answer
        for answer in failed
        if not any(kill.began <= answer.ended and answer.began <= kill.ended for kill in kills)
    ]
    assert all(turned_away(answer) for answer in spared), told
    assert all(answer.retry_after is not None for answer in failed if answer.status == 503), told
    last = max(done.answers, key=lambda answer: answer.began)
    assert last.status == 200
