"""Makes receipts: once each, only for what is stored whole, and for a recording only when the vault has opened its key
box (I3).

A receipt is signed, then written into the catalogue with whatever completed it, then put beside its shift as an object,
and only then shown to anyone. What was signed and not written is forgotten: nobody has seen it.
"""

from dataclasses import dataclass, replace

from dockd.central.core.assess import subject_of
from dockd.central.core.leaves import leaf_row, receipt_opening
from dockd.central.core.names import ENROLMENT_NAME, POLICY_NAME, file_object, object_in
from dockd.central.core.receipting import Issuer, camera_hold, chain_receipt, files_of, missing_files, recording_receipt
from dockd.central.errors import ObjectExists, VaultAway
from dockd.central.ports import (
    Catalogue,
    Change,
    Clock,
    Entropy,
    EventFields,
    FileRow,
    Kept,
    LeafRow,
    ObjectStore,
    OnEvent,
    ProofOf,
    ReceiptRow,
    RecordingRow,
    ShiftKey,
    ShiftRow,
    Vault,
)
from protocol.errors import PeerError
from protocol.keys import EntryKey
from protocol.layout import key_box_name, media_name, proof_name, receipt_name
from protocol.ledger.leaves import AnyOpening
from protocol.policy import TrustedPolicy, verify_policy
from protocol.receipt import Receipt, ReceiptWithProof, receipt_hash, sign_receipt
from protocol.units import LEAF_SALT_SIZE_BYTES


@dataclass(frozen=True, slots=True)
class _Due:
    """What can be receipted now, or why a receipt that could be there is held."""

    receipts: tuple[ReceiptRow, ...] = ()
    opened: tuple[RecordingRow, ...] = ()
    held_reason: str | None = None


class ReceiptMaker:
    """Decides by the catalogue and the vault, signs with central's key."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        catalogue: Catalogue,
        vault: Vault,
        central_key: EntryKey,
        policy: TrustedPolicy,
        clock: Clock,
        entropy: Entropy,
        proof_of: ProofOf,
        on_event: OnEvent,
    ) -> None:
        """Take what receipts are made from. ``central_key`` is one that the policy names.

        ``proof_of`` is asked only where the policy names a ledger.
        """
        self._store = store
        self._catalogue = catalogue
        self._vault = vault
        self._policy = policy
        self._issuer = Issuer(central_key, policy.policy)
        self._clock = clock
        self._entropy = entropy
        self._proof_of = proof_of
        self._on_event = on_event

    def complete(self, change: Change, file: FileRow, openings: tuple[AnyOpening, ...] = ()) -> Kept:
        """Write ``change``, which stores ``file``, and in the same transaction the receipts that become due with it, and
        leaves for the ledger: ``openings``, and the receipts.
        """
        shift = change.shift or self._shift(file.key)
        due = self._due(shift, file, stored={file.name})
        leaves = self._leaves(openings, due.receipts)
        self._apply(replace(change, opened=due.opened, receipts=due.receipts, leaves=leaves))
        return self._kept(file, due)

    def answer(self, file: FileRow) -> Kept:
        """Return what covers a stored file, made now if it can be made now."""
        due = self._due(self._shift(file.key), file, stored=set())
        if due.receipts:
            leaves = self._leaves((), due.receipts)
            self._apply(Change(opened=due.opened, receipts=due.receipts, leaves=leaves))
        return self._kept(file, due)

    def _leaves(self, openings: tuple[AnyOpening, ...], receipts: tuple[ReceiptRow, ...]) -> tuple[LeafRow, ...]:
        """Return the leaves for openings and receipts, also where no ledger is kept yet: one that is begun later has them."""
        every = (*openings, *map(receipt_opening, receipts))
        return tuple(leaf_row(opening, self._entropy.take(LEAF_SALT_SIZE_BYTES)) for opening in every)

    def _kept(self, file: FileRow, due: _Due) -> Kept:
        self.publish()
        covering = [row for row in self._catalogue.receipts(file.key) if row.recording_id == file.recording_id]
        given = tuple(proved for row in covering if (proved := self._with_proof(row)) is not None)
        held_reason = due.held_reason if len(given) == len(covering) else self._ledger_hold()
        if held_reason is not None:
            self._on_event("held", {**_shift_fields(file.key), "file": file.name, "reason": held_reason})
        return Kept(given, held_reason)

    def _with_proof(self, row: ReceiptRow) -> ReceiptWithProof | None:
        """Return a receipt as it may be given out; None where the policy names a ledger that does not show it yet."""
        if self._policy.policy.ledger is None:
            return ReceiptWithProof(signed=row.signed, proof=None)
        proof = self._proof_of(row)
        if proof is None:
            return None
        # Beside the receipt, so that the shift's folder still verifies by itself.
        self._put_newest(object_in(self._shift(row.key), proof_name(receipt_name(row.receipt_hash))), proof)
        return ReceiptWithProof(signed=row.signed, proof=proof)

    def _ledger_hold(self) -> str:
        count = self._policy.policy.witness_threshold
        words = "" if count == 0 else f" that {count} witness{'' if count == 1 else 'es'} cosigned"
        return f"the receipt waits for the ledger: it stands in no checkpoint yet{words}"

    def publish(self) -> None:
        """Put every receipt of the outbox beside its shift, durable on return."""
        for row in self._catalogue.outbox():
            shift = self._shift(row.key)
            self._furnish(shift)
            name = object_in(shift, receipt_name(row.receipt_hash))
            try:
                self._store.put(name, row.signed)
            except ObjectExists:
                self._store.settle(name)
            self._catalogue.published(row)

    def _shift(self, key: ShiftKey) -> ShiftRow:
        shift = self._catalogue.shift(key)
        assert shift is not None
        return shift

    def _apply(self, change: Change) -> None:
        self._catalogue.apply(change)
        for file in change.files:
            self._on_event("stored", {**_shift_fields(file.key), "file": file.name, "bytes": file.size_bytes})
        for row in change.receipts:
            recording = None if row.recording_id is None else row.recording_id.hex()
            fields = {**_shift_fields(row.key), "recording": recording, "receipt": row.receipt_hash.hex()}
            self._on_event("receipted", fields)

    def _due(self, shift: ShiftRow, file: FileRow, *, stored: set[str]) -> _Due:
        """Return what can be receipted of what ``file`` belongs to; ``stored`` counts as stored beside the catalogue's
        files.
        """
        if any(row.recording_id == file.recording_id for row in self._catalogue.receipts(shift.key)):
            return _Due()
        hold = camera_hold(self._catalogue.camera(shift.key.camera_id), self._policy.policy)
        if file.recording_id is None:
            return _Due(held_reason=hold) if hold is not None else _Due(receipts=(self._chain_row(shift),))
        rows = self._catalogue.recordings(shift.key)
        recording = next(row for row in rows if row.recording_id == file.recording_id)
        stored = stored | {row.name for row in self._catalogue.files(shift.key)}
        if missing_files(recording, stored):
            return _Due()
        lost = self._lost(shift, recording)
        if lost is not None:
            return _Due(held_reason=f"{lost} was stored and is not there any more; it is asked for again")
        if hold is None and not recording.is_key_box_opened:
            hold = self._vault_hold(shift, recording)
        if hold is not None:
            return _Due(held_reason=hold)
        return _Due(receipts=(self._recording_row(shift, recording),), opened=(recording,))

    def _vault_hold(self, shift: ShiftRow, recording: RecordingRow) -> str | None:
        """Have the vault open the stored key box; say why it cannot."""
        name = file_object(shift, key_box_name(recording.recording_id))
        key_box = b"".join(self._store.pieces(name))
        try:
            fault = self._vault.check(key_box, recording.content_key_commitment)
        except VaultAway as error:
            return f"the vault cannot be asked: {error}"
        return None if fault is None else f"the vault cannot open the key box: {fault}"

    def _lost(self, shift: ShiftRow, recording: RecordingRow) -> str | None:
        """Return the name of a file of the recording that the store has no longer; its other files came earlier."""
        sizes = {
            media_name(recording.recording_id, file.number): file.size_bytes for file in subject_of(recording).media
        }
        for name in files_of(recording):
            found_bytes = self._store.size_bytes(file_object(shift, name))
            if found_bytes is None or found_bytes != sizes.get(name, found_bytes):
                return name
        return None

    def _chain_row(self, shift: ShiftRow) -> ReceiptRow:
        receipt = chain_receipt(shift, self._issuer, receipt_id=self._entropy.take(16), now_ms=self._clock.unix_ms())
        return self._signed(shift.key, None, receipt)

    def _recording_row(self, shift: ShiftRow, recording: RecordingRow) -> ReceiptRow:
        receipt = recording_receipt(
            shift, recording, self._issuer, receipt_id=self._entropy.take(16), now_ms=self._clock.unix_ms()
        )
        return self._signed(shift.key, recording.recording_id, receipt)

    def _signed(self, key: ShiftKey, recording_id: bytes | None, receipt: Receipt) -> ReceiptRow:
        signed = sign_receipt(receipt, self._issuer.key)
        return ReceiptRow(key, recording_id, receipt_hash(signed), signed)

    def _furnish(self, shift: ShiftRow) -> None:
        """Put policy and enrolment beside the chain, so that the folder verifies by itself."""
        camera = self._catalogue.camera(shift.key.camera_id)
        if camera is not None and camera.enrolment is not None:
            self._put_newest(object_in(shift, ENROLMENT_NAME), camera.enrolment)
        name = object_in(shift, POLICY_NAME)
        if self._policy_version(name) <= self._policy.policy.version:
            self._put_newest(name, self._policy.signed_bytes)

    def _policy_version(self, name: str) -> int:
        """Return the version of the policy beside a shift; 0 where there is none that holds."""
        if self._store.size_bytes(name) is None:
            return 0
        try:
            return verify_policy(b"".join(self._store.pieces(name))).policy.version
        except PeerError:
            return 0

    def _put_newest(self, name: str, data: bytes) -> None:
        size = self._store.size_bytes(name)
        if size is None or size != len(data) or b"".join(self._store.pieces(name)) != data:
            self._store.put(name, data, can_replace=True)
        else:
            self._store.settle(name)


def _shift_fields(key: ShiftKey) -> EventFields:
    return {"camera": key.camera_id.hex(), "shift": key.shift_id.hex()}
