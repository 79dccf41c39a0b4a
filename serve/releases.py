"""What an ingress replica answers from: the active release of every gallery, and how many requests still use which."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from serve.errors import ProblemError
from serve.models import GalleryInfo, Refused
from serve.plans import Plan
from serve.release import Release, ReleaseInfo

SOON_S = 2


class Releases:
    """The releases that the director's last plan made active.

    Args:
        galleries: every gallery that is served, the default one first.
    """

    def __init__(self, galleries: Sequence[str]) -> None:
        self.galleries = tuple(galleries)
        self._active: dict[str, ReleaseInfo] = {}
        self._refused: dict[str, Refused] = {}
        self._using: Counter[Release] = Counter()

    @property
    def default(self) -> str:
        """The gallery that is searched when none is named."""
        return self.galleries[0]

    @property
    def active(self) -> tuple[ReleaseInfo, ...]:
        """What new requests are answered from."""
        return tuple(self._active.values())

    @property
    def known(self) -> bool:
        """Whether of every gallery is known what it is answered from, or why it is not."""
        return set(self.galleries) <= self._active.keys() | self._refused.keys()

    @property
    def using(self) -> frozenset[Release]:
        """`active`, and older releases that a request is still being answered from."""
        return frozenset(self._using) | {info.release for info in self._active.values()}

    def obey(self, plan: Plan) -> None:
        """Answer from what a plan says from the next request on; a gallery that it does not name stays as it is."""
        self._active |= {info.gallery: info for info in plan.active}
        self._refused = {
            refusal.release.gallery: Refused(version=refusal.release.version, reason=refusal.reason)
            for refusal in plan.refused
        }

    @contextmanager
    def use(self, gallery: str | None) -> Iterator[ReleaseInfo]:
        """Give one request the release that it is answered from, whatever becomes active meanwhile.

        Raises:
            ProblemError: as `find`.
        """
        info = self.find(gallery)
        self._using[info.release] += 1
        try:
            yield info
        finally:
            self._using[info.release] -= 1
            self._using += Counter()  # without those that nobody uses

    def find(self, gallery: str | None) -> ReleaseInfo:
        """Return what a gallery is answered from, None meaning the default one.

        Raises:
            ProblemError: 404, there is no such gallery; 503, nothing of it can be answered from yet.
        """
        name = self.default if gallery is None else gallery
        if name not in self.galleries:
            raise ProblemError(404, f"There is no gallery {name!r}; there are: {', '.join(self.galleries)}.")
        if name not in self._active:
            raise self._not_yet(name)
        return self._active[name]

    def about(self, gallery: str | None) -> GalleryInfo:
        """Tell what can be searched in a gallery, and how.

        Raises:
            ProblemError: as `find`.
        """
        info = self.find(gallery)
        calibration = info.calibration
        note = f"The encoder {info.model} is not calibrated: its similarities stand for no probability."
        if calibration is not None:
            note = (
                f"Learnt from {calibration.data}: {calibration.queries:,} sketches against {calibration.pictures:,} "
                f"pictures, of which {calibration.base_rate:.1%} were what was drawn. Where that share is another, so "
                "is the probability."
            )
        return GalleryInfo(
            gallery=info.gallery,
            gallery_version=info.version,
            created_at=info.created_at,
            pictures=info.pictures,
            shards=info.shards,
            model=info.model,
            rankings=list(info.rankings),
            columns=list(info.columns),
            calibrated=calibration is not None,
            calibration_note=note,
            default=info.gallery == self.default,
            refused=self._refused.get(info.gallery),
        )

    def _not_yet(self, name: str) -> ProblemError:
        refused = self._refused.get(name)
        if refused is not None:  # waiting does not help, so no Retry-After
            return ProblemError(503, f"Version {refused.version} of gallery {name!r} was refused: {refused.reason}")
        return ProblemError(503, f"The gallery {name!r} is being loaded; try again in a moment.", retry_after=SOON_S)
