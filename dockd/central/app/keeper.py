"""The keeper: verifies a file that arrived, makes it central's own, and receipts what is whole (architecture.md, 4.7;
I3).

Durable steps, each of which may be the last before a crash: the bytes fsynced and renamed into place; one transaction
with the file's row and the receipts that it completes; the receipts, policy and enrolment beside the shift as objects.
Asked again, each step finds what the ones before it did. Nothing is answered before all of them are done.

What does not verify is quarantined: kept with its findings, apart, never receipted. A chain comes first: key boxes and
media are refused until the chain of their shift is there, since nothing else says what they should be.
"""

from collections.abc import Iterator
from pathlib import Path

from dockd.central.app.chains import StoredChains
from dockd.central.app.judging import FileJudge, Judged, key_of, parsed_name
from dockd.central.app.quarantine import Quarantine
from dockd.central.app.receipts import ReceiptMaker
from dockd.central.core.assess import Assessment, recording_rows
from dockd.central.core.leaves import chain_openings
from dockd.central.core.names import described_object, folder_of
from dockd.central.errors import StagedGone
from dockd.central.ports import (
    CameraRow,
    Catalogue,
    Change,
    Clock,
    FileRow,
    IntakeRefused,
    Keeper,
    Kept,
    ObjectStore,
    OnEvent,
    ShiftRow,
)
from protocol.ledger.leaves import AnyOpening
from protocol.offload.messages import Description


class StoringKeeper:
    """Keeps files in an object store and a catalogue. One thread, one call at a time; one process a catalogue."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        catalogue: Catalogue,
        chains: StoredChains,
        receipts: ReceiptMaker,
        clock: Clock,
        on_event: OnEvent,
    ) -> None:
        """Take where files go, and who makes receipts."""
        self._store = store
        self._catalogue = catalogue
        self._receipts = receipts
        self._clock = clock
        self._chains = chains
        self._judge = FileJudge(chains=chains, catalogue=catalogue)
        self._quarantine = Quarantine(store=store, catalogue=catalogue, clock=clock, on_event=on_event)

    def receipts_for(self, description: Description) -> Kept | None:
        """Return what became of this very file; None when it is to be sent (again)."""
        row = self._row_of(description)
        if row is not None and (row.size_bytes, row.identity) == (description.size_bytes, description.identity):
            # An object that was lost since is asked for again, as long as somebody has it.
            is_there = self._store.size_bytes(described_object(description)) == row.size_bytes
            return self._receipts.answer(row) if is_there else None
        return self._quarantine.settled(description)

    def keep(self, description: Description, staged: Path) -> Kept:
        """Verify, store and receipt; or quarantine, with the reason as ``held_reason``."""
        came = self._store.name_of(staged)
        found_bytes = self._store.size_bytes(came)
        if found_bytes is None:
            return self._kept_before(description, came)
        if found_bytes != description.size_bytes:
            raise IntakeRefused(
                f"{description.name} has {found_bytes} bytes, {description.size_bytes} expected",
                section="spec/07-offload.md, 7.2",
            )
        row = self._row_of(description)
        if row is not None:
            return self._kept_again(description, came, row)
        if description.kind != "chain" and self._catalogue.shift(key_of(description)) is None:
            return self._without_chain(description, came)
        judged = self._judge.judge(description, self._store.pieces(came))
        if judged.assessment.is_mislabelled:
            raise IntakeRefused(str(judged.assessment.reason), section="spec/07-offload.md, 7.2")
        if judged.assessment.reason is not None:
            return self._quarantine.take(description, came, judged.assessment)
        self._store.move(came, described_object(description))
        return self._write_row(description, judged)[1]

    def _kept_before(self, description: Description, came: str) -> Kept:
        """A crash came between the renaming and the answer: what was staged is in its place, or in quarantine."""
        kept = self.receipts_for(description)
        if kept is None:
            raise StagedGone(
                f"{came} is not there",
                expected="the whole file, as it arrived",
                next_step="have the dock send it again",
            )
        return kept

    def _kept_again(self, description: Description, came: str, row: FileRow) -> Kept:
        """A file under a name that is stored already: the same one, or another, and then both are kept."""
        name = described_object(description)
        stored_bytes = self._store.size_bytes(name)
        is_same_size = stored_bytes == description.size_bytes
        if is_same_size and _is_equal(self._store.pieces(came), self._store.pieces(name)):
            self._store.remove(came)
            return self._receipts.answer(row)
        judged = self._judge.judge(description, self._store.pieces(came))
        if judged.assessment.reason is None and row.identity == description.identity:
            # Only one content verifies under one identity: what is stored has changed since, and this mends it.
            if stored_bytes is not None:
                reason = "its bytes changed while it was stored; the true file came again"
                self._quarantine.take(description, name, Assessment(reason))
            self._store.move(came, name)
            return self._receipts.answer(row)
        reason = f"another {description.kind} is stored under this name already; both are kept"
        return self._quarantine.take(description, came, Assessment(reason, judged.assessment.findings))

    def _without_chain(self, description: Description, came: str) -> Kept:
        """A key box or media whose shift has no accepted chain."""
        if self._quarantine.has_chain(description):
            reason = "the chain of its shift is in quarantine, and nothing else says what it should be"
            return self._quarantine.take(description, came, Assessment(reason), cause="shift")
        raise IntakeRefused(
            f"{description.name} came before the chain of its shift; send the chain first",
            section="spec/07-offload.md, 7.6",
        )

    def _row_of(self, description: Description) -> FileRow | None:
        """Return the catalogue's row of this name.

        Where a crash left an object without one, verify it and write the row.
        """
        row = next((row for row in self._catalogue.files(key_of(description)) if row.name == description.name), None)
        name = described_object(description)
        found_bytes = self._store.size_bytes(name) if row is None else None
        if found_bytes is None:
            return row
        judged: Judged | None = None
        if description.kind == "chain" or self._catalogue.shift(key_of(description)) is not None:
            judged = self._judge.judge(description, self._store.pieces(name))
            if judged.assessment.reason is None and found_bytes == description.size_bytes:
                self._store.settle(name)
                return self._write_row(description, judged)[0]
        reason = "found under this name at central without being in the catalogue, and not the described file"
        findings = () if judged is None else judged.assessment.findings
        self._quarantine.take(description, name, Assessment(reason, findings))
        return None

    def _write_row(self, description: Description, judged: Judged) -> tuple[FileRow, Kept]:
        """Write a durable file's row, and in the same transaction the receipts that it completes."""
        key, now_ms = key_of(description), self._clock.unix_ms()
        row = FileRow(
            key=key,
            name=description.name,
            kind=description.kind,
            recording_id=parsed_name(description).recording_id,
            size_bytes=description.size_bytes,
            identity=description.identity,
            stored_at_ms=now_ms,
        )
        change = Change(files=(row,))
        openings: tuple[AnyOpening, ...] = ()
        if judged.report is not None:
            shift = ShiftRow(
                key=key,
                number=description.shift_number,
                folder=folder_of(description),
                head_sequence=judged.report.head_sequence,
                head_hash=judged.report.head_hash,
                chain_size_bytes=judged.report.size_bytes,
                stored_at_ms=now_ms,
            )
            change = Change(
                camera=CameraRow(description.camera_id, None, None),
                shift=shift,
                recordings=recording_rows(judged.report, key),
                files=(row,),
            )
            openings = chain_openings(description.camera_id, judged.report)
            self._chains.remember(key, judged.report)
        return row, self._receipts.complete(change, row, openings)


def _is_equal(left: Iterator[memoryview], right: Iterator[memoryview]) -> bool:
    """Compare two streams that may be cut at different places."""
    one = other = end = memoryview(b"")
    while True:
        one = one or next(left, end)
        other = other or next(right, end)
        size = min(len(one), len(other))
        if size == 0:
            return len(one) == len(other)
        if one[:size] != other[:size]:
            return False
        one, other = one[size:], other[size:]


_: type[Keeper] = StoringKeeper
