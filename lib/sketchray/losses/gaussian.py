"""Distribution alignment: every embedding, of either modality, is drawn towards one Gaussian."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sketchray.data.order import sample_rng


def gaussian_divergence(features_Bd: Tensor, noise_Bd: Tensor) -> Tensor:
    """Return the mean over rows of KL(softmax(eps_i) || softmax(f_i)).

    ClusterRetri's L_da and SBKA's L_ma (arXiv 2301.06685, 2312.10320; as in the released code of both).

    Args:
        features_Bd: embeddings before normalisation.
        noise_Bd: eps, from `sample_noise`.

    Returns:
        A scalar, at least 0.
    """
    return F.kl_div(
        F.log_softmax(features_Bd, dim=1), F.log_softmax(noise_Bd, dim=1), reduction="batchmean", log_target=True
    )


def sample_noise(like_Bd: Tensor, sample_ids: Sequence[str], *, seed: int, step: int) -> Tensor:
    """Return eps ~ N(0, 1)^d of each sample in one step, the same on whichever rank the sample is.

    Args:
        like_Bd: gives shape, dtype and device.
        sample_ids: B ids.
        seed: of the run.
        step: global step.
    """
    # A name of its own beside the id: the generator of the bare id has already drawn the sample's augmentation.
    rows = [sample_rng(seed, step, f"{name}/noise").standard_normal(like_Bd.shape[1]) for name in sample_ids]
    return torch.from_numpy(np.stack(rows)).to(like_Bd)
