"""What the director and the replicas tell one another, once every ``poll_s``."""

from typing import NamedTuple

from serve.release import Release, ReleaseInfo
from sketchray.calibration import Calibration


class Offer(NamedTuple):
    """A release that replicas should hold.

    Attributes:
        release: which.
        ticket: of the publication that it comes from; what failed is tried again under another ticket only.
    """

    release: Release
    ticket: str


class Failure(NamedTuple):
    """An offer that a replica could not load, or that failed its checks."""

    offer: Offer
    reason: str


class EncoderFacts(NamedTuple):
    """What an ingress has to know of a release's encoder, and only a replica that loaded it does."""

    image_size: int
    calibration: Calibration | None


class Held(NamedTuple):
    """A release that a replica can answer from; the facts are an encoder's to tell."""

    release: Release
    facts: EncoderFacts | None = None


class Report(NamedTuple):
    """What a replica tells the director.

    Attributes:
        part: its deployment.
        held: what it can answer from.
        failed: offers that it cannot hold.
        active: of an ingress, what it answers from.
        using: of an ingress, `active` and every older release that a request is still being answered from.
        replica: its name.
    """

    part: str
    held: tuple[Held, ...] = ()
    failed: tuple[Failure, ...] = ()
    active: tuple[ReleaseInfo, ...] = ()
    using: frozenset[Release] = frozenset()
    replica: str = ""


class Refusal(NamedTuple):
    """A release that did not pass, and why."""

    release: Release
    reason: str


class Plan(NamedTuple):
    """What the director answers.

    Attributes:
        hold: what encoders and shards should hold. What is not named may go.
        active: what ingresses should answer from, a release for each gallery that has one.
        refused: the galleries' current versions that did not pass.
    """

    hold: tuple[Offer, ...] = ()
    active: tuple[ReleaseInfo, ...] = ()
    refused: tuple[Refusal, ...] = ()
