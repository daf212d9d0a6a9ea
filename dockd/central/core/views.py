"""What central says of its recordings, as data and as text. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from dockd.central.core.assess import subject_of
from dockd.central.core.receipting import files_of, missing_files
from dockd.central.ports import CameraRow, FileRow, QuarantineRow, ReceiptRow, RecordingRow, ShiftRow

_LISTED_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class RecordingState:
    """A recording with everything that the catalogue knows around it."""

    recording: RecordingRow
    shift: ShiftRow
    camera: CameraRow | None
    files: tuple[FileRow, ...]
    receipt: ReceiptRow | None
    quarantined: tuple[QuarantineRow, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of the files that are still to come."""
        return missing_files(self.recording, {file.name for file in self.files})

    @property
    def state(self) -> str:
        """Return ``receipted``, ``incomplete`` (files are still to come) or ``held`` (whole, and without a receipt)."""
        if self.receipt is not None:
            return "receipted"
        return "incomplete" if self.missing else "held"


def quarantined_of(recording: RecordingRow, rows: Iterable[QuarantineRow]) -> tuple[QuarantineRow, ...]:
    """Return what is in quarantine under names of this recording."""
    prefix = recording.recording_id.hex()
    return tuple(row for row in rows if row.key == recording.key and row.name.startswith(prefix))


def as_data(state: RecordingState) -> dict[str, Any]:
    """Return a recording for machines."""
    recording, shift = state.recording, state.shift
    subject = subject_of(recording)
    stored = {file.name for file in state.files}
    return {
        "recording": recording.recording_id.hex(),
        "state": state.state,
        "camera": recording.key.camera_id.hex(),
        "serial": None if state.camera is None else state.camera.serial,
        "shift": recording.key.shift_id.hex(),
        "shift_number": shift.number,
        "opened_at_utc_ms": recording.opened_at_utc_ms,
        "utc_source": recording.utc_source,
        "utc_uncertainty_ms": recording.utc_uncertainty_ms,
        "duration_us": recording.duration_us,
        "chunk_count": subject.chunk_count,
        "size_bytes": recording.size_bytes,
        "files": [{"name": name, "is_stored": name in stored} for name in files_of(recording)],
        "is_key_box_opened": recording.is_key_box_opened,
        "receipt": None if state.receipt is None else state.receipt.receipt_hash.hex(),
        "quarantined": [
            {"file": row.name, "object": row.object_name, "reason": row.reason} for row in state.quarantined
        ],
    }


def as_table(states: Sequence[RecordingState], quarantined: Sequence[QuarantineRow]) -> str:
    """Return the recordings for people, one a line, and what is in quarantine."""
    if states:
        lines = [f"{'recording':<13}{'camera':<11}{'shift':>6}  {'opened (UTC)':<27}{'seconds':>9}{'MB':>10}  state"]
        lines += [_line(state) for state in states]
    else:
        lines = ["No recording is stored yet."]
    if quarantined:
        count = len(quarantined)
        lines += ["", f"{count} {'file is' if count == 1 else 'files are'} in quarantine:"]
        lines += [f"  {row.object_name}: {row.reason}" for row in quarantined]
    return "\n".join(lines)


def as_text(state: RecordingState) -> str:
    """Return one recording for people."""
    recording, subject = state.recording, subject_of(state.recording)
    camera = recording.key.camera_id.hex()
    if state.camera is not None and state.camera.serial is not None:
        camera = f"{state.camera.serial} ({camera})"
    receipt = "none" if state.receipt is None else state.receipt.receipt_hash.hex()
    lines = [
        f"recording  {recording.recording_id.hex()}",
        f"camera     {camera}",
        f"shift      {state.shift.number} ({recording.key.shift_id.hex()})",
        f"opened     {_time(recording)}",
        f"length     {recording.duration_us / 1_000_000:.1f} s in {subject.chunk_count} chunks",
        f"media      {recording.size_bytes:,d} bytes in {len(subject.media)} files",
        f"key box    {'opened by the vault' if recording.is_key_box_opened else 'not opened by the vault yet'}",
        f"receipt    {receipt}",
        f"state      {state.state}",
    ]
    lines += [f"missing    {name}" for name in state.missing]
    lines += [f"quarantine {row.object_name}: {row.reason}" for row in state.quarantined]
    return "\n".join(lines)


def _line(state: RecordingState) -> str:
    recording = state.recording
    serial = "?" if state.camera is None or state.camera.serial is None else state.camera.serial
    seconds, megabytes = recording.duration_us / 1_000_000, recording.size_bytes / 1_000_000
    name = recording.recording_id.hex()[:_LISTED_DIGITS]
    time = _time(recording, is_short=True)
    return f"{name:<13}{serial:<11}{state.shift.number:>6}  {time:<27}{seconds:>9.1f}{megabytes:>10.1f}  {state.state}"


def _time(recording: RecordingRow, *, is_short: bool = False) -> str:
    """Return a wall time as the claim that it is."""
    try:
        when = datetime.fromtimestamp(recording.opened_at_utc_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        when = f"{recording.opened_at_utc_ms} ms"
    if is_short:
        return f"{when} ({recording.utc_source})"
    spread = "unknown" if recording.utc_uncertainty_ms is None else f"{recording.utc_uncertainty_ms} ms"
    return f"{when} UTC by {recording.utc_source}, uncertainty {spread}"
