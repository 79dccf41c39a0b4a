"""What judges the endpoint notices what is wrong: brute force, and the load generator, against answers made here."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from benchmarks.serving_chaos import ChaosPlan, Event, Outcome, chaos_table, check_answers
from benchmarks.serving_load import Answer, Load, Plan, start_load
from benchmarks.serving_made import LIMIT, Truth, Vectors, made_vectors
from sketchray.gallery import shard_of

DIMENSION = 16
OLD, NEW = (made_vectors(60, DIMENSION, seed=seed) for seed in (0, 1))


def answer(query_D: np.ndarray, version: str, *shards: Vectors) -> dict[str, Any]:
    """Answer as an endpoint of as many shards would, from these vectors in each of them."""
    hits: list[dict[str, Any]] = []
    for number, (ids, embedding_ND) in enumerate(shards):
        mine = [row for row, name in enumerate(ids) if shard_of(name, len(shards)) == number]
        hits += [{"id": ids[row], "score": float(embedding_ND[row] @ query_D)} for row in mine]
    best = sorted(hits, key=lambda hit: -hit["score"])[:LIMIT]
    return {"results": best, "gallery_version": version}


@pytest.fixture
def truth() -> Truth:
    truth = Truth(made_vectors(3, DIMENSION, seed=2).embedding_ND)
    truth.add("old", OLD)
    truth.add("new", NEW)
    return truth


def test_right_answers_pass(truth: Truth) -> None:
    query_D = made_vectors(3, DIMENSION, seed=2).embedding_ND[1]
    assert truth.wrong(1, answer(query_D, "old", OLD)) is None
    assert truth.wrong(1, answer(query_D, "new", NEW, NEW)) is None


def test_an_answer_of_two_versions_or_of_the_wrong_one_is_seen(truth: Truth) -> None:
    query_D = made_vectors(3, DIMENSION, seed=2).embedding_ND[1]
    for name in ("old", "new"):
        assert "scores are" in str(truth.wrong(1, answer(query_D, name, OLD, NEW)))
    assert "scores are" in str(truth.wrong(1, answer(query_D, "new", OLD, OLD)))
    assert "scores are" in str(truth.wrong(0, answer(query_D, "old", OLD, OLD)))
    assert "never published" in str(truth.wrong(1, answer(query_D, "other", OLD)))


def test_an_answer_that_lacks_a_shard_or_repeats_a_hit_is_seen(truth: Truth) -> None:
    query_D = made_vectors(3, DIMENSION, seed=2).embedding_ND[1]
    whole = answer(query_D, "old", OLD, OLD)
    partial = answer(query_D, "old", OLD, Vectors([], np.empty((0, DIMENSION))))
    assert "best" in str(truth.wrong(1, partial)) or "hits" in str(truth.wrong(1, partial))
    assert "hits" in str(truth.wrong(1, whole | {"results": whole["results"][:-1]}))
    assert "different" in str(truth.wrong(1, whole | {"results": [whole["results"][0]] * LIMIT}))
    assert "best" in str(truth.wrong(1, whole | {"results": whole["results"][::-1]}))


def test_failures_are_told_by_the_event_that_they_follow(truth: Truth) -> None:
    query_D = made_vectors(3, DIMENSION, seed=2).embedding_ND[1]
    body = json.dumps(answer(query_D, "old", OLD))
    answers = [Answer(float(second), 0.5, 200, 1, None, body) for second in range(30)]
    answers += [Answer(10.2, 0.1, 503, 1, 1.0, None), Answer(12.0, 0.5, 0, 1, None, None)]
    done = Load(answers, cpu_s=1.0, wall_s=30.0)
    events = [Event("kill -9 of encoder", 10.0, 14.0), Event("hot swap", 20.0, 21.0)]
    table = chaos_table(Outcome(done, events, check_answers(done, truth)), ChaosPlan())
    assert "32 searches" in table
    assert "30 answers, which name 1 versions, checked against brute force: 0 wrong" in table
    assert "| kill -9 of encoder | 1 | 2 | 1 x 503, 1 x no answer | 2.5 | 4.0 |" in table
    assert "| hot swap | 1 | 0 | none | 0.0 | 1.0 |" in table


class _Endpoint(BaseHTTPRequestHandler):
    """Answers every second request; turns the others away."""

    protocol_version = "HTTP/1.1"
    asked: list[bytes] = []  # noqa: RUF012 # of the one server below

    def do_POST(self) -> None:
        self.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
        good = len(self.asked) % 2 == 1
        self.send_response(200 if good else 503)
        body = b'{"timings_ms": {"total": 2.0}}'
        self.send_header("Content-Length", str(len(body)))
        if not good:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    _Endpoint.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/search"
        server.shutdown()


def test_a_closed_load_counts_what_is_answered_and_what_is_turned_away(url: str) -> None:
    plan = Plan(url=url, queries=("{}", '{"a": 1}'), clients=3, seconds=2, keep=True)
    with start_load(plan) as running:
        done = running.wait()
    assert len(done.answers) == len(_Endpoint.asked) > 6
    assert set(_Endpoint.asked) == {b"{}", b'{"a": 1}'}
    assert done.failed == {"503": len(_Endpoint.asked) // 2}
    assert all((answer.retry_after == 0) == (answer.status == 503) for answer in done.answers)
    assert set(done.stages()["total"]) == {2.0}
    assert done.cpu_s > 0


def test_an_open_load_keeps_its_rate_and_ends_when_it_is_told_to(url: str) -> None:
    began = time.monotonic()
    with start_load(Plan(url=url, queries=("{}",), rate=50, seconds=600)) as running:
        while len(_Endpoint.asked) < 20:
            assert time.monotonic() - began < 60
            time.sleep(0.05)
        done = running.stop()
    assert len(done.answers) == len(_Endpoint.asked)
    spread = np.diff([answer.began for answer in sorted(done.answers)])
    assert 0.2 < spread.mean() * 50 < 5


def test_a_server_that_is_not_there_is_no_answer() -> None:
    with start_load(Plan(url="http://127.0.0.1:1/v1/search", queries=("{}",), rate=50, seconds=0.2)) as running:
        done = running.wait()
    assert set(done.failed) == {"no answer"}
    assert not done.good
