"""How the package ``fluentui-emoji`` names its files: the Unicode name in kebab case, with exceptions."""

import re
import unicodedata

_EXCEPTIONS = {
    "black bird": "blackbird",
    "deaf man": "man-deaf",
    "deaf person": "person-deaf",
    "deaf woman": "woman-deaf",
    "elf": "person-elf",
    "enraged face": "pouting-face",
    "face with crossed-out eyes": "knocked-out-face",
    "fairy": "person-fairy",
    "genie": "person-genie",
    "keycap: #": "keycap-hashtag",
    "keycap: *": "keycap-asterisk",
    "mage": "person-mage",
    "man: blond hair": "man-blonde-hair",
    "men with bunny ears": "man-with-bunny-ears",
    "men wrestling": "man-wrestling",
    "mermaid": "woman-merpeople",
    "merman": "man-merpeople",
    "merperson": "person-merpeople",
    "people with bunny ears": "person-with-bunny-ears",
    "people wrestling": "person-wrestling",
    "person: blond hair": "person-blonde-hair",
    "phoenix": "phoenix-bird",
    "red triangle pointed up": "red-triangle",
    "smiling face with open hands": "hugging-face",
    "stuffed flatbread": "stuffedbread-flat",
    "superhero": "person-superhero",
    "supervillain": "person-supervillain",
    "vampire": "person-vampire",
    "woman: blond hair": "woman-blonde-hair",
    "women with bunny ears": "woman-with-bunny-ears",
    "women wrestling": "woman-wrestling",
    "zombie": "person-zombie",
}


def fluent_stems(name: str) -> tuple[str, str]:
    """Return the two file stems that a Unicode name may have: as it is, and as the default of its skin tones.

    Example:
        >>> fluent_stems("waving hand")
        ('waving-hand', 'waving-hand-default')
    """
    stem = _EXCEPTIONS.get(name)
    if stem is None:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower().replace("&", "and")
        stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return stem, f"{stem}-default"
