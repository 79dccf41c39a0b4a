"""Configuration of the verbs that embed pictures, and what they take of the cluster."""

import math
from typing import Any, Literal

from pydantic import Field, field_validator

from sketchray.config import Config, digest
from sketchray.gallery import FitPlan, IndexPlan
from sketchray.gallery.manifest import FORMAT_VERSION, Column, EncoderRef
from sketchray.zoo import DEFAULT

NO_INPUTS = {"gallery", "source", "exclude", "shard_rows", "max_bad", "resources"}  # or told in another way
EXCLUDE = ("sketches/",)
Precision = Literal["float32", "bfloat16", "float16"]


class IndexResources(Config):
    """What a build or an update takes of the cluster. Whether there is a GPU changes the vectors; the rest does not.

    Memory is bounded by these numbers and by the size of a part and of a shard, whatever the gallery's size: a decoding
    task holds one part, the object store `in_flight` of them, an actor two; a task that works on a shard takes about
    four times that shard's vectors and thumbnails (1.4 GiB for 50,000 rows of 512 dimensions with thumbnails of 5 KB).
    The process that runs the verb holds one shard's listing, and nothing of the pictures; the rest of the listing lies
    in its folder for temporary files (``TMPDIR``), at most 0.5 KB a picture.

    Attributes:
        decode_cpus: logical CPUs of a task that reads and decodes pictures.
        decode_tasks: how many of them at once.
        readers: threads in such a task: reading waits for the network most of the time.
        in_flight: decoded parts that wait for an actor, at most; a soft limit, Ray Data may go over it by a part.
        actors: embedding actors; each loads the model once.
        actor_cpus: logical CPUs of such an actor.
        actor_gpus: GPUs of such an actor, a fraction of one if several share it.
        threads: torch threads of such an actor.
        shard_cpus: logical CPUs of a task that works on one shard, or fits the codebooks.
        shard_tasks: shards worked on at once.
    """

    decode_cpus: float = Field(default=0.25, gt=0)
    decode_tasks: int = Field(default=1, ge=1)
    readers: int = Field(default=8, ge=1)
    in_flight: int = Field(default=4, ge=1)
    actors: int = Field(default=2, ge=1)
    actor_cpus: float = Field(default=0.5, gt=0)
    actor_gpus: float = Field(default=0.0, ge=0)
    threads: int = Field(default=1, ge=1)
    shard_cpus: float = Field(default=0.5, gt=0)
    shard_tasks: int = Field(default=2, ge=1)


class EmbedConfig(Config):
    """How pictures become vectors and thumbnails.

    Attributes:
        gallery: its name.
        part_size: pictures in a part; a killed run goes on after its last finished part.
        batch_size: pictures embedded at once.
        thumbnail: longest side of a thumbnail, pixels.
        precision: of the embedding. ``auto`` is float16 on a GPU, by autocast, and float32 elsewhere.
        max_bad: largest fraction of unreadable pictures with which a version is still published.
        resources: what it takes of the cluster.
    """

    gallery: str
    part_size: int = Field(default=256, ge=1, le=8192)
    batch_size: int = Field(default=32, ge=1)
    thumbnail: int = Field(default=160, ge=16, le=1024)
    precision: Precision | Literal["auto"] = "auto"
    max_bad: float = Field(default=0.1, ge=0, le=1)
    resources: IndexResources = IndexResources()

    @field_validator("source", mode="before", check_fields=False)
    @classmethod
    def _several(cls, source: Any) -> Any:
        return (source,) if isinstance(source, str) else source

    @property
    def embed_precision(self) -> Precision:
        """The precision that is meant."""
        if self.precision != "auto":
            return self.precision
        return "float16" if self.resources.actor_gpus else "float32"

    def run_id(self, *, listing: str, encoder: EncoderRef, **more: Any) -> str:
        """Name the run: a digest of everything that its result depends on."""
        inputs = self.model_dump(mode="json", exclude=NO_INPUTS)
        described = {"format": FORMAT_VERSION, "listing": listing, "encoder": encoder.model_dump(), **more}
        device = {"precision": self.embed_precision, "gpu": bool(self.resources.actor_gpus)}
        return digest(inputs | described | device)


class BuildConfig(EmbedConfig):
    """A build. The same build of the same pictures with the same encoder is found again.

    Attributes:
        source: where the pictures are: URIs of bucket prefixes or folders, or of one Parquet or CSV file that names
            pictures by URI. One URI may stand alone.
        exclude: prefixes of each source that are not the gallery's; ``sketches/`` holds drawings in the folder layout.
        encoder: an encoder package's URI, the name of one that comes with the library (as the default is), or
            ``frozen:<backbone>[@<image size>][:<weights>]``.
        shards: how many; None for as many as `shard_rows` asks for.
        shard_rows: pictures in a shard, about, where the number of shards is not given. Far enough from the index's
            ``exact_rows`` that all shards are searched alike.
        index: how the shards are searched.
        codebooks: what cluster, mixture and manifold ranking need; ``codebooks.names=[]`` for none.
    """

    source: tuple[str, ...] = Field(min_length=1)
    exclude: tuple[str, ...] = EXCLUDE
    encoder: str = DEFAULT
    shards: int | None = Field(default=None, ge=1, le=1024)
    shard_rows: int = Field(default=100_000, ge=1)
    index: IndexPlan = IndexPlan()
    codebooks: FitPlan = FitPlan()

    def with_shards(self, pictures: int) -> "tuple[BuildConfig, int]":
        """Return the build with its number of shards given, and that number."""
        shards = self.shards or max(1, min(1024, math.ceil(pictures / self.shard_rows)))
        return self.model_copy(update={"shards": shards}), shards


def same_columns(columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    """Return the metadata columns as part of a run's identity."""
    return [column.model_dump() for column in columns]
