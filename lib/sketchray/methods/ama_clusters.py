"""Clusters of one modality's training samples at several granularities, found without labels once an epoch."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import faiss
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sketchray.methods.ranks import from_first, rows_at_first, rows_of_all, share_of

ITERATIONS, RESTARTS = 20, 5
LEAST_MEMBERS, MOST_MEMBERS = 2, 2000  # samples a cluster that k-means looks at; all are assigned


class Clusters(nn.Module):
    """Centroids and every sample's cluster. All of it is state: a run resumed within an epoch goes on with the same.

    Samples are told apart by 64 bits of a hash of their ids.

    Args:
        granularities: numbers of clusters, coarse to fine.
        dim: width of the features.
        name: of the modality, for messages.
    """

    keys_N: Tensor
    assigned_NL: Tensor

    def __init__(self, granularities: Sequence[int], dim: int, *, name: str) -> None:
        super().__init__()
        self.granularities, self.name = tuple(granularities), name
        self.register_buffer("keys_N", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("assigned_NL", torch.zeros(0, len(self.granularities), dtype=torch.int64))
        for level, count in enumerate(self.granularities):
            self.register_buffer(f"centroids_{level}", torch.zeros(count, dim))

    def __len__(self) -> int:
        """Return how many samples are assigned; 0 before the first clustering."""
        return len(self.keys_N)

    @property
    def centroids(self) -> list[Tensor]:
        """Unit centroids (K, D) of each granularity."""
        return [self.get_buffer(f"centroids_{level}") for level in range(len(self.granularities))]

    @torch.no_grad()
    def lookup(self, ids: Sequence[str], unit_BD: Tensor) -> Tensor:
        """Return the clusters of these samples, int64 (L, B).

        Args:
            ids: of the samples.
            unit_BD: unit features; a sample that was not among the clustered ones gets the nearest centroid to these.
        """
        keys_B = _keys(ids).to(self.keys_N.device)
        nearest_LB = torch.stack([(unit_BD @ centroids_KD.T).argmax(dim=1) for centroids_KD in self.centroids])
        place_B = torch.searchsorted(self.keys_N, keys_B).clamp(max=len(self) - 1)
        return torch.where(self.keys_N[place_B] == keys_B, self.assigned_NL[place_B].T, nearest_LB)

    @torch.no_grad()
    def fit(self, features: Iterable[tuple[Tensor, Sequence[str]]], *, most: int) -> None:
        """Cluster the samples of all ranks anew: k-means on unit features, as released, but spherical.

        Every rank embeds its share; the first one gathers the features, at most ``most`` of them, and computes. The
        others take its result, so that all agree to the bit.

        Args:
            features: this rank's share, as (unit features (B, D), B sample ids). A sample that comes twice counts once.
            most: samples of all ranks to look at, the first ones where ranks take turns; no share is read further.

        Raises:
            ValueError: too few samples for a granularity.
        """
        own_keys, own_features = self._read(features, share_of(most))
        features_ND = rows_at_first(own_features)
        del own_features
        keys_N, first_N = np.unique(rows_of_all(own_keys).cpu().numpy(), return_index=True)
        for count in self.granularities:
            if len(keys_N) < LEAST_MEMBERS * count:
                raise ValueError(
                    f"method.granularities: {count} clusters need {LEAST_MEMBERS * count} {self.name} samples, "
                    f"and there are {len(keys_N)}"
                )
        self.keys_N = torch.from_numpy(keys_N).to(own_keys.device)
        assigned_NL = torch.zeros(len(keys_N), len(self.granularities), dtype=torch.int64, device=own_keys.device)
        plain_ND = None if features_ND is None else features_ND.cpu().numpy()[first_N].astype(np.float32)
        for level, centroids_KD in enumerate(self.centroids):
            if plain_ND is not None:
                found_KD, nearest_N = _k_means(plain_ND, len(centroids_KD), seed=level)
                centroids_KD.copy_(torch.from_numpy(found_KD))
                assigned_NL[:, level] = torch.from_numpy(nearest_N)
            from_first(centroids_KD)
        from_first(assigned_NL)
        self.assigned_NL = assigned_NL

    def _read(self, features: Iterable[tuple[Tensor, Sequence[str]]], most: int) -> tuple[Tensor, Tensor]:
        """Return the keys and the features of the first samples of this rank's share, and read no further than that."""
        like_KD = self.centroids[0]
        keys, rows = [torch.zeros(0, dtype=torch.int64)], [like_KD.new_zeros(0, like_KD.shape[1])]
        left = most
        for features_BD, ids in features:
            keys.append(_keys(ids[:left]))
            rows.append(features_BD[:left].to(like_KD))
            left -= len(ids)
            if left <= 0:
                break
        return torch.cat(keys).to(like_KD.device), torch.cat(rows)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *others: Any) -> None:
        """Take on the saved number of samples, which a fresh object does not know."""
        for name in ("keys_N", "assigned_NL"):
            saved = state_dict.get(prefix + name)
            if saved is not None and saved.shape[1:] == self.get_buffer(name).shape[1:]:
                setattr(self, name, torch.zeros_like(saved, device=self.get_buffer(name).device))
        super()._load_from_state_dict(state_dict, prefix, *others)


def _keys(ids: Sequence[str]) -> Tensor:
    digests = [hashlib.blake2b(sample.encode(), digest_size=8).digest() for sample in ids]
    return torch.tensor([int.from_bytes(d, "little", signed=True) for d in digests], dtype=torch.int64)


def _k_means(features_ND: np.ndarray, count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit centroids (K, D) and the nearest of each row (N,)."""
    means = faiss.Kmeans(
        features_ND.shape[1], count, niter=ITERATIONS, nredo=RESTARTS, seed=seed, spherical=True,
        min_points_per_centroid=LEAST_MEMBERS, max_points_per_centroid=MOST_MEMBERS,
    )  # fmt: skip
    means.train(features_ND)
    centroids_KD = F.normalize(torch.from_numpy(means.centroids), dim=1).numpy()
    _, nearest_N1 = faiss.knn(features_ND, centroids_KD, 1, metric=faiss.METRIC_INNER_PRODUCT)
    return centroids_KD, nearest_N1[:, 0]
