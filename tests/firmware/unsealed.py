"""Recordings as the vault would open them, from what stands on a card: chain, media, key box."""

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.entries import AudioSpan, Body, Event
from protocol.layout import CHAIN_NAME, key_box_name, media_name
from protocol.sealing import PartSealer
from protocol.verify.chain import ChainReport, verify_chain
from protocol.verify.recordings import RecordingView
from tests.firmware.crash_world import AGENCY, KEY


@dataclass(frozen=True)
class Recording:
    """One recording of a shift, and its plaintext."""

    view: RecordingView
    shift_number: int
    parts: tuple[tuple[int, str, bytes], ...]
    """Chunk, kind and plaintext."""

    @property
    def mp4(self) -> bytes:
        """Return what a player plays."""
        return b"".join(data for _, _, data in self.parts)

    @property
    def sound(self) -> bytes:
        """Return everything that is sound."""
        return b"".join(data for _, kind, data in self.parts if kind == "audio")

    @property
    def reason(self) -> tuple[str, str | None]:
        """Return why it was opened and why it was closed."""
        opened, closed = self.view.opened, self.view.closed
        assert opened is not None
        return opened.reason, None if closed is None else closed.reason

    @property
    def begins_us(self) -> int:
        """Return the monotonic time of its first frame."""
        assert self.view.opened is not None
        return self.view.opened.origin_mono_us

    @property
    def ends_us(self) -> int:
        """Return the monotonic time up to which it reaches."""
        return self.begins_us + self.view.duration_us

    @property
    def spans(self) -> tuple[AudioSpan, ...]:
        """Return what its sound is, chunk after chunk."""
        return tuple(span for each in self.view.chunks for span in each.chunk.audio)

    @property
    def gaps(self) -> list[tuple[int, str]]:
        """Return how many frames are missing, and why, for each gap."""
        return [(gap.missing_frame_count, gap.reason) for each in self.view.chunks for gap in each.chunk.gaps]


def reports(image: Mapping[str, Mapping[str, bytes]]) -> list[ChainReport]:
    """Return the readings of all chains, in the order of their shifts."""
    found = [verify_chain(files[CHAIN_NAME], camera_key=KEY) for _, files in sorted(image.items())]
    return [report for report in found if report is not None]


def bodies(image: Mapping[str, Mapping[str, bytes]]) -> list[Body]:
    """Return the bodies of all entries."""
    return [body for report in reports(image) for _, body in report.bodies]


def events(image: Mapping[str, Mapping[str, bytes]]) -> list[Event]:
    """Return all events."""
    return [body for body in bodies(image) if isinstance(body, Event)]


def recordings(image: Mapping[str, Mapping[str, bytes]]) -> list[Recording]:
    """Open every recording on the card, in order; each part's hash, commitment and key are checked on the way."""
    opened = []
    for report in reports(image):
        files = next(files for folder, files in image.items() if folder.endswith(report.shift_id.hex()))
        for view in report.recordings:
            assert view.opened is not None
            assert report.opened is not None
            box = files[key_box_name(view.recording_id)]
            key = AGENCY.vault.open_key_box(box, role="vault", commitment=view.opened.content_key_commitment)
            sealer = PartSealer(shift_id=report.shift_id, recording_id=view.recording_id, content_key=key)
            media = files.get(media_name(view.recording_id, 0), b"")
            opened.append(Recording(view, report.opened.shift_number, _parts(view, sealer, media)))
    return opened


def _parts(view: RecordingView, sealer: PartSealer, media: bytes) -> tuple[tuple[int, str, bytes], ...]:
    parts = []
    for each in view.chunks:
        at = each.chunk.offset_bytes
        for part in each.chunk.parts:
            parts.append(
                (each.chunk.index, part.kind, sealer.open(each.chunk.index, part, media[at : at + part.size_bytes]))
            )
            at += part.size_bytes
    return tuple(parts)
