"""A gallery's way from a version to the next, told by reports alone."""

from datetime import UTC, datetime

import pytest

from serve.metrics import SWAPS
from serve.plans import EncoderFacts, Failure, Held, Offer, Report
from serve.release import Release, ReleaseInfo
from serve.rollout import Rollout
from sketchray.gallery import Content, EncoderRef, Manifest, Segment
from sketchray.gallery.segment import describe

PARTS = ("encoder", "shards-0")
FACTS = EncoderFacts(image_size=64, calibration=None)


@pytest.fixture(autouse=True)
def outcomes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    monkeypatch.setattr(SWAPS, "add", lambda _, outcome: seen.append(outcome))
    return seen


def manifest_of(number: int) -> Manifest:
    table = describe(f"{number}", str(number).encode(), number)
    content = Content(
        encoder=EncoderRef(uri="s3://b/encoders/e1", fingerprint="f" * 32),
        dimension=8,
        shards=1,
        segments=(Segment(shard=0, kind="base", vectors=table, thumbnails=table),),
    )
    return Manifest(
        name="g",
        version=content.version(),
        parent=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        source="s3://b/p",
        rows=number,
        unreadable=0,
        content=content,
    )


ONE, TWO = manifest_of(1), manifest_of(2)
FIRST, SECOND = (Release("g", manifest.version) for manifest in (ONE, TWO))


def replicas(*held: Release, encoders: int = 1, failed: tuple[Failure, ...] = ()) -> list[Report]:
    """Return the reports of an encoder (or several) and a shard, which hold the same."""
    parts = [("encoder", FACTS)] * encoders + [("shards-0", None)]
    return [Report(part, held=tuple(Held(release, facts) for release in held), failed=failed) for part, facts in parts]


def ingress(info: ReleaseInfo | None, *using: Release) -> Report:
    active = () if info is None else (info,)
    return Report("ingress", active=active, using=frozenset({*using, *(each.release for each in active)}))


def activated(manifest: Manifest) -> Rollout:
    rollout = Rollout("g", PARTS)
    rollout.publish(manifest, "1")
    release = Release("g", manifest.version)
    facts = rollout.hear(replicas(release))
    assert facts is not None
    rollout.activate(Offer(release, "1"), facts)
    return rollout


def test_a_version_is_active_once_every_replica_holds_it_and_it_was_probed() -> None:
    rollout = Rollout("g", PARTS)
    assert rollout.hold == []
    rollout.publish(ONE, "1")
    assert not rollout.is_new("1")
    assert rollout.hold == [Offer(FIRST, "1")]
    assert rollout.hear([]) is None
    assert rollout.hear(replicas(FIRST)[:1]) is None  # no shard has said anything
    second_encoder = Report("encoder")
    assert rollout.hear([*replicas(FIRST), second_encoder]) is None
    assert rollout.hear(replicas(FIRST, encoders=2)) == FACTS
    rollout.activate(Offer(FIRST, "1"), FACTS)
    assert rollout.active is not None
    assert (rollout.active.release, rollout.active.image_size, rollout.active.pictures) == (FIRST, 64, 1)
    assert rollout.active.model == f"e1@{'f' * 12}"
    assert (rollout.offer, rollout.hold) == (None, [Offer(FIRST, "")])


def test_the_old_version_is_held_until_nobody_answers_from_it(outcomes: list[str]) -> None:
    rollout = activated(ONE)
    old = rollout.active
    rollout.publish(TWO, "2")
    assert rollout.hear([*replicas(FIRST, SECOND), ingress(old)]) == FACTS
    rollout.activate(Offer(SECOND, "2"), FACTS)
    new, both = rollout.active, sorted([Offer(SECOND, ""), Offer(FIRST, "")])
    rollout.hear([*replicas(FIRST, SECOND), ingress(old), ingress(new)])
    assert rollout.hold == both  # one has not heard of it
    rollout.hear([*replicas(FIRST, SECOND), ingress(new, FIRST), ingress(new)])
    assert rollout.hold == both  # it has, but is still answering
    rollout.hear([*replicas(FIRST, SECOND), ingress(new), ingress(new)])
    assert rollout.hold == [Offer(SECOND, "")]
    assert outcomes == ["active", "active"]


def test_what_fails_anywhere_is_refused_and_told_until_something_else_is_published(outcomes: list[str]) -> None:
    rollout = activated(ONE)
    rollout.publish(TWO, "2")
    stale = Failure(Offer(SECOND, "1"), "an older try")
    assert rollout.hear(replicas(FIRST, SECOND, failed=(stale,))) == FACTS
    assert rollout.hear(replicas(FIRST, failed=(Failure(Offer(SECOND, "2"), "torn"),))) is None
    assert rollout.refusal is not None
    assert rollout.refusal == (SECOND, "encoder: torn")
    assert rollout.hold == [Offer(FIRST, "")]
    assert not rollout.is_new("2")
    rollout.publish(ONE, "3")  # rolled back
    assert rollout.hold == [Offer(FIRST, "")]
    rollout.publish(TWO, "4")  # and published once more: it may have been mended
    assert rollout.hold == [Offer(FIRST, ""), Offer(SECOND, "4")]
    assert outcomes == ["active", "refused"]


def test_a_probe_that_comes_too_late_changes_nothing(outcomes: list[str]) -> None:
    rollout = activated(ONE)
    rollout.publish(TWO, "2")
    rollout.publish(ONE, "3")  # rolled back while the probe ran
    rollout.activate(Offer(SECOND, "2"), FACTS)
    rollout.refuse(Offer(SECOND, "2"), "late")
    assert rollout.active is not None
    assert (rollout.active.release, rollout.refusal) == (FIRST, None)
    rollout.refuse_unread("x", "4", "not a manifest")
    assert rollout.refusal == (Release("g", "x"), "not a manifest")
    assert outcomes == ["active", "dropped", "refused"]


def test_a_new_director_learns_from_the_ingresses_what_is_active() -> None:
    info = activated(ONE).active
    behind = activated(TWO).active
    rollout = Rollout("g", PARTS)
    rollout.publish(TWO, "2")
    rollout.hear([*replicas(FIRST), ingress(info), ingress(info), ingress(behind)])
    assert rollout.active == info
    assert rollout.hold == [Offer(FIRST, ""), Offer(SECOND, "2")]
    again = Rollout("g", PARTS)
    again.publish(ONE, "1")
    assert again.hear([*replicas(FIRST), ingress(info)]) is None
    assert (again.active, again.offer) == (info, None)
