"""Turn an emoji's SVG or WebP into the PNG that the gallery holds: square, RGB, on white."""

import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import resvg_py
from PIL import Image, ImageOps

_WORTH_A_POOL = 500
_MOST_PROCESSES = 8


def render_png(data: bytes, size: int) -> bytes:
    """Render a picture.

    White is put behind it here, once, so that no later reader has to decide what transparency means.

    Args:
        data: SVG text or an encoded raster picture.
        size: side of the result in pixels; pictures that are not square are padded, never stretched.

    Returns:
        A PNG, the same bytes for the same input.
    """
    if data.lstrip()[:1] == b"<":
        # A square canvas in which the SVG keeps its aspect. No system fonts: the result depends on the input alone.
        data = bytes(resvg_py.svg_to_bytes(svg_string=data.decode(), width=size, height=size, skip_system_fonts=True))
    with Image.open(io.BytesIO(data)) as opened:
        drawing = ImageOps.pad(opened.convert("RGBA"), (size, size), Image.Resampling.LANCZOS, color=(0, 0, 0, 0))
    page = Image.new("RGBA", drawing.size, "white")
    page.alpha_composite(drawing)
    out = io.BytesIO()
    page.convert("RGB").save(out, "PNG", compress_level=6)
    return out.getvalue()


def render_files(tasks: Sequence[tuple[Path, bytes]], size: int, processes: int | None = None) -> Iterator[None]:
    """Render pictures into files, yielding after each.

    Many are rendered in processes, since the SVG renderer keeps the interpreter's lock; few are rendered right here.

    Args:
        tasks: (file to write, picture); the folders exist.
        size: as in `render_png`.
        processes: how many; one a core, up to 8, when None.
    """
    processes = processes or min(len(os.sched_getaffinity(0)), _MOST_PROCESSES)
    jobs = [(path, data, size) for path, data in tasks]
    if processes == 1 or len(jobs) < _WORTH_A_POOL:
        yield from map(_render_file, jobs)
        return
    # Spawned, not forked: the caller may have threads (Ray, gRPC).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent) as pool:
        yield from pool.map(_render_file, jobs, chunksize=16)


def _render_file(job: tuple[Path, bytes, int]) -> None:
    path, data, size = job
    path.write_bytes(render_png(data, size))


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is killed: a pool's workers would wait for it for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "a pool worker has a parent"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
