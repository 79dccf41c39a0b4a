"""SCALE.md says what follows from the benchmarks as they are: its table is worked out again from their constants."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCALE = (ROOT / "cluster" / "SCALE.md").read_text()
PICTURES = (1e6, 1e8, 1e10)
CORES, MACHINES = 16, 6
POD = 24 * 2**30


def found(file: str, pattern: str) -> float:
    """Return the number in a benchmark's text."""
    match = re.search(pattern, (ROOT / "benchmarks" / file).read_text())
    assert match is not None, f"{file} has no {pattern}"
    return float(match.group(1).replace(",", ""))


PER_SECOND = found("gallery.md", r"build: also thumbnails.*\| ([\d.]+), 0\.96 of the loop")
EXACT_MS = found("gallery.md", r"\| flat \|.*?1\.000 \| ([\d.]+) \|")
INVERTED_MS = found("gallery.md", r"\| ivf-int8 \(.*?1\.000 \| ([\d.]+) \|")
HELD = found("gallery.md", r"\| ivf-int8 \(.*? \| 2,499 \| ([\d,]+) \|") * 2**20 / 1e6 + 5e3
INGRESS_MS, OWN_MS = found("serving.md", r"\| ingress \| ([\d.]+) \| 0\.58"), 5.0
CALL_MS = (INGRESS_MS - OWN_MS) / 3
GROUPS = [-(-HELD * pictures // POD) for pictures in PICTURES]

EXPECTED = {
    "embedding on two cores, hours": [n / PER_SECOND / 3600 for n in PICTURES],
    "if it were linear": [n / PER_SECOND / 3600 / (MACHINES * CORES / 2) for n in PICTURES],
    "listing, LIST": [n / 1000 for n in PICTURES],
    "parts, at most": [3 * -(-n // 256) / 1000 for n in PICTURES],
    "listing on one disk": [n * 500 / 1e9 for n in PICTURES],
    "memory of one copy": [n * HELD / 1e9 for n in PICTURES],
    "pods of 24 GiB": GROUPS,
    "exact search of a query": [EXACT_MS / 1000 * n / 1e6 for n in PICTURES],
    "by inverted file": [INVERTED_MS / 1000 * n / 1e6 for n in PICTURES],
    "ingress CPU of a query, seconds": [(OWN_MS + CALL_MS * (2 + groups)) / 1000 for groups in GROUPS],
}


@pytest.mark.parametrize("row", EXPECTED)
def test_a_row_of_the_table_follows_from_the_constants(row: str) -> None:
    (line,) = [line for line in SCALE.splitlines() if row in line and line.count("|") == 5]
    told = [float(re.sub(r"[,kM ]", "", cell)) for cell in line.split("|")[2:5]]
    assert told == pytest.approx(EXPECTED[row], rel=0.06, abs=0.002)


@pytest.mark.parametrize("constant", [PER_SECOND, EXACT_MS, INVERTED_MS, INGRESS_MS, "2,575", "7.9", "9.4"])
def test_a_constant_is_cited(constant: float | str) -> None:
    assert f" {constant} " in SCALE or f" {constant}," in SCALE


def test_the_simulations_calls_are_the_measured_ones() -> None:
    from cluster.fanout import FanoutPlan

    measured = re.search(
        r"timings_ms\.search` \| ([\d.]+) \| ([\d.]+) \|", (ROOT / "benchmarks/serving.md").read_text()
    )
    assert measured is not None
    assert (FanoutPlan().median_ms, FanoutPlan().p90_ms) == tuple(map(float, measured.groups()))
