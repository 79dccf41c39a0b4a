"""Sample order and sample randomness as pure functions, so that N workers equal one and a resumed run an unbroken one.

Step s of a stream takes positions ``s * B`` to ``s * B + B`` of an endless list: one permutation of the table after
another. Nothing is remembered between steps.
"""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def _generator(*parts: object) -> np.random.Generator:
    """Return a generator seeded by a digest, so that neighbouring seeds, steps and ids have unrelated streams."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def sample_rng(seed: int, step: int, sample_id: str) -> np.random.Generator:
    """Return the generator of all randomness that one sample meets in one step."""
    return _generator("sample", int(seed), int(step), str(sample_id))


def order(n: int, seed: int, epoch: int, *, stream: str = "") -> NDArray[np.int64]:
    """Return a pass's permutation of 0 to n-1, int64 (n,).

    Args:
        n: rows of the table (which is sorted by id first).
        seed: of the run.
        epoch: which pass over the table, from 0.
        stream: a name that separates streams of one seed, as ``sketch`` and ``photo``.

    Raises:
        ValueError: n is not positive, or the epoch is negative.
    """
    if n < 1:
        raise ValueError(f"stream {stream!r}: no samples to order (n = {n})")
    if epoch < 0:
        raise ValueError(f"stream {stream!r}: epoch {epoch} is negative")
    return _permutation(int(n), int(seed), int(epoch), stream).copy()


@lru_cache(maxsize=8)
def _permutation(n: int, seed: int, epoch: int, stream: str) -> NDArray[np.int64]:
    permutation = _generator("order", n, seed, epoch, stream).permutation(n).astype(np.int64, copy=False)
    permutation.flags.writeable = False
    return permutation


def step_indices(n: int, *, seed: int, step: int, batch_size: int, stream: str) -> NDArray[np.int64]:
    """Return the rows of one global step, int64 (batch_size,); each rank takes its part of them.

    Args:
        n: rows of the table (which is sorted by id first).
        seed: of the run.
        step: global step, from 0.
        batch_size: samples in a global step, over all ranks; it may be larger than n.
        stream: a name that separates streams of one seed, as ``sketch`` and ``photo``.

    Raises:
        ValueError: n or batch_size is not positive, or the step is negative.
    """
    if n < 1:
        raise ValueError(f"stream {stream!r}: no samples to draw from (n = {n})")
    if batch_size < 1 or step < 0:
        raise ValueError(f"stream {stream!r}: step {step} of batches of {batch_size} does not exist")
    positions = np.arange(step * batch_size, (step + 1) * batch_size, dtype=np.int64)
    passes = positions // n
    parts = [
        _permutation(int(n), int(seed), epoch, stream)[positions[passes == epoch] - epoch * n]
        for epoch in range(int(passes[0]), int(passes[-1]) + 1)
    ]
    return np.concatenate(parts)
