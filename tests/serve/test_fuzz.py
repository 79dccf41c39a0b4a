"""Thousands of damaged pictures and stroke lists: each is answered or refused with a sentence, in bounded memory."""

import io
import json
import math
import random
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image, ImageDraw

from serve.examples import examples

pytestmark = pytest.mark.slow
COUNTS = [pytest.param(200, id="200"), pytest.param(10_000, id="10000", marks=pytest.mark.full)]
SEED = 20261121
CALLERS = 4
REFUSED = (400, 404, 413, 415, 422)
NUMBERS = [-1, 0, 1e7, -1e7, 1e308, 5e-324, 10**40, math.nan, math.inf]
NASTY: list[Any] = [None, True, "1", "", "x" * 999, [], {}, [[]], *NUMBERS]
EXTREMES = [struct.pack(">I", number) for number in (0, 1, 4999, 65535, 2**31 - 1, 2**32 - 1)]
JSON = {"Content-Type": "application/json"}
MIB = 2**20  # bytes
# Two pictures of 25 megapixels may be decoded at once, at some 12 bytes a pixel; what stays after them is far less.
MOST_AT_ONCE, MOST_KEPT = 700 * MIB, 150 * MIB


def pictures() -> list[bytes]:
    """Draw an example in every format and mode that there is."""
    modes = {
        "PNG": ("1", "L", "P", "RGB", "RGBA", "I;16"),
        "JPEG": ("L", "RGB", "CMYK"),
        "GIF": ("P",),
        "BMP": ("1", "RGB"),
    }
    found = [drawn(kind, mode) for kind, some in modes.items() for mode in some]
    return [*found, drawn("WEBP", "RGBA"), drawn("WEBP", "RGB", lossless=True)]


def drawn(kind: str, mode: str, **options: Any) -> bytes:
    image = Image.new("L", (160, 120), 255)
    for xs, ys in examples()[0].strokes:
        ImageDraw.Draw(image).line([(x * 0.15, y * 0.11) for x, y in zip(xs, ys, strict=True)], fill=0, width=3)
    data = io.BytesIO()
    image.convert(mode).save(data, kind, **options)
    return data.getvalue()


def damaged(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Damage bytes in one to three ways."""
    for _ in range(chance.choice([1, 1, 2, 3])):
        start = chance.randrange(len(data) or 1)
        end = min(len(data), start + chance.choice([1, 1, 2, 4, 40, 4000]))
        flipped = bytes(byte ^ 1 << chance.randrange(8) for byte in data[start:end])
        number = chance.choice(EXTREMES)
        data = chance.choice(
            [
                data[:start] + flipped + data[end:],
                data[:start] + chance.randbytes(end - start) + data[end:],
                data[:start] + data[end:],
                data[:start] + data[start:end] * chance.choice([2, 50]) + data[end:],
                data[:start],
                data[:start] + chance.choice(others)[start:],
                data[: start % 64] + number + data[start % 64 + len(number) :],  # sizes stand in the first bytes
            ]
        )
    return with_checksums(data) if chance.random() < 0.7 else data


def with_checksums(data: bytes) -> bytes:
    """Make the checksums of a damaged PNG right again, so that it is not refused for these alone."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    fixed, position = data[:8], 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4])
        if position + 12 + length > len(data):
            break
        chunk = data[position + 4 : position + 8 + length]
        fixed += data[position : position + 4] + chunk + struct.pack(">I", zlib.crc32(chunk))
        position += 12 + length
    return fixed + data[position:]


def twisted(part: Any, chance: random.Random) -> Any:
    """Change one place of a document: a number, a list or a field of it."""
    if isinstance(part, list) and part and chance.random() < 0.95:
        place = chance.randrange(len(part))
        before, here, after = part[:place], part[place], part[place + 1 :]
        worse = twisted(here, chance)
        times = chance.choice([2, 300])
        return [*before, *chance.choice([[worse], [worse], [], [here] * times, [[here]]]), *after]
    if isinstance(part, dict) and part and chance.random() < 0.9:
        name = chance.choices(list(part), [8 if isinstance(value, list) else 1 for value in part.values()])[0]
        return {**part, name: twisted(part[name], chance)}
    return chance.choice(NASTY)


def strokes(chance: random.Random) -> dict[str, Any]:
    """Ask with an example sketch, options and one or two mistakes; some of them in the JSON itself."""
    drawing = chance.choice(examples()).strokes
    options = {"limit": 3, "offset": 0, "ranking": "nearest", "filter": "label is not null and uri contains 's'"}
    query = {
        chance.choice(["strokes", "strokes", "sketches"]): drawing,
        **dict(chance.sample(list(options.items()), 2)),
    }
    if "sketches" in query:
        query["sketches"] = [drawing, drawing[:1]]
    for _ in range(chance.choice([1, 1, 2])):
        query = twisted(query, chance)
    text = json.dumps(query).encode()
    return {"content": damaged(text, chance, [text]) if chance.random() < 0.2 else text, "headers": JSON}


def make(number: int, seeds: list[bytes]) -> dict[str, Any]:
    """Return the request of a number, as httpx takes it: always the same one."""
    chance = random.Random(SEED + number)
    if number % 2:
        return strokes(chance)
    return {"files": {"file": ("sketch", damaged(chance.choice(seeds), chance, seeds))}}


def replicas(pid: int) -> dict[int, str]:
    """Return the processes that answer, by their ids: every replica of every deployment below a server."""
    names = {}
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            names[process.pid] = " ".join(process.cmdline())
    return {pid: name for pid, name in names.items() if "ServeReplica" in name}


def memory(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 once it is gone, as a replica that is not needed any more."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


@contextmanager
def watched(pids: Iterable[int]) -> Iterator[dict[int, int]]:
    """Yield the most memory that each process has taken so far, bytes."""
    most = dict.fromkeys(pids, 0)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            most.update({pid: max(known, memory(pid)) for pid, known in most.items()})

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", COUNTS)
def test_damaged_pictures_and_strokes(served: Any, count: int) -> None:
    seeds = pictures()
    seen: Counter[int] = Counter()

    def ask(number: int) -> None:
        sent = make(number, seeds)
        answer = client.post("/v1/search", **sent)
        seen[answer.status_code] += 1
        assert answer.status_code in (200, *REFUSED), f"request {number}: {answer.text}\n{sent!r:.2000}"
        if answer.status_code == 200:
            scores = [result["score"] for result in answer.json()["results"]]
            assert scores == sorted(scores, reverse=True), number
            assert all(-1.001 < score < 1.001 for score in scores), number
        else:
            assert answer.headers["content-type"] == "application/problem+json", number
            assert len(answer.json()["detail"]) < 500, number

    with httpx.Client(base_url=served.url, timeout=240) as client, ThreadPoolExecutor(CALLERS) as pool:
        warm = count // 10
        list(pool.map(ask, range(warm)))
        names = replicas(served.pid)
        assert len(names) >= 4
        before = {pid: memory(pid) for pid in names}
        with watched(names) as most:
            list(pool.map(ask, range(warm, count)))
    for pid, name in names.items():
        kept, at_once = memory(pid) - before[pid], most[pid] - before[pid]
        print(f"{name}: {before[pid] / MIB:.0f} MiB, then {kept / MIB:+.0f}, at once {at_once / MIB:+.0f}")
        assert kept < MOST_KEPT, f"{name}: {kept / MIB:.0f} MiB more after {count - warm} requests"
        assert at_once < MOST_AT_ONCE, f"{name}: {at_once / MIB:.0f} MiB more at once"
    assert seen[200] > count / 20, seen  # else the damage is too great to try anything
    assert seen[422] > count / 10, seen
