"""What a proven dock may ask of the camera: listings, reads in a window, receipts (spec/06-dock-link.md, 6.4 and 6.5).

No table: each request is answered for itself and none changes the state of the session. Reads no file, judges no
receipt.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from protocol.link.camera_effects import Effects, JudgeReceipt, MakeListing
from protocol.link.messages import (
    LISTING_FILES_MAX,
    BringReceipt,
    Data,
    ListedFile,
    ListFiles,
    Listing,
    ReadFile,
    ReadRefused,
    ReceiptAnswer,
    Taken,
    encode_data,
    encode_message,
    shorten,
)
from protocol.link.steps import Send
from protocol.receipt import ReceiptWithProof, receipt_hash

ERASED_KEPT_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class FileRange:
    """Bytes of a file that the window has room for."""

    request: int
    folder: str
    name: str
    offset_bytes: int
    size_bytes: int


@dataclass(slots=True)
class _Reading:
    ask: ReadFile
    size_bytes: int
    next_bytes: int
    limit_bytes: int


class Serving:
    """Answers the requests of one session after the other."""

    def __init__(self) -> None:
        """Begin without a session."""
        self._judging: bytes | None = None
        self._erased: dict[bytes, None] = {}
        self.end()

    def begin(self, session: bytes) -> None:
        """Begin a session."""
        self.end()
        self._session: bytes | None = session

    def end(self) -> None:
        """Drop everything that belongs to the session."""
        self._session = None
        self._reading: _Reading | None = None
        self._last_read = -1
        self._listing_request: int | None = None
        self._files: tuple[ListedFile, ...] = ()
        self._sizes: dict[tuple[str, str], int] = {}

    def serve(self, message: ListFiles | ReadFile | Taken | BringReceipt) -> Effects:
        """Answer a request of the present session."""
        match message:
            case ListFiles():
                return self._list(message)
            case ReadFile():
                return self._begin_reading(message)
            case Taken():
                self._move_window(message)
                return ()
            case BringReceipt():
                return self._take_receipt(message)

    def on_listing(self, request: int, files: Iterable[ListedFile]) -> Effects:
        """Take the files of closed shifts that `MakeListing` asked for."""
        if self._session is None:
            return ()
        self._files = tuple(sorted(files, key=_order))
        self._sizes = {_order(file): file.size_bytes for file in self._files}
        self._listing_request = request
        return (self._page(request, 0),)

    def on_receipt_judged(self, named: bytes, *, is_erased: bool, is_proof_wanted: bool, reason: str) -> Effects:
        """Take what the erase gate decided."""
        self._judging = None
        if is_erased:
            self._erased[named] = None
            if len(self._erased) > ERASED_KEPT_MAX:
                del self._erased[next(iter(self._erased))]
        return self._answer_receipt(named, is_erased=is_erased, is_proof_wanted=is_proof_wanted, reason=reason)

    def next_range(self) -> FileRange | None:
        """Return what to read next; None while nothing is asked for or the window is full."""
        reading = self._reading
        if reading is None:
            return None
        size = min(reading.ask.frame_bytes, reading.limit_bytes - reading.next_bytes)
        if size <= 0:
            return None
        return FileRange(reading.ask.request, reading.ask.folder, reading.ask.name, reading.next_bytes, size)

    def on_bytes(self, asked: FileRange, data: bytes) -> Effects:
        """Take the bytes of a range; none at all where the file has ended."""
        reading = self._reading
        if reading is None or (reading.ask.request, reading.next_bytes) != (asked.request, asked.offset_bytes):
            return ()
        if not data:
            return self.on_read_failed(asked, "the file is shorter than the listing says")
        assert self._session is not None
        reading.next_bytes += len(data)
        return (Send(encode_data(Data(self._session, asked.request, asked.offset_bytes, data))),)

    def on_read_failed(self, asked: FileRange, reason: str) -> Effects:
        """Take note that a range cannot be read."""
        if self._reading is None or self._reading.ask.request != asked.request:
            return ()
        self._reading = None
        return self._refuse_read(asked.request, reason)

    def _list(self, message: ListFiles) -> Effects:
        if message.after is not None:
            after = (message.after.folder, message.after.name)
            return (self._page(message.request, bisect_right(self._files, after, key=_order)),)
        if message.request == self._listing_request:
            return (self._page(message.request, 0),)
        return (MakeListing(message.request),)

    def _page(self, request: int, begin: int) -> Send:
        assert self._session is not None
        files = self._files[begin : begin + LISTING_FILES_MAX]
        is_last = begin + len(files) >= len(self._files)
        return Send(encode_message(Listing(session=self._session, request=request, files=files, is_last=is_last)))

    def _begin_reading(self, message: ReadFile) -> Effects:
        if message.request <= self._last_read:
            return ()
        self._last_read = message.request
        self._reading = None
        path = f"{message.folder}/{message.name}"
        size = self._sizes.get((message.folder, message.name))
        if size is None:
            return self._refuse_read(message.request, f"{path} is not in the last listing")
        if message.offset_bytes > size:
            return self._refuse_read(message.request, f"{path} has {size} bytes, read from {message.offset_bytes} on")
        limit = min(size, message.offset_bytes + message.window_bytes)
        self._reading = _Reading(message, size, message.offset_bytes, limit)
        return ()

    def _move_window(self, message: Taken) -> None:
        reading = self._reading
        if reading is None or reading.ask.request != message.request or message.offset_bytes > reading.next_bytes:
            return
        limit = min(reading.size_bytes, message.offset_bytes + reading.ask.window_bytes)
        reading.limit_bytes = max(reading.limit_bytes, limit)

    def _refuse_read(self, request: int, reason: str) -> Effects:
        assert self._session is not None
        return (Send(encode_message(ReadRefused(session=self._session, request=request, reason=shorten(reason)))),)

    def _take_receipt(self, message: BringReceipt) -> Effects:
        named = receipt_hash(message.receipt)
        if named in self._erased:
            return self._answer_receipt(named, is_erased=True, is_proof_wanted=False, reason="")
        if self._judging is not None:
            # The dock brings it again until it has an answer.
            return ()
        self._judging = named
        return (JudgeReceipt(named, ReceiptWithProof(signed=message.receipt, proof=message.proof)),)

    def _answer_receipt(self, named: bytes, *, is_erased: bool, is_proof_wanted: bool, reason: str) -> Effects:
        if self._session is None:
            return ()
        answer = ReceiptAnswer(
            session=self._session,
            receipt_hash=named,
            is_erased=is_erased,
            is_proof_wanted=is_proof_wanted,
            reason=shorten(reason),
        )
        return (Send(encode_message(answer)),)


def _order(file: ListedFile) -> tuple[str, str]:
    return file.folder, file.name
