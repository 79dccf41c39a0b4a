"""Train a recipe with several seeds, evaluate all of them and the frozen backbone in one run, and print a table.

    SKETCHRAY_STORE=file:///tmp/bench SKETCHRAY_DATA=... python -m benchmarks.zero_shot rpkd-tiny51 --seeds 3

Finished runs are found again, so it may be stopped and started.
"""

import argparse

from benchmarks.running import job

FROZEN = "frozen:efficientnet_lite0@128"
METRICS = ("map@all[plain]", "map@200[min]", "p@4[k]", "p@100[k]", "hit@10")


def main() -> None:
    """Print one Markdown table for each gallery: a row an encoder, then the student's mean over the frozen backbone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="for the training")
    args = parser.parse_args()
    runs = [job("train", args.recipe, f"seed={seed}", *args.overrides) for seed in range(args.seeds)]
    names = {FROZEN: "frozen"} | {run["encoder"]: f"seed {seed}" for seed, run in enumerate(runs)}
    report = job("evaluate", args.recipe, f"encoders=[{', '.join(names)}]")
    for setting in dict.fromkeys(row["setting"] for row in report["rows"]):
        rows = [row for row in report["rows"] if row["setting"] == setting]
        print(f"\n{setting}: {rows[0]['queries']} queries, {rows[0]['gallery']} pictures")
        print(f"\n| encoder | {' | '.join(METRICS)} |")
        print("|---" * (len(METRICS) + 1) + "|")
        for row in rows:
            values = " | ".join(f"{row['metrics'][name]:.3f}" for name in METRICS)
            print(f"| {names[row['name']]} | {values} |")
        frozen, *students = (row["metrics"][METRICS[0]] for row in rows)
        print(f"\nmean {METRICS[0]} of the seeds over frozen: {sum(students) / len(students) / frozen:.2f}")


if __name__ == "__main__":
    main()
