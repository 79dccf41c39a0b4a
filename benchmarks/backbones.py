"""Time and memory a picture of every backbone, on one core: ``python benchmarks/backbones.py [NAME ...]``.

Random weights do as well as the published ones. Each backbone is measured in a process of its own. The rows go into
``lib/sketchray/encoders/measured.csv``, and from there ``python -m sketchray.encoders`` has the table of
docs/backbones.md.
"""

import argparse
import datetime
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable

BATCH, REPEATS, SIDES = 8, 3, (128, 224)
MIB = 2**20 if sys.platform == "darwin" else 2**10  # of the unit that the system counts resident memory in


def main() -> None:
    """Measure, and keep the rows of whatever was not measured now."""
    from sketchray.encoders import list_backbones
    from sketchray.encoders.measured import Measurement, read_measured, write_measured

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="backbones (all)")
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    for name in parser.parse_args().names or list_backbones():
        for side in SIDES:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found = pool.apply(measure, (name, side))
            rows = [Measurement(name, side, quantity, round(value, 2), today) for quantity, value in found.items()]
            write_measured([*rows, *(old for old in read_measured() if all(old.key != new.key for new in rows))])
            print(name, side, found, flush=True)


def measure(name: str, side: int) -> dict[str, float]:
    """Return milliseconds a picture in both layouts, and MiB that a picture more in the batch takes."""
    import torch

    from sketchray.encoders import create_backbone

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    backbone = create_backbone(name, pretrained=False)
    x_B3HW = torch.randn(1 + BATCH, 3, side, side)
    with torch.inference_mode():
        backbone(x_B3HW[:1])
        one = peak()
        backbone(x_B3HW)
        several = peak()
        plain = milliseconds(lambda: backbone(x_B3HW[:BATCH]))
        last = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x_B3HW = x_B3HW.contiguous(memory_format=torch.channels_last)
        return {
            "ms": plain,
            "ms_channels_last": milliseconds(lambda: last(x_B3HW[:BATCH])),
            "mib": (several - one) / BATCH,
        }


def milliseconds(run: Callable[[], object]) -> float:
    """Return the median of the processor's time a picture: on one thread, whatever else the machine does."""
    times = []
    for _ in range(1 + REPEATS):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return 1000 * statistics.median(times[1:]) / BATCH


def peak() -> float:
    """Return the most memory this process has had so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


if __name__ == "__main__":
    main()
