"""Two gloo processes, started once, for everything that must be equal on N workers; and a disk that is soon full."""

import multiprocessing as mp
import subprocess
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

Ranks = Callable[..., list[Any]]


def serve_rank(rank: int, world_size: int, rendezvous: str, pipe: Connection) -> None:
    """Join the group, then answer ``(function, arguments)`` until None comes."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=rendezvous, rank=rank, world_size=world_size, timeout=timedelta(seconds=240)
    )
    while (task := pipe.recv()) is not None:
        function, arguments = task
        try:
            pipe.send((function(*arguments), None))
        except Exception:
            pipe.send((None, traceback.format_exc()))
    dist.destroy_process_group()


@pytest.fixture(scope="session")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    """Give ``run(function, *arguments)``: a test module's function on both ranks at once, with both results."""
    rendezvous = f"file://{Path(tmp_path_factory.mktemp('gloo')) / 'rendezvous'}"
    context = mp.get_context("spawn")
    pipes, processes = [], []
    for rank in range(2):
        here, there = context.Pipe()
        process = context.Process(target=serve_rank, args=(rank, 2, rendezvous, there), daemon=True)
        process.start()
        pipes.append(here)
        processes.append(process)

    def run(function: Callable[..., Any], *arguments: Any) -> list[Any]:
        for pipe in pipes:
            pipe.send((function, arguments))
        answers = [pipe.recv() if pipe.poll(120) else (None, "no answer in 120 s") for pipe in pipes]
        for rank, (_, error) in enumerate(answers):
            assert error is None, f"rank {rank}: {error}"
        return [value for value, _ in answers]

    yield run
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(None)
        process.join(20)
        process.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A quarter of a mebibyte of disk; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if mounted.returncode:
        pytest.skip(f"not allowed to mount a tmpfs: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
