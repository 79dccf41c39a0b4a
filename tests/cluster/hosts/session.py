"""Run one session over hosts and print it as a page: up, train, index, deploy, query, down.

    python -m tests.cluster.hosts.session [--data ROOT] [key=value ...] > docs/hosts-session.md

Every command of the page is run, and every line of output is its own; only Ray's log lines and progress bars are left
out. It takes root, and the starter set of the demo or another dataset in the folder layout.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import requests

from benchmarks.serving_target import wait_for
from cluster.submit import CHECKOUT, OF_RAY
from cluster.upload import upload
from sketchray.storage import default_store
from tests.cluster.hosts.namespaces import why_not
from tests.cluster.hosts.running import Running, running_hosts

SECONDS = 900
IN_A_ROW = 10  # queries that are answered, for the endpoint to be well again
STAR = '{"limit": 3, "strokes": [[[128, 55, 245, 11, 201, 128], [10, 240, 98, 98, 240, 10]]]}'
SHOW = 'python -c \'import json, sys; [print(r["score"], r["label"]) for r in json.load(sys.stdin)["results"]]\''
# What stands in every log and tells nothing here: progress, notices, ids of packages, empty lines.
NOISE = re.compile(
    r"(train|index|evaluate): |\S*Warning|\s+warnings\.warn|Tailing logs|Uploading package|Job submission server"
    r"|Next steps|Query the|Request the|Stop the|\s+ray job |Job '|-{5,}|Running entrypoint|\s*$"
)
COLOURS = re.compile(r"\x1b\[\d+m")
JOB = "ray job submit --working-dir . --runtime-env cluster/runtime_env.yaml --"


class Step(NamedTuple):
    """A line for the reader, and the command that follows."""

    says: str
    command: str


def steps(head: str, train: Sequence[str]) -> list[Step]:
    """Return the session from the first job on; nodes and store are up, and the desk has the token."""
    where = "data.root=$SKETCHRAY_STORE/data/starter"
    spread = "resources.cpus=9"
    page = f"http://{head}:8000"
    return [
        Step("Without the token, nothing runs:", f"env -u RAY_AUTH_MODE {JOB} true 2>&1 | tail -n 3 | cut -c 1-160"),
        Step(
            "Train. The two workers ask for nine of a node's 16 logical CPUs each, so the autoscaler brings two hosts:",
            " ".join([JOB, "python -m jobs.train --recipe rpkd-starter", where, spread, *train]),
        ),
        Step("The cluster, as Ray counts it:", f"RAY_ADDRESS={head}:6379 ray status | sed -n '/^Active/,/^Pending/p'"),
        Step(
            "Index with the encoder that the run shipped; each of the two actors that embed asks for nine CPUs too:",
            f"{JOB} python -m jobs.index gallery=starter source=$SKETCHRAY_STORE/data/starter "
            "encoder=$ENCODER 'codebooks.names=[]' resources.actor_cpus=9",
        ),
        Step(
            "Deploy `serve/config.yaml`, which asks for keys; on a private network it may listen to other hosts:",
            "sed 's/host: 127.0.0.1/host: 0.0.0.0/' serve/config.yaml > $SESSION/serve.yaml && "
            "serve deploy $SESSION/serve.yaml 2>&1 | grep -o 'Sent deploy request successfully'",
        ),
        Step("A key, and a query by somebody who has none:", "python -m serve.keys create desk 2>&1 > $SESSION/key"),
        Step("", f"curl -s -o /dev/null -w '%{{http_code}}\\n' {page}/v1/search -d '{STAR}'"),
        Step(
            "A star of five strokes of the pen, with the key:",
            f'curl -s {page}/v1/search -H "Authorization: Bearer $(cat $SESSION/key)" '
            f"-H 'Content-Type: application/json' -d '{STAR}' | {SHOW}",
        ),
        Step(
            "Down. Nobody asks for the nodes any more, and they go:",
            "serve shutdown --yes 2>&1 | grep -o 'Sent shutdown request[^;]*'",
        ),
    ]


def came_up(running: Running) -> str:
    """Return how the head came up: what was run there, and what it said."""
    line = running.ray.lines["head"].replace(str(running.folder), "$SESSION")
    log = COLOURS.sub("", (running.ray.host.disk / "ray.log").read_text())
    said = [text.partition(" -- ")[2] for text in log.splitlines() if "node IP" in text or "started" in text]
    return "\n".join(["Up:\n", "```", f"head$ {line}", *said, "```", ""])


def play(running: Running, train: Sequence[str]) -> None:
    """Run the steps and print them."""
    environment = os.environ | running.head.client_env() | {"SESSION": str(running.folder)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    address = running.head.address
    for step in steps(address, train):
        if "curl" in step.command:
            wait_for(lambda: ready(f"http://{address}:8000"), what="the endpoint", patience_s=240)
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", step.command],
            env=environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{step.command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        if encoder := re.search(r'"encoder": "([^"]+)"', done.stdout):
            environment["ENCODER"] = encoder.group(1)
        said = [line for line in (done.stdout + done.stderr).splitlines() if not OF_RAY.match(line)]
        say(step, [line for line in said if not NOISE.match(line)], time.monotonic() - began)
        if "Bearer" in step.command:
            print(lose_a_host(running, f"http://{address}:8000/v1/search"), flush=True)
    wait_for(lambda: not running.cloud.nodes, what="the nodes to go", patience_s=240)


def lose_a_host(running: Running, url: str) -> str:
    """Switch the encoder's host off, ask until the endpoint is well again, and return what happened in words."""
    key = (running.folder / "key").read_text().strip()
    name, host = running.one_of(running.encoders())
    host.kill()
    began, answers = time.monotonic(), list[bool]()
    while len(answers) < IN_A_ROW or not all(answers[-IN_A_ROW:]):
        if time.monotonic() - began > SECONDS:
            raise RuntimeError("the endpoint did not come back")
        answers.append(is_answered(url, key))
        time.sleep(0.2)
    seconds, nodes = time.monotonic() - began, ", ".join(sorted(running.cloud.nodes))
    return (
        f"Then `{name}`, where the encoder was, was switched off as by a power cut. Of {len(answers)} queries, one\n"
        f"after the other, {answers.count(False)} failed; {seconds:.0f} s later {IN_A_ROW} in a row had been answered, "
        f"by `{nodes}`.\n"
    )


def is_answered(url: str, key: str) -> bool:
    """Tell whether a query is answered."""
    headers = {"Authorization": f"Bearer {key}"}
    try:
        return requests.post(url, json=json.loads(STAR), headers=headers, timeout=10).ok
    except requests.RequestException:
        return False


def ready(page: str) -> bool:
    """Tell whether the endpoint answers."""
    try:
        return requests.get(f"{page}/readyz", timeout=10).ok
    except requests.RequestException:
        return False


def say(step: Step, lines: Sequence[str], seconds: float) -> None:
    """Print a step and what came of it."""
    if step.says:
        print(f"{step.says}\n")
    print("\n".join(["```", f"desk$ {step.command}", *lines, "```", f"*{seconds:.0f} s*\n"]), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the page; return 2 where there can be no hosts."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.hosts.session", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=CHECKOUT / ".sketchray" / "data" / "starter", metavar="ROOT")
    parser.add_argument("train", nargs="*", metavar="key=value", help="overrides for the training")
    args = parser.parse_args(argv)
    if reason := why_not():
        print(f"session: {reason}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="session-") as folder, running_hosts(Path(folder)) as running:
        upload(args.data, default_store().child("data/starter"))
        began = time.monotonic()
        facts: dict[str, Any] = {"head": running.head.address, "store": running.ray.store.endpoint}
        facts |= {"date": datetime.now(UTC), "load": os.getloadavg()[0]}
        print(HEAD.format(cpus=os.cpu_count(), machine=platform.machine(), **facts))
        print(came_up(running), flush=True)
        play(running, args.train)
        print("The hosts, seconds after the first command:\n\n```")
        for event in running.cloud.events:
            print(f"{event.at - began:6.0f} s  {event.host:8} {event.what}")
        print("```")
    return 0


HEAD = """# A session over several hosts

Printed by `python -m tests.cluster.hosts.session`, {date:%Y-%m-%d}, on {cpus} cores of an {machine} machine
(load average {load:.0f} at the start).

Head, store and workers are hosts in network namespaces: each has its own name, address, disk and processes. The head,
{head}, has Ray's autoscaler: `autoscaling.json` is `ray_config.yaml` with its node types, and another provider for the
other hosts, `tests/cluster/hosts/provider.py`. The object store is at {store}, and has a copy of the
dataset. `desk$` is this machine, outside of the cluster: `RAY_AUTH_MODE`, `RAY_AUTH_TOKEN_PATH`, `RAY_ADDRESS` and
`RAY_API_SERVER_ADDRESS` say how it reaches it. `$SESSION` is a folder of its own.
"""

if __name__ == "__main__":
    sys.exit(main())
