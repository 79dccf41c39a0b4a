"""All verbs of the index job, one after the other, as somebody runs them who keeps a gallery true."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.index import main
from sketchray.gallery import gallery_store, open_gallery
from sketchray.storage import Store, open_store

pytestmark = pytest.mark.slow
ENCODER = "encoder=frozen:tiny-test@32"
SMALL = ["part_size=10", "batch_size=4"]
PHOTOS = 54


class Verbs:
    """Runs verbs in this process; `ok` gives their last line, `complaint` the one line of one that fails."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys, self.said = capsys, ""

    def __call__(self, *arguments: str, status: int = 0) -> Any:
        found = main(arguments)
        output, self.said = self._capsys.readouterr()
        assert found == status, self.said
        return json.loads(output.splitlines()[-1])

    def complaint(self, *arguments: str) -> str:
        self._capsys.readouterr()
        assert main(arguments) == 2
        said = self._capsys.readouterr()
        assert said.out == ""
        return said.err.splitlines()[-1]


@pytest.fixture
def verbs(capsys: pytest.CaptureFixture[str]) -> Verbs:
    return Verbs(capsys)


def listed(store: Store, name: str = "g") -> dict[str, tuple[str, str | None]]:
    """Return uri and label of what a gallery finds, by id."""
    gallery = open_gallery(store, name)
    rows = [row for i in range(gallery.manifest.content.shards) for row in gallery.live(i).to_pylist()]
    assert len(rows) == gallery.manifest.rows
    return {row["id"]: (row["uri"], row["label"]) for row in rows}


def test_a_gallery_is_built_updated_compacted_verified_and_cleaned(
    local_ray: None, tmp_path: Path, pictures: Store, verbs: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKETCHRAY_STORE", str(tmp_path / "store"))
    store, source = open_store(str(tmp_path / "store")), f"source={pictures.uri}"
    # Without a verb: build.
    first = verbs("gallery=g", source, ENCODER, "shards=2", "codebooks.codewords=4", "index.kind=flat-int8", *SMALL)
    assert (first["status"], first["rows"]) == ("built", PHOTOS)
    before = listed(store)

    same = verbs("update", "gallery=g", ENCODER, *SMALL)
    assert (same["status"], same["version"], same["kept"]) == ("unchanged", first["version"], PHOTOS)
    assert "An update keeps the vectors" in verbs.complaint(
        "update", "gallery=g", source, "encoder=frozen:efficientnet_lite0@64"
    )

    pictures.write("gallery/new.png", pictures.read("gallery/noise_1.png"))
    pictures.write("gallery/noise_0.png", pictures.read("gallery/noise_2.png"))
    pictures.write("gallery/noise_3.png", b"no picture any more")
    pictures.delete("photos/star/star_0.png")
    pictures.write("gallery/damaged.png", b"never was one")
    updated = verbs("update", "gallery=g", *SMALL)
    counted = {name: updated[name] for name in ("status", "new", "changed", "gone", "kept", "rows", "unreadable")}
    assert counted == {
        "status": "updated",
        "new": 2,
        "changed": 2,
        "gone": 1,
        "kept": PHOTOS - 3,
        "rows": PHOTOS - 1,
        "unreadable": 2,
    }
    assert updated["parent"] == first["version"]
    after = listed(store)
    uris = {Path(uri).name for uri, _ in after.values()}
    assert {"new.png", "noise_0.png"} <= uris
    assert not {"noise_3.png", "star_0.png", "damaged.png"} & uris
    again = verbs("update", "gallery=g", source, *SMALL)  # what cannot be read is tried, and changes nothing
    assert (again["status"], again["new"], again["version"]) == ("unchanged", 2, updated["version"])

    assert verbs("verify", "gallery=g", "all=true")["status"] == "whole"
    compacted = verbs("compact", "gallery=g")
    assert (compacted["status"], compacted["rows"], compacted["segments"]) == ("compacted", PHOTOS - 1, 2)
    assert compacted["refitted"] == []
    assert set(compacted["drift"]) == {"cluster", "mixture", "manifold"}
    assert listed(store) == after
    assert verbs("compact", "gallery=g")["status"] == "unchanged"
    assert all(segment.index is not None for segment in open_gallery(store, "g").manifest.content.segments)

    back = verbs("rollback", "gallery=g", f"version='{first['version']}'")
    assert (back["version"], listed(store)) == (first["version"], before)
    assert verbs("rollback", "gallery=g")["version"] == compacted["version"]

    would = verbs("gc", "gallery=g", "keep=1", "older_than_hours=0", "dry_run=true")
    assert set(would["versions"]) == {first["version"], updated["version"]}
    assert len(verbs("gc", "gallery=g", "keep=1")["versions"]) == 0  # they are young
    gone = verbs("gc", "gallery=g", "keep=1", "older_than_hours=0")
    assert (gone["versions"], gone["kept"]) == (would["versions"], [compacted["version"]])
    assert listed(store) == after
    assert verbs("verify", "gallery=g", "all=true") == {
        "gallery": "g",
        "status": "whole",
        "versions": 1,
        "problems": 0,
        "problems_first": [],
    }
    place = gallery_store(store, "g")
    thumbnails = open_gallery(store, "g").manifest.content.segments[0].thumbnails.key
    data = bytearray(place.read(thumbnails))
    data[len(data) // 2] ^= 1
    place.write(thumbnails, bytes(data))
    damaged = verbs("verify", "gallery=g", status=1)
    assert [problem["object"] for problem in damaged["problems_first"]] == [place.uri_of(thumbnails)]


def test_codebooks_that_have_drifted_are_fitted_anew_and_it_says_so(
    local_ray: None, tmp_path: Path, pictures: Store, verbs: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKETCHRAY_STORE", str(tmp_path / "store"))
    folder = Path(pictures.uri.removeprefix("file://"))
    table = tmp_path / "list.parquet"

    def name_pictures(prefix: str) -> None:
        uris = [str(path) for path in sorted((folder / prefix).rglob("*.png"))]
        table.unlink(missing_ok=True)
        pq.write_table(pa.table({"uri": uris, "price": [float(len(uri)) for uri in uris]}), table)

    name_pictures("gallery")
    codebooks = ["codebooks.codewords=2", "codebooks.names=[cluster]"]
    built = verbs("build", "gallery=g", f"source={table}", ENCODER, *codebooks, *SMALL)
    assert (built["rows"], built["codebooks"]) == (6, ["cluster"])
    name_pictures("photos")
    updated = verbs("update", "gallery=g", f"source={table}", *SMALL)
    assert (updated["rows"], updated["gone"]) == (48, 6)
    compacted = verbs("compact", "gallery=g")
    assert compacted["refitted"] == ["cluster"]
    assert compacted["drift"]["cluster"] > 1.2
    assert "the cluster codebook has drifted to" in verbs.said
    gallery = open_gallery(open_store(str(tmp_path / "store")), "g")
    prices = {row["uri"]: row["price"] for row in gallery.live(0, columns=["uri", "price"]).to_pylist()}
    assert prices[f"file://{folder}/photos/star/star_1.png"] == len(f"{folder}/photos/star/star_1.png")


def test_a_bucket_is_indexed_into_itself_and_updated(s3_store_uri: str, pictures: Store, index_result: Any) -> None:
    bucket = open_store(s3_store_uri)
    for entry in pictures.list():
        bucket.write(f"pictures/{entry.key}", pictures.read(entry.key))
    where = {"SKETCHRAY_STORE": s3_store_uri}
    names = ["gallery=g", f"source={s3_store_uri}/pictures"]
    assert index_result("build", *names, ENCODER, "codebooks.names=[]", *SMALL, **where)["rows"] == PHOTOS
    bucket.delete("pictures/photos/star/star_0.png")
    updated = index_result("update", *names, *SMALL, **where)
    assert (updated["rows"], updated["gone"]) == (PHOTOS - 1, 1)
    gallery = open_gallery(bucket, "g")
    assert gallery.shard(0).rows == PHOTOS - 1
    assert gallery.manifest.source == f"{s3_store_uri}/pictures"


def test_a_store_that_fails_in_a_worker_is_one_line_too(
    local_ray: None, tmp_path: Path, verbs: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKETCHRAY_STORE", str(tmp_path / "store"))
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    pq.write_table(pa.table({"uri": [str(tmp_path / "loop.png")], "etag": ["known"]}), tmp_path / "list.parquet")
    said = verbs.complaint("build", "gallery=g", f"source={tmp_path}/list.parquet", ENCODER)
    assert said == f"index: file://{tmp_path}/loop.png: Too many levels of symbolic links"


def test_user_errors_are_one_line(
    tmp_path: Path, s3_store_uri: str, verbs: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKETCHRAY_STORE", s3_store_uri)
    there = [f"source={tmp_path}", ENCODER]
    assert "gallery: Field required" in verbs.complaint(*there)
    assert "did you mean gallery" in verbs.complaint("verify", "galery=g")
    assert "no gallery name" in verbs.complaint("build", "gallery=UP/../", *there)
    assert "no picture there" in verbs.complaint("build", "gallery=g", *there)
    assert "no-such-bucket" in verbs.complaint("build", "gallery=g", "source=s3://no-such-bucket/x", ENCODER)
    for verb in ("update", "compact", "verify", "rollback", "gc"):
        more = there[:1] if verb == "update" else []
        assert "published" in verbs.complaint(verb, "gallery=g", *more)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "does not answer" in verbs.complaint("build", "gallery=g", *there)
