"""Read recordings out of a chain's entries, and find what does not fit between them.

Implements spec/03-recording.md, 3.2 to 3.4, and spec/05-verdict.md, 5.2 rule 3. Entries come in order and already verified.
"""

from dataclasses import dataclass, field

from protocol.chain import Entry
from protocol.entries import Body, Chunk, MediaFile, RecordingClosed, RecordingOpened, Resumed
from protocol.layout import CHAIN_NAME
from protocol.verdict import Finding, Place


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
    is_after_unclean_resume: bool

    @property
    def duration_us(self) -> int:
        """Return the media time from the first chunk to the end of the last."""
        return self.chunks[-1].chunk.start_us + self.chunks[-1].chunk.duration_us if self.chunks else 0

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all media files."""
        return sum(file.size_bytes for file in self.media)

    def chunks_of(self, number: int) -> tuple[ChunkView, ...]:
        """Return the chunks that stand in one media file."""
        return tuple(view for view in self.chunks if view.chunk.media_number == number)


@dataclass(slots=True)
class _Open:
    recording_id: bytes
    opened: RecordingOpened | None = None
    opened_sequence: int | None = None
    chunks: list[ChunkView] = field(default_factory=list)
    closed: RecordingClosed | None = None
    ending_sequence: int | None = None
    ending_head_hash: bytes | None = None
    is_after_unclean_resume: bool = False
    media_sizes: dict[int, int] = field(default_factory=dict)

    def view(self) -> RecordingView:
        media = tuple(MediaFile(number=number, size_bytes=size) for number, size in sorted(self.media_sizes.items()))
        return RecordingView(
            self.recording_id, self.opened, self.opened_sequence, tuple(self.chunks), self.closed, self.ending_sequence,
            self.ending_head_hash, media, self.is_after_unclean_resume,
        )  # fmt: skip


class RecordingReader:
    """Collects the recordings of one shift."""

    def __init__(self, *, file: str = CHAIN_NAME) -> None:
        """Take the chain file's name, for places."""
        self._file = file
        self._by_id: dict[bytes, _Open] = {}
        self._running: _Open | None = None
        self._has_unclean_resume = False
        self._last_sequence: int | None = None
        self.findings: list[Finding] = []

    def take(self, entry: Entry, body: Body | None) -> None:
        """Take the next verified entry; a withheld or unknown body says nothing about recordings."""
        if isinstance(body, RecordingOpened):
            self._open(entry, body)
        elif isinstance(body, Chunk):
            self._chunk(entry, body)
        elif isinstance(body, RecordingClosed):
            self._close(entry, body)
        elif isinstance(body, Resumed):
            self._resume(entry, body)

    def finish(self, *, shift_id: bytes) -> tuple[RecordingView, ...]:
        """Return all recordings in the order in which they began."""
        for recording in self._by_id.values():
            if recording.ending_sequence is None:
                place = Place(shift_id=shift_id.hex(), recording_id=recording.recording_id.hex(), file=self._file)
                text = f"the recording has {len(recording.chunks)} chunks and no entry that ends it"
                self.findings.append(Finding(kind="recording-not-ended", place=place, text=text))
        return tuple(recording.view() for recording in self._by_id.values())

    def _open(self, entry: Entry, body: RecordingOpened) -> None:
        if self._running is not None:
            self._find(
                "kind-out-of-place", entry, self._running.recording_id, "a recording begins before this one ended"
            )
        if body.recording_id in self._by_id:
            self._find("kind-out-of-place", entry, body.recording_id, "the recording begins a second time")
            return
        if body.pre_event_ms < body.pre_event_wanted_ms:
            text = f"{body.pre_event_ms} ms before the press, {body.pre_event_wanted_ms} ms were set"
            self._find("pre-event-short", entry, body.recording_id, text)
        self._running = _Open(
            body.recording_id, body, entry.head.sequence, is_after_unclean_resume=self._has_unclean_resume
        )
        self._by_id[body.recording_id] = self._running

    def _chunk(self, entry: Entry, chunk: Chunk) -> None:
        recording = self._by_id.get(chunk.recording_id)
        if recording is None:
            self._find(
                "kind-out-of-place", entry, chunk.recording_id, "a chunk of a recording whose opening is not here"
            )
            recording = self._by_id[chunk.recording_id] = self._running = _Open(chunk.recording_id)
        if recording.ending_sequence is not None:
            self._find("kind-out-of-place", entry, chunk.recording_id, "a chunk after the recording ended")
            return
        fault = self._chunk_fault(recording, chunk)
        if fault is not None:
            kind, text = fault
            self._find(kind, entry, chunk.recording_id, text, chunk_index=chunk.index)
        for gap in chunk.gaps:
            text = f"{gap.missing_frame_count} frames missing from {gap.start_us} us to {gap.end_us} us: {gap.reason}"
            self._find("frames-dropped", entry, chunk.recording_id, text, chunk_index=chunk.index)
        recording.chunks.append(ChunkView(entry.head.sequence, entry.head_hash, chunk))
        recording.media_sizes[chunk.media_number] = chunk.offset_bytes + chunk.size_bytes

    @staticmethod
    def _chunk_fault(recording: _Open, chunk: Chunk) -> tuple[str, str] | None:
        """Say what does not fit between a chunk and the one before it, if anything."""
        before = recording.chunks[-1].chunk if recording.chunks else None
        expected_index = 0 if before is None else before.index + 1
        if chunk.index > expected_index:
            return "chunk-missing", f"chunk {chunk.index} where chunk {expected_index} is expected"
        if chunk.index < expected_index:
            return "chunk-out-of-sequence", f"chunk {chunk.index} again where chunk {expected_index} is expected"
        is_same_file = before is not None and chunk.media_number == before.media_number
        expected_offset = before.offset_bytes + before.size_bytes if before is not None and is_same_file else 0
        if chunk.offset_bytes != expected_offset:
            return "chunk-out-of-sequence", f"begins at byte {chunk.offset_bytes}, {expected_offset} expected"
        if before is not None and chunk.media_number - before.media_number not in (0, 1):
            return "chunk-out-of-sequence", f"media file {chunk.media_number} after {before.media_number}"
        expected_start_us = 0 if before is None else before.start_us + before.duration_us
        if chunk.start_us != expected_start_us:
            return "chunk-out-of-sequence", f"begins at {chunk.start_us} us, {expected_start_us} us expected"
        has_init = any(part.kind == "init" for part in chunk.parts)
        if len({part.kind for part in chunk.parts}) != len(chunk.parts) or has_init != (chunk.index == 0):
            return "chunk-out-of-sequence", "its parts are not those of page 3.3"
        return None

    def _close(self, entry: Entry, body: RecordingClosed) -> None:
        recording = self._by_id.get(body.recording_id)
        if recording is None or recording.ending_sequence is not None:
            self._find("kind-out-of-place", entry, body.recording_id, "ends a recording that is not running")
            return
        self._end(recording, entry)
        recording.closed = body
        view = recording.view()
        if (body.chunk_count, body.duration_us, body.media) != (len(view.chunks), view.duration_us, view.media):
            text = f"{body.chunk_count} chunks and {body.duration_us} us are closed, {len(view.chunks)} and {view.duration_us} us are here"
            self._find("chunk-missing", entry, body.recording_id, text)

    def _resume(self, entry: Entry, body: Resumed) -> None:
        if not body.is_clean:
            self._has_unclean_resume = True
            text = f"the camera stopped without warning; {body.trimmed_chain_bytes} bytes of a torn entry were cut"
            self._find("resumed-unclean", entry, None, text)
        running = self._running
        if body.interrupted_recording_id is not None:
            self._find(
                "recording-interrupted",
                entry,
                body.interrupted_recording_id,
                "the recording ends where the camera stopped",
            )
            running = self._by_id.get(body.interrupted_recording_id)
        if running is not None and running.ending_sequence is None:
            self._end(running, entry)

    def _end(self, recording: _Open, entry: Entry) -> None:
        recording.ending_sequence, recording.ending_head_hash = entry.head.sequence, entry.head_hash
        self._running = None

    def _find(
        self, kind: str, entry: Entry, recording_id: bytes | None, text: str, *, chunk_index: int | None = None
    ) -> None:
        place = Place(
            shift_id=entry.head.shift_id.hex(),
            sequence=entry.head.sequence,
            recording_id=None if recording_id is None else recording_id.hex(),
            chunk_index=chunk_index,
            file=self._file,
        )
        self.findings.append(Finding(kind=kind, place=place, text=text))
