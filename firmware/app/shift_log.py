"""Writes the open shift's chain, durably and in order: an entry that was appended stands, or the camera restarts.

The one place that touches chain files for writing (spec/02-chain.md). Who decides what to write is the recorder.
"""

from firmware.core.recovery import RecoveryPlan, plan_recovery
from firmware.core.shift_chain import ChainEnd, ShiftChain
from firmware.errors import StoreFull
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
from protocol.units import BODY_SALT_SIZE_BYTES, CHAIN_SIZE_BYTES_MAX
from protocol.verify.chain import ChainReport, verify_chain


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
        firmware_version: str,
    ) -> None:
        """Take what a chain needs; nothing is touched before `recover`."""
        self._store, self._clock, self._entropy = store, clock, entropy
        self._device, self._policy, self._firmware_version = device, policy, firmware_version
        self._chain: ShiftChain | None = None
        self._size_bytes = 0
        self.folder = ""
        self.number = 0
        self.opened_at_mono_ns = 0
        self.recording_count = 0

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
            StoreFull: the chain is as it was before; the same body may be tried again.
            StoreUncertain: restart and recover.
        """
        assert self._chain is not None, "recover first"
        salt, seed = self._entropy.take(BODY_SALT_SIZE_BYTES), self._entropy.take(32)
        record = self._chain.record_for(body, salt=salt, next_seed=seed)
        try:
            self._store.append(self.folder, CHAIN_NAME, record)
        except StoreFull:
            self._store.truncate(self.folder, CHAIN_NAME, self._size_bytes)
            raise
        self._store.sync(self.folder, CHAIN_NAME)
        self._size_bytes += len(record)
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

        Every step may be cut and done again: nothing is written before the torn tail is gone.
        """
        known = sorted((parsed[0], folder) for folder in self._store.folders() if (parsed := parse_shift_folder(folder)))
        if not known:
            self._open(1, None)
            return None
        number, folder = known[-1]
        chain = self._chain_bytes(folder)
        sizes = {file.name: file.size_bytes for file in self._store.files(folder)}
        plan = plan_recovery(chain, file_sizes_bytes=sizes, camera_key=self._device.public_key)
        if plan is None:
            # Not even the opening is durable: nobody was ever promised this shift.
            for name in sizes:
                self._store.remove(folder, name)
            self._store.remove_folder(folder)
            before = self._report(known[-2][1]) if len(known) > 1 else None
            self._open(number, None if before is None else _place(before))
            return None
        if plan.report.is_closed and plan.trimmed_chain_bytes == 0:
            self._open(number + 1, _place(plan.report))
            return None
        self._resume(number, folder, plan)
        return plan

    def report(self, shift_id: bytes) -> tuple[str, ChainReport] | None:
        """Return folder and own reading of a shift on the card; None when it is not there."""
        for folder in self._store.folders():
            parsed = parse_shift_folder(folder)
            if parsed is not None and parsed[1] == shift_id:
                report = self._report(folder)
                return None if report is None else (folder, report)
        return None

    def open_bodies(self) -> tuple[Body, ...]:
        """Return all bodies of the open shift's chain."""
        report = self._report(self.folder)
        return () if report is None else tuple(body for _, body in report.bodies)

    def _open(self, number: int, previous: EntryPlace | None) -> None:
        shift_id = self._entropy.take(16)
        self.folder, self.number = shift_folder_name(number, shift_id), number
        self._chain = ShiftChain(shift_id=shift_id, device=self._device)
        self._size_bytes, self.recording_count = 0, 0
        self._store.make_folder(self.folder)
        self._store.create(self.folder, CHAIN_NAME)
        opened = ShiftOpened(
            at=self.moment(),
            camera_key=self._device.public_key,
            shift_number=number,
            previous_shift=previous,
            policy_version=self._policy.policy.version,
            policy_hash=self._policy.policy_hash,
            checkpoint=None,
            firmware_version=self._firmware_version,
        )
        self.append(opened)
        self.opened_at_mono_ns = self._clock.mono_ns()

    def _resume(self, number: int, folder: str, plan: RecoveryPlan) -> None:
        if plan.trimmed_chain_bytes:
            self._store.truncate(folder, CHAIN_NAME, plan.chain_size_bytes)
        for name, size in plan.media_sizes_bytes.items():
            self._store.truncate(folder, name, size)
        for name in plan.orphans:
            self._store.remove(folder, name)
        self.folder, self.number = folder, number
        self.recording_count = len(plan.report.recordings)
        self._size_bytes = plan.chain_size_bytes
        self._chain = ShiftChain(shift_id=plan.report.shift_id, device=self._device, end=plan.end)
        resumed = Resumed(
            at=self.moment(),
            is_clean=plan.is_clean,
            interrupted_recording_id=plan.interrupted_recording_id,
            trimmed_chain_bytes=plan.trimmed_chain_bytes,
            trimmed_media_bytes=plan.trimmed_media_bytes,
        )
        self.append(resumed)
        self.opened_at_mono_ns = self._clock.mono_ns()

    def _chain_bytes(self, folder: str) -> bytes:
        try:
            return self._store.read(folder, CHAIN_NAME, 0, CHAIN_SIZE_BYTES_MAX)
        except FileNotFoundError:
            return b""

    def _report(self, folder: str) -> ChainReport | None:
        return verify_chain(self._chain_bytes(folder), camera_key=self._device.public_key)


def _place(report: ChainReport) -> EntryPlace:
    return EntryPlace(shift_id=report.shift_id, sequence=report.head_sequence, head_hash=report.head_hash)
