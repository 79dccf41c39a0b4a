"""How often who is let in may ask: the real application twice, over one file of keys and one limiter."""

from pathlib import Path
from typing import Any

import pytest

from serve.auth import Rate
from tests.serve.replicas import STROKES
from tests.serve.two_replicas import SESSION, Site


@pytest.fixture
def narrow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    """With a rate of 2 questions a second, and 10 at once."""
    return Site(tmp_path, capsys, Rate(2.0, 10.0))


def ask_all(site: Site, times: int, headers: dict[str, str]) -> list[Any]:
    """Ask the replicas in turn."""
    return [site.replicas[n % 2].http.post("/v1/search", json=STROKES, headers=headers) for n in range(times)]


def test_the_rate_of_a_key_holds_over_all_replicas(narrow: Site) -> None:
    answers = ask_all(narrow, 30, narrow.bearer())
    let_in = [answer for answer in answers if answer.status_code == 200]
    assert len(let_in) == 10 == narrow.asked()
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["detail"] == "This key asks more often than it may; try again in a second."
    narrow.clock.s += 2.5
    assert sum(answer.status_code == 200 for answer in ask_all(narrow, 20, narrow.bearer())) == 5
    narrow.clock.s += 60
    assert sum(answer.status_code == 200 for answer in ask_all(narrow, 30, narrow.bearer())) == 10


def test_a_session_has_the_rate_of_its_key(narrow: Site) -> None:
    narrow.http.post(SESSION, json={"key": narrow.key})
    by_cookie = [narrow.http.post("/v1/search", json=STROKES).status_code for _ in range(8)]
    by_key = [answer.status_code for answer in ask_all(narrow, 8, narrow.bearer())]
    assert by_cookie + by_key == [200] * 8 + by_key
    assert by_key.count(200) == 2


def test_keys_have_rates_of_their_own(narrow: Site) -> None:
    fast = narrow.create("fast", "--rate", "100", "--burst", "50")
    for replica in narrow.replicas:
        replica.refresh()
    let_in = sum(answer.status_code == 200 for answer in ask_all(narrow, 60, narrow.bearer(fast)))
    assert let_in in (49, 50)  # less than a token may be left over in each replica
    assert narrow.http.post("/v1/search", json=STROKES, headers=narrow.bearer()).status_code == 200


def test_a_batch_costs_as_many_questions(narrow: Site) -> None:
    def batch(count: int) -> Any:
        return narrow.http.post("/v1/search:batch", json={"queries": [STROKES] * count}, headers=narrow.bearer())

    assert batch(12).status_code == 422
    narrow.clock.s += 60
    assert batch(6).status_code == 200
    refused = batch(6)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    narrow.clock.s += 60
    assert batch(10).status_code == 200


def test_the_pictures_of_an_answer_cost_little(narrow: Site) -> None:
    headers = narrow.bearer()
    assert {narrow.http.get("/v1/images/known", headers=headers).status_code for _ in range(200)} == {200}
    assert narrow.http.post("/v1/search", json=STROKES, headers=headers).status_code == 200
