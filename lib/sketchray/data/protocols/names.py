"""Class names across mirrors: ``jack-o-lantern``, ``jack_o_lantern`` and ``Jack o' Lantern`` are one class."""

import re
import unicodedata

_APART = re.compile(r"[\W_]+")


def normalise(name: str) -> str:
    """Return a class's name in lower case, its words apart by one space, without any other sign.

    ``hot-air_balloon`` is ``hot air balloon`` and ``car_(sedan)`` is ``car sedan``. No two classes of one dataset
    become one by it (a test holds this for every list).
    """
    return _APART.sub(" ", unicodedata.normalize("NFC", name).casefold()).strip()
