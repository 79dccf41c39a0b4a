"""The trials' curves as a small SVG picture: the objective on held-out seen classes over the steps."""

from collections.abc import Sequence

from jobs._tune_journal import Trial
from sketchray.evaluation.plot import text_at

WIDTH, HEIGHT, MARGIN = 720, 420, 56
LINE = 19  # of the legend, pixels
# Colour, width: the one to look at is drawn last, over the others.
STYLES = {"stopped": ("#bbbbbb", 1), "finished": ("#56b4e9", 1.5), "default": ("#d55e00", 2.5), "best": ("#009e73", 3)}


def search_plot(trials: Sequence[Trial], *, best: int | None, metric: str) -> str:
    """Draw a line a trial, those that were stopped in grey; return the SVG.

    Args:
        trials: of the search; trial 0 has the recipe's own values.
        best: the trial to point out, if there is one.
        metric: what the curves show.
    """
    curves = {trial.trial: trial for trial in trials if trial.curve}
    last = max((step for trial in curves.values() for step, _ in trial.curve), default=1)
    values = [value for trial in curves.values() for _, value in trial.curve]
    low, high = _bounds(values)

    def place(step: float, value: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * step / last
        return f"{x:.1f},{HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / (high - low):.1f}"

    parts = [text_at(MARGIN, MARGIN - 22, f"{metric} on held-out seen classes")]
    for quarter in range(5):
        value, step = low + (high - low) * quarter / 4, last * quarter / 4
        y = float(place(0, value).split(",")[1])
        parts.append(f'<path d="M{MARGIN},{y:.1f} H{WIDTH - MARGIN}" stroke="#ddd"/>')
        parts.append(text_at(MARGIN - 8, y + 4, f"{value:.3f}", "end"))
        parts.append(text_at(float(place(step, low).split(",")[0]), HEIGHT - MARGIN + 18, f"{step:g}", "middle"))
    parts.append(text_at(WIDTH / 2, HEIGHT - 12, "step", "middle"))
    looks = {number: _look(trial, best) for number, trial in curves.items()}
    for number in sorted(curves, key=lambda number: list(STYLES).index(looks[number])):
        colour, width = STYLES[looks[number]]
        points = [place(step, value) for step, value in curves[number].curve]
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="{width + 0.5}" fill="{colour}"/>' for x, y in _pairs(points)]
    own = "the recipe's own values: trial 0"
    labels = {"best": f"best: trial {best}" if best else f"best: {own}", "default": own}
    shown = [name for name in reversed(STYLES) if name in looks.values()]
    for line, name in enumerate(shown):
        y = HEIGHT + LINE * line + 8
        parts.append(f'<path d="M{MARGIN},{y} h36" stroke="{STYLES[name][0]}" stroke-width="{STYLES[name][1]}"/>')
        parts.append(text_at(MARGIN + 46, y + 4, labels.get(name, name)))
    height = HEIGHT + LINE * len(shown) + LINE
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif"'
    return f'{head} font-size="13"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'


def _look(trial: Trial, best: int | None) -> str:
    if trial.trial == best:
        return "best"
    if trial.trial == 0:
        return "default"
    return "finished" if trial.status == "finished" else "stopped"


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high - low > 1e-6 else (low - 0.01, high + 0.01)


def _pairs(points: Sequence[str]) -> list[tuple[str, str]]:
    return [(x, y) for x, _, y in (point.partition(",") for point in points)]
