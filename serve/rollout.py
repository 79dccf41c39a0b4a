"""One gallery's way from a version to the next: offered, held by every replica, probed, active; or refused.

Nothing here asks anybody: the director brings what ``CURRENT`` says, what replicas report and how a probe ended. So a
director that starts again needs no memory: the ingresses' reports say what is active.
"""

from collections.abc import Iterable, Sequence

from serve.events import log_event
from serve.metrics import SWAPS
from serve.plans import EncoderFacts, Offer, Refusal, Report
from serve.release import Release, ReleaseInfo, describe_release
from sketchray.gallery import Manifest


class Rollout:
    """Where one gallery stands.

    Args:
        name: the gallery.
        parts: deployments of which every replica must hold a release before it is answered from.
    """

    def __init__(self, name: str, parts: Sequence[str]) -> None:
        self.name = name
        self.parts = tuple(parts)
        self.active: ReleaseInfo | None = None
        self.retiring: set[Release] = set()
        self.refusal: Refusal | None = None
        self._manifest: Manifest | None = None  # of the offer
        self._ticket = ""  # of what CURRENT says, whatever became of it

    @property
    def offer(self) -> Offer | None:
        """What is on its way."""
        return None if self._manifest is None else Offer(Release(self.name, self._manifest.version), self._ticket)

    @property
    def hold(self) -> list[Offer]:
        """What replicas should hold: what is active, what is on its way, and what is still being answered from."""
        answered = {*self.retiring, *([] if self.active is None else [self.active.release])}
        if self.offer is None:
            return [Offer(release, "") for release in sorted(answered)]
        return [*(Offer(release, "") for release in sorted(answered - {self.offer.release})), self.offer]

    def is_new(self, ticket: str) -> bool:
        """Return whether ``CURRENT`` was not seen in this state yet."""
        return ticket != self._ticket

    def publish(self, manifest: Manifest, ticket: str) -> None:
        """Take note of what is current now; a version on its way that is no longer current is given up."""
        self._give_up("dropped")
        self._ticket, self.refusal = ticket, None
        if self.active is None or self.active.version != manifest.version:
            self._manifest = manifest
            log_event("release_offered", release=str(Release(self.name, manifest.version)))

    def refuse_unread(self, version: str, ticket: str, reason: str) -> None:
        """Take note of a current version that cannot even be opened."""
        self._give_up("dropped")
        self._ticket = ticket
        self._refuse(version, reason)

    def hear(self, reports: Iterable[Report]) -> EncoderFacts | None:
        """Take in what replicas report.

        Args:
            reports: the last one of every replica that is alive.

        Returns:
            What the encoders say of the release on its way, once every replica holds it: it can be probed now.
        """
        reports = list(reports)
        if self.active is None:
            self._adopt(reports)
        using = {release for report in reports for release in report.using}
        self.retiring = {release for release in self.retiring if release in using}
        offer = self.offer
        if offer is None:
            return None
        for report in reports:
            for failure in report.failed:
                if failure.offer == offer:
                    self.refuse(offer, f"{report.part}: {failure.reason}")
                    return None
        return self._facts(reports, offer.release)

    def describe(self, facts: EncoderFacts) -> ReleaseInfo:
        """Return what there is to know of the release on its way."""
        assert self._manifest is not None
        return describe_release(self._manifest, image_size=facts.image_size, calibration=facts.calibration)

    def activate(self, offer: Offer, facts: EncoderFacts) -> None:
        """Answer from a release from now on, if it is still what is on its way."""
        if offer != self.offer:
            return
        if self.active is not None:
            self.retiring.add(self.active.release)
        self.active = self.describe(facts)
        self.retiring.discard(self.active.release)
        self._manifest = None
        SWAPS.add(self.name, "active")
        log_event("release_active", release=str(offer.release))

    def refuse(self, offer: Offer, reason: str) -> None:
        """Give a release up as bad, if it is still what is on its way."""
        if offer == self.offer:
            self._manifest = None
            self._refuse(offer.release.version, reason)

    def _refuse(self, version: str, reason: str) -> None:
        self.refusal = Refusal(Release(self.name, version), reason)
        SWAPS.add(self.name, "refused")
        log_event("release_refused", release=str(self.refusal.release), reason=reason)

    def _give_up(self, outcome: str) -> None:
        if self._manifest is not None:
            SWAPS.add(self.name, outcome)
            self._manifest = None

    def _adopt(self, reports: Iterable[Report]) -> None:
        """Take what ingresses answer from for active: this director is not the first."""
        infos = [info for report in reports for info in report.active if info.gallery == self.name]
        if infos:
            self.active = max(infos, key=lambda info: sum(other.release == info.release for other in infos))
            self.retiring = {info.release for info in infos} - {self.active.release}
            if self.offer is not None and self.offer.release == self.active.release:
                self._manifest = None
            log_event("release_adopted", release=str(self.active.release))

    def _facts(self, reports: Sequence[Report], release: Release) -> EncoderFacts | None:
        facts: EncoderFacts | None = None
        for part in self.parts:
            of_part = [report for report in reports if report.part == part]
            held = [held for report in of_part for held in report.held if held.release == release]
            if not of_part or len(held) < len(of_part):
                return None
            facts = next((one.facts for one in held if one.facts is not None), facts)
        return facts
