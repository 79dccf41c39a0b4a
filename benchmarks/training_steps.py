"""A method's steps per second and memory over a bare forward and backward pass of the same networks.

    python benchmarks/training_steps.py
    python benchmarks/training_steps.py --device cuda --sketches 128 --photos 128 --steps 50

Each cell runs in a process of its own on random pictures that are already on the device. Bare is what no training can
do without: the student's features of all pictures and their gradient, and the frozen teacher's features of the photos.
On a CPU memory is the process's peak resident size, on a GPU what torch had allocated at most.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch

from sketchray.encoders import Encoder, EncoderConfig
from sketchray.methods import RPKD, Batch, create_method
from sketchray.methods.compute import ComputeConfig
from sketchray.methods.fitting import train_step

CLASSES = [f"class {label}" for label in range(39)]
COMPUTE: dict[str, dict[str, Any]] = {
    "fp32": {},
    "fp32, channels last": {"channels_last": True},
    "fp32, clipped": {"clip_norm": 1.0},
    "fp32, micro-batches of 16": {"micro_batch": 16},
    "bf16": {"precision": "bf16"},
    "bf16, channels last": {"precision": "bf16", "channels_last": True},
    "fp16": {"precision": "fp16"},
}
WARM_UP = 2


def random_batch(args: argparse.Namespace, device: torch.device) -> Batch:
    """Return a step's pictures, on the device."""
    generator = torch.Generator().manual_seed(0)

    def rows(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        images = torch.randint(0, 256, (count, 3, args.size, args.size), dtype=torch.uint8, generator=generator)
        return images.to(device), torch.arange(count, device=device) % len(CLASSES)

    (sketches, sketch_labels), (photos, photo_labels) = rows(args.sketches), rows(args.photos)
    names = [f"sample {row}" for row in range(args.sketches + args.photos)]
    return Batch(
        sketches=sketches,
        sketch_labels=sketch_labels,
        sketch_ids=names[: args.sketches],
        photos=photos,
        photo_labels=photo_labels,
        photo_ids=names[args.sketches :],
    )


def bare_step(method: RPKD, batch: Batch, compute: ComputeConfig) -> None:
    """Pass all pictures through the student and back, and the photos through the teacher."""
    with compute.within(method):
        method.teacher.features(batch.photos)
        torch.autograd.backward([method.student.features(batch.images, batch.is_photo).sum()])
    method.zero_grad(set_to_none=True)


def measured(kind: str, name: str, args: argparse.Namespace) -> tuple[float, float]:
    """Return the median steps per second and the peak memory in MiB of one cell."""
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    compute, device = ComputeConfig.model_validate(COMPUTE[name]), torch.device(args.device)
    encoder = EncoderConfig(backbone=args.backbone, dim=args.dim, image_size=args.size)
    method = create_method("rpkd", classes=CLASSES, encoder=encoder, frozen_stages=args.frozen_stages)
    assert isinstance(method, RPKD)
    compute.placed(method).to(device)
    batch, optimizers, scaler = random_batch(args, device), method.optimizers(1000), compute.scaler(device)

    def step(number: int) -> None:
        if kind == "bare":
            bare_step(method, batch, compute)
        else:
            train_step(method, batch, optimizers, step=number, total=1000, compute=compute, scaler=scaler)

    seconds = [timed(partial(step, number), device) for number in range(WARM_UP + args.steps)]
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return 1 / statistics.median(seconds[WARM_UP:]), peak


def embedding_rate(args: argparse.Namespace) -> float:
    """Return the images a second that the encoder embeds at batch 256."""
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    encoder = Encoder(EncoderConfig(backbone=args.backbone, dim=args.dim, image_size=args.size)).to(device)
    images = torch.randint(0, 256, (256, 3, args.size, args.size), dtype=torch.uint8, device=device)
    photo = torch.ones(256, dtype=torch.bool, device=device)
    with torch.inference_mode():
        seconds = [timed(lambda: encoder(images, photo), device) for _ in range(WARM_UP + args.steps)]
    return 256 / statistics.median(seconds[WARM_UP:])


def timed(work: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds that it takes until the device has done it."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run it in a fresh process, whose peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def main() -> None:
    """Print the table, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--frozen-stages", type=int, default=4)
    for name, default in (("size", 128), ("dim", 512), ("sketches", 24), ("photos", 24), ("steps", 5), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    print("| compute | bare, steps/s | RPKD, steps/s | part of bare | bare, MiB | RPKD, MiB |")
    print("|---|---|---|---|---|---|")
    for name in COMPUTE:
        (bare, bare_mib), (full, full_mib) = (alone(measured, kind, name, args) for kind in ("bare", "method"))
        print(f"| {name} | {bare:.2f} | {full:.2f} | {full / bare:.2f} | {bare_mib:.0f} | {full_mib:.0f} |", flush=True)
    print(f"\nThe encoder at batch 256: {alone(embedding_rate, args):.0f} images a second.")


if __name__ == "__main__":
    main()
