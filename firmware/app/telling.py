"""Tells whoever listens what the camera does; a listener that fails never stops a recording."""

import logging
from collections.abc import Callable
from typing import Final

Say = Callable[[str, dict[str, object]], None]
"""Is given an event's name and its fields, on the thread on which it happened."""

_LOG: Final = logging.getLogger(__name__)


def never_failing(say: Say) -> Say:
    """Return a listener that passes on to ``say`` and writes what it raises into the log."""

    def tell(name: str, fields: dict[str, object]) -> None:
        try:
            say(name, fields)
        except Exception:
            _LOG.exception("the listener of the camera failed at event %s", name)

    return tell
