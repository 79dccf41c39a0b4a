"""Several Ray nodes on this machine, each of which can be killed as if its plug had been pulled."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from cluster.processes import Record
from cluster.ray_head import RayHead, start_ray
from cluster.ray_node import RayNode, start_nodes

TRAIN_WORKER = "RayTrainWorker"


class Nodes:
    """A head and its nodes.

    Args:
        head: it is running.
        folder: the cluster's state.
    """

    def __init__(self, head: RayHead, folder: Path) -> None:
        self.head = head
        self._folder, self._nodes = folder, list[RayNode]()

    def fill(self, count: int, *, cpus: int) -> None:
        """Start nodes with so many logical CPUs until so many are there beside the head, and wait for them."""
        missing = count - sum(node.alive() for node in self._nodes)
        first = len(self._nodes) + 2  # the head is the first of all
        self._nodes += start_nodes(self._folder, self.head, range(first, first + missing), env={}, cpus=cpus)

    def train_workers(self) -> list[psutil.Process]:
        """Return the processes of the training's ranks, on whatever node."""
        records = [self.head.record, *(node.record for node in self._nodes)]
        return [process for record in records for process in ranks_of(record)]

    def node_with_rank(self) -> RayNode:
        """Return a node, not the head, on which a rank of the training runs."""
        return next(node for node in self._nodes if ranks_of(node.record))

    def stop(self) -> None:
        """End the nodes; the head is another's to end."""
        for node in self._nodes:
            node.stop()


def kill_node(node: RayNode) -> None:
    """Kill all of a node's processes at once; they are gone when this returns."""
    family = node.record.family()
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=10)


def ranks_of(record: Record) -> list[psutil.Process]:
    """Return a node's processes that are ranks of a training."""
    found = []
    for process in record.family():
        with suppress(psutil.NoSuchProcess):
            found += [process] if TRAIN_WORKER in " ".join(process.cmdline()) else []
    return found


@contextmanager
def nodes(folder: Path, *, head_cpus: int) -> Iterator[Nodes]:
    """Start a head; end it and all its nodes at last."""
    with ExitStack() as stack:
        head = start_ray(folder, env={}, cpus=head_cpus)
        stack.callback(head.stop)
        cluster = Nodes(head, folder)
        stack.callback(cluster.stop)
        yield cluster
