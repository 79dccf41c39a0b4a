"""Clusters: what is near, by name, the same on every rank, and kept in the state."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sketchray.methods.ama_clusters import Clusters

Ranks = Callable[..., list[Any]]
CORNERS = F.normalize(torch.tensor([[1.0, 0, 0], [-1, 0, 0.5], [0, 1, 0.2], [0, -1, 0.3]]), dim=1)


def crowd(n: int = 40) -> tuple[Tensor, list[str], Tensor]:
    """Unit features around four corners, their ids, and whose corner each is."""
    corner_N = torch.arange(n) % 4
    noise_N3 = 0.05 * torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    return F.normalize(CORNERS[corner_N] + noise_N3, dim=1), [f"sample {i}" for i in range(n)], corner_N


def fitted(rank: int = 0, ranks: int = 1) -> Clusters:
    features_ND, ids, _ = crowd()
    clusters = Clusters((2, 4), 3, name="sketch")
    # Uneven shares: the second rank has fewer, as where the number of samples is odd.
    rows = range(0, 40) if ranks == 1 else (range(0, 27) if rank == 0 else range(27, 40))
    clusters.fit(((features_ND[i : i + 1], [ids[i]]) for i in rows), most=80)
    return clusters


def test_clusters_are_the_crowds_and_centroids_their_unit_means() -> None:
    features_ND, ids, corner_N = crowd()
    clusters = fitted()
    assert len(clusters) == 40
    coarse_N, fine_N = clusters.lookup(ids, -features_ND)  # what is known needs no features
    assert len(set(coarse_N.tolist())) == 2
    for corner in range(4):
        (own,) = set(fine_N[corner_N == corner].tolist())
        mean_D = F.normalize(features_ND[corner_N == corner].mean(0), dim=0)
        torch.testing.assert_close(clusters.centroids[1][own], mean_D, atol=1e-5, rtol=0)
    for level, centroids_KD in enumerate(clusters.centroids):
        nearest = [max(range(len(centroids_KD)), key=lambda c: float(x @ centroids_KD[c])) for x in features_ND]
        assert clusters.lookup(ids, -features_ND)[level].tolist() == nearest


def test_a_sample_that_was_not_clustered_gets_the_nearest_centroid() -> None:
    features_ND, ids, _ = crowd()
    clusters, strangers = fitted(), [f"stranger {i}" for i in range(40)]
    assert torch.equal(clusters.lookup(strangers, features_ND), clusters.lookup(ids, features_ND))


def test_a_sample_that_comes_twice_counts_once() -> None:
    features_ND, ids, _ = crowd()
    clusters = Clusters((2, 4), 3, name="sketch")
    clusters.fit([(features_ND, ids), (features_ND[:7], ids[:7])], most=80)
    assert len(clusters) == 40
    assert torch.equal(clusters.assigned_NL, fitted().assigned_NL)


def test_too_few_samples_are_named() -> None:
    features_ND, ids, _ = crowd()
    with pytest.raises(ValueError, match=r"granularities: 4 clusters need 8 photo samples, and there are 7"):
        Clusters((2, 4), 3, name="photo").fit([(features_ND[:7], ids[:7])], most=40)


def test_the_state_holds_them_whatever_their_number() -> None:
    clusters, fresh = fitted(), Clusters((2, 4), 3, name="sketch")
    fresh.load_state_dict(clusters.state_dict())
    assert torch.equal(fresh.lookup(crowd()[1], crowd()[0]), clusters.lookup(crowd()[1], crowd()[0]))
    assert all(torch.equal(a, b) for a, b in zip(fresh.centroids, clusters.centroids, strict=True))
    empty = Clusters((2, 4), 3, name="sketch")
    fresh.load_state_dict(empty.state_dict())
    assert len(fresh) == 0


def first_samples(most: int, rank: int = 0, ranks: int = 1) -> Clusters:
    features_ND, ids, _ = crowd()
    read = []

    def share() -> Iterator[tuple[Tensor, list[str]]]:
        for first in range(rank, 40, 4 * ranks):
            rows = list(range(first, min(first + 4 * ranks, 40), ranks))
            read.extend(rows)
            yield features_ND[rows], [ids[row] for row in rows]

    clusters = Clusters((2, 4), 3, name="sketch")
    clusters.fit(share(), most=most)
    assert len(read) < 40 // ranks  # no batch beyond the last one needed
    return clusters


def first_samples_on_a_rank() -> dict[str, Tensor]:
    return first_samples(21, dist.get_rank(), 2).state_dict()


def test_a_limit_takes_the_first_samples_on_any_number_of_ranks(two_ranks: Ranks) -> None:
    one = first_samples(21)
    features_ND, ids, _ = crowd()
    whole = Clusters((2, 4), 3, name="sketch")
    whole.fit([(features_ND[:21], ids[:21])], most=40)
    for theirs in (one.state_dict(), *two_ranks(first_samples_on_a_rank)):
        assert all(torch.equal(theirs[name], value) for name, value in whole.state_dict().items())


def fit_on_a_rank() -> dict[str, Tensor]:
    return fitted(dist.get_rank(), 2).state_dict()


def test_two_ranks_with_uneven_shares_find_what_one_finds(two_ranks: Ranks) -> None:
    one = fitted().state_dict()
    for theirs in two_ranks(fit_on_a_rank):
        assert one.keys() == theirs.keys()
        assert all(torch.equal(theirs[name], value) for name, value in one.items())


class LargestTensor(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the most numbers that any floating tensor made within it has."""

    numbers: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for made in result if isinstance(result, list | tuple) else [result]:
            if isinstance(made, Tensor) and made.is_floating_point():
                self.numbers = max(self.numbers, made.numel())
        return result


def largest_on_a_rank(most: int) -> int:
    """Cluster the first of endlessly many samples, and return the size of this rank's largest tensor."""
    rank, ranks, width = dist.get_rank(), dist.get_world_size(), 16
    clusters = Clusters((2, 4), width, name="sketch")

    def share() -> Iterator[tuple[Tensor, list[str]]]:
        generator = torch.Generator().manual_seed(rank)
        for first in itertools.count(rank, 10 * ranks):
            yield torch.randn(10, width, generator=generator), [f"sample {first + ranks * i}" for i in range(10)]

    largest = LargestTensor()  # type: ignore[no-untyped-call]
    with largest:
        clusters.fit(share(), most=most)
    assert len(clusters) == most
    return int(largest.numbers) // width


def test_no_rank_holds_the_features_of_more_samples_than_the_bound_and_only_the_first_one_those_of_others(
    two_ranks: Ranks,
) -> None:
    assert two_ranks(largest_on_a_rank, 100) == [100, 50]
