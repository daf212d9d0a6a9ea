"""Reads the chains in the spool, a slice at a time, and remembers what offload needs of them (spec/07-offload.md, 7.2).

Reading one takes seconds, so it is done between other things; it is done once, since a complete chain never changes.
"""

from dataclasses import dataclass
from typing import Final

from dockd.station.core.upload_plan import ShiftFacts, facts_of, number_of
from dockd.station.ports import ShiftPlace, Spool
from protocol.layout import CHAIN_NAME
from protocol.verify.chain import ChainVerifier

SLICE_SIZE_BYTES: Final = 32 * 1024


@dataclass(slots=True)
class _Reading:
    place: ShiftPlace
    verifier: ChainVerifier
    offset_bytes: int = 0


class ChainShelf:
    """What the chains say, by the place of their shift."""

    def __init__(self, spool: Spool) -> None:
        """Know nothing yet."""
        self._spool = spool
        self._known: dict[ShiftPlace, ShiftFacts | None] = {}
        self._waiting: dict[ShiftPlace, None] = {}
        self._reading: _Reading | None = None

    @property
    def is_reading(self) -> bool:
        """Say whether `step` has something to do."""
        return self._reading is not None or bool(self._waiting)

    def keep_only(self, places: set[ShiftPlace]) -> None:
        """Forget shifts that are not in the spool any more."""
        for shelf in (self._known, self._waiting):
            for place in set(shelf) - places:
                shelf.pop(place, None)
        if self._reading is not None and self._reading.place not in places:
            self._reading = None

    def want(self, place: ShiftPlace) -> None:
        """Have the chain read, when it is not read already."""
        is_reading = self._reading is not None and self._reading.place == place
        if place not in self._known and not is_reading:
            self._waiting[place] = None

    def is_known(self, place: ShiftPlace) -> bool:
        """Say whether the chain was read."""
        return place in self._known

    def facts(self, place: ShiftPlace) -> ShiftFacts | None:
        """Return what the chain says; None for one in which no entry can be read."""
        return self._known[place]

    def step(self) -> ShiftPlace | None:
        """Read a slice; return the place when that was the last one."""
        if self._reading is None:
            if not self._waiting:
                return None
            place = next(iter(self._waiting))
            del self._waiting[place]
            self._reading = _Reading(place, ChainVerifier())
        reading = self._reading
        data = self._spool.read(reading.place, CHAIN_NAME, reading.offset_bytes, SLICE_SIZE_BYTES)
        reading.offset_bytes += len(data)
        reading.verifier.feed(data)
        if len(data) == SLICE_SIZE_BYTES:
            return None
        report = reading.verifier.finish()
        number = number_of(reading.place)
        self._known[reading.place] = None if report is None else facts_of(report, shift_number=number)
        self._reading = None
        return reading.place
