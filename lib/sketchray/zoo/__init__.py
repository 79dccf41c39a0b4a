"""Encoders that come with the library: a package in a folder each here, loaded by its bare name."""

from pathlib import Path

DEFAULT = "lite0-sketch"  # what somebody's own pictures are embedded with when nothing else is said
ZOO = Path(__file__).parent


def list_shipped() -> list[str]:
    """Return the names of the encoders that are here."""
    return sorted(config.parent.name for config in ZOO.glob("*/config.json"))


def package_uri(spec: str) -> str:
    """Return where an encoder package is: a shipped one's folder by its name, anything else as it is.

    The name goes before a folder that is called the same; ``./NAME`` is the folder.
    """
    return str(ZOO / spec) if spec in list_shipped() else spec
