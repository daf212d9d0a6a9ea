"""What the dock writes down beside a shift in its spool: enrolment, findings, what the camera erased, what may be freed.

Each note is replaced whole and durable before what follows from it is done. None of them is trusted for evidence: central
and the verifier look at the bytes alone.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from dockd.station.ports import ShiftPlace, Spool
from protocol.verdict import Finding

FINDINGS_KEPT_MAX: Final = 1000
"""For one file; a chain that is all noise has a finding for every piece of it."""

_ENROLMENT: Final = "enrolment"
_FINDINGS: Final = "findings"
_ERASED: Final = "erased"
_FREED: Final = "freed"


class ShiftNotes:
    """The notes of every shift in one spool. Each shift has one bay at a time, so no two write the same note."""

    def __init__(self, spool: Spool) -> None:
        """Take the spool."""
        self._spool = spool

    def keep_enrolment(self, place: ShiftPlace, enrolment: bytes) -> None:
        """Keep the camera's enrolment beside its shift, so that the folder can be verified by itself."""
        if self._spool.note(place, _ENROLMENT) != enrolment:
            self._spool.keep_note(place, _ENROLMENT, enrolment)

    def add_findings(self, place: ShiftPlace, name: str, findings: tuple[Finding, ...]) -> None:
        """Keep what was found in a file; nothing is written for a file in which nothing was."""
        known = self._read(place, _FINDINGS)
        if not findings and name not in known:
            return
        shown = [finding.model_dump() | {"class": finding.finding_class} for finding in findings[:FINDINGS_KEPT_MAX]]
        known[name] = {"count": len(findings), "findings": shown}
        self._write(place, _FINDINGS, known)

    def finding_count(self, place: ShiftPlace) -> int:
        """Return how many findings the files of a shift have."""
        return sum(file["count"] for file in self._read(place, _FINDINGS).values())

    def erased(self, place: ShiftPlace) -> frozenset[bytes]:
        """Return the hashes of receipts behind which the camera said that it erased."""
        return frozenset(bytes.fromhex(text) for text in self._read(place, _ERASED).get("receipts", ()))

    def add_erased(self, place: ShiftPlace, receipt_hash: bytes) -> None:
        """Keep one more of these."""
        hashes = self.erased(place) | {receipt_hash}
        self._write(place, _ERASED, {"receipts": sorted(each.hex() for each in hashes)})

    def freed(self, place: ShiftPlace) -> frozenset[str]:
        """Return the files that were ordered to be dropped."""
        return frozenset(self._read(place, _FREED).get("names", ()))

    def is_freed(self, place: ShiftPlace) -> bool:
        """Say whether a shift is done with: its media are dropped, or it had none."""
        return self._spool.note(place, _FREED) is not None

    def order_freeing(self, place: ShiftPlace, names: Iterable[str]) -> None:
        """Make durable that these files are to go; from here on the order is carried out, at the next start at the latest."""
        self._write(place, _FREED, {"names": sorted(names)})

    def do_freeing(self, place: ShiftPlace) -> int:
        """Drop what is ordered and still there; return how many files that was."""
        ordered = self.freed(place)
        there = [file.name for file in self._spool.files(place) if file.name in ordered]
        for name in there:
            self._spool.discard(place, name)
        return len(there)

    def _read(self, place: ShiftPlace, name: str) -> dict[str, Any]:
        data = self._spool.note(place, name)
        value = {} if data is None else json.loads(data)
        assert isinstance(value, dict), f"{name} of {place.folder} is not ours"
        return value

    def _write(self, place: ShiftPlace, name: str, value: dict[str, Any]) -> None:
        self._spool.keep_note(place, name, json.dumps(value, indent=1).encode() + b"\n")
