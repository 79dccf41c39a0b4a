"""Configuration of an evaluation, and what it takes of the cluster."""

from typing import Any, Literal

from pydantic import Field, model_validator

from sketchray.config import Config, digest
from sketchray.data.reading import DataConfig
from sketchray.evaluation import MetricConfig, RankerConfig, Ranking

# Part of an evaluation's name: one made by other definitions or in another form is not found again.
VERSION = 2

IDENTITY = {
    *("query_split", "gallery_split", "distractors", "binary", "generalised"),
    *("metrics", "max_bad", "batch_size"),
}

LabelledSplit = Literal["seen", "val", "unseen"]


class EmbedResources(Config):
    """What embedding takes of the cluster; no part of an evaluation's identity.

    Attributes:
        decode_cpus: logical CPUs of a task that reads and draws samples.
        decode_tasks: how many of them at once.
        actors: embedding actors; each loads the models once.
        actor_cpus: logical CPUs of such an actor.
        actor_gpus: GPUs of such an actor, a fraction of one if several share it.
        threads: torch threads of such an actor.
        fit_cpus: logical CPUs of a task that fits a codebook or binary codes to a gallery.
        measure_cpus: logical CPUs of a task that ranks and measures a part of the queries.
        measure_rows: queries in such a part.
        measure_mib: memory that such a task takes beside the embeddings, MiB.
    """

    decode_cpus: float = Field(default=0.25, gt=0)
    decode_tasks: int = Field(default=2, ge=1)
    actors: int = Field(default=1, ge=1)
    actor_cpus: float = Field(default=0.5, gt=0)
    actor_gpus: float = Field(default=0.0, ge=0)
    threads: int = Field(default=2, ge=1)
    fit_cpus: float = Field(default=1.0, gt=0)
    measure_cpus: float = Field(default=0.5, gt=0)
    measure_rows: int = Field(default=1024, ge=1)
    measure_mib: int = Field(default=256, ge=1)


class EvaluateConfig(Config):
    """An evaluation of some encoders on one dataset. The same evaluation of the same things is found again.

    Attributes:
        data: where the samples are.
        encoders: encoder packages' URIs, names of those that come with the library, or
            ``frozen:<backbone>[@<image size>][:<weights>]``.
        query_split: the sketches that ask.
        gallery_split: the labelled photos that are asked for.
        rankers: how each gallery is ranked, each fitted once to its unlabelled pictures; a row of the report each.
        binary: also rank binary codes of this length, made by ITQ fitted to the gallery; None for none.
        generalised: evaluate also with the seen classes' sketches and pictures among the others, which a trained
            encoder was trained on.
        distractors: evaluate a second time with all other pictures in the gallery: those of the other classes, and the
            unlabelled ones. Nothing of them is relevant.
        max_distractors: only so many of them, a fixed random choice; None for all.
        max_queries_per_class: only so many sketches of each class, a fixed random choice; None for all.
        max_bad: largest fraction of unreadable samples with which there is still a result.
        batch_size: samples embedded at once.
        metrics: which metrics.
        output: also write the report into this local folder, as ``evaluation.json`` and ``evaluation.md``.
        resources: what the evaluation takes of the cluster.
    """

    data: DataConfig = DataConfig()
    encoders: tuple[str, ...] = Field(min_length=1)
    query_split: LabelledSplit = "unseen"
    gallery_split: LabelledSplit = "unseen"
    rankers: tuple[RankerConfig, ...] = Field(default=(RankerConfig(),), min_length=1)
    binary: int | None = Field(default=None, ge=1)
    generalised: bool = False
    distractors: bool = True
    max_distractors: int | None = Field(default=None, ge=0)
    max_queries_per_class: int | None = Field(default=None, ge=1)
    max_bad: float = Field(default=0.1, ge=0, le=1)
    batch_size: int = Field(default=32, ge=1)
    metrics: MetricConfig = MetricConfig()
    output: str | None = None
    resources: EmbedResources = EmbedResources()

    @model_validator(mode="after")
    def _generalised_is_of_classes_not_seen(self) -> "EvaluateConfig":
        if self.generalised and not (self.query_split == self.gallery_split != "seen"):
            raise ValueError("generalised needs one query_split and gallery_split, not the seen classes")
        return self

    def rankings(self) -> list[Ranking]:
        """Return every ranking, oracle sweeps included."""
        return [ranking for ranker in self.rankers for ranking in ranker.rankings()]

    def evaluation_id(self, *, samples: str, encoders: dict[str, str]) -> str:
        """Name the evaluation: a digest of everything that its numbers depend on.

        Args:
            samples: fingerprint of the samples that take part.
            encoders: fingerprint of each encoder, by URI.
        """
        inputs: dict[str, Any] = self.model_dump(mode="json", include=IDENTITY)
        inputs |= {"protocol": self.data.protocol, "rankings": [ranking.identity() for ranking in self.rankings()]}
        return digest(inputs | {"version": VERSION, "samples": samples, "encoders": encoders})
