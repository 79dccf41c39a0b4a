"""The shards of one replica: which pictures are theirs, and how far down a ranking a similar one is looked for."""

import numpy as np
import pytest

from serve.group import ShardQuery, load_group
from serve.release import Release
from sketchray.encoders import Encoder
from sketchray.gallery import GalleryError, Hit, merge, open_gallery, shard_of
from sketchray.storage import open_store
from tests.serve.conftest import Picture

Folder = tuple[str, str, list[Picture]]


def test_groups_share_the_shards_and_miss_none(gallery_folder: Folder, encoder: Encoder) -> None:
    uri, version, pictures = gallery_folder
    store, release = open_store(uri), Release("shapes", version)
    groups = [load_group(store, release, group=number, groups=3) for number in range(3)]
    assert [sorted(group.parts) for group in groups] == [[0], [1], []]
    query = ShardQuery(pictures[0].vector_D, 60)
    answers = [group.search([query, query._replace(limit=2)]) for group in groups]
    assert {hit.id for hit in merge((answer[0] for answer in answers), 60)} == {picture.id for picture in pictures}
    assert [len(answer[1]) for answer in answers] == [2, 2, 0]
    for picture in pictures:
        found = [group.shard(picture.id) for group in groups]
        assert [shard is not None for shard in found] == [shard_of(picture.id, 2) == n for n in range(3)]
    for group in groups:
        group.check()
    with pytest.raises(GalleryError, match="no version"):
        load_group(store, Release("shapes", "0" * 16), group=0, groups=1)


@pytest.mark.parametrize("ranking", ["nearest", "cluster", "mixture", "manifold"])
@pytest.mark.parametrize("limit", [1, 3, 60])
def test_similar_pictures_are_found_however_far_down_they_are(gallery_folder: Folder, ranking: str, limit: int) -> None:
    uri, version, pictures = gallery_folder
    group = load_group(open_store(uri), Release("shapes", version), group=0, groups=1)
    gallery = open_gallery(open_store(uri), "shapes", version)
    query_D = -pictures[3].vector_D  # far from everything, so that the rankings differ
    everything: list[Hit] = merge(
        (gallery.shard(index).search(query_D[None], 60, ranking=ranking)[0] for index in range(2)),  # type: ignore[arg-type]
        60,
    )
    for least in np.quantile([hit.similarity for hit in everything], [0.1, 0.5, 0.95]):
        query = ShardQuery(query_D, limit, ranking, None, float(least))  # type: ignore[arg-type]
        (hits,) = group.search([query])
        assert [hit.id for hit in hits] == [hit.id for hit in everything if hit.similarity >= least][:limit]
