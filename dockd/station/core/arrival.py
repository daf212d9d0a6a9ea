"""Verifies one file while its bytes arrive, by the protocol's verifier and in no second pass. Pure.

What is wrong with a file is found, kept and said; the file is taken all the same.
"""

from typing import Protocol

from dockd.station.core.bay import Task
from protocol.canonical import digest_state
from protocol.layout import parse_shift_folder
from protocol.verdict import Finding, Place
from protocol.verify.chain import ChainReport, ChainVerifier
from protocol.verify.media import MediaVerifier
from protocol.verify.recordings import RecordingView


class Arrival(Protocol):
    """A file on its way in. Bytes are fed in order from the start of the file."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> tuple[Finding, ...]:
        """Return everything found, at the end of the file."""


class ChainArrival:
    """A chain; its report is what the rest of the shift is verified by."""

    def __init__(self, task: Task, *, camera_key: bytes) -> None:
        """Take the key of the camera that proved itself on the line."""
        self._task = task
        self._verifier = ChainVerifier(camera_key=camera_key, file=_path(task))
        self.report: ChainReport | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._verifier.feed(data)

    def finish(self) -> tuple[Finding, ...]:
        """Return everything found; `report` is there now."""
        self.report = self._verifier.finish()
        if self.report is None:
            return (_finding(self._task, "chain-empty", "nothing in the file is an entry"),)
        named = parse_shift_folder(self._task.place.folder)
        assert named is not None
        if named[1] == self.report.shift_id:
            return self.report.findings
        text = f"the chain is of shift {self.report.shift_id.hex()}, not of the one that its folder is named for"
        return (*self.report.findings, _finding(self._task, "entry-out-of-sequence", text))


class KeyBoxArrival:
    """A key box, by the hash that the recording's opening names."""

    def __init__(self, task: Task, recording: RecordingView | None) -> None:
        """Take the recording; None where the chain has no such one."""
        self._task, self._recording = task, recording
        self._hash = digest_state("sealcam/1 key-box")

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._hash.update(data)

    def finish(self) -> tuple[Finding, ...]:
        """Return what was found."""
        if self._recording is None or self._recording.opened is None:
            return (_finding(self._task, "file-unknown", "the chain describes no such recording"),)
        if self._hash.digest() != self._recording.opened.key_box_hash:
            return (_finding(self._task, "key-box-mismatch", "not the key box that the camera signed"),)
        return ()


class MediaArrival:
    """A media file that the chain describes."""

    def __init__(self, task: Task, recording: RecordingView, number: int) -> None:
        """Take the recording and the file's number."""
        self._verifier = MediaVerifier(recording, number, file=_path(task))

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._verifier.feed(data)

    def finish(self) -> tuple[Finding, ...]:
        """Return what was found."""
        return self._verifier.finish()


class UnknownArrival:
    """A file that no chain at hand describes: taken as it is, and said so."""

    def __init__(self, task: Task, *, has_chain: bool) -> None:
        """Say whether there is a chain that could have described it."""
        self._task, self._has_chain = task, has_chain

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> tuple[Finding, ...]:
        """Return that nothing vouches for the file."""
        if self._has_chain:
            return (_finding(self._task, "file-unknown", "the chain describes no such file"),)
        return (_finding(self._task, "chain-missing", "the camera has no readable chain of this shift"),)


def begin(task: Task, *, camera_key: bytes, report: ChainReport | None) -> Arrival:
    """Return what verifies the file that ``task`` is about."""
    if task.parsed.kind == "chain":
        return ChainArrival(task, camera_key=camera_key)
    if report is None:
        return UnknownArrival(task, has_chain=False)
    recording = next((view for view in report.recordings if view.recording_id == task.parsed.recording_id), None)
    if task.parsed.kind == "key-box":
        return KeyBoxArrival(task, recording)
    number = task.parsed.number
    assert number is not None
    if recording is None or number not in {file.number for file in recording.media}:
        return UnknownArrival(task, has_chain=True)
    return MediaArrival(task, recording, number)


def _path(task: Task) -> str:
    return f"{task.place.folder}/{task.name}"


def _finding(task: Task, kind: str, text: str) -> Finding:
    return Finding(kind=kind, place=Place(file=_path(task)), text=text)
