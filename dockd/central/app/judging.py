"""Verifies a file in one pass over its bytes, staged or stored, against the chain that its shift has at central."""

from collections.abc import Iterable
from dataclasses import dataclass

from dockd.central.app.chains import StoredChains
from dockd.central.core.assess import Assessment, assess_chain, assess_key_box, assess_media
from dockd.central.ports import Catalogue, RecordingRow, ShiftKey
from protocol.layout import FileName, parse_file_name
from protocol.offload.messages import Description
from protocol.verify.chain import ChainReport
from protocol.verify.media import MediaVerifier


@dataclass(frozen=True, slots=True)
class Judged:
    """A file's assessment, and the chain's report where it is a chain."""

    assessment: Assessment
    report: ChainReport | None = None


class FileJudge:
    """Knows the chains of the shifts that files arrive for."""

    def __init__(self, *, chains: StoredChains, catalogue: Catalogue) -> None:
        """Take where chains and their recordings are known."""
        self._chains = chains
        self._catalogue = catalogue

    def judge(self, description: Description, pieces: Iterable[memoryview]) -> Judged:
        """Return what the bytes of a described file are. For key boxes and media the shift's chain must be stored."""
        key = key_of(description)
        parsed = parsed_name(description)
        if description.kind == "chain":
            report = self._chains.verify(key, pieces)
            return Judged(assess_chain(report, description), report)
        if description.kind == "key-box":
            return Judged(assess_key_box(b"".join(pieces), self._recording(key, parsed), description))
        view = next(
            (view for view in self._chains.report(key).recordings if view.recording_id == parsed.recording_id), None
        )
        if view is None:
            return Judged(assess_media((), None, description))
        assert parsed.number is not None
        verifier = MediaVerifier(view, parsed.number, file=description.name)
        for piece in pieces:
            verifier.feed(piece)
        return Judged(assess_media(verifier.finish(), view, description))

    def _recording(self, key: ShiftKey, parsed: FileName) -> RecordingRow | None:
        return next((row for row in self._catalogue.recordings(key) if row.recording_id == parsed.recording_id), None)


def key_of(description: Description) -> ShiftKey:
    """Return which shift a described file is of."""
    return ShiftKey(description.camera_id, description.shift_id)


def parsed_name(description: Description) -> FileName:
    """Return what a description's name says; the description has checked that it says something."""
    parsed = parse_file_name(description.name)
    assert parsed is not None
    return parsed
