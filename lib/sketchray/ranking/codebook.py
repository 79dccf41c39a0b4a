"""The product codebook: a few codewords for each chunk of the dimensions, that stand for the gallery's items.

ClusterRetri's clusters (arXiv 2301.06685) when fitted by k-means, SBKA's one-to-many matching (arXiv 2312.10320) when
fitted as a mixture. Codewords may be joined by a walk (`sketchray.ranking.manifold`). It is fitted once over the
gallery, apart from its use, and kept with it; no pickle.

Shape legend: N rows, B queries, D dimensions, M chunks, K codewords of a chunk, C = D / M dimensions of a chunk.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from pydantic import Field, ValidationError
from safetensors import SafetensorError

from sketchray.config import Config
from sketchray.ranking.scoring import Floats, as_vectors, lengths, rounded, unit_rows
from sketchray.ranking.selection import Selection

FORMAT_VERSION = 2
PLAIN_VERSION = 1  # of a codebook without a walk, which readers of the first version can read
TENSOR, WALK, RECORD = "centres", "walk", "codebook"
MAX_CODEWORDS = 2**16  # a code is a uint16
ENCODE_NUMBERS = 2**22  # distances held at a time

Codes = npt.NDArray[np.uint16]


class CodebookError(ValueError):
    """Bytes that are no codebook of this version; the message says what is wrong."""


class Fitted(Config):
    """How a codebook came to be.

    Attributes:
        kind: k-means, or a Gaussian mixture whose component means are the codewords.
        covariance: of the mixture's components.
        seed: of the rows taken and of the fit's start.
        rows: gallery rows that the fit saw.
        selection: how the number of codewords was chosen, where it was not given.
    """

    kind: Literal["kmeans", "gmm"]
    covariance: Literal["diag", "full"] | None = None
    seed: int
    rows: int = Field(ge=1)
    selection: Selection | None = None


class WalkPlan(Config):
    """How codewords are joined; see `sketchray.ranking.manifold` for the formulas.

    Attributes:
        codewords: K, or ``auto``: twice ``finer`` times the root of the number of rows, and half of it at most.
        walks: how many are averaged, each over coarse codewords of its own.
        finer: codewords for each coarse one.
        neighbours: coarse codewords that each row is shared by.
        tau_graph: temperature of the shares.
        go_on: probability that a walk goes on at each step.
        tau: temperature at which the best of what a walk reaches counts.
    """

    codewords: Annotated[int, Field(ge=1, le=MAX_CODEWORDS)] | Literal["auto"] = "auto"
    walks: int = Field(default=5, ge=1)
    finer: int = Field(default=4, ge=1)
    neighbours: int = Field(default=5, ge=1)
    tau_graph: float = Field(default=0.05, ge=0.005)
    go_on: float = Field(default=0.99, ge=0, lt=1)
    tau: float = Field(default=0.05, ge=0.005)


@dataclass(frozen=True, kw_only=True, eq=False)
class Walk:
    """Where a random walk from each codeword ends: (K, K) float32, rows that sum to 1; and how that came to be."""

    ends_KK: npt.NDArray[np.float32]
    plan: WalkPlan

    def __post_init__(self) -> None:
        ends = self.ends_KK
        if ends.ndim != 2 or ends.dtype != np.float32 or ends.shape[0] != ends.shape[1]:
            raise ValueError(f"a walk is {ends.dtype} {ends.shape}, not float32 (codewords, codewords)")
        sums_K = ends.sum(axis=1, dtype=np.float64)
        if not (ends >= 0).all() or not np.allclose(sums_K, 1, rtol=0, atol=1e-3):
            raise ValueError("the ends of a walk are no probabilities")

    @cached_property
    def _ends_KK(self) -> Floats:
        return self.ends_KK.astype(np.float64)

    def spread(self, distance_BK: Floats) -> Floats:
        """Return ``-2 tau log sum_j P_kj exp(-d_j / (2 tau))`` for each codeword k, (B, K): a soft least distance."""
        steps = 2 * self.plan.tau
        least_B1 = distance_BK.min(axis=1, keepdims=True)
        with np.errstate(under="ignore"):
            mean_BK = np.exp((least_B1 - distance_BK) / steps) @ self._ends_KK.T
        tiny = np.finfo(np.float64).tiny  # where a walk never comes near: as far as can be told
        return np.asarray(least_B1 - steps * np.log(np.maximum(mean_BK, tiny)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Codebook:
    """Codewords (M, K, C) float32, how they were fitted, and the walk that joins them where there is one.

    Vectors are compared by direction: whatever comes in is brought to unit length first, so float32 and float64 copies
    of one gallery, normalised or not, are coded alike.
    """

    centres_MKC: npt.NDArray[np.float32]
    fitted: Fitted
    walk: Walk | None = None

    def __post_init__(self) -> None:
        centres = self.centres_MKC
        if centres.ndim != 3 or centres.dtype != np.float32 or 0 in centres.shape or centres.shape[1] > MAX_CODEWORDS:
            raise ValueError(
                f"centres are {centres.dtype} {centres.shape}, not float32 (chunks, codewords, dimensions)"
            )
        if not np.isfinite(centres).all():
            raise ValueError("a codeword is not finite")
        if self.walk is not None and (self.chunks, self.codewords) != (1, len(self.walk.ends_KK)):
            raise ValueError(f"a walk of {len(self.walk.ends_KK)} codewords joins {self.chunks} x {self.codewords}")

    @property
    def chunks(self) -> int:
        """M."""
        return int(self.centres_MKC.shape[0])

    @property
    def codewords(self) -> int:
        """K, of each chunk."""
        return int(self.centres_MKC.shape[1])

    @property
    def dimension(self) -> int:
        """D, of the vectors coded."""
        return int(self.chunks * self.centres_MKC.shape[2])

    @property
    def fingerprint(self) -> str:
        """32 hex digits over the codewords, how they were fitted, and the walk."""
        record = {"shape": self.centres_MKC.shape, **self._record()}
        hashed = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
        for tensor in self._tensors().values():
            hashed.update(tensor.astype("<f4", copy=False).tobytes())
        return hashed.hexdigest()[:32]

    def _record(self) -> dict[str, Any]:
        plain = {"version": PLAIN_VERSION, "fitted": self.fitted.model_dump()}
        return plain if self.walk is None else plain | {"version": FORMAT_VERSION, "walk": self.walk.plan.model_dump()}

    def _tensors(self) -> dict[str, npt.NDArray[np.float32]]:
        tensors = {TENSOR: np.ascontiguousarray(self.centres_MKC)}
        return tensors if self.walk is None else tensors | {WALK: np.ascontiguousarray(self.walk.ends_KK)}

    def encode(self, x_ND: npt.ArrayLike) -> Codes:
        """Return the number of the nearest codeword in every chunk, (N, M); of equally near ones the first.

        Raises:
            ValueError: another dimension, or a row that is zero or not finite.
        """
        x = self._checked(x_ND, "gallery")
        length_N, codes = lengths(x, "gallery"), np.empty((len(x), self.chunks), np.uint16)
        block = max(1, ENCODE_NUMBERS // (self.chunks * self.codewords))
        for start in range(0, len(x), block):
            rows = slice(start, start + block)
            codes[rows] = self._distances(x[rows].astype(np.float64) / length_N[rows, None]).argmin(axis=2)
        return codes

    def distances(self, query_BD: npt.ArrayLike) -> Floats:
        """Return how far each codeword of every chunk is from a query, (B, M, K), in steps of 2^-32 and at least 0.

        It is ``||q_m - c_mk||^2``, or what `Walk.spread` makes of it.

        Raises:
            ValueError: another dimension, or a query that is zero or not finite.
        """
        distance_BMK = self.squared_distances(query_BD)
        if self.walk is None:
            return distance_BMK
        return np.maximum(rounded(self.walk.spread(distance_BMK[:, 0]))[:, None], 0)

    def squared_distances(self, x_BD: npt.ArrayLike) -> Floats:
        """Return ``||x_m - c_mk||^2`` for every chunk and codeword, (B, M, K), in steps of 2^-32.

        Raises:
            ValueError: as `distances`.
        """
        return self._distances(unit_rows(self._checked(x_BD, "query"), "query"))

    def _checked(self, x_ND: npt.ArrayLike, name: str) -> npt.NDArray[np.number]:
        x = as_vectors(x_ND, name)
        if x.shape[1] != self.dimension:
            raise ValueError(f"{name} embeddings have {x.shape[1]} dimensions, the codebook has {self.dimension}")
        return x

    @cached_property
    def _exact(self) -> tuple[Floats, Floats]:
        """The codewords in float64, (M, C, K), and their squared lengths, (M, K)."""
        centres_MKC = self.centres_MKC.astype(np.float64)
        return centres_MKC.transpose(0, 2, 1), (centres_MKC**2).sum(axis=2)

    def _distances(self, x_ND: Floats) -> Floats:
        x_NMC, (centres_MCK, length_MK) = x_ND.reshape(len(x_ND), self.chunks, -1), self._exact
        product_MNK, length_NM = np.matmul(x_NMC.transpose(1, 0, 2), centres_MCK), (x_NMC**2).sum(axis=2)
        return np.maximum(rounded(length_NM[:, :, None] - 2 * product_MNK.transpose(1, 0, 2) + length_MK), 0)

    def to_bytes(self) -> bytes:
        """Return the codebook as a safetensors file of one JSON record, the codewords, and the walk if there is one."""
        record = self._record() | {"fingerprint": self.fingerprint}
        return bytes(safetensors.numpy.save(self._tensors(), metadata={RECORD: json.dumps(record, sort_keys=True)}))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Codebook":
        """Read what `to_bytes` wrote.

        Raises:
            CodebookError: damaged, of another version, or no codebook.
        """
        record = _read_record(data)
        if record.get("version") not in (PLAIN_VERSION, FORMAT_VERSION):
            raise CodebookError(f"the codebook is of format version {record.get('version')}, this is {FORMAT_VERSION}")
        try:
            tensors, walk = safetensors.numpy.load(data), None
            if record["version"] == FORMAT_VERSION:
                walk = Walk(ends_KK=tensors[WALK], plan=WalkPlan.model_validate(record.get("walk")))
            fitted = Fitted.model_validate(record.get("fitted"))
            codebook = cls(centres_MKC=tensors[TENSOR], fitted=fitted, walk=walk)
        except (SafetensorError, KeyError, ValidationError, ValueError) as error:
            raise CodebookError(f"the codebook is damaged ({error})") from error
        if codebook.fingerprint != record.get("fingerprint"):
            raise CodebookError("the codebook is damaged (its fingerprint is another)")
        return codebook


def _read_record(data: bytes) -> dict[str, Any]:
    """Return the JSON record in a safetensors header (8 bytes of its length, then JSON)."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        text = header["__metadata__"][RECORD]
        record = json.loads(text)
    except (ValueError, KeyError, TypeError) as error:
        raise CodebookError(f"no codebook: its record is missing or damaged ({error})") from error
    if not isinstance(record, dict) or json.dumps(record, sort_keys=True) != text:
        raise CodebookError("no codebook: its record is damaged")
    return record
