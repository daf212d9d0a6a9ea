"""Keeps what does not verify: apart from evidence, with what was found written beside it, never replacing anything.

The same bad bytes are stored once, however often they come. They are asked for a second time at once, since what the
dock reads again from the camera may be better, and then once an hour.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Final

from dockd.central.app.judging import key_of
from dockd.central.core.assess import Assessment
from dockd.central.core.names import quarantine_object
from dockd.central.errors import ObjectExists
from dockd.central.ports import (
    Catalogue,
    Clock,
    EventFields,
    Kept,
    ObjectStore,
    OnEvent,
    QuarantineCause,
    QuarantineRow,
)
from protocol.layout import CHAIN_NAME
from protocol.offload.messages import Description

_SETTLED_ARRIVALS: Final = 2
_SETTLED_MS: Final = 3_600_000
"""How long bytes that came twice are not asked for: a dock that never gets better ones sends them once an hour."""


class Quarantine:
    """The part of the store that holds bytes which are not accepted."""

    def __init__(self, *, store: ObjectStore, catalogue: Catalogue, clock: Clock, on_event: OnEvent) -> None:
        """Take where the bytes go, and where they are written down."""
        self._store = store
        self._catalogue = catalogue
        self._clock = clock
        self._on_event = on_event

    def take(
        self, description: Description, name: str, assessment: Assessment, *, cause: QuarantineCause = "file"
    ) -> Kept:
        """Move an object, staged or found in a place that is not its own, into quarantine; durable on return."""
        apart = quarantine_object(description, _sha256(self._store.pieces(name)))
        try:
            self._store.move(name, apart)
        except ObjectExists:
            self._store.settle(apart)
            self._store.remove(name)  # the same bytes, which came before
        return self._write_down(description, apart, assessment, cause)

    def settled(self, description: Description) -> Kept | None:
        """Return what there is to say of a described file that need not be sent again; None for any other."""
        key = key_of(description)
        for row in self._catalogue.quarantined(key):
            if (row.name, row.identity) != (description.name, description.identity):
                continue
            is_chain_bad = row.cause == "shift" and self._catalogue.shift(key) is None
            is_recent = 0 <= self._clock.unix_ms() - row.arrived_at_ms < _SETTLED_MS
            if is_chain_bad or (row.cause == "file" and row.arrival_count >= _SETTLED_ARRIVALS and is_recent):
                return _held(row.reason)
        return None

    def has_chain(self, description: Description) -> bool:
        """Say whether a chain of the file's shift is in quarantine."""
        return any(row.name == CHAIN_NAME for row in self._catalogue.quarantined(key_of(description)))

    def _write_down(self, description: Description, name: str, assessment: Assessment, cause: QuarantineCause) -> Kept:
        now_ms = self._clock.unix_ms()
        reason = str(assessment.reason)
        self._store.put(f"{name}.json", _findings_json(description, assessment, now_ms), can_replace=True)
        self._catalogue.quarantine(
            QuarantineRow(key_of(description), description.name, description.identity, name, reason, cause, 1, now_ms)
        )
        self._on_event("quarantined", {**file_fields(description), "object": name, "reason": reason})
        return _held(reason)


def file_fields(description: Description) -> EventFields:
    """Return the fields of an event about a file."""
    return {"camera": description.camera_id.hex(), "shift": description.shift_id.hex(), "file": description.name}


def _held(reason: str) -> Kept:
    return Kept((), f"quarantined: {reason}")


def _sha256(pieces: Iterable[memoryview]) -> bytes:
    hashed = hashlib.sha256()
    for piece in pieces:
        hashed.update(piece)
    return hashed.digest()


def _findings_json(description: Description, assessment: Assessment, now_ms: int) -> bytes:
    findings = [{"class": finding.finding_class, **finding.model_dump(mode="json")} for finding in assessment.findings]
    value = {
        **file_fields(description),
        "reason": assessment.reason,
        "received_at_ms": now_ms,
        "findings": findings,
    }
    return json.dumps(value, indent=2).encode()
