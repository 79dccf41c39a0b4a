"""A gallery of QuickDraw's size: what a measuring task holds does not grow with the number of queries."""

from pathlib import Path

import numpy as np
import psutil
import pytest

from jobs._evaluate_config import EmbedResources
from jobs._measuring import evaluate_on_cluster, fit_ranking
from sketchray.evaluation import MetricConfig, Ranking

QUERIES, GALLERY, DIMENSIONS, CLASSES = 20_000, 54_151, 64, 30
MIB = 2**20
# A worker of Ray with numpy, faiss and this package: before it has been given anything.
BARE_MIB = 250


def peaks_mib() -> dict[str, float]:
    """Return the largest resident size so far of every worker of this process's Ray, by process id."""
    peaks = {}
    for process in psutil.Process().children(recursive=True):
        try:
            name, lines = process.name(), Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except (psutil.Error, OSError):
            continue
        if name.startswith("ray::"):
            peaks[str(process.pid)] = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    return peaks


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(
    "ranking", [Ranking("nearest", {}), Ranking("cluster", {"chunks": 2, "codewords": 32})], ids=["nearest", "cluster"]
)
def test_memory_stays_bounded_with_a_large_gallery(ranking: Ranking) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLASSES, DIMENSIONS))
    query_class, gallery_class = (rng.integers(0, CLASSES, rows) for rows in (QUERIES, GALLERY))
    queries, gallery = (
        (centres[numbers] + 1.5 * rng.normal(size=(len(numbers), DIMENSIONS))).astype(np.float32)
        for numbers in (query_class, gallery_class)
    )
    resources = EmbedResources(measure_cpus=4.0)  # two at once, of the eight logical CPUs
    result = evaluate_on_cluster(
        queries,
        [str(number) for number in query_class],
        gallery,
        [str(number) for number in gallery_class],
        ranking=ranking,
        codebook=fit_ranking(ranking, gallery, resources=resources),
        config=MetricConfig(),
        resources=resources,
    )
    assert (result.queries, result.gallery) == (QUERIES, GALLERY)
    assert 0.2 < result.metrics["map@all[plain]"] < 1
    peaks = peaks_mib()
    print({pid: round(peak) for pid, peak in peaks.items()})
    assert peaks
    # All scores would be 8.7 GB; a task holds a block of them, the gallery (13 MiB) and some tiles of it.
    assert max(peaks.values()) < BARE_MIB + resources.measure_mib + 6 * gallery.nbytes / MIB
