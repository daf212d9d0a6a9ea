"""A camera's day as a real chain: entries at chosen times, signed as a camera signs them. Media are only described.

Times are milliseconds since the camera was switched on; its clock says `UNIX_MS` then.
"""

from typing import Any

from protocol.chain import make_entry
from protocol.entries import (
    AudioFormat,
    AudioSpan,
    AudioState,
    Body,
    Chunk,
    Erased,
    Event,
    EventName,
    FrameGap,
    MediaFile,
    Moment,
    Part,
    RecordingClosed,
    RecordingOpened,
    Resumed,
    ShiftClosed,
    ShiftOpened,
    VideoFormat,
)
from protocol.keys import SoftwareEd25519
from protocol.verify.chain import ChainReport, verify_chain
from tests.builders import Agency, Camera, secret

UNIX_MS = 1_790_000_000_000
PART_BYTES = 500_000


class DayChain:
    """Appends entries; `report` is what the verifier makes of them."""

    def __init__(self, agency: Agency, camera: Camera, *, number: int, opened_ms: int) -> None:
        self.shift_id, self.number = secret(f"day/{number}", 16), number
        self._camera, self._data, self._sequence = camera, bytearray(), 0
        self._previous: bytes | None = None
        self._key: SoftwareEd25519 | None = None
        self._origin_ms = self._chunk_count = self._offset_bytes = 0
        self._end_ms: dict[bytes, int] = {}
        self.add(
            opened_ms, ShiftOpened, camera_key=camera.device.public_key, shift_number=number, previous_shift=None,
            policy_version=agency.policy.version, policy_hash=agency.trusted.policy_hash, checkpoint=None, firmware_version="0.1.0",
        )  # fmt: skip

    @property
    def data(self) -> bytes:
        return bytes(self._data)

    @property
    def report(self) -> ChainReport:
        report = verify_chain(self.data)
        assert report is not None
        return report

    def add(self, at_ms: int, kind: type[Body], **fields: Any) -> None:
        at = Moment(
            mono_ns=at_ms * 1_000_000, boot_id=secret("boot", 16), utc_ms=UNIX_MS + at_ms, utc_source="rtc", utc_uncertainty_ms=500,
        )  # fmt: skip
        body = kind(at=at, **fields)
        is_end = isinstance(body, ShiftClosed)
        is_by_device = isinstance(body, ShiftOpened | ShiftClosed | Resumed)
        next_key = None if is_end else SoftwareEd25519(secret(f"{self.number}/{self._sequence}"))
        entry, record = make_entry(
            shift_id=self.shift_id, sequence=self._sequence, previous=self._previous, body=body,
            body_salt=secret(f"salt/{self.number}/{self._sequence}", 16), next_key=None if next_key is None else next_key.public_key,
            entry_key=None if isinstance(body, ShiftOpened | Resumed) else self._key, device=self._camera.device if is_by_device else None,
        )  # fmt: skip
        self._data += record
        self._sequence, self._previous, self._key = self._sequence + 1, entry.head_hash, next_key

    def event(
        self, at_ms: int, name: EventName, recording_id: bytes | None = None, *, value_us: int | None = None
    ) -> None:
        self.add(at_ms, Event, name=name, recording_id=recording_id, value=value_us)

    def open(self, at_ms: int, recording_id: bytes, *, origin_ms: int, has_sound: bool = True, **fields: Any) -> None:
        """Open a recording at ``at_ms`` whose film begins at ``origin_ms``."""
        self._origin_ms, self._chunk_count, self._offset_bytes, self._end_ms[recording_id] = origin_ms, 0, 0, 0
        values = {
            "continues": None,
            "reason": "press",
            "pre_event_wanted_ms": 2000,
            "pre_event_ms": at_ms - origin_ms,
        } | fields
        self.add(
            at_ms, RecordingOpened, recording_id=recording_id, origin_mono_us=origin_ms * 1000, suite=1,
            video=VideoFormat(codec="h264", width_px=320, height_px=240, frame_rate_mhz=30_000),
            audio=AudioFormat(codec="aac", sample_rate_hz=48_000, channel_count=1) if has_sound else None,
            content_key_commitment=secret("commitment"), key_box_hash=secret("box"), **values,
        )  # fmt: skip

    def chunk(
        self,
        recording_id: bytes,
        *sound: tuple[AudioState, int],
        is_pre_event: bool = False,
        gap_ms: tuple[int, int] | None = None,
    ) -> None:
        """Add a chunk whose sound is these states, each until so many milliseconds of the film."""
        start_ms, end_ms = self._end_ms[recording_id], sound[-1][1]
        edges = [start_ms, *(until_ms for _, until_ms in sound)]
        spans = tuple(
            AudioSpan(start_us=edges[number] * 1000, end_us=until_ms * 1000, state=state)
            for number, (state, until_ms) in enumerate(sound)
        )
        gaps = () if gap_ms is None else (_gap(*gap_ms),)
        kinds = ("init", "video") if self._chunk_count == 0 else ("video",)
        parts = tuple(
            Part(kind=kind, size_bytes=PART_BYTES, commitment=secret("c"), hash=secret("h"))  # type: ignore[arg-type]
            for kind in kinds
        )
        self.add(
            self._origin_ms + end_ms, Chunk, recording_id=recording_id, index=self._chunk_count, media_number=0,
            offset_bytes=self._offset_bytes, start_us=start_ms * 1000, duration_us=(end_ms - start_ms) * 1000, frame_count=30,
            is_pre_event=is_pre_event, audio=spans, gaps=gaps, parts=parts,
        )  # fmt: skip
        self._chunk_count, self._offset_bytes = self._chunk_count + 1, self._offset_bytes + PART_BYTES * len(parts)
        self._end_ms[recording_id] = end_ms

    def close(self, recording_id: bytes) -> None:
        end_ms = self._end_ms[recording_id]
        self.add(
            self._origin_ms + end_ms + 10, RecordingClosed, recording_id=recording_id, reason="stop", chunk_count=self._chunk_count,
            duration_us=end_ms * 1000, media=(MediaFile(number=0, size_bytes=self._offset_bytes),),
        )  # fmt: skip

    def resume(self, at_ms: int, *, interrupted: bytes | None) -> None:
        """Add what a camera signs after a power cut."""
        self.add(
            at_ms, Resumed, is_clean=False, interrupted_recording_id=interrupted, trimmed_chain_bytes=0, trimmed_media_bytes=0
        )  # fmt: skip

    def erase(self, at_ms: int, shift_id: bytes, recording_id: bytes, receipt_hash: bytes) -> None:
        self.add(at_ms, Erased, shift_id=shift_id, recording_id=recording_id, receipt_hash=receipt_hash)

    def dock(self, at_ms: int, *, recordings: int) -> None:
        self.add(at_ms, ShiftClosed, reason="docked", recording_count=recordings)


def _gap(start_ms: int, end_ms: int) -> FrameGap:
    return FrameGap(start_us=start_ms * 1000, end_us=end_ms * 1000, missing_frame_count=12, reason="not-delivered")
