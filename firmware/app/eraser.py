"""Erases behind the gate, in the one durable order: proof, receipt, accepted checkpoint, `erased` entry, files, folder
(spec/04-trust.md, 4.5).

Every step may be cut and done again: `redo` at start finds what was left undone.
"""

from dataclasses import dataclass
from typing import Final

from firmware.app.checkpoints import CheckpointShelf
from firmware.app.shift_log import ShiftLog
from firmware.app.telling import Say, never_failing
from firmware.core.gate import Permission, Refusal, decide, receipted_shift_id
from firmware.errors import StoreFull
from firmware.ports import Store
from protocol.entries import Erased
from protocol.layout import (
    CHAIN_NAME,
    PROOF_SUFFIX,
    RECEIPT_SUFFIX,
    parse_file_name,
    parse_shift_folder,
    proof_name,
    receipt_name,
)
from protocol.policy import Policy
from protocol.receipt import ReceiptWithProof, receipt_hash
from protocol.units import LEDGER_PROOF_SIZE_BYTES_MAX, RECEIPT_SIZE_BYTES_MAX
from protocol.verify.chain import ChainReport

_SPEAKS_FOR_CHAIN: Final = (RECEIPT_SUFFIX, PROOF_SUFFIX)


@dataclass(frozen=True, slots=True)
class ReceiptOutcome:
    """What became of a receipt: whether its subject is erased now, and why or why not.

    ``is_proof_wanted``: nothing is wrong but its proof of the ledger, so that another one may change the answer.
    """

    is_erased: bool
    reason: str
    is_proof_wanted: bool = False


class Eraser:
    """The only code that removes evidence from the card."""

    def __init__(self, *, store: Store, log: ShiftLog, policy: Policy, checkpoints: CheckpointShelf, say: Say) -> None:
        """Take the card, the open shift, the policy that the camera has pinned, and what it remembers of the ledger."""
        self._store, self._log, self._policy, self._say = store, log, policy, never_failing(say)
        self._checkpoints = checkpoints
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

    def take(self, brought: ReceiptWithProof) -> ReceiptOutcome:
        """Keep a receipt that went through `prepare`, and erase what it names, if the gate opens."""
        shift_id = receipted_shift_id(brought.signed, self._policy)
        found = None if shift_id is None else self._log.report(shift_id)
        folder, report = ("", None) if found is None else found
        if shift_id is not None and report is None and (shift_id, None) in self._logged:
            return ReceiptOutcome(True, "the whole shift has been erased already")
        has_left = bool(folder) and self._has_recordings(folder)
        decision = self._decide(brought, report, has_left=has_left)
        try:
            if isinstance(decision, Refusal):
                if decision.is_true_but_early:
                    self._keep(folder, brought, decision)
                return ReceiptOutcome(False, decision.reason, decision.is_proof_wanted)
            self._keep(folder, brought, decision)
        except StoreFull as error:
            return ReceiptOutcome(False, f"the receipt cannot be kept: {error}")
        self._erase(folder, decision, brought.signed)
        if decision.recording_id is not None and not self._has_recordings(folder):
            self._take_kept(folder)
        return ReceiptOutcome(True, "erased")

    def _take_kept(self, folder: str) -> None:
        """Try every receipt kept in a folder: the chain's own waits there for the last recording."""
        for name in [file.name for file in self._store.files(folder) if file.name.endswith(RECEIPT_SUFFIX)]:
            if folder not in self._store.folders():
                return
            brought = ReceiptWithProof(
                signed=self._store.read(folder, name, 0, RECEIPT_SIZE_BYTES_MAX),
                proof=self._kept_proof(folder, proof_name(name)),
            )
            shift_id = receipted_shift_id(brought.signed, self._policy)
            found = None if shift_id is None else self._log.report(shift_id)
            if found is None or found[0] != folder:
                continue
            decision = self._decide(brought, found[1], has_left=self._has_recordings(folder))
            if isinstance(decision, Permission):
                try:
                    self._accept(decision)
                except StoreFull:
                    return  # at start too: the camera must record, and the receipt is brought again
                self._erase(folder, decision, brought.signed)

    def _decide(self, brought: ReceiptWithProof, report: ChainReport | None, *, has_left: bool) -> Permission | Refusal:
        return decide(
            brought,
            policy=self._policy,
            largest=self._checkpoints.largest(),
            own_shift=report,
            has_recordings_left=has_left,
        )

    def _keep(self, folder: str, brought: ReceiptWithProof, decision: Permission | Refusal) -> None:
        """Make durable what the gate went by: the proof first, so that no receipt stands without the one it needs."""
        name = receipt_name(receipt_hash(brought.signed))
        if brought.proof is not None:
            self._keep_file(folder, proof_name(name), brought.proof)
        self._keep_file(folder, name, brought.signed)
        self._accept(decision)

    def _keep_file(self, folder: str, name: str, data: bytes) -> None:
        """Make a small file durable; one of its name that holds something else is older or damaged and goes."""
        if any(file.name == name for file in self._store.files(folder)):
            if self._store.read(folder, name, 0, len(data) + 1) == data:
                return
            self._store.remove(folder, name)
        self._store.write_once(folder, name, data)

    def _kept_proof(self, folder: str, name: str) -> bytes | None:
        try:
            return self._store.read(folder, name, 0, LEDGER_PROOF_SIZE_BYTES_MAX)
        except FileNotFoundError:
            return None

    def _accept(self, decision: Permission | Refusal) -> None:
        if decision.checkpoint is not None:
            self._checkpoints.accept(decision.checkpoint)

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
        """Remove a shift that is erased to the last entry; receipts and proofs go after the chain that they speak for."""
        files = self._store.files(folder)
        for file in sorted(files, key=lambda file: (file.name != CHAIN_NAME, file.name.endswith(_SPEAKS_FOR_CHAIN))):
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
