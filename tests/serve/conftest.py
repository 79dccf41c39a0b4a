"""A small published gallery and a real local Ray Serve over it."""

import io
import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw

from cluster.ports import free_ports
from sketchray.data.samples import sample_id
from sketchray.encoders import Encoder, load_encoder
from sketchray.gallery import EncoderRef, FitPlan, write_gallery
from sketchray.gallery.build import row_schema
from sketchray.gallery.segment import embedding_column
from sketchray.storage import Store, open_store

ROOT = Path(__file__).parents[2]
ENCODER = "frozen:tiny-test@64"
SHARDS = 2
SWAPS = "swaps"  # the gallery whose versions test_swap.py and test_chaos.py change
LEAST, MOST = {"ingress": 2, "encoder": 1}, {"ingress": 3, "encoder": 2}  # replicas
# Text that a page must show and never run: as HTML, as a JavaScript template and as a Handlebars template.
HOSTILE = """<img src=x onerror="window.pwned=1">${window.pwned=2}{{value}}'"&"""


class Picture(NamedTuple):
    """One picture of the test gallery."""

    id: str
    uri: str
    label: str | None
    jpeg: bytes
    vector_D: np.ndarray


class Served(NamedTuple):
    """A running server and what is behind it; ``pid`` is of the process that everything else is below."""

    url: str
    pictures: dict[str, Picture]
    version: str
    encoder: Encoder
    store: str
    pid: int


def draw_pictures(encoder: Encoder, count: int = 60) -> list[Picture]:
    """Draw outlines of random polygons, one colour each; every third has no label, every fifth a hostile one."""
    import torch

    random_of = random.Random(7)
    pictures = []
    for number in range(count):
        image = Image.new("RGB", (64, 64), "white")
        corners = [(random_of.randint(4, 60), random_of.randint(4, 60)) for _ in range(3 + number % 6)]
        colour = (random_of.randrange(200), random_of.randrange(200), random_of.randrange(200))
        ImageDraw.Draw(image).polygon(corners, outline=colour, fill=colour if number % 2 else None, width=3)
        jpeg = io.BytesIO()
        image.save(jpeg, "JPEG")
        image_1CHW = torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())[None]
        with torch.inference_mode():
            vector_D = encoder(image_1CHW, torch.ones(1, dtype=torch.bool))[0].numpy()
        uri = f"file:///pictures/<b>shape_{number}.png"
        label = HOSTILE if number % 5 == 1 else None if number % 3 == 0 else f"shape {number}"
        pictures.append(Picture(sample_id(uri), uri, label, jpeg.getvalue(), vector_D))
    return pictures


def publish_pictures(store: Store, name: str, pictures: list[Picture], encoder: Encoder, uri: str = ENCODER) -> str:
    """Publish pictures as a gallery of two shards, with small codebooks; return its version."""
    rows = pa.table(
        {
            "id": [picture.id for picture in pictures],
            "uri": [picture.uri for picture in pictures],
            "etag": ["" for _ in pictures],
            "label": [picture.label for picture in pictures],
            "embedding": embedding_column(np.stack([picture.vector_D for picture in pictures])),
            "jpeg": [picture.jpeg for picture in pictures],
        },
        schema=row_schema(encoder.dim),
    )
    made_by = EncoderRef(uri=uri, fingerprint=encoder.fingerprint)
    fit = FitPlan(codewords=4)
    return write_gallery(
        store, name, rows, encoder=made_by, source="file:///pictures", shards=SHARDS, codebooks=fit
    ).version


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The encoder of the test gallery."""
    return load_encoder(ENCODER)


@pytest.fixture(scope="session")
def gallery_folder(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> tuple[str, str, list[Picture]]:
    """A store with one gallery, ``shapes``: its URI, the version, and the pictures."""
    folder = tmp_path_factory.mktemp("store")
    pictures = draw_pictures(encoder)
    (folder / "ATTRIBUTION.md").write_text("Drawn by the tests, for the tests <script>window.pwned=3</script>\n")
    store = open_store(folder.as_uri())
    publish_pictures(store, SWAPS, pictures[:20], encoder)
    return folder.as_uri(), publish_pictures(store, "shapes", pictures, encoder), pictures


@pytest.fixture(scope="session")
def served(
    gallery_folder: tuple[str, str, list[Picture]], encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The gallery behind a real Ray Serve in a process of its own, with two ingress replicas at least."""
    store, version, pictures = gallery_folder
    arguments = {
        "galleries": ["shapes", SWAPS],
        "store": store,
        "auth": "open",
        "shard_groups": 2,
        "poll_s": 0.25,
        "ingress": {"autoscaling_config": scaling("ingress")},
        "encoder": {"autoscaling_config": scaling("encoder"), "threads": 1},
        "attribution": f"{store}/ATTRIBUTION.md",
    }
    with serving(arguments, tmp_path_factory.mktemp("serve")) as (url, pid):
        yield Served(url, {p.id: p for p in pictures}, version, encoder, store, pid)


def scaling(name: str) -> dict[str, Any]:
    """Return how a deployment scales: soon, but not for the few questions at a time of most tests."""
    return {
        "min_replicas": LEAST[name],
        "max_replicas": MOST[name],
        "target_ongoing_requests": 4,
        "upscale_delay_s": 1,
        "downscale_delay_s": 2,
        "look_back_period_s": 2,
        "metrics_interval_s": 0.5,
    }


@contextmanager
def serving(arguments: dict[str, Any], folder: Path) -> Iterator[tuple[str, int]]:
    """Run ``local_serve.py`` with the arguments of the application; give its address and its process id."""
    port, metrics_port = free_ports(2)
    with (folder / "log").open("w+") as log, start_server(port, metrics_port, arguments, log) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            for line in server.stdout:
                if line == "ready\n":
                    break
            else:
                pytest.fail(f"the server did not come up: {(folder / 'log').read_text()[-4000:]}")
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url)
            yield url, server.pid
        finally:
            server.stdin.close()
            server.wait(240)


def wait_until_ready(url: str, seconds: float = 300) -> None:
    """Wait until every gallery is answered from: a version is probed through the whole graph first."""
    deadline = time.monotonic() + seconds
    while lacking := lacks(url):
        assert time.monotonic() < deadline, lacking
        time.sleep(0.1)


def lacks(url: str) -> str:
    """Return why a server is not ready; nothing if it is."""
    try:
        answer = httpx.get(f"{url}/readyz", timeout=240)
    except httpx.ConnectError as error:  # its proxy is not there yet
        return f"no answer: {error}"
    return "" if answer.status_code == 200 else answer.text


def start_server(port: int, metrics_port: int, arguments: dict[str, Any], log: Any) -> "subprocess.Popen[str]":
    """Start ``local_serve.py`` with a token of its own, so that nothing is written into the home folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'lib'}:{ROOT}",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_metrics_report_interval_ms": "2000",
    }
    script = str(Path(__file__).parent / "local_serve.py")
    command = [sys.executable, script, str(port), str(metrics_port), json.dumps(arguments)]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
    )
