"""A place that cannot be is refused before anything starts."""

from pathlib import Path

import pytest

from cluster.demo import main
from cluster.places import check_places
from sketchray.zoo import DEFAULT

BUCKET = "s3://bucket/pictures"


def test_what_may_be_there_passes(tmp_path: Path) -> None:
    for pictures in (None, str(tmp_path), f"file://{tmp_path}", "s3://mine@bucket/pictures", "s3://sketchray/pictures"):
        check_places(pictures, DEFAULT, own_store=False)
    check_places(BUCKET, "s3://bucket/encoders/1f0c", own_store=True)


@pytest.mark.parametrize(
    ("pictures", "encoder", "told"),
    [
        ("/no/such", DEFAULT, "--pictures /no/such: no such folder"),
        ("file:///no/such", DEFAULT, "no such folder"),
        (BUCKET, DEFAULT, "--pictures s3://bucket/pictures: .* SKETCHRAY_STORE .* s3://PROFILE@bucket/"),
        (None, "s3://bucket/encoders/1f0c", "--encoder s3://bucket/encoders/1f0c: "),
    ],
)
def test_what_cannot_be_is_told(pictures: str | None, encoder: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_places(pictures, encoder, own_store=False)


def test_the_demo_tells_it_before_it_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--pictures", str(tmp_path / "missing"), "--state", str(tmp_path / "state")]) == 2
    assert capsys.readouterr().err == f"demo: --pictures {tmp_path}/missing: no such folder\n"
    assert not (tmp_path / "state").exists()
