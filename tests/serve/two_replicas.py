"""An endpoint of two replicas over one file of keys and one limiter."""

from pathlib import Path

import pytest

from serve.auth import Rate
from serve.keys import main
from serve.limiter import Limiter
from tests.serve.replicas import Replica, access_by_keys

SESSION = "/v1/session"


class Clock:
    """Set by hand."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


class Site:
    """Two replicas of one endpoint."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], rate: Rate) -> None:
        self.uri = str(folder / "keys.json")
        self.capsys = capsys
        self.clock = Clock()
        self.key = self.create("ana")
        limiter = Limiter(self.clock)
        self.replicas = [
            Replica(
                access_by_keys(self.uri, limiter, name=f"replica-{n}", rate=rate, clock=self.clock),
                base_url="https://sketch.example",
            )
            for n in range(2)
        ]
        self.http = self.replicas[0].http

    def create(self, name: str, *options: str) -> str:
        self.capsys.readouterr()
        assert main(["create", name, "--keys", self.uri, *options]) == 0
        return self.capsys.readouterr().out.strip()

    def bearer(self, key: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key or self.key}"}

    def asked(self) -> int:
        return sum(replica.searcher.asked for replica in self.replicas)
