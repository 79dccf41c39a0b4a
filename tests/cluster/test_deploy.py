"""What ``deploy`` makes of the answers of ``/readyz``, and of a head that gives none."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cluster.deploy import DeployError, deploy, readiness
from cluster.ports import LOOPBACK, free_ports
from cluster.processes import Record
from cluster.ray_head import RayHead

Answer = Callable[..., int]


@pytest.fixture
def answers() -> Iterator[Answer]:
    """Starts servers that always give one answer; returns their port."""
    started: list[ThreadingHTTPServer] = []

    def start(status: int, body: Any, headers: dict[str, str] | None = None) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return server.server_port

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def test_ready_is_what_answers_from_the_version_wanted(answers: Answer) -> None:
    said = {"gallery_version": "v2", "refused": None}
    port = answers(200, said)
    assert readiness(port, None) == (said, "")
    assert readiness(port, "v2") == (said, "")
    assert readiness(port, "v3") == (None, "version v2 is still answered from")


def test_waiting_goes_on_while_it_may_help(answers: Answer) -> None:
    assert readiness(free_ports(1)[0], None)[0] is None
    problem = {"detail": "The gallery 'g' is being loaded."}
    assert readiness(answers(503, problem, {"Retry-After": "2"}), None) == (None, problem["detail"])
    assert readiness(answers(500, problem), None) == (None, problem["detail"])
    assert readiness(answers(503, "busy", {"Retry-After": "2"}), None)[0] is None


def test_a_refused_version_ends_the_waiting_with_its_reason(answers: Answer) -> None:
    with pytest.raises(DeployError, match="was refused: torn"):
        readiness(answers(503, {"detail": "Version v2 was refused: torn"}), "v2")
    old = {"gallery_version": "v1", "refused": {"version": "v2", "reason": "torn"}}
    with pytest.raises(DeployError, match="v2 was refused: torn"):
        readiness(answers(200, old), "v2")
    assert readiness(answers(200, old), "v1") == (old, "")


def test_a_head_that_is_not_there_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a token")
    record = Record(pid=os.getpid(), started=1.0, mark="none", cwd=tmp_path)
    ports = {"dashboard": free_ports(1)[0]}
    head = RayHead(ports=ports, token_path=tmp_path / "token", temp_dir=tmp_path, cpus=1, record=record)
    with pytest.raises(DeployError, match=r"Serve was not reached: .*refused"):
        deploy(head, port=free_ports(1)[0], args={})
