"""Erases behind the gate, in the one durable order: receipt, `erased` entry, files, folder (spec/04-trust.md, 4.5).

Every step may be cut and done again: `redo` at start finds what was left undone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from firmware.app.shift_log import ShiftLog
from firmware.core.gate import Permission, Refusal, decide, receipted_shift_id
from firmware.ports import Store
from protocol.entries import Erased
from protocol.layout import CHAIN_NAME, parse_file_name, parse_shift_folder
from protocol.policy import Policy
from protocol.receipt import receipt_hash

RECEIPT_SUFFIX = ".receipt"
Say = Callable[[str, dict[str, object]], None]


@dataclass(frozen=True, slots=True)
class ReceiptOutcome:
    """What became of a receipt: whether its subject is erased now, and why or why not."""

    is_erased: bool
    reason: str


class Eraser:
    """The only code that removes evidence from the card."""

    def __init__(self, *, store: Store, log: ShiftLog, policy: Policy, say: Say) -> None:
        """Take the card, the open shift, and the policy that the camera has pinned."""
        self._store, self._log, self._policy, self._say = store, log, policy, say
        self._logged: set[tuple[bytes, bytes | None]] = set()

    def redo(self) -> None:
        """At start: finish every erasure whose receipt is durable."""
        self._logged = {(body.shift_id, body.recording_id) for body in self._log.open_bodies() if isinstance(body, Erased)}
        for folder in self._store.folders():
            parsed = parse_shift_folder(folder)
            if parsed is None or parsed[1] == self._log.shift_id:
                continue
            if not any(file.name == CHAIN_NAME for file in self._store.files(folder)) and self._is_logged(parsed[1]):
                self._remove_all(folder)
                continue
            self._take_kept(folder)

    def take(self, signed: bytes) -> ReceiptOutcome:
        """Keep a receipt and erase what it names, if the gate opens."""
        shift_id = receipted_shift_id(signed, self._policy)
        found = None if shift_id is None else self._log.report(shift_id)
        folder, report = found if found is not None else ("", None)
        if shift_id is not None and report is None and self._is_logged(shift_id):
            return ReceiptOutcome(True, "the whole shift has been erased already")
        has_recordings_left = bool(folder) and self._has_recordings(folder)
        decision = decide(signed, policy=self._policy, own_shift=report, has_recordings_left=has_recordings_left)
        if isinstance(decision, Refusal):
            if has_recordings_left and decision.reason.startswith("the chain goes last"):
                self._keep(folder, signed)
            return ReceiptOutcome(False, decision.reason)
        self._keep(folder, signed)
        self._erase(folder, decision, signed)
        if decision.recording_id is not None:
            self._take_kept(folder)
        return ReceiptOutcome(True, "erased")

    def _take_kept(self, folder: str) -> None:
        """Try every receipt kept in a folder: the chain's own waits there for the last recording."""
        for name in [file.name for file in self._store.files(folder) if file.name.endswith(RECEIPT_SUFFIX)]:
            if folder not in self._store.folders():
                return
            signed = self._store.read(folder, name, 0, 1 << 20)
            shift_id = receipted_shift_id(signed, self._policy)
            found = None if shift_id is None else self._log.report(shift_id)
            report = None if found is None else found[1]
            has_left = self._has_recordings(folder)
            decision = decide(signed, policy=self._policy, own_shift=report, has_recordings_left=has_left)
            if isinstance(decision, Permission):
                self._erase(folder, decision, signed)

    def _keep(self, folder: str, signed: bytes) -> None:
        name = receipt_hash(signed).hex()[:16] + RECEIPT_SUFFIX
        if not any(file.name == name for file in self._store.files(folder)):
            self._store.write_once(folder, name, signed)

    def _erase(self, folder: str, permission: Permission, signed: bytes) -> None:
        shift_id, recording_id = permission.receipt.shift_id, permission.recording_id
        if (shift_id, recording_id) not in self._logged:
            entry = Erased(
                at=self._log.moment(), shift_id=shift_id, recording_id=recording_id, receipt_hash=receipt_hash(signed)
            )
            self._log.append(entry)
            self._logged.add((shift_id, recording_id))
            self._say(
                "erased",
                {"shift_id": shift_id.hex(), "recording_id": None if recording_id is None else recording_id.hex()},
            )
        if recording_id is None:
            self._remove_all(folder)
            return
        for file in self._store.files(folder):
            parsed = parse_file_name(file.name)
            if parsed is not None and parsed.recording_id == recording_id:
                self._store.remove(folder, file.name)

    def _remove_all(self, folder: str) -> None:
        """Remove a shift that is erased to the last entry; receipts go after the chain that they speak for."""
        files = self._store.files(folder)
        for file in sorted(files, key=lambda file: file.name.endswith(RECEIPT_SUFFIX)):
            self._store.remove(folder, file.name)
        self._store.remove_folder(folder)

    def _has_recordings(self, folder: str) -> bool:
        names = (parse_file_name(file.name) for file in self._store.files(folder))
        return any(name is not None and name.recording_id is not None for name in names)

    def _is_logged(self, shift_id: bytes) -> bool:
        return (shift_id, None) in self._logged
