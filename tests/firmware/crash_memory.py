"""Remembers what the protocol's pure functions said of the same bytes, for a process that judges thousands of like cards.

Most entries of a card stand on the next one too. Parsing and verifying an entry depends on its bytes and nothing else, and took
two thirds of a campaign's time. What is refused is refused anew each time; the known-bad variants are caught with this too.
"""

from functools import lru_cache
from typing import Final

import protocol.chain
import protocol.cose
import protocol.verify.chain
from protocol.chain import Entry, parse_body
from protocol.entries import Body

_REMEMBERED_MAX: Final = 1 << 15


def remember() -> None:
    """Remember from here on, in this process: it is meant for one that does nothing else."""
    bodies: dict[tuple[bytes, bytes | None], Body | None] = {}

    def body_of(entry: Entry) -> Body | None:
        key = entry.head_bytes, entry.body_bytes
        if key not in bodies:
            if len(bodies) >= _REMEMBERED_MAX:
                bodies.clear()
            bodies[key] = parse_body(entry)
        return bodies[key]

    setattr(protocol.verify.chain, "parse_body", body_of)  # noqa: B010
    setattr(protocol.chain, "parse_entry", lru_cache(_REMEMBERED_MAX)(protocol.chain.parse_entry))  # noqa: B010
    for name in ("verify_ed25519", "verify_p256"):
        setattr(protocol.cose, name, lru_cache(_REMEMBERED_MAX)(getattr(protocol.cose, name)))
