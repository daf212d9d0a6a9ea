"""Check a media file against the chunks that describe it, while its bytes arrive (spec/05-verdict.md, 5.2 rule 4)."""

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.canonical import digest_state
from protocol.entries import Part
from protocol.verdict import Finding, Place
from protocol.verify.findings import FindingLog
from protocol.verify.recordings import RecordingView


@dataclass(frozen=True, slots=True)
class _Region:
    """The next bytes of the file: a part, or ``part`` None for bytes that no chunk at hand describes."""

    size_bytes: int
    chunk_index: int | None = None
    part: Part | None = None


class MediaVerifier:
    """Hashes each part once, as it comes, and compares. Bytes are fed in order from the start of the file.

    Each part is looked for where its own chunk says that it stands, so that a chunk that is missing costs no other.
    """

    def __init__(self, recording: RecordingView, number: int, *, file: str) -> None:
        """Take the recording that the file belongs to, and the file's number and name."""
        self._recording = recording
        self._log = FindingLog(file)
        self.size_expected_bytes = next((each.size_bytes for each in recording.media if each.number == number), 0)
        self._offset_bytes = 0
        self._undescribed_bytes = 0
        self._excess_bytes = 0
        self._regions = self._lay_out(number)
        self._region: _Region | None = None
        self._begin_region()

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the file."""
        view = memoryview(data)
        while len(view):
            if self._region is None:
                self._excess_bytes += len(view)
                return
            taken = view[: self._left_bytes]
            if self._region.part is None:
                self._undescribed_bytes += len(taken)
            else:
                self._hash.update(taken)
            self._left_bytes -= len(taken)
            self._offset_bytes += len(taken)
            view = view[len(taken) :]
            if self._left_bytes == 0:
                self._end_region()

    def finish(self) -> tuple[Finding, ...]:
        """Return everything found, at the end of the file. To be asked once."""
        recording, is_cut = self._recording, self._recording.withheld_chunk_count > 0
        if self._region is not None:
            missing = self.size_expected_bytes - self._offset_bytes
            self._find("media-short", f"the file ends {missing} bytes early", self._offset_bytes, self._region)
        unchecked_bytes = self._undescribed_bytes
        if is_cut and recording.closed is None:
            # Nobody can tell where the file ends: behind the last chunk that is shown there may be withheld ones.
            unchecked_bytes += self._excess_bytes
        elif self._excess_bytes:
            text = f"{self._excess_bytes} bytes that no chunk describes"
            self._find("media-excess", text, self._offset_bytes, None)
        if unchecked_bytes:
            why = "withheld" if is_cut else "missing"
            text = f"{unchecked_bytes} bytes are of chunks whose entries are {why}: not checked"
            self._find("part-withheld" if is_cut else "chunk-missing", text, None, None)
        return self._log.findings()

    def _lay_out(self, number: int) -> Iterator[_Region]:
        """Yield what the file holds, from its first byte to its last."""
        end_bytes = 0
        for chunk in (view.chunk for view in self._recording.chunks_of(number)):
            offset_bytes = chunk.offset_bytes
            for part in chunk.parts:
                region = _Region(part.size_bytes, chunk.index, part)
                if offset_bytes < end_bytes:
                    text = "it is said to stand where another part stands; its bytes were not checked"
                    self._find("part-hash-mismatch", text, offset_bytes, region)
                else:
                    if offset_bytes > end_bytes:
                        yield _Region(offset_bytes - end_bytes)
                    yield region
                    end_bytes = offset_bytes + part.size_bytes
                offset_bytes += part.size_bytes
        if self.size_expected_bytes > end_bytes:
            yield _Region(self.size_expected_bytes - end_bytes)

    def _begin_region(self) -> None:
        self._region = next(self._regions, None)
        self._left_bytes = 0 if self._region is None else self._region.size_bytes
        self._hash = digest_state("sealcam/1 part-hash")

    def _end_region(self) -> None:
        region = self._region
        assert region is not None
        if region.part is not None and self._hash.digest() != region.part.hash:
            text = f"the {region.size_bytes} bytes are not those that the camera signed"
            self._find("part-hash-mismatch", text, self._offset_bytes - region.size_bytes, region)
        self._begin_region()

    def _find(self, kind: str, text: str, offset_bytes: int | None, region: _Region | None) -> None:
        place = Place(
            recording_id=self._recording.recording_id.hex(),
            chunk_index=None if region is None else region.chunk_index,
            part=None if region is None or region.part is None else region.part.kind,
            file=self._log.file,
            offset_bytes=offset_bytes,
        )
        self._log.add(Finding(kind=kind, place=place, text=text))
