"""The product codebook: a few codewords for each chunk of the dimensions, that stand for the gallery's items.

ClusterRetri's clusters (arXiv 2301.06685) when fitted by k-means, SBKA's one-to-many matching (arXiv 2312.10320) when
fitted as a mixture. It is fitted once over the gallery, apart from its use, and kept with it; no pickle.

Shape legend: N rows, B queries, D dimensions, M chunks, K codewords of a chunk, C = D / M dimensions of a chunk.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from pydantic import Field, ValidationError
from safetensors import SafetensorError

from sketchray.config import Config
from sketchray.ranking.scoring import Floats, as_vectors, lengths, rounded, unit_rows
from sketchray.ranking.selection import Selection

FORMAT_VERSION = 1
TENSOR, RECORD = "centres", "codebook"
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Codebook:
    """Codewords (M, K, C) float32 and how they were fitted.

    Vectors are compared by direction: whatever comes in is brought to unit length first, so float32 and float64 copies
    of one gallery, normalised or not, are coded alike.
    """

    centres_MKC: npt.NDArray[np.float32]
    fitted: Fitted

    def __post_init__(self) -> None:
        centres = self.centres_MKC
        if centres.ndim != 3 or centres.dtype != np.float32 or 0 in centres.shape or centres.shape[1] > MAX_CODEWORDS:
            raise ValueError(
                f"centres are {centres.dtype} {centres.shape}, not float32 (chunks, codewords, dimensions)"
            )
        if not np.isfinite(centres).all():
            raise ValueError("a codeword is not finite")

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
        """32 hex digits over the codewords and how they were fitted."""
        record = {"version": FORMAT_VERSION, "shape": self.centres_MKC.shape, "fitted": self.fitted.model_dump()}
        hashed = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
        hashed.update(np.ascontiguousarray(self.centres_MKC, "<f4").tobytes())
        return hashed.hexdigest()[:32]

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
        """Return ``||q_m - c_mk||^2`` for every chunk and codeword, (B, M, K), in steps of 2^-32.

        Raises:
            ValueError: another dimension, or a query that is zero or not finite.
        """
        return self._distances(unit_rows(self._checked(query_BD, "query"), "query"))

    def _checked(self, x_ND: npt.ArrayLike, name: str) -> npt.NDArray[np.number]:
        x = as_vectors(x_ND, name)
        if x.shape[1] != self.dimension:
            raise ValueError(f"{name} embeddings have {x.shape[1]} dimensions, the codebook has {self.dimension}")
        return x

    def _distances(self, x_ND: Floats) -> Floats:
        x_NMC, centres_MKC = x_ND.reshape(len(x_ND), self.chunks, -1), self.centres_MKC.astype(np.float64)
        product_MNK = np.matmul(x_NMC.transpose(1, 0, 2), centres_MKC.transpose(0, 2, 1))
        length_NM, length_MK = (x_NMC**2).sum(axis=2), (centres_MKC**2).sum(axis=2)
        return np.maximum(rounded(length_NM[:, :, None] - 2 * product_MNK.transpose(1, 0, 2) + length_MK), 0)

    def to_bytes(self) -> bytes:
        """Return the codebook as a safetensors file with one tensor and one JSON record."""
        record = {"version": FORMAT_VERSION, "fingerprint": self.fingerprint, "fitted": self.fitted.model_dump()}
        tensors = {TENSOR: np.ascontiguousarray(self.centres_MKC)}
        return bytes(safetensors.numpy.save(tensors, metadata={RECORD: json.dumps(record, sort_keys=True)}))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Codebook":
        """Read what `to_bytes` wrote.

        Raises:
            CodebookError: damaged, of another version, or no codebook.
        """
        record = _read_record(data)
        if record.get("version") != FORMAT_VERSION:
            raise CodebookError(f"the codebook is of format version {record.get('version')}, this is {FORMAT_VERSION}")
        try:
            tensors = safetensors.numpy.load(data)
            codebook = cls(centres_MKC=tensors[TENSOR], fitted=Fitted.model_validate(record.get("fitted")))
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
