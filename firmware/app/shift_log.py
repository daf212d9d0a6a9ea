"""Writes the open shift's chain, durably and in order: an entry that was appended stands, or the camera restarts.

The one place that touches chain files for writing (spec/02-chain.md). Who decides what to write is the recorder.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from firmware.app.checkpoints import CheckpointShelf
from firmware.core.recovery import LeaveAlone, NeverOpened, RecoveryPlan, plan_recovery
from firmware.core.shift_chain import ChainEnd, ShiftChain
from firmware.errors import StoreFull, StoreUncertain
from firmware.ports import Clock, Entropy, Store
from protocol.entries import (
    Body,
    EntryPlace,
    Event,
    EventName,
    Moment,
    Resumed,
    ShiftClosed,
    ShiftCloseReason,
    ShiftOpened,
)
from protocol.keys import DeviceSigner
from protocol.layout import CHAIN_NAME, parse_shift_folder, shift_folder_name
from protocol.policy import TrustedPolicy
from protocol.units import BODY_SALT_SIZE_BYTES, CHAIN_SIZE_BYTES_MAX, CHECKPOINT_SIZE_BYTES_MAX
from protocol.verify.chain import ChainReport, verify_chain

_REPORTS_KEPT_MAX: Final = 2
"""A day's chain takes seconds to verify on a camera, and every receipt of its shift asks for it again."""


class ChainFull(StoreUncertain):
    """There is no room for an entry. Its key has signed it and may sign no other: only `resumed` can follow."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Free room on the card: something else than footage has filled it up to the last byte."


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A shift folder that is not touched, and why."""

    folder: str
    reason: str


class ShiftLog:
    """The open shift of this camera; there is always one after `recover`."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        device: DeviceSigner,
        policy: TrustedPolicy,
        checkpoints: CheckpointShelf,
        firmware_version: str,
    ) -> None:
        """Take what a chain needs; nothing is touched before `recover`."""
        self._store, self._clock, self._entropy = store, clock, entropy
        self._device, self._policy, self._firmware_version = device, policy, firmware_version
        self._checkpoints = checkpoints
        self._chain: ShiftChain | None = None
        self._reports: OrderedDict[bytes, tuple[str, ChainReport]] = OrderedDict()
        self._reports_lock = threading.Lock()
        self.folder = ""
        self.number = 0
        self.opened_at_mono_ns = 0
        self.recording_count = 0
        self.left_alone: tuple[LeftAlone, ...] = ()
        """What `recover` found that is not this camera's, or cannot be read."""
        self.found_bodies: tuple[Body, ...] = ()
        """What the open shift's chain said when `recover` took it up."""

    @property
    def shift_id(self) -> bytes:
        """Return the open shift's id."""
        assert self._chain is not None, "recover first"
        return self._chain.shift_id

    def moment(self) -> Moment:
        """Return now, as every body says it."""
        utc = self._clock.utc()
        return Moment(
            mono_ns=self._clock.mono_ns(),
            boot_id=self._clock.boot_id,
            utc_ms=utc.unix_ms,
            utc_source=utc.source,  # type: ignore[arg-type]  # the model refuses a source that is none of the four
            utc_uncertainty_ms=utc.uncertainty_ms,
        )

    def append(self, body: Body) -> ChainEnd:
        """Sign, append and sync one entry.

        Raises:
            StoreUncertain: restart and recover. A card without room is no exception: see `ChainFull`.
        """
        assert self._chain is not None, "recover first"
        salt, seed = self._entropy.take(BODY_SALT_SIZE_BYTES), self._entropy.take(32)
        record = self._chain.record_for(body, salt=salt, next_seed=seed)
        try:
            self._store.append(self.folder, CHAIN_NAME, record)
        except StoreFull as error:
            raise ChainFull(str(error)) from error
        self._store.sync(self.folder, CHAIN_NAME)
        return self._chain.confirm_durable()

    def event(self, name: EventName, *, recording_id: bytes | None = None, value: int | None = None) -> None:
        """Append an event."""
        self.append(Event(at=self.moment(), name=name, recording_id=recording_id, value=value))

    def close_and_open_next(self, reason: ShiftCloseReason) -> None:
        """Close the shift and open the one after it at once."""
        assert self._chain is not None, "recover first"
        end = self.append(ShiftClosed(at=self.moment(), reason=reason, recording_count=self.recording_count))
        self._open(self.number + 1, EntryPlace(shift_id=self.shift_id, sequence=end.sequence, head_hash=end.head_hash))

    def recover(self) -> RecoveryPlan | None:
        """Take up the open shift, or open one; return what was found of an open one.

        Every step may be cut and done again: nothing is written before the torn tail is gone. What is another camera's,
        or cannot be read, stays as it is.
        """
        self._store.settle()
        left_alone: list[LeftAlone] = []
        number, previous, resumed = 1, None, None
        for before, folder, shift_id in sorted(self._folders(), reverse=True):
            plan = self._plan(folder, shift_id)
            if isinstance(plan, NeverOpened):
                self._remove_folder(folder)
                number = max(number, before)
                continue
            if isinstance(plan, LeaveAlone):
                left_alone.append(LeftAlone(folder, plan.reason))
                number = max(number, before + 1) if plan.may_be_own else number
                continue
            if plan.report.is_closed:
                self._trim(folder, plan)
                number, previous = max(number, before + 1), _place(plan.report)
            else:
                self._resume(before, folder, plan)
                resumed = plan
                self.found_bodies = tuple(body for _, body in plan.report.bodies)
            break
        self.left_alone = tuple(left_alone)
        if resumed is None:
            self._open(number, previous)
        return resumed

    def report(self, shift_id: bytes) -> tuple[str, ChainReport] | None:
        """Return folder and own reading of a closed shift on the card; None when there is none. Any thread may ask."""
        folder = next((folder for _, folder, found in self._folders() if found == shift_id), None)
        is_own = self._chain is not None and shift_id == self._chain.shift_id
        if folder is None or is_own or not any(file.name == CHAIN_NAME for file in self._store.files(folder)):
            return None
        # A closed chain does not change any more, so it is read once however many receipts are about it.
        with self._reports_lock:
            kept = self._reports.get(shift_id)
            if kept is None:
                report = verify_chain(self._chain_bytes(folder), camera_key=self._device.public_key)
                if report is None or not report.is_closed:
                    return None
                kept = self._reports[shift_id] = (folder, report)
                while len(self._reports) > _REPORTS_KEPT_MAX:
                    self._reports.popitem(last=False)
            return kept

    def bodies(self) -> tuple[Body, ...]:
        """Return the bodies of all chains of this camera on the card."""
        reports = (
            verify_chain(self._chain_bytes(folder), camera_key=self._device.public_key)
            for _, folder, _ in self._folders()
        )
        return tuple(body for report in reports if report is not None for _, body in report.bodies)

    def _open(self, number: int, previous: EntryPlace | None) -> None:
        shift_id = self._entropy.take(16)
        self.folder, self.number = shift_folder_name(number, shift_id), number
        self._chain = ShiftChain(shift_id=shift_id, device=self._device)
        self.recording_count = 0
        self._store.make_folder(self.folder)
        self._store.create(self.folder, CHAIN_NAME)
        opened = ShiftOpened(
            at=self.moment(),
            camera_key=self._device.public_key,
            shift_number=number,
            previous_shift=previous,
            policy_version=self._policy.policy.version,
            policy_hash=self._policy.policy_hash,
            checkpoint=self._newest_checkpoint(),
            firmware_version=self._firmware_version,
        )
        self.append(opened)
        self.opened_at_mono_ns = self._clock.mono_ns()

    def _newest_checkpoint(self) -> bytes | None:
        # One with a crowd of cosignatures has no room in an opening.
        note = self._checkpoints.newest_note()
        return note if note is not None and len(note) <= CHECKPOINT_SIZE_BYTES_MAX else None

    def _plan(self, folder: str, shift_id: bytes) -> RecoveryPlan | NeverOpened | LeaveAlone:
        sizes = {file.name: file.size_bytes for file in self._store.files(folder)}
        return plan_recovery(
            self._chain_bytes(folder),
            shift_id=shift_id,
            file_sizes_bytes=sizes,
            camera_key=self._device.public_key,
        )

    def _trim(self, folder: str, plan: RecoveryPlan) -> None:
        if plan.trimmed_chain_bytes:
            self._store.truncate(folder, CHAIN_NAME, plan.chain_size_bytes)
        for name, size in plan.media_sizes_bytes.items():
            self._store.truncate(folder, name, size)
        for name in plan.orphans:
            self._store.remove(folder, name)

    def _resume(self, number: int, folder: str, plan: RecoveryPlan) -> None:
        self._trim(folder, plan)
        self.folder, self.number = folder, number
        self.recording_count = len(plan.report.recordings)
        self._chain = ShiftChain(shift_id=plan.report.shift_id, device=self._device, end=plan.end)
        resumed = Resumed(
            at=self.moment(),
            is_clean=plan.is_clean,
            interrupted_recording_id=plan.interrupted_recording_id,
            trimmed_chain_bytes=plan.trimmed_chain_bytes,
            trimmed_media_bytes=plan.trimmed_media_bytes,
        )
        self.append(resumed)
        opened = plan.report.opened
        is_same_boot = opened is not None and opened.at.boot_id == self._clock.boot_id
        self.opened_at_mono_ns = opened.at.mono_ns if opened is not None and is_same_boot else self._clock.mono_ns()

    def _remove_folder(self, folder: str) -> None:
        for file in self._store.files(folder):
            self._store.remove(folder, file.name)
        self._store.remove_folder(folder)

    def _folders(self) -> list[tuple[int, str, bytes]]:
        """Return number, name and shift_id of every shift folder."""
        parsed = ((folder, parse_shift_folder(folder)) for folder in self._store.folders())
        return [(found[0], folder, found[1]) for folder, found in parsed if found is not None]

    def _chain_bytes(self, folder: str) -> bytes:
        try:
            return self._store.read(folder, CHAIN_NAME, 0, CHAIN_SIZE_BYTES_MAX)
        except FileNotFoundError:
            return b""


def _place(report: ChainReport) -> EntryPlace:
    return EntryPlace(shift_id=report.shift_id, sequence=report.head_sequence, head_hash=report.head_hash)
