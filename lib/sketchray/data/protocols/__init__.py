"""The published zero-shot splits as data: class lists as text files, and what is known of how large each part is."""

from sketchray.data.protocols.names import normalise
from sketchray.data.protocols.protocol import KnownCount, KnownRange, Protocol
from sketchray.data.protocols.registry import classes_of, get_protocol, list_protocols, protocols_of

__all__ = [
    "KnownCount",
    "KnownRange",
    "Protocol",
    "classes_of",
    "get_protocol",
    "list_protocols",
    "normalise",
    "protocols_of",
]
