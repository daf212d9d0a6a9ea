"""Erases behind the gate, in the one durable order: receipt, `erased` entry, files, folder (spec/04-trust.md, 4.5).

Every step may be cut and done again: `redo` at start finds what was left undone.
"""

from dataclasses import dataclass
from typing import Final

from firmware.app.shift_log import ShiftLog
from firmware.app.telling import Say, never_failing
from firmware.core.gate import Permission, Refusal, decide, receipted_shift_id
from firmware.errors import StoreFull
from firmware.ports import Store
from protocol.entries import Erased
from protocol.layout import CHAIN_NAME, parse_file_name, parse_shift_folder
from protocol.policy import Policy
from protocol.receipt import receipt_hash

RECEIPT_SUFFIX: Final = ".receipt"
_RECEIPT_SIZE_BYTES_MAX: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ReceiptOutcome:
    """What became of a receipt: whether its subject is erased now, and why or why not."""

    is_erased: bool
    reason: str


class Eraser:
    """The only code that removes evidence from the card."""

    def __init__(self, *, store: Store, log: ShiftLog, policy: Policy, say: Say) -> None:
        """Take the card, the open shift, and the policy that the camera has pinned."""
        self._store, self._log, self._policy, self._say = store, log, policy, never_failing(say)
        self._logged: set[tuple[bytes, bytes | None]] = set()

    def redo(self) -> None:
        """At start: finish every erasure whose receipt is durable."""
        self._logged = {
            (body.shift_id, body.recording_id) for body in self._log.found_bodies if isinstance(body, Erased)
        }
        for folder in self._store.folders():
            parsed = parse_shift_folder(folder)
            if parsed is None or parsed[1] == self._log.shift_id:
                continue
            if self._has_chain(folder):
                self._take_kept(folder)
            elif (parsed[1], None) in self._logged:
                self._remove_all(folder)

    def prepare(self, signed: bytes) -> None:
        """Do the slow part of `take`, on any thread and before it: read the chains that it must ask."""
        shift_id = receipted_shift_id(signed, self._policy)
        if shift_id is None or self._log.report(shift_id) is not None or (shift_id, None) in self._logged:
            return
        for body in self._log.bodies():
            if isinstance(body, Erased) and (body.shift_id, body.recording_id) == (shift_id, None):
                self._logged.add((shift_id, None))

    def take(self, signed: bytes) -> ReceiptOutcome:
        """Keep a receipt that went through `prepare`, and erase what it names, if the gate opens."""
        shift_id = receipted_shift_id(signed, self._policy)
        found = None if shift_id is None else self._log.report(shift_id)
        folder, report = ("", None) if found is None else found
        if shift_id is not None and report is None and (shift_id, None) in self._logged:
            return ReceiptOutcome(True, "the whole shift has been erased already")
        has_left = bool(folder) and self._has_recordings(folder)
        decision = decide(signed, policy=self._policy, own_shift=report, has_recordings_left=has_left)
        try:
            if isinstance(decision, Refusal):
                if decision.is_true_but_early:
                    self._keep(folder, signed)
                return ReceiptOutcome(False, decision.reason)
            self._keep(folder, signed)
        except StoreFull as error:
            return ReceiptOutcome(False, f"the receipt cannot be kept: {error}")
        self._erase(folder, decision, signed)
        if decision.recording_id is not None and not self._has_recordings(folder):
            self._take_kept(folder)
        return ReceiptOutcome(True, "erased")

    def _take_kept(self, folder: str) -> None:
        """Try every receipt kept in a folder: the chain's own waits there for the last recording."""
        for name in [file.name for file in self._store.files(folder) if file.name.endswith(RECEIPT_SUFFIX)]:
            if folder not in self._store.folders():
                return
            signed = self._store.read(folder, name, 0, _RECEIPT_SIZE_BYTES_MAX)
            shift_id = receipted_shift_id(signed, self._policy)
            found = None if shift_id is None else self._log.report(shift_id)
            if found is None or found[0] != folder:
                continue
            has_left = self._has_recordings(folder)
            decision = decide(signed, policy=self._policy, own_shift=found[1], has_recordings_left=has_left)
            if isinstance(decision, Permission):
                self._erase(folder, decision, signed)

    def _keep(self, folder: str, signed: bytes) -> None:
        """Make the receipt durable; one of its name that holds something else is damaged and goes."""
        name = receipt_hash(signed).hex()[:16] + RECEIPT_SUFFIX
        if any(file.name == name for file in self._store.files(folder)):
            if self._store.read(folder, name, 0, _RECEIPT_SIZE_BYTES_MAX) == signed:
                return
            self._store.remove(folder, name)
        self._store.write_once(folder, name, signed)

    def _erase(self, folder: str, permission: Permission, signed: bytes) -> None:
        shift_id, recording_id = permission.receipt.shift_id, permission.recording_id
        names = self._names_of(folder, recording_id)
        if not names:
            return
        if (shift_id, recording_id) not in self._logged:
            entry = Erased(
                at=self._log.moment(), shift_id=shift_id, recording_id=recording_id, receipt_hash=receipt_hash(signed)
            )
            self._log.append(entry)
            self._logged.add((shift_id, recording_id))
        if recording_id is None:
            self._remove_all(folder)
        for name in names if recording_id is not None else ():
            self._store.remove(folder, name)
        self._say(
            "erased", {"shift_id": shift_id.hex(), "recording_id": None if recording_id is None else recording_id.hex()}
        )

    def _remove_all(self, folder: str) -> None:
        """Remove a shift that is erased to the last entry; receipts go after the chain that they speak for."""
        files = self._store.files(folder)
        for file in sorted(files, key=lambda file: (file.name != CHAIN_NAME, file.name.endswith(RECEIPT_SUFFIX))):
            self._store.remove(folder, file.name)
        self._store.remove_folder(folder)

    def _names_of(self, folder: str, recording_id: bytes | None) -> tuple[str, ...]:
        """Return the files of a recording, or of everything."""
        names = [file.name for file in self._store.files(folder)]
        if recording_id is None:
            return tuple(names)
        return tuple(
            name
            for name in names
            if (parsed := parse_file_name(name)) is not None and parsed.recording_id == recording_id
        )

    def _has_recordings(self, folder: str) -> bool:
        names = (parse_file_name(file.name) for file in self._store.files(folder))
        return any(name is not None and name.recording_id is not None for name in names)

    def _has_chain(self, folder: str) -> bool:
        return any(file.name == CHAIN_NAME for file in self._store.files(folder))
