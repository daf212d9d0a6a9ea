"""Read recordings out of a chain's entries, and find what does not fit between them.

Implements spec/03-recording.md, 3.2 to 3.4, and spec/05-verdict.md, 5.2 rule 3. Entries come in order and already verified.
A withheld body leaves the head's kind to go by: how many recordings and chunks there are is known without their bodies.
"""

from dataclasses import dataclass, field

from protocol.chain import Entry
from protocol.entries import AudioSpan, Body, Chunk, MediaFile, RecordingClosed, RecordingOpened, Resumed, ShiftClosed
from protocol.units import UINT_MAX
from protocol.verdict import Finding, Place
from protocol.verify.findings import FindingLog


@dataclass(frozen=True, slots=True)
class ChunkView:
    """A chunk and the entry that describes it."""

    sequence: int
    head_hash: bytes
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class RecordingView:
    """One recording as its shift's chain tells it."""

    recording_id: bytes
    opened: RecordingOpened | None
    opened_sequence: int | None
    chunks: tuple[ChunkView, ...]
    closed: RecordingClosed | None
    ending_sequence: int | None
    ending_head_hash: bytes | None
    media: tuple[MediaFile, ...]
    """As far as a chunk or the closing tells of them; the chunks of a hole may have stood behind the size given here."""
    is_after_unclean_resume: bool
    """Recorded after a `resumed` that was not clean, or behind a hole that may have held one."""
    withheld_chunk_count: int

    @property
    def duration_us(self) -> int:
        """Return the media time from the first chunk to the end of the last."""
        return self.chunks[-1].chunk.start_us + self.chunks[-1].chunk.duration_us if self.chunks else 0

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all media files."""
        return sum(file.size_bytes for file in self.media)

    @property
    def is_partly_withheld(self) -> bool:
        """Say whether a body is missing without which a receipt's description cannot be made again."""
        return self.opened is None or self.withheld_chunk_count > 0

    def chunks_of(self, number: int) -> tuple[ChunkView, ...]:
        """Return the chunks that stand in one media file."""
        return tuple(view for view in self.chunks if view.chunk.media_number == number)


@dataclass(slots=True)
class _Open:
    recording_id: bytes | None
    """None while every body that names it is withheld."""
    opened: RecordingOpened | None = None
    opened_sequence: int | None = None
    chunks: list[ChunkView] = field(default_factory=list)
    closed: RecordingClosed | None = None
    ending_sequence: int | None = None
    ending_head_hash: bytes | None = None
    is_after_unclean_resume: bool = False
    media_sizes: dict[int, int] = field(default_factory=dict)
    withheld_chunk_count: int = 0
    withheld_since_chunk_count: int = 0

    def media(self) -> tuple[MediaFile, ...]:
        return tuple(MediaFile(number=number, size_bytes=size) for number, size in sorted(self.media_sizes.items()))

    def duration_us(self) -> int:
        return self.chunks[-1].chunk.start_us + self.chunks[-1].chunk.duration_us if self.chunks else 0

    def reach(self, number: int, size_bytes: int) -> None:
        # A camera may sign any offset; the sum must still fit a size.
        self.media_sizes[number] = min(UINT_MAX, max(size_bytes, self.media_sizes.get(number, 0)))

    def view(self, recording_id: bytes) -> RecordingView:
        return RecordingView(
            recording_id, self.opened, self.opened_sequence, tuple(self.chunks), self.closed, self.ending_sequence,
            self.ending_head_hash, self.media(), self.is_after_unclean_resume, self.withheld_chunk_count,
        )  # fmt: skip


class RecordingReader:
    """Collects the recordings of one shift."""

    def __init__(self, *, log: FindingLog) -> None:
        """Take where findings go."""
        self._log = log
        self._all: list[_Open] = []
        self._by_id: dict[bytes, _Open] = {}
        self._running: _Open | None = None
        self._before: Entry | None = None
        self._has_unclean_resume = False
        self._is_behind_hole = False

    @property
    def withheld_recording_count(self) -> int:
        """Return how many recordings show in the heads and have no body that names them."""
        return sum(recording.recording_id is None for recording in self._all)

    def take(self, entry: Entry, body: Body | None) -> None:
        """Take the next entry that stands; ``body`` is None where it is withheld, cannot be read, or is of no known kind."""
        match entry.head.kind, body:
            case "recording-opened", RecordingOpened() | None:
                self._open(entry, body)
            case "chunk", Chunk():
                self._chunk(entry, body)
            case "chunk", None:
                self._withheld_chunk(entry)
            case "recording-closed", RecordingClosed() | None:
                self._close(entry, body)
            case "resumed", Resumed() | None:
                self._resume(entry, body)
            case "shift-closed", ShiftClosed():
                self._close_shift(entry, body)
        self._before = entry

    def hole(self) -> None:
        """Note that entries are missing before the next one: a `resumed` or the end of a recording may be among them."""
        self._before = None
        self._is_behind_hole = True
        self._has_unclean_resume = True

    def finish(self, *, shift_id: bytes) -> tuple[RecordingView, ...]:
        """Return all recordings in the order in which they began."""
        for recording in self._all:
            if recording.ending_sequence is None:
                named = None if recording.recording_id is None else recording.recording_id.hex()
                place = Place(shift_id=shift_id.hex(), recording_id=named, file=self._log.file)
                count = len(recording.chunks) + recording.withheld_chunk_count
                text = f"the recording has {count} chunks and no entry that ends it"
                self._log.add(Finding(kind="recording-not-ended", place=place, text=text))
        return tuple(each.view(each.recording_id) for each in self._all if each.recording_id is not None)

    def _open(self, entry: Entry, body: RecordingOpened | None) -> None:
        running, self._running = self._running, None
        if running is not None and not self._is_behind_hole:
            self._find("kind-out-of-place", entry, running.recording_id, "a recording begins before this one ended")
        if body is not None and body.recording_id in self._by_id:
            self._find("kind-out-of-place", entry, body.recording_id, "the recording begins a second time")
            return
        if body is not None and body.pre_event_ms < body.pre_event_wanted_ms:
            text = f"{body.pre_event_ms} ms before the press, {body.pre_event_wanted_ms} ms were set"
            self._find("pre-event-short", entry, body.recording_id, text)
        recording = self._begin(None if body is None else body.recording_id)
        recording.opened, recording.opened_sequence = body, entry.head.sequence

    def _begin(self, recording_id: bytes | None) -> _Open:
        self._is_behind_hole = False
        recording = self._running = _Open(recording_id, is_after_unclean_resume=self._has_unclean_resume)
        self._all.append(recording)
        if recording_id is not None:
            self._by_id[recording_id] = recording
        return recording

    def _named(self, recording_id: bytes) -> _Open | None:
        """Return a recording; the running one takes this name when all that named it so far is withheld."""
        recording = self._by_id.get(recording_id)
        if recording is None and self._running is not None and self._running.recording_id is None:
            recording = self._by_id[recording_id] = self._running
            recording.recording_id = recording_id
        return recording

    def _chunk(self, entry: Entry, chunk: Chunk) -> None:
        recording = self._named(chunk.recording_id)
        if recording is None:
            text = "a chunk of a recording whose opening is not here"
            self._find("kind-out-of-place", entry, chunk.recording_id, text, chunk_index=chunk.index)
            recording = self._begin(chunk.recording_id)
        elif recording.ending_sequence is not None:
            text = "a chunk after the recording ended"
            self._find("kind-out-of-place", entry, chunk.recording_id, text, chunk_index=chunk.index)
            return
        fault = _body_fault(chunk) or _order_fault(recording, chunk)
        if fault is not None:
            kind, text = fault
            self._find(kind, entry, chunk.recording_id, text, chunk_index=chunk.index)
        for gap in chunk.gaps:
            text = f"{gap.missing_frame_count} frames missing from {gap.start_us} us to {gap.end_us} us: {gap.reason}"
            self._find("frames-dropped", entry, chunk.recording_id, text, chunk_index=chunk.index)
        recording.chunks.append(ChunkView(entry.head.sequence, entry.head_hash, chunk))
        recording.withheld_since_chunk_count = 0
        recording.reach(chunk.media_number, chunk.offset_bytes + chunk.size_bytes)

    def _withheld_chunk(self, entry: Entry) -> None:
        if self._running is None:
            if not self._is_behind_hole:
                self._find("kind-out-of-place", entry, None, "a chunk while no recording runs")
            return
        self._running.withheld_chunk_count += 1
        self._running.withheld_since_chunk_count += 1

    def _close(self, entry: Entry, body: RecordingClosed | None) -> None:
        recording = self._running if body is None else self._named(body.recording_id)
        if recording is None or recording.ending_sequence is not None:
            if body is not None or not self._is_behind_hole:
                named = None if body is None else body.recording_id
                self._find("kind-out-of-place", entry, named, "ends a recording that is not running")
            return
        self._end(recording, entry)
        if body is None:
            return
        found: tuple[object, ...] = (len(recording.chunks) + recording.withheld_chunk_count,)
        closed: tuple[object, ...] = (body.chunk_count,)
        if not recording.withheld_chunk_count:
            found += (recording.duration_us(), recording.media())
            closed += (body.duration_us, body.media)
        if found != closed:
            text = f"{closed[0]} chunks and {body.duration_us} us were closed, {found[0]} and {recording.duration_us()} us are here"
            self._find("chunk-missing", entry, body.recording_id, text)
        recording.closed = body
        for file in body.media:
            recording.reach(file.number, file.size_bytes)

    def _resume(self, entry: Entry, body: Resumed | None) -> None:
        # Whether it was clean is read from the head before it, which nobody can withhold: a power-off names no next key.
        is_after_power_off = self._before is not None and self._before.head.next_key is None
        if body is not None and body.is_clean and self._before is not None and not is_after_power_off:
            self._find(
                "kind-out-of-place",
                entry,
                None,
                "says that the camera was switched off, and no power-off stands before it",
            )
        if not is_after_power_off or (body is not None and not body.is_clean):
            self._has_unclean_resume = True
            cut = "" if body is None else f"; {body.trimmed_chain_bytes} bytes of a torn entry were cut"
            self._find("resumed-unclean", entry, None, f"the camera stopped without warning{cut}")
        running, self._running = self._interrupted(entry, body), None
        if running is not None:
            self._end(running, entry)
            text = "the recording ends where the camera stopped"
            self._find("recording-interrupted", entry, running.recording_id, text)

    def _interrupted(self, entry: Entry, body: Resumed | None) -> _Open | None:
        """Return the recording that a `resumed` ends: the running one if its body is withheld, else the one that it names."""
        if body is None:
            return self._running
        if body.interrupted_recording_id is None:
            return None
        named = self._named(body.interrupted_recording_id)
        if named is not None and named.ending_sequence is None:
            return named
        if not self._is_behind_hole:
            text = "is named as interrupted, and does not run"
            self._find("kind-out-of-place", entry, body.interrupted_recording_id, text)
        return None

    def _close_shift(self, entry: Entry, body: ShiftClosed) -> None:
        if body.recording_count > len(self._all):
            text = f"the shift was closed with {body.recording_count} recordings, {len(self._all)} are here"
            self._find("recording-missing", entry, None, text)

    def _end(self, recording: _Open, entry: Entry) -> None:
        recording.ending_sequence, recording.ending_head_hash = entry.head.sequence, entry.head_hash
        self._running = None
        self._is_behind_hole = False

    def _find(
        self, kind: str, entry: Entry, recording_id: bytes | None, text: str, *, chunk_index: int | None = None
    ) -> None:
        place = Place(
            shift_id=entry.head.shift_id.hex(),
            sequence=entry.head.sequence,
            recording_id=None if recording_id is None else recording_id.hex(),
            chunk_index=chunk_index,
            file=self._log.file,
        )
        self._log.add(Finding(kind=kind, place=place, text=text))


def _body_fault(chunk: Chunk) -> tuple[str, str] | None:
    """Say in which point a chunk contradicts itself, if in any."""
    kinds = [part.kind for part in chunk.parts]
    if len(set(kinds)) != len(kinds) or ("init" in kinds[1:]) or (kinds[0] == "init") != (chunk.index == 0):
        return "body-invalid", f"parts {', '.join(kinds)}: none may stand twice, and init first in chunk 0 only"
    if not _covers(chunk.audio, chunk.start_us, chunk.start_us + chunk.duration_us):
        return "body-invalid", "its spans of audio do not cover it one after the other"
    return None


def _covers(spans: tuple[AudioSpan, ...], start_us: int, end_us: int) -> bool:
    for span in spans:
        if span.start_us != start_us or span.end_us <= start_us:
            return False
        start_us = span.end_us
    return start_us == end_us


def _order_fault(recording: _Open, chunk: Chunk) -> tuple[str, str] | None:
    """Say what does not fit between a chunk and the one before it, if anything."""
    before = recording.chunks[-1].chunk if recording.chunks else None
    expected_index = (0 if before is None else before.index + 1) + recording.withheld_since_chunk_count
    if chunk.index > expected_index:
        return "chunk-missing", f"chunk {chunk.index} where chunk {expected_index} is expected"
    if chunk.index < expected_index:
        return "chunk-out-of-sequence", f"chunk {chunk.index} again where chunk {expected_index} is expected"
    if recording.withheld_since_chunk_count:
        return None
    is_same_file = before is not None and chunk.media_number == before.media_number
    expected_offset = before.offset_bytes + before.size_bytes if before is not None and is_same_file else 0
    if chunk.offset_bytes != expected_offset:
        return "chunk-out-of-sequence", f"begins at byte {chunk.offset_bytes}, {expected_offset} expected"
    numbers = (0,) if before is None else (before.media_number, before.media_number + 1)
    if chunk.media_number not in numbers:
        return "chunk-out-of-sequence", f"stands in media file {chunk.media_number}, {numbers[-1]} expected"
    expected_start_us = 0 if before is None else before.start_us + before.duration_us
    if chunk.start_us != expected_start_us:
        return "chunk-out-of-sequence", f"begins at {chunk.start_us} us, {expected_start_us} us expected"
    return None
