"""Arguments of the application: ``args`` in ``serve/config.yaml``."""

from typing import Any

from pydantic import Field, model_validator

from serve.access import AccessArgs
from serve.admission import AdmissionConfig
from sketchray.config import Config

# glibc gives the memory of a batch back to the kernel, which hands it out again page by page for the next: more than
# half of the CPU time of a forward pass. It keeps what is below both thresholds, and in the process's first arena only:
# from another, tensors of 64 MiB and more are given back whatever the thresholds say.
KEEP_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_ARENA_MAX": "1",
}
# Left alone, threads that wait for one another inside a forward pass spin for milliseconds, on the cores that the
# other deployments of the node need: without it the encoder took twice the CPU time a query.
WAIT_ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE"}


class DeploymentArgs(Config):
    """What Ray Serve is told of a deployment, by its own names.

    ``max_ongoing_requests`` is said on purpose: Serve's own 5 a replica starves the batches, a factor of ten here.

    Attributes:
        num_replicas: how many, unless ``autoscaling_config`` says.
        autoscaling_config: Serve's; None for a fixed number.
        max_ongoing_requests: that a replica takes at the same time.
        max_queued_requests: that may wait in each caller for a replica; -1 for any number.
        health_check_period_s, health_check_timeout_s: of the replica's own check.
        graceful_shutdown_timeout_s: that a replica has to answer what it began.
        ray_actor_options: Serve's; ``num_cpus`` is what the scheduler counts, the threads are arguments of their own.
    """

    num_replicas: int | None = Field(None, ge=1)
    autoscaling_config: dict[str, Any] | None = None
    max_ongoing_requests: int = Field(256, ge=1)
    max_queued_requests: int = Field(512, ge=-1)
    health_check_period_s: float = Field(10.0, gt=0)
    health_check_timeout_s: float = Field(30.0, gt=0)
    graceful_shutdown_timeout_s: float = Field(20.0, ge=0)
    ray_actor_options: dict[str, Any] = Field(default={"num_cpus": 0.1})

    @model_validator(mode="after")
    def _one_number(self) -> "DeploymentArgs":
        if self.num_replicas is not None and self.autoscaling_config is not None:
            raise ValueError("num_replicas and autoscaling_config exclude one another")
        return self

    def options(self) -> dict[str, Any]:
        """Return the options of ``serve.deployment``."""
        told = self.model_dump(include=set(DeploymentArgs.model_fields), exclude_none=True)
        return told if self.autoscaling_config is not None else {"num_replicas": 1} | told


class IngressArgs(DeploymentArgs):
    """The front.

    Attributes:
        decoders: threads that decode and rasterise uploads.
        admission: how many questions are let in.
    """

    ray_actor_options: dict[str, Any] = Field(default={"num_cpus": 0.2})
    decoders: int = Field(2, ge=1)
    admission: AdmissionConfig = AdmissionConfig()


class EncoderArgs(DeploymentArgs):
    """The encoder. Its process has `KEEP_MEMORY` and `WAIT_ASLEEP`, unless its environment says else.

    Attributes:
        threads: of torch, in a replica.
        max_batch: sketches of a forward pass.
    """

    ray_actor_options: dict[str, Any] = Field(default={"num_cpus": 0.2})
    threads: int = Field(2, ge=1)
    max_batch: int = Field(16, ge=1)

    def options(self) -> dict[str, Any]:
        """Return the options of ``serve.deployment``."""
        environment = self.ray_actor_options.get("runtime_env", {})
        variables = KEEP_MEMORY | WAIT_ASLEEP | environment.get("env_vars", {})
        actor = self.ray_actor_options | {"runtime_env": environment | {"env_vars": variables}}
        return super().options() | {"ray_actor_options": actor}


class ShardArgs(DeploymentArgs):
    """A group of shards.

    Attributes:
        threads: of faiss, in a replica.
    """

    threads: int = Field(1, ge=1)


class ServeArgs(AccessArgs):
    """Arguments of the application; who may come in is said by those of `AccessArgs`.

    Attributes:
        galleries: names in the store, the default one first. Of each the version that is ``CURRENT`` is served; a new
            one is loaded beside the old, checked, and swapped in.
        store: URI of the object store; None for ``$SKETCHRAY_STORE``. Every replica opens it, so a path must exist on
            every node.
        attribution: URI or path of a text about the pictures' origin and licences, for ``/attribution``.
        shard_groups: deployments over which the shards of every gallery are spread.
        poll_s: seconds between two looks at ``CURRENT``, and between two reports of a replica.
        timeout_s: seconds after which a request is given up.
        ingress, encoder, shards: of each deployment; all groups of shards are alike.
    """

    galleries: tuple[str, ...] = Field(("starter",), min_length=1)
    store: str | None = None
    attribution: str | None = None
    shard_groups: int = Field(1, ge=1)
    poll_s: float = Field(2.0, gt=0)
    timeout_s: float = Field(20.0, gt=0)
    ingress: IngressArgs = IngressArgs()
    encoder: EncoderArgs = EncoderArgs()
    shards: ShardArgs = ShardArgs()
