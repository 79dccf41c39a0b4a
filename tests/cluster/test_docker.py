"""The Dockerfile, read as the builder would read it: no engine runs here."""

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from cluster.ray_head import SERVE

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "cluster" / "docker" / "Dockerfile"


class Step(NamedTuple):
    """One instruction of a stage."""

    stage: str
    word: str
    rest: str


def steps(text: str) -> list[Step]:
    """Return the instructions, continued lines joined, each with the stage that it is of."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found, stage = list[Step](), ""
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stage = rest.split(" AS ")[1]
        if word:
            found.append(Step(stage, word, " ".join(rest.split())))
    return found


@pytest.fixture(scope="module")
def dockerfile() -> list[Step]:
    return steps(DOCKERFILE.read_text())


def lineage(dockerfile: list[Step], stage: str) -> list[Step]:
    """Return the instructions of a stage and of those that it builds on."""
    own = [step for step in dockerfile if step.stage == stage]
    base = own[0].rest.split(" AS ")[0]
    return (lineage(dockerfile, base) if any(step.stage == base for step in dockerfile) else []) + own


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None, "the extra [test] brings it"
    command = [hadolint, "--no-color", str(DOCKERFILE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_everything_that_is_copied_is_there_and_sent_to_the_builder(dockerfile: list[Step]) -> None:
    ignored = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored, "what is not named must stay here"
    copied = {name for step in dockerfile if step.word == "COPY" for name in sources(step.rest)}
    assert copied == sent
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert not any(fnmatch(name, ".*") for name in sent)


def sources(copy: str) -> list[str]:
    """Return what a COPY takes from the checkout; nothing where it copies from another stage."""
    *taken, _ = copy.split()
    return [] if any(word.startswith("--from") for word in taken) else taken


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_each_target_runs_as_nobody_in_particular_with_its_own_environment(dockerfile: list[Step], target: str) -> None:
    whole = lineage(dockerfile, target)
    users = [step.rest for step in whole if step.word == "USER"]
    assert users[-1] == "1000:1000"
    after = whole[[step.word for step in whole].index("USER") :]
    assert not any(step.word == "RUN" for step in after)
    assert [step.rest for step in whole if "--from" in step.rest] == [
        f"--from=environment-{target} /opt/venv /opt/venv"
    ]
    cluster = yaml.safe_load((ROOT / "cluster/kubernetes/base/ray.yaml").read_text())["items"][0]["spec"]
    assert cluster["headGroupSpec"]["template"]["spec"]["securityContext"]["runAsUser"] == 1000


def test_versions_are_pinned(dockerfile: list[Step]) -> None:
    (python,) = [step.rest for step in dockerfile if step.word == "ARG" and step.rest.startswith("PYTHON=")]
    assert re.fullmatch(r"PYTHON=3\.11\.\d+-slim-bookworm", python)
    stages = {step.stage for step in dockerfile}
    for step in dockerfile:
        if step.word == "FROM":
            assert step.rest.split(" AS ")[0] in stages | {"python:${PYTHON}"}
        for command in re.findall(r"pip install ([^&]*)", step.rest if step.word == "RUN" else ""):
            assert "-c constraints.txt" in command or "torch==" in command
    locked = re.search(r"^torch==\S+", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert locked is not None
    assert set(re.findall(r"torch==\S+", DOCKERFILE.read_text())) == {locked.group()}


def test_ray_runs_with_the_settings_that_the_demos_head_has(dockerfile: list[Step]) -> None:
    environment = " ".join(step.rest for step in lineage(dockerfile, "cpu") if step.word == "ENV")
    assert {f"{name}={value}" for name, value in SERVE.items()} <= set(environment.split())
    assert "PYTHONPATH=/app:/app/lib" in environment.split()
