"""Own pictures: the first time their gallery is built, after that it is brought up to date."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from cluster.ray_head import RayHead
from cluster.road import OWN, Road, RoadOptions
from cluster.stages import Stages
from sketchray.encoders import read_package_config
from sketchray.gallery import EncoderRef, write_gallery
from sketchray.gallery.build import row_schema
from sketchray.gallery.segment import embedding_column
from sketchray.storage import Store, open_store
from sketchray.zoo import DEFAULT

BARE = "frozen:efficientnet_lite0@128"


class Submitted(Road):
    """A road whose jobs are only written down."""

    def submit(self, verb: str, argv: Sequence[str]) -> dict[str, Any]:
        self.argv = list(argv)
        return {}

    def serve(self, index: dict[str, Any], *, attribution: str | None) -> None:
        pass


def make_gallery(store: Store, source: str, encoder: EncoderRef) -> None:
    columns = {"id": ["a"], "uri": [f"{source}/a.png"], "etag": ["1"], "label": [None], "jpeg": [b""]}
    vector = {"embedding": embedding_column(np.ones((1, 1)))}
    rows = pa.table(columns | vector, schema=row_schema(1))
    write_gallery(store, OWN, rows, encoder=encoder, source=source)


@pytest.mark.parametrize(
    ("encoder", "made_by", "verb"),
    [
        (BARE, None, "build"),
        (BARE, (BARE, "f"), "update"),
        (BARE, ("frozen:efficientnet_lite0@224", "f"), "build"),
        (DEFAULT, (DEFAULT, "the shipped one's"), "update"),
        (DEFAULT, (DEFAULT, "an older release's"), "build"),
    ],
)
def test_a_gallery_of_the_same_pictures_by_the_same_encoder_is_updated(
    tmp_path: Path, encoder: str, made_by: tuple[str, str] | None, verb: str
) -> None:
    store = open_store(str(tmp_path / "store"))
    pictures = tmp_path / "pictures"
    if made_by is not None:
        uri, fingerprint = made_by
        if fingerprint.startswith("the shipped"):
            fingerprint = read_package_config(uri)["fingerprint"]
        make_gallery(store, f"file://{pictures}", EncoderRef(uri=uri, fingerprint=fingerprint))
    options = RoadOptions(recipe="rpkd-starter", data=None, port=0, pictures=f"{pictures}/", encoder=encoder)
    head, stages = cast(RayHead, None), Stages(tmp_path / "stages.json", store)
    road = Submitted(options, state_dir=tmp_path, head=head, store=store, stages=stages)
    road.search_pictures(f"{pictures}/", encoder)
    assert road.argv[:4] == ["python", "-m", "jobs.index", verb]
    assert ("codebooks.names=[manifold]" in road.argv) == (verb == "build")


def test_own_pictures_take_the_encoder_that_comes_with_the_library() -> None:
    assert RoadOptions(recipe="rpkd-starter", data=None, port=0, pictures="pictures").encoder == DEFAULT
