"""Configuration of an index build, and what it takes of the cluster."""

from pydantic import Field

from sketchray.config import Config, digest
from sketchray.gallery.manifest import FORMAT_VERSION, EncoderRef


class IndexResources(Config):
    """What a build takes of the cluster; no part of its identity.

    Attributes:
        decode_cpus: logical CPUs of a task that reads and decodes pictures.
        decode_tasks: how many of them at once.
        readers: threads in such a task: reading waits for the network most of the time.
        actors: embedding actors; each loads the model once.
        actor_cpus: logical CPUs of such an actor.
        actor_gpus: GPUs of such an actor, a fraction of one if several share it.
        threads: torch threads of such an actor.
    """

    decode_cpus: float = Field(default=0.25, gt=0)
    decode_tasks: int = Field(default=1, ge=1)
    readers: int = Field(default=8, ge=1)
    actors: int = Field(default=2, ge=1)
    actor_cpus: float = Field(default=0.5, gt=0)
    actor_gpus: float = Field(default=0.0, ge=0)
    threads: int = Field(default=1, ge=1)


class IndexConfig(Config):
    """An index build. The same build of the same pictures with the same encoder is found again.

    Attributes:
        gallery: its name.
        source: URI of the bucket prefix or folder with the pictures.
        encoder: an encoder package's URI, or ``frozen:<backbone>[@<image size>][:<weights>]``.
        exclude: prefixes of the source that are not the gallery's; ``sketches/`` holds drawings in the folder layout.
        shards: how many.
        part_size: pictures in a part; a killed build goes on after its last finished part.
        batch_size: pictures embedded at once.
        thumbnail: longest side of a thumbnail, pixels.
        max_bad: largest fraction of unreadable pictures with which a version is still published.
        resources: what the build takes of the cluster.
    """

    gallery: str
    source: str
    encoder: str
    exclude: tuple[str, ...] = ("sketches/",)
    shards: int = Field(default=2, ge=1, le=1024)
    part_size: int = Field(default=256, ge=1, le=8192)
    batch_size: int = Field(default=32, ge=1)
    thumbnail: int = Field(default=160, ge=16, le=1024)
    max_bad: float = Field(default=0.1, ge=0, le=1)
    resources: IndexResources = IndexResources()

    def run_id(self, *, listing: str, encoder: EncoderRef) -> str:
        """Name the build: a digest of everything that its result depends on."""
        inputs = self.model_dump(mode="json", include={"shards", "part_size", "batch_size", "thumbnail"})
        return digest(inputs | {"format": FORMAT_VERSION, "listing": listing, "encoder": encoder.model_dump()})
