"""What a training run takes of the cluster."""

from pydantic import Field

from jobs._streams import DecodeResources
from sketchray.config import Config, ConfigError


class Resources(Config):
    """What a run takes of the cluster. It is no part of the run's identity: the same run may go on with other workers.

    Attributes:
        workers: Ray Train workers; each batch must be divisible by it.
        min_workers: with so few it goes on while nodes are missing, each taking a larger part of the same batch, which
            must be divisible by every number between; None to wait until there is room for all.
        grow_every_s: with ``min_workers``, so often it looks whether there is room for more workers, seconds; to take
            them in it starts again from its last checkpoint.
        cpus: logical CPUs a worker asks for.
        gpu: one GPU a worker (nccl) instead of CPUs alone (gloo).
        threads: torch threads in each worker.
        decode: what each of a worker's two streams may take.
        max_failures: worker failures to recover from before the run fails.
    """

    workers: int = Field(default=2, ge=1)
    min_workers: int | None = Field(default=None, ge=1)
    grow_every_s: float = Field(default=60.0, ge=0)
    cpus: float = 1.0
    gpu: bool = False
    threads: int = 1
    decode: DecodeResources = DecodeResources()
    max_failures: int = 3

    @property
    def worlds(self) -> int | tuple[int, int]:
        """How many workers, as Ray Train takes it: a number, or the least and the most."""
        return self.workers if self.min_workers is None else (self.min_workers, self.workers)

    def check(self, **batches: int) -> None:
        """Refuse numbers of workers that cannot share a batch.

        Args:
            batches: the global batches by their names in a recipe.

        Raises:
            ConfigError: more workers at least than at most, or a number between that does not divide a batch.
        """
        fewest, most = self.min_workers or self.workers, self.workers
        if fewest > most:
            raise ConfigError(f"resources.min_workers={fewest} is more than resources.workers={most}")
        for name, batch in batches.items():
            bad = [str(workers) for workers in range(fewest, most + 1) if batch % workers]
            if bad:
                raise ConfigError(f"{name}={batch} cannot be divided by resources.workers={' or '.join(bad)}")
