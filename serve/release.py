"""A release: one version of one gallery, the unit that is loaded, probed, answered from and dropped."""

from datetime import datetime
from typing import NamedTuple, get_args

from pydantic import BaseModel, ConfigDict

from sketchray.calibration import Calibration
from sketchray.gallery import Column, Manifest, Ranking


class Release(NamedTuple):
    """The name of a release; every request is answered from exactly one."""

    gallery: str
    version: str

    def __str__(self) -> str:
        return f"{self.gallery}@{self.version}"


class ReleaseInfo(BaseModel):
    """What an ingress has to know of a release to answer from it.

    Attributes:
        gallery, version: its name.
        created_at: when the version was made, UTC.
        pictures: that can be found.
        shards: how many the ids are spread over.
        model: name and fingerprint of the encoder, for people.
        fingerprint: of the encoder, whole.
        image_size: side of the pictures that the encoder takes, pixels.
        rankings: that the version has a codebook for, ``nearest`` first.
        columns: metadata columns.
        calibration: from cosine similarity to the probability of relevance, where the encoder has one.
    """

    model_config = ConfigDict(frozen=True)

    gallery: str
    version: str
    created_at: datetime
    pictures: int
    shards: int
    model: str
    fingerprint: str
    image_size: int
    rankings: tuple[Ranking, ...]
    columns: tuple[Column, ...]
    calibration: Calibration | None

    @property
    def release(self) -> Release:
        """Its name."""
        return Release(self.gallery, self.version)


def describe_release(manifest: Manifest, *, image_size: int, calibration: Calibration | None) -> ReleaseInfo:
    """Return what there is to know of a release.

    Args:
        manifest: of the version.
        image_size, calibration: of the encoder that the manifest names.
    """
    coded = {codebook.name for codebook in manifest.content.codebooks}
    return ReleaseInfo(
        gallery=manifest.name,
        version=manifest.version,
        created_at=manifest.created_at,
        pictures=manifest.rows,
        shards=manifest.content.shards,
        model=model_name(manifest),
        fingerprint=manifest.encoder.fingerprint,
        image_size=image_size,
        rankings=tuple(name for name in get_args(Ranking) if name == "nearest" or name in coded),
        columns=manifest.content.columns,
        calibration=calibration,
    )


def model_name(manifest: Manifest) -> str:
    """Return the encoder's name and the beginning of its fingerprint."""
    return f"{manifest.encoder.uri.rstrip('/').rpartition('/')[2]}@{manifest.encoder.fingerprint[:12]}"
