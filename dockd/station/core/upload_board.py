"""All files that have to go to central, how each stands, and whose turn it is (spec/07-offload.md, 7.5). Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from dockd.station.core.upload_plan import Work
from dockd.station.ports import ShiftPlace
from protocol.layout import CHAIN_NAME, key_box_name
from protocol.offload.sender import TransferSender
from protocol.offload.sender_table import State

TRANSFERS_AT_ONCE: Final = 4
ASK_AGAIN_MS_MIN: Final = 500
ASK_AGAIN_MS_MAX: Final = 60_000
ACTIVE: Final = frozenset({State.OPENING, State.SENDING, State.FINISHING})
WAITING: Final = frozenset({State.HELD, State.REFUSED})


@dataclass(slots=True)
class Upload:
    """A file on its way. ``is_stored``: central says that it has it; receipts are another matter."""

    work: Work
    sender: TransferSender
    is_stored: bool = False
    held_reason: str | None = None
    refused: str | None = None
    ask_again_at_ms: int = 0
    ask_again_ms: int = ASK_AGAIN_MS_MIN

    def was_stored(self, now_ms: int, held_reason: str | None) -> None:
        """Note central's word; receipts that are missing are asked for later, ever more rarely."""
        self.is_stored, self.held_reason, self.refused = True, held_reason, None
        self.ask_again_at_ms = now_ms + self.ask_again_ms
        self.ask_again_ms = min(2 * self.ask_again_ms, ASK_AGAIN_MS_MAX)


@dataclass(slots=True)
class _Shift:
    works: tuple[Work, ...] = ()
    covered: frozenset[str] = frozenset()
    uploads: dict[str, Upload] = field(default_factory=dict)

    def left(self) -> Iterator[Work]:
        return (work for work in self.works if work.description.name not in self.covered)

    def is_there(self, name: str) -> bool:
        return name in self.covered or (name in self.uploads and self.uploads[name].is_stored)

    def is_there_or_waiting(self, name: str) -> bool:
        return self.is_there(name) or (name in self.uploads and self.uploads[name].sender.state in WAITING)

    def may_begin(self, work: Work) -> bool:
        """Say whether it is this file's turn: the chain first, then a recording's key box, then its media."""
        if work.description.kind == "chain":
            return True
        if not self.is_there(CHAIN_NAME):
            return False
        if work.description.kind == "key-box" or work.recording_id is None:
            return True
        box = key_box_name(work.recording_id)
        # A key box that is missing, or that central will not have now, must not keep the media here.
        return all(other.description.name != box for other in self.works) or self.is_there_or_waiting(box)

    def is_ready(self, work: Work, now_ms: int) -> bool:
        upload = self.uploads.get(work.description.name)
        if upload is None or upload.sender.state is State.RESTING:
            return self.may_begin(work)
        if upload.sender.state is not State.DONE or now_ms < upload.ask_again_at_ms:
            return False
        # Stored, and no receipt yet: there may be one when nothing more of the shift is to be sent.
        return all(self.is_there_or_waiting(other.description.name) for other in self.left())


class UploadBoard:
    """Every file that no receipt covers."""

    def __init__(self) -> None:
        """Begin with none."""
        self._shifts: dict[ShiftPlace, _Shift] = {}
        self._by_transfer: dict[bytes, Upload] = {}

    @property
    def uploads(self) -> tuple[Upload, ...]:
        """Return all that were begun and are not covered."""
        return tuple(self._by_transfer.values())

    @property
    def active(self) -> tuple[Upload, ...]:
        """Return those that central is busy with, or should be."""
        return tuple(upload for upload in self._by_transfer.values() if upload.sender.state in ACTIVE)

    @property
    def waiting(self) -> tuple[Upload, ...]:
        """Return those that central holds or refuses."""
        return tuple(upload for upload in self._by_transfer.values() if upload.sender.state in WAITING)

    def may_act(self, upload: Upload) -> bool:
        """Say whether it is active, or there is room for it to become so."""
        return upload.sender.state in ACTIVE or len(self.active) < TRANSFERS_AT_ONCE

    def left(self) -> tuple[Work, ...]:
        """Return all files that no receipt covers."""
        return tuple(work for shift in self._shifts.values() for work in shift.left())

    def of_transfer(self, transfer: bytes) -> Upload | None:
        """Return the upload that an answer is about."""
        return self._by_transfer.get(transfer)

    def put(self, place: ShiftPlace, works: tuple[Work, ...], covered: frozenset[str]) -> tuple[Upload, ...]:
        """Take what is in the spool now; return the uploads that are not wanted any more."""
        shift = self._shifts.setdefault(place, _Shift())
        shift.works, shift.covered = works, covered
        wanted = {work.description.name: work for work in shift.left()}
        old = [name for name, upload in shift.uploads.items() if wanted.get(name) != upload.work]
        return self._dropped(shift.uploads.pop(name) for name in old)

    def keep_only(self, places: set[ShiftPlace]) -> tuple[Upload, ...]:
        """Forget shifts that are not in the spool any more; return their uploads."""
        gone = [self._shifts.pop(place) for place in set(self._shifts) - places]
        return self._dropped(upload for shift in gone for upload in shift.uploads.values())

    def ready(self, now_ms: int) -> tuple[Work, ...]:
        """Return as many files as there is room for, whose turn it is to be begun or asked about again."""
        room = TRANSFERS_AT_ONCE - len(self.active)
        ready = [work for shift in self._shifts.values() for work in shift.left() if shift.is_ready(work, now_ms)]
        return tuple(sorted(ready, key=lambda work: work.rank)[: max(room, 0)])

    def begin(self, work: Work, *, seed: bytes) -> Upload:
        """Return the upload of a file, a new one where there is none."""
        uploads = self._shifts[work.place].uploads
        upload = uploads.get(work.description.name)
        if upload is None:
            upload = Upload(work, TransferSender(work.description, seed=seed))
            uploads[work.description.name] = self._by_transfer[upload.sender.transfer] = upload
        return upload

    def _dropped(self, uploads: Iterable[Upload]) -> tuple[Upload, ...]:
        dropped = tuple(uploads)
        for upload in dropped:
            self._by_transfer.pop(upload.sender.transfer, None)
        return dropped
