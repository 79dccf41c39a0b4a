"""Lines of the log that a machine can read: what happened, then fields, and the request that it belongs to.

With Serve's ``logging_config: {encoding: JSON}`` a line is one JSON object, with the fields under ``event``; in text
the same fields follow the name as ``key=value``.
"""

import json
import logging
import re

from serve.request_ids import current_request_id

Field = str | int | float | bool | None
PLAIN = re.compile(r"[\w.:/@{}+*-]+")
log = logging.getLogger("ray.serve")


def log_event(name: str, /, *, level: int = logging.INFO, **fields: Field) -> None:
    """Write one line.

    Args:
        name: what happened, a word or two joined by underscores.
        level: of `logging`.
        fields: what belongs to it. Text of strangers is quoted, so that no line can look like another.
    """
    if not log.isEnabledFor(level):
        return
    if request_id := current_request_id():
        fields["request_id"] = request_id
    words = " ".join(f"{key}={_plain(value)}" for key, value in fields.items())
    log.log(level, "%s %s", name, words, extra={"event": {"name": name, **fields}}, stacklevel=2)


def _plain(value: Field) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text)
