"""What the encoder's card says of its calibrated score: the map's reliability, or why there is no map."""

from sketchray.evaluation.calibration import FIRST, Calibrated
from sketchray.evaluation.reliability import Reliability
from sketchray.evaluation.reliability_plot import reliability_plot

Outcome = Calibrated | str
"""A map and its reliability, or why there is none."""

DIAGRAM = "reliability.svg"
NONE = "This encoder has no calibration: {reason}. Its scores are cosine similarities, not probabilities."
SECTION = """\
`encoder.calibration.probability(cosine)` is the probability that a result is relevant, as learnt from {data} that were
held out of the training: {queries} sketches, each with all {pictures} photos, {rate:.1%} of the pairs relevant. It is
**valid for galleries like the calibration set**: where a smaller share of the pictures is relevant, the same score
means less.

The map is an isotonic regression over all these pairs. Its reliability is not measured on pairs that it was fitted to,
but by cross-validation: the sketches' classes are dealt into {folds} parts, and the pairs of each part's sketches are
judged by a map fitted to the sketches of the other parts (with the same photos). Classes differ, so with few of them
the high probabilities rest on the best one or two and hold less well than the error over all pairs says: the second
table, of what a user sees first, shows it.

![Reliability diagram]({diagram})

| | pairs | relevant | expected calibration error | Brier score | of always saying the share |
| --- | ---: | ---: | ---: | ---: | ---: |
{rows}

All pairs:

{overall}

The first {first} photos of each sketch:

{top}"""


def calibration_section(outcome: Outcome) -> str:
    """Return the card's section in Markdown."""
    if isinstance(outcome, str):
        return NONE.format(reason=outcome)
    calibration = outcome.calibration
    return SECTION.format(
        data=calibration.data,
        queries=calibration.queries,
        pictures=calibration.pictures,
        rate=calibration.base_rate,
        folds=outcome.folds,
        diagram=DIAGRAM,
        rows="\n".join(_row(name, line) for name, line in _lines(outcome).items()),
        overall=outcome.overall.markdown(),
        first=FIRST,
        top=outcome.first.markdown(),
    )


def calibration_figures(outcome: Outcome) -> dict[str, str]:
    """Return the pictures that the section shows, SVG by file name."""
    return {} if isinstance(outcome, str) else {DIAGRAM: reliability_plot(_lines(outcome))}


def calibration_record(outcome: Outcome) -> dict[str, object]:
    """Return the same for a program to read."""
    if isinstance(outcome, str):
        return {"none": outcome}
    lines = {"overall": outcome.overall, f"first_{FIRST}": outcome.first}
    return {"folds": outcome.folds} | {name: line.model_dump(mode="json") for name, line in lines.items()}


def _lines(calibrated: Calibrated) -> dict[str, Reliability]:
    return {"all pairs": calibrated.overall, f"first {FIRST} of each sketch": calibrated.first}


def _row(name: str, line: Reliability) -> str:
    share = line.base_rate
    return f"| {name} | {line.count} | {share:.3f} | {line.ece:.4f} | {line.brier:.4f} | {share * (1 - share):.4f} |"
