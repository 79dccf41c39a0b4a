"""All methods on tiny-51, beside their baseline and the frozen backbone: the tables of ``methods.md``.

    SKETCHRAY_STORE=file:///tmp/bench SKETCHRAY_DATA=... python -m benchmarks.methods main
    SKETCHRAY_STORE=file:///tmp/bench SKETCHRAY_DATA=... python -m benchmarks.methods ablations
    SKETCHRAY_STORE=file:///tmp/bench SKETCHRAY_DATA=... python -m benchmarks.methods sweep

Finished runs and evaluations are found again, so it may be stopped and started.
"""

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from benchmarks.running import job

FROZEN = "frozen:efficientnet_lite0@128"
METHODS = ("finetune", "rpkd", "clusterretri", "sbka", "ama")
METRICS = ("map@all[plain]", "p@100[k]")
SWEEP_CHUNKS, SWEEP_CODEWORDS, SWEEP_FUSION = (1, 2, 4), (4, 8, 12, 16, 24, 32, 64, 128), (0.0, 0.2)
ABLATIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "rpkd": {
        "without inst": ("method.inst=0",),
        "without rel and cross": ("method.rel=0", "method.cross=0"),
        "without emb": ("method.emb=0",),
    },
    "clusterretri": {"without kd": ("method.kd=0",), "without align": ("method.align=0",)},
    "sbka": {"phase one only": ("method.phase_one_steps=100000",), "without align": ("method.align=0",)},
    "ama": {
        "self-distillation alone": ("method.contrast=0", "method.guidance=0", "method.mutual=0"),
        "without contrast": ("method.contrast=0",),
        "without mutual": ("method.mutual=0",),
    },
}


def train(method: str, seed: int, overrides: Sequence[str] = ()) -> str:
    """Return the encoder of one run."""
    return str(job("train", f"{method}-tiny51", f"seed={seed}", *overrides)["encoder"])


def evaluate(encoders: Sequence[str], *overrides: str) -> list[dict[str, Any]]:
    """Return the rows of one evaluation of all these encoders on the unseen classes."""
    rows: list[dict[str, Any]] = job("evaluate", "finetune-tiny51", f"encoders=[{', '.join(encoders)}]", *overrides)[
        "rows"
    ]
    return rows


def main_table(seeds: int) -> None:
    """Print each method under each ranking: the mean over seeds, and the lowest and highest."""
    names = {train(method, seed): method for seed in range(seeds) for method in METHODS}
    rows = evaluate([FROZEN, *names])
    for metric in METRICS:
        table: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        for row in rows:
            ranking = row["ranking"].split()[0] + (", best of the oracle sweep" if row["oracle"] else "")
            cell = table[names.get(row["name"], "frozen"), ranking]
            cell[row["name"]] = max(cell.get(row["name"], 0.0), row["metrics"][metric])
        rankings = list(dict.fromkeys(ranking for _, ranking in table))
        print(f"\n| {metric} | {' | '.join(rankings)} |\n|{'---|' * (len(rankings) + 1)}")
        for method in ("frozen", *METHODS):
            cells = [spread(list(table[method, ranking].values())) for ranking in rankings]
            print(f"| {method} | {' | '.join(cells)} |", flush=True)
    print("\nK that was chosen without a label, by method:")
    for method in ("frozen", *METHODS):
        chosen = [row["ranking"] for row in rows if row["selection"] and names.get(row["name"], "frozen") == method]
        print(f"- {method}: {'; '.join(chosen)}")


def spread(values: Sequence[float]) -> str:
    """Return the mean, and the lowest and highest where there are several."""
    text = f"{statistics.fmean(values):.3f}"
    return text if len(values) == 1 else f"{text} ({min(values):.3f} to {max(values):.3f})"


def ablation_table() -> None:
    """Print what each term is worth, one seed."""
    encoders: dict[str, tuple[str, str]] = {}
    for method, variants in ABLATIONS.items():
        encoders[train(method, 0)] = (method, "whole")
        for label, overrides in variants.items():
            encoders[train(method, 0, overrides)] = (method, label)
    print(f"\n| method | terms | {' | '.join(METRICS)} |\n|{'---|' * (len(METRICS) + 2)}")
    for row in evaluate(list(encoders), "rankers=[{name: nearest}]"):
        method, label = encoders[row["name"]]
        values = " | ".join(f"{row['metrics'][name]:.3f}" for name in METRICS)
        print(f"| {method} | {label} | {values} |")


def sweep_table() -> None:
    """Print ClusterRetri's codebook sweep, as the authors' log has it: chunks x codewords, without fusion and with."""
    cells = [(m, f) for f in SWEEP_FUSION for m in SWEEP_CHUNKS]
    rankers = [f"{{name: cluster, chunks: {m}, fusion: {f}, oracle: {list(SWEEP_CODEWORDS)}}}" for m, f in cells]
    rows = evaluate([train("clusterretri", 0)], f"rankers=[{{name: nearest}}, {', '.join(rankers)}]")
    nearest = [row["metrics"][name] for row in rows if row["ranking"] == "nearest" for name in METRICS]
    found = [row["metrics"] for row in rows if row["oracle"]]
    grid = [(m, k, f) for m, f in cells for k in SWEEP_CODEWORDS]
    values = dict(zip(grid, found, strict=True))
    print(f"\nnearest: {nearest[0]:.3f} / {nearest[1]:.3f} ({' / '.join(METRICS)})")
    for fusion in SWEEP_FUSION:
        print(f"\n| fusion {fusion} | {' | '.join(f'K = {k}' for k in SWEEP_CODEWORDS)} |")
        print("|---" * (len(SWEEP_CODEWORDS) + 1) + "|")
        for chunks in SWEEP_CHUNKS:
            line = (values[chunks, k, fusion] for k in SWEEP_CODEWORDS)
            shown = (" / ".join(f"{metrics[name]:.3f}" for name in METRICS) for metrics in line)
            print(f"| M = {chunks} | {' | '.join(shown)} |")


def main() -> int:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="+", choices=("main", "ablations", "sweep"))
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    for table in args.tables:
        {"main": lambda: main_table(args.seeds), "ablations": ablation_table, "sweep": sweep_table}[table]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
