"""The page's files: HTML, CSS and JavaScript beside this module."""

from pathlib import Path

HERE = Path(__file__).parent


def asset(*names: str) -> str:
    """Return the text of files beside this module, one after the other: parts of one script share its scope."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)
