"""Memory is bounded whatever the gallery's size: twenty times the pictures, the same peak in every process."""

import io
import json
import os
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.full]
FEW, MANY = 10_000, 200_000
SAMPLE_EVERY_S = 0.25
MIB = 2**20
SLACK_MIB = {  # what Python's and Arrow's allocators differ by from run to run
    "driver": 128,  # and what Ray Data's execution takes there; with the listing in memory it was 259 more
    "workers": 64,
    "others": 64,
}


class Peaks:
    """The largest resident size that any process below this one has had, MiB: of the driver, and of Ray's workers."""

    def __init__(self, driver: int) -> None:
        self.peak: dict[str, float] = defaultdict(float)
        self._driver, self._stop = driver, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peaks":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        before: dict[int, int] = {}
        own = psutil.Process()
        while not self._stop.wait(SAMPLE_EVERY_S):
            for process in own.children(recursive=True):
                try:
                    name, used = " ".join(process.cmdline()), process.memory_info()
                except psutil.Error:
                    continue
                private = used.rss - getattr(used, "shared", 0)  # without the object store, which all of them map
                role = "driver" if process.pid == self._driver else "workers" if name.startswith("ray::") else "others"
                before[process.pid] = max(before.get(process.pid, 0), private)
                self.peak[role] = max(self.peak[role], before[process.pid] / MIB)


def repeated(folder: Path, pictures: int) -> Path:
    """Make a folder of so many pictures: a few, each under many names."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(100):
        data = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(data, "JPEG")
        (folder / f"{i:06d}.jpg").write_bytes(data.getvalue())
    for i in range(100, pictures):
        os.link(folder / f"{i % 100:06d}.jpg", folder / f"{i:06d}.jpg")
    return folder


def watched(job: Any) -> tuple[dict[str, float], dict[str, Any]]:
    """Wait for a job; return the peaks, and what it printed last."""
    with Peaks(job.pid) as peaks:
        output, errors = job.communicate(timeout=3000)
    assert job.returncode == 0, errors
    return dict(peaks.peak), json.loads(output.splitlines()[-1])


def peaks_of(pictures: int, tmp_path: Path, index_job: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Build a gallery of so many pictures, and update it when 1 % have changed; return the peaks of each."""
    source = repeated(tmp_path / f"source-{pictures}", pictures)
    gallery, store = f"gallery=rows-{pictures}", str(tmp_path / "store")
    options = ["thumbnail=16", "resources.decode_tasks=2"]
    job = index_job(
        "build",
        gallery,
        f"source={source}",
        "encoder=frozen:tiny-test@32",
        "shard_rows=10000",
        "codebooks.codewords=16",
        "codebooks.fit_rows=5000",
        *options,
        SKETCHRAY_STORE=store,
    )
    built, result = watched(job)
    assert result["rows"] == pictures
    print(f"build of {pictures}: {built} MiB; {result['seconds']}")
    os.utime(source / "000000.jpg")  # one file under a hundredth of the names
    updated, result = watched(index_job("update", gallery, *options, SKETCHRAY_STORE=store))
    assert (result["changed"], result["kept"]) == (pictures // 100, pictures - pictures // 100)
    print(f"update of {pictures}: {updated} MiB; {result['seconds']}")
    return built, updated


def test_peak_memory_of_twenty_times_the_pictures(local_ray: None, tmp_path: Path, index_job: Any) -> None:
    peaks = [peaks_of(pictures, tmp_path, index_job) for pictures in (FEW, MANY)]
    for verb, (few, many) in zip(("build", "update"), zip(*peaks, strict=True), strict=True):
        for role, slack in SLACK_MIB.items():
            assert many[role] < few[role] + slack, (verb, role)
