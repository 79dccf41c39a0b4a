"""Samples a second of the train job over those of a plain torch loop: the throughput table of ``training.md``.

    SKETCHRAY_DATA=... python -m benchmarks.training

Two Ray Train workers of one thread each, against one process of two threads (``training_plain.py``); they take turns.
Startup is left out on both sides. About ten minutes on two cores, which have to be idle otherwise.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks.running import job
from jobs._cli import recipe_path
from jobs._train_config import TrainConfig
from jobs._train_fit import KEEP_MEMORY
from sketchray.config import load_config


class Speed(NamedTuple):
    """What one run came to after its warm-up."""

    samples_per_s: float
    data_wait_share: float


def of_the_job(recipe: str, overrides: Sequence[str], store: Path, *, warmup: int) -> Speed:
    """Run the train job; read its speed from the curves that it leaves, by their times."""
    result = job("train", recipe, *overrides, "tracking.every=10", "resources.workers=2", "resources.threads=1")
    curves = EventAccumulator(str(store / "runs" / result["run"] / "tensorboard"))
    curves.Reload()
    points = [point for point in curves.Scalars("loss/loss") if point.step >= warmup]
    fit = load_config(TrainConfig, verb="train", recipe=recipe_path(recipe), overrides=list(overrides))
    samples = (points[-1].step - points[0].step) * (fit.sketch_batch + fit.photo_batch)
    waits = [point.value for point in curves.Scalars("speed/data_wait_share") if point.step > points[0].step]
    return Speed(samples / (points[-1].wall_time - points[0].wall_time), statistics.fmean(waits))


def of_the_plain_loop(recipe: str, overrides: Sequence[str], *, warmup: int) -> Speed:
    """Run the plain loop, with the memory settings that the job gives its workers."""
    command = [sys.executable, "-m", "benchmarks.training_plain", f"--recipe={recipe}"]
    command += [f"--warmup={warmup}", *overrides]
    done = subprocess.run(command, env=os.environ | KEEP_MEMORY, stdout=subprocess.PIPE, text=True, check=True)
    return Speed(**json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Run both in turns; print a line each, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="finetune-tiny51")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--warmup", type=int, default=20, help="a multiple of 10")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    found: dict[str, list[Speed]] = {"Ray Train, 2 workers of 1 thread": [], "plain torch, 2 threads": []}
    with tempfile.TemporaryDirectory(prefix="sketchray-training-") as folder:
        os.environ["SKETCHRAY_STORE"] = f"file://{folder}"
        for turn in range(args.rounds):
            whole = [f"{name}={args.steps}" for name in ("steps", "steps_per_epoch", "checkpoint_every")]
            overrides = [f"seed={turn}", *whole]  # another seed is another run
            ray_train, plain = found.values()
            ray_train.append(of_the_job(args.recipe, overrides, Path(folder), warmup=args.warmup))
            plain.append(of_the_plain_loop(args.recipe, overrides, warmup=args.warmup))
    print("\n| | samples/s: median (each round) | waiting for data |\n|---|---|---|")
    for name, speeds in found.items():
        each = ", ".join(f"{speed.samples_per_s:.1f}" for speed in speeds)
        share = statistics.median(speed.data_wait_share for speed in speeds)
        print(f"| {name} | {statistics.median(speed.samples_per_s for speed in speeds):.1f} ({each}) | {share:.1%} |")
    ratios = [one.samples_per_s / other.samples_per_s for one, other in zip(*found.values(), strict=True)]
    print(f"\nRatio: {statistics.median(ratios):.3f} ({', '.join(f'{ratio:.3f}' for ratio in ratios)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
