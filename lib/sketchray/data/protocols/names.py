"""Class names across mirrors: ``jack-o-lantern``, ``jack_o_lantern`` and ``Jack o' Lantern`` are one class."""

import re
import unicodedata
from collections.abc import Iterable

_APART = re.compile(r"[\W_]+")


def normalise(name: str) -> str:
    """Return a class's name in lower case, its words apart by one space, without any other sign.

    ``hot-air_balloon`` is ``hot air balloon`` and ``car_(sedan)`` is ``car sedan``. No two classes of one dataset
    become one by it (a test holds this for every list).
    """
    return _APART.sub(" ", unicodedata.normalize("NFC", name).casefold()).strip()


def matched(wanted: Iterable[str], present: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Find classes by name, however either side spells them.

    Returns:
        For each wanted name that is there, how it is spelled among those present; and the wanted names that are not.
    """
    spelled = {normalise(name): name for name in present}
    names = list(wanted)
    found = {name: spelled[normalise(name)] for name in names if normalise(name) in spelled}
    return found, [name for name in names if name not in found]
