"""Verifies a file in one pass over its bytes, staged or stored, against the chain that its shift has at central."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dockd.central.app.receipts import ReceiptMaker
from dockd.central.core.assess import Assessment, assess_chain, assess_key_box, assess_media
from dockd.central.core.names import object_in
from dockd.central.errors import StoreFault
from dockd.central.ports import Catalogue, ObjectStore, RecordingRow, ShiftKey
from protocol.layout import CHAIN_NAME, FileName, parse_file_name
from protocol.offload.messages import Description
from protocol.verify.chain import ChainReport, ChainVerifier
from protocol.verify.media import MediaVerifier

_REPORTS_MAX: Final = 4
"""Verified chains kept in memory: a dock sends a shift's files one after the other."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A file's assessment, and the chain's report where it is a chain."""

    assessment: Assessment
    report: ChainReport | None = None


class FileJudge:
    """Knows the chains of the shifts that files arrive for."""

    def __init__(self, *, store: ObjectStore, catalogue: Catalogue, receipts: ReceiptMaker) -> None:
        """Take where chains are, and who knows the cameras' keys."""
        self._store = store
        self._catalogue = catalogue
        self._receipts = receipts
        self._reports: OrderedDict[ShiftKey, ChainReport] = OrderedDict()

    def judge(self, description: Description, pieces: Iterable[memoryview]) -> Judged:
        """Return what the bytes of a described file are. For key boxes and media the shift's chain must be stored."""
        key = key_of(description)
        parsed = parsed_name(description)
        if description.kind == "chain":
            report = self._verified(key, pieces)
            return Judged(assess_chain(report, description), report)
        if description.kind == "key-box":
            return Judged(assess_key_box(b"".join(pieces), self._recording(key, parsed), description))
        view = next((view for view in self._report(key).recordings if view.recording_id == parsed.recording_id), None)
        if view is None:
            return Judged(assess_media((), None, description))
        assert parsed.number is not None
        verifier = MediaVerifier(view, parsed.number, file=description.name)
        for piece in pieces:
            verifier.feed(piece)
        return Judged(assess_media(verifier.finish(), view, description))

    def remember(self, key: ShiftKey, report: ChainReport) -> None:
        """Keep the report on a chain that is now stored, for the files that follow it."""
        self._reports[key] = report
        while len(self._reports) > _REPORTS_MAX:
            self._reports.popitem(last=False)

    def _recording(self, key: ShiftKey, parsed: FileName) -> RecordingRow | None:
        return next((row for row in self._catalogue.recordings(key) if row.recording_id == parsed.recording_id), None)

    def _verified(self, key: ShiftKey, pieces: Iterable[memoryview]) -> ChainReport | None:
        verifier = ChainVerifier(camera_key=self._receipts.enrolled_key(key.camera_id))
        for piece in pieces:
            verifier.feed(piece)
        return verifier.finish()

    def _report(self, key: ShiftKey) -> ChainReport:
        """Return the report on a stored chain, which is read and verified again where it is not in memory."""
        if key in self._reports:
            self._reports.move_to_end(key)
            return self._reports[key]
        shift = self._catalogue.shift(key)
        assert shift is not None
        name = object_in(shift, CHAIN_NAME)
        report = self._verified(key, self._store.pieces(name))
        if report is None or report.head_hash != shift.head_hash or report.has_alterations:
            raise StoreFault(
                f"the stored chain {name} is not the one that was stored",
                expected=f"a chain whose last entry hashes to {shift.head_hash.hex()}",
                next_step="restore it from a backup, and find out what changed it",
            )
        self.remember(key, report)
        return report


def key_of(description: Description) -> ShiftKey:
    """Return which shift a described file is of."""
    return ShiftKey(description.camera_id, description.shift_id)


def parsed_name(description: Description) -> FileName:
    """Return what a description's name says; the description has checked that it says something."""
    parsed = parse_file_name(description.name)
    assert parsed is not None
    return parsed
