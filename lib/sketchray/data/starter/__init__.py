"""The starter set: Quick, Draw! sketches and emoji pictures, for a first run without any data of one's own."""

from sketchray.data.starter.build import DEFAULT_CACHE, DEFAULT_ROOT, build_starter
from sketchray.data.starter.fetch import FetchError, IntegrityError
from sketchray.data.starter.spec import StarterConfig
from sketchray.data.starter.words import Word, read_words

__all__ = [
    "DEFAULT_CACHE",
    "DEFAULT_ROOT",
    "FetchError",
    "IntegrityError",
    "StarterConfig",
    "Word",
    "build_starter",
    "read_words",
]
