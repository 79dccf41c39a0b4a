"""Which codebooks a gallery has after compaction: those that still fit its rows, and new ones for those that do not."""

from typing import NamedTuple

import numpy as np

from sketchray.gallery.codebooks import Codebooks, FitPlan, drift, encode_codebooks, fit_codebooks
from sketchray.gallery.manifest import CodebookRef
from sketchray.gallery.reader import Gallery
from sketchray.ranking.codebook import Codebook


class CodebookChoice(NamedTuple):
    """The codebooks that all segments are to be coded by.

    Attributes:
        codebooks: by name.
        references: what the manifest says of them, by name in order.
        objects: the bytes of the new ones by key.
        drift: of each that the gallery had, by name.
        refitted: those that are new, by name.
    """

    codebooks: Codebooks
    references: tuple[CodebookRef, ...]
    objects: dict[str, bytes]
    drift: dict[str, float]
    refitted: tuple[str, ...]


def choose_codebooks(gallery: Gallery, sample_ND: np.ndarray, *, fit: FitPlan, threshold: float) -> CodebookChoice:
    """Measure the drift of a gallery's codebooks, and fit those anew that have drifted, and those that it lacks.

    Args:
        gallery: a version.
        sample_ND: of its live rows.
        fit: names the codebooks that the gallery shall have; the plan for those that it lacks.
        threshold: drift above which a codebook is fitted again, as it was: as many chunks, and as many codewords or
            a number chosen anew, from the same seed.

    Raises:
        GalleryError: a codebook is not what the manifest says.
        ValueError: the dimensions do not divide into the plan's chunks.
    """
    had = gallery.codebooks()
    references: dict[str, CodebookRef] = {one.name: one for one in gallery.manifest.content.codebooks}
    measured = {name: drift(codebook, sample_ND, references[name].error) for name, codebook in had.items()}
    plans = {name: _as_before(codebook, fit) for name, codebook in had.items() if measured[name] > threshold}
    plans |= {name: fit for name in fit.names if name not in had}
    fitted: dict[str, Codebook] = {}
    for name, plan in sorted(plans.items()):
        fitted |= fit_codebooks(sample_ND, plan.model_copy(update={"names": (name,)}))
    new, objects = encode_codebooks(fitted, sample_ND)
    chosen = references | {reference.name: reference for reference in new}
    return CodebookChoice(
        codebooks={**had, **fitted},
        references=tuple(chosen[name] for name in sorted(chosen)),
        objects=objects,
        drift=measured,
        refitted=tuple(sorted(fitted)),
    )


def _as_before(codebook: Codebook, fit: FitPlan) -> FitPlan:
    fitted = codebook.fitted
    chosen = fitted.selection is not None if codebook.walk is None else codebook.walk.plan.codewords == "auto"
    codewords = "auto" if chosen else codebook.codewords
    return fit.model_copy(update={"chunks": codebook.chunks, "codewords": codewords, "seed": fitted.seed})
