"""SAKE's semantic term: what a class resembles among the teacher's classes shifts the answer to be learnt."""

import logging
from collections.abc import Sequence

import torch.distributed as dist
from torch import Tensor, nn

from sketchray.data.semantics import load_semantics

logger = logging.getLogger(__name__)


class SemanticShift(nn.Module):
    """z + weight * m_y: logits moved towards the classes that WordNet puts near class y (SAKE, ICCV 2019, as released).

    Args:
        uri: file of the similarities m_CK (`load_semantics`); None leaves the logits as they are.
        weight: 0.3 in the released codes.
        classes: words of the C seen classes.
        n_logits: K.

    Raises:
        ValueError: the file cannot be used for these classes and this teacher.
    """

    m_CK: Tensor | None

    def __init__(self, uri: str | None, *, weight: float, classes: Sequence[str], n_logits: int) -> None:
        super().__init__()
        self.weight = weight
        self.register_buffer("m_CK", None if uri is None else load_semantics(uri, classes, width=n_logits))

    def forward(self, logits_PK: Tensor, labels_P: Tensor) -> Tensor:
        """Return the shifted logits."""
        return logits_PK if self.m_CK is None else logits_PK + self.weight * self.m_CK[labels_P]

    def announce(self) -> None:
        """Say in the log, on one rank, that the term is off where it is."""
        first = not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0
        if self.m_CK is None and first:
            logger.warning("no file of class similarities (method.semantics): the semantic term is off")
