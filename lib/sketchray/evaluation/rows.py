"""The columns of a report: evaluations, and harmonic means of two of them."""

from sketchray.config import Config
from sketchray.evaluation.summary import Evaluation, harmonic_means
from sketchray.ranking import Selection

NEAREST = "nearest"

MARKS = {
    "*": "ranks with structure learnt from the unlabelled gallery itself (gallery-transductive)",
    "†": "one of a sweep, whose best value only the labels of the unseen classes tell (oracle)",
}


class Entry(Config):
    """What a column of a report is about.

    Args:
        name: what was evaluated, an encoder's URI or a file.
        setting: the gallery and the queries; columns of one setting share a table, and a chance level.
        ranking: how the gallery was ranked, with its parameters.
        fingerprint: of the encoder, where known.
        transductive: the ranking used the gallery's own, unlabelled structure, so it is no match for rows that did not.
        oracle: a parameter of the ranking is one of a sweep, whose best value only the labels tell.
        selection: how the number of codewords was chosen, where it was not given.
    """

    name: str
    setting: str
    ranking: str = NEAREST
    fingerprint: str | None = None
    transductive: bool = False
    oracle: bool = False
    selection: Selection | None = None

    @property
    def marks(self) -> str:
        """The signs of `MARKS` that the column carries wherever it is shown."""
        return "*" * self.transductive + "†" * self.oracle


class Row(Evaluation, Entry):
    """One evaluation in a report."""


class Harmonic(Entry):
    """The figure of the generalised setting: the harmonic mean of seen and unseen queries, by metric."""

    metrics: dict[str, float]
    metrics_macro: dict[str, float]
    chance: dict[str, float]
    chance_macro: dict[str, float]

    @classmethod
    def of(cls, seen: Row, unseen: Row, *, setting: str) -> "Harmonic":
        """Join two evaluations of one encoder and ranking, against one gallery that holds both kinds of classes."""
        assert (seen.name, seen.ranking, seen.gallery) == (unseen.name, unseen.ranking, unseen.gallery)
        entry = unseen.model_dump(include=set(Entry.model_fields)) | {"setting": setting}
        averages = ("metrics", "metrics_macro", "chance", "chance_macro")
        return cls(**entry, **{name: harmonic_means(getattr(seen, name), getattr(unseen, name)) for name in averages})
