"""Check a media file against the chunks that describe it, while its bytes arrive (spec/05-verdict.md, 5.2 rule 4)."""

from collections.abc import Iterator

from protocol.canonical import digest_state
from protocol.entries import Part
from protocol.verdict import Finding, Place
from protocol.verify.recordings import RecordingView


class MediaVerifier:
    """Hashes each part once, as it comes, and compares. Bytes are fed in order from the start of the file."""

    def __init__(self, recording: RecordingView, number: int, *, file: str) -> None:
        """Take the recording that the file belongs to, and the file's number and name."""
        self._recording_id = recording.recording_id.hex()
        self._file = file
        chunks = [view.chunk for view in recording.chunks_of(number)]
        self.size_expected_bytes = sum(chunk.size_bytes for chunk in chunks)
        self._parts: Iterator[tuple[int, Part]] = ((chunk.index, part) for chunk in chunks for part in chunk.parts)
        self._current = next(self._parts, None)
        self._left_bytes = 0 if self._current is None else self._current[1].size_bytes
        self._hash = digest_state("sealcam/1 part-hash")
        self._offset_bytes = 0
        self._excess_bytes = 0
        self._findings: list[Finding] = []

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the file."""
        view = memoryview(data)
        while len(view):
            if self._current is None:
                self._excess_bytes += len(view)
                return
            taken = view[: self._left_bytes]
            self._hash.update(taken)
            self._left_bytes -= len(taken)
            self._offset_bytes += len(taken)
            view = view[len(taken) :]
            if self._left_bytes == 0:
                self._end_part()

    def finish(self) -> tuple[Finding, ...]:
        """Return everything found, at the end of the file."""
        if self._current is not None:
            index, part = self._current
            missing = self.size_expected_bytes - self._offset_bytes
            self._find("media-short", f"the file ends {missing} bytes early", self._offset_bytes, index, part.kind)
            self._current = None
        if self._excess_bytes:
            self._find(
                "media-excess", f"{self._excess_bytes} bytes that no chunk describes", self._offset_bytes, None, None
            )
            self._excess_bytes = 0
        return tuple(self._findings)

    def _end_part(self) -> None:
        assert self._current is not None
        index, part = self._current
        if self._hash.digest() != part.hash:
            text = f"the {part.size_bytes} bytes are not those that the camera signed"
            self._find("part-hash-mismatch", text, self._offset_bytes - part.size_bytes, index, part.kind)
        self._current = next(self._parts, None)
        self._left_bytes = 0 if self._current is None else self._current[1].size_bytes
        self._hash = digest_state("sealcam/1 part-hash")

    def _find(self, kind: str, text: str, offset_bytes: int, index: int | None, part: str | None) -> None:
        place = Place(
            recording_id=self._recording_id, chunk_index=index, part=part, file=self._file, offset_bytes=offset_bytes
        )
        self._findings.append(Finding(kind=kind, place=place, text=text))
