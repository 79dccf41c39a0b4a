"""Two stores at once: one named by the ``AWS_*`` variables, the other by an AWS profile in its URI."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.store_server import StoreServer, start_store
from sketchray.gallery.source import list_source
from sketchray.storage import AccessDenied, locate, open_store, read_uri
from sketchray.storage.s3_client import arrow_options, endpoint, region

NEAR = "http://127.0.0.1:9"
CONFIG = """
[profile plain]
aws_access_key_id = plainkey
aws_secret_access_key = plainsecret
endpoint_url = http://plain.example:1
region = eu-west-3

[profile with-services]
services = there
endpoint_url = http://not-for-s3.example

[services there]
s3 =
  endpoint_url = http://services.example:2

[profile amazon]
aws_access_key_id = amazonkey
aws_secret_access_key = amazonsecret
"""


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", NEAR)
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nearkey")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_profile_stays_in_every_uri_of_its_store() -> None:
    store = open_store("s3://far@bucket/some/prefix/")
    assert store.uri == "s3://far@bucket/some/prefix"
    assert store.uri_of("a b?.png") == "s3://far@bucket/some/prefix/a b?.png"
    assert store.child("deeper").uri == "s3://far@bucket/some/prefix/deeper"
    assert locate(store.uri_of("a@b.png")) == (open_store("s3://far@bucket"), "some/prefix/a@b.png")
    assert pickle.loads(pickle.dumps(store)) == store
    assert open_store("s3://bucket/a@b").uri == "s3://bucket/a@b"
    with pytest.raises(ValueError, match="a bucket is missing"):
        open_store("s3://@bucket/x")


@pytest.mark.usefixtures("profiles")
def test_a_profile_and_not_the_variables_says_where_its_store_is() -> None:
    places = {name: (endpoint(name), region(name)) for name in (None, "plain", "with-services", "amazon")}
    assert places == {
        None: (NEAR, "us-west-2"),
        "plain": ("http://plain.example:1", "eu-west-3"),
        "with-services": ("http://services.example:2", "us-east-1"),
        "amazon": (None, "us-east-1"),
    }
    assert arrow_options(None)["access_key"] == "nearkey"
    amazon = arrow_options("amazon")
    assert amazon["access_key"] == "amazonkey"
    assert amazon["endpoint_override"] == "s3.us-east-1.amazonaws.com"


@pytest.mark.usefixtures("profiles")
def test_a_profile_that_is_not_there_or_has_no_keys_is_named() -> None:
    with pytest.raises(AccessDenied, match=r"s3://nowhere@bucket/k: no AWS profile nowhere in AWS_CONFIG_FILE"):
        open_store("s3://nowhere@bucket").read("k")
    with pytest.raises(AccessDenied, match=r"the AWS profile with-services must have them"):
        open_store("s3://with-services@bucket").arrow()


@pytest.fixture
def far(tmp_path: Path, s3_store_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreServer]:
    """A second server, which only the profile ``far`` knows."""
    server = start_store(tmp_path, bucket="tests")
    section = f"[profile far]\nendpoint_url = {server.endpoint}\naws_access_key_id = {server.access_key}\n"
    (tmp_path / "config").write_text(f"{section}aws_secret_access_key = {server.secret_key}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    yield server
    server.stop()


@pytest.mark.slow
@pytest.mark.usefixtures("far")
def test_pictures_are_listed_there_and_a_gallery_written_here(s3_store_uri: str) -> None:
    here, there = open_store(s3_store_uri), open_store(s3_store_uri.replace("s3://", "s3://far@"))
    for name in ("photos/cat/a.png", "photos/dog/b.png"):
        there.write(name, name.encode())
    here.write("photos/cat/a.png", b"another picture under the same key")

    listed = list_source([there.uri]).divide(1).pictures.rows_of(0)
    uris = listed["uri"].to_pylist()
    assert sorted(uris) == [f"{there.uri}/photos/cat/a.png", f"{there.uri}/photos/dog/b.png"]
    assert {read_uri(uri) for uri in uris} == {b"photos/cat/a.png", b"photos/dog/b.png"}
    assert read_uri(here.uri_of("photos/cat/a.png")) == b"another picture under the same key"
    both = list_source([here.uri, there.uri])
    assert (both.rows, both.problems) == (3, [])

    here.write("table.csv", "\n".join(["uri,label", *(f"{uri},x" for uri in uris), "photos/cat/a.png,y"]).encode())
    named = list_source([here.uri_of("table.csv")])
    assert named.problems == []
    rows = named.divide(1).pictures.rows_of(0)
    assert set(rows["uri"].to_pylist()) == {*uris, here.uri_of("photos/cat/a.png")}
    etags = dict(zip(uris, listed["etag"].to_pylist(), strict=True))
    asked = dict(zip(rows["uri"].to_pylist(), rows["etag"].to_pylist(), strict=True))
    assert asked.items() >= etags.items()

    filesystem, base = there.arrow()
    pq.write_table(listed, f"{base}/pictures.parquet", filesystem=filesystem)
    assert there.exists("pictures.parquet")
    assert not here.exists("pictures.parquet")
