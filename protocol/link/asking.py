"""What the dock asks in a session: listings, reads in a window, receipts, pings, each until answered.

Implements spec/06-dock-link.md, 6.4 to 6.6. No table: what is asked for stands side by side and changes no state of the
session. Times are arguments.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from protocol.errors import PeerError
from protocol.link.dock_effects import Arrived, Effects, Listed, ReadEnded, ReceiptAnswered
from protocol.link.messages import (
    FRAME_BYTES_MAX,
    FRAME_BYTES_MIN,
    Answer,
    BringReceipt,
    Data,
    FilePlace,
    ListedFile,
    ListFiles,
    Listing,
    Ping,
    Pong,
    ReadFile,
    ReadRefused,
    ReceiptAnswer,
    Taken,
    encode_message,
)
from protocol.link.steps import PING_INTERVAL_NS, RETRY_NS, STALL_NS, Send
from protocol.receipt import ReceiptWithProof, receipt_hash

LISTED_FILES_MAX: Final = 65_536
FRAMES_PER_WINDOW: Final = 16
_SECTION: Final = "spec/06-dock-link.md, 6.4"


@dataclass(slots=True)
class _Listing:
    ask: ListFiles
    files: list[ListedFile]
    due_at_mono_ns: int


@dataclass(slots=True)
class _Reading:
    ask: ReadFile
    size_bytes: int
    next_bytes: int
    told_bytes: int
    due_at_mono_ns: int


@dataclass(slots=True)
class _Receipt:
    ask: BringReceipt
    named: bytes
    due_at_mono_ns: int


class Asking:
    """The requests of one session after the other."""

    def __init__(self, *, window_bytes: int) -> None:
        """Take how many bytes may be on their way at once."""
        self._window_bytes = window_bytes
        self._frame_bytes_max = max(FRAME_BYTES_MIN, min(FRAME_BYTES_MAX, window_bytes // FRAMES_PER_WINDOW))
        self._frame_bytes = self._frame_bytes_max
        self._is_ready = False
        self.end()

    def begin(self, session: bytes, now_mono_ns: int) -> None:
        """Begin a session."""
        self.end()
        self._session: bytes | None = session
        self._ping_at_mono_ns = now_mono_ns

    def end(self) -> None:
        """Drop everything that belongs to the session."""
        self._session = None
        self._request = 0
        self._listing: _Listing | None = None
        self._reading: _Reading | None = None
        self._receipt: _Receipt | None = None
        self._ping_at_mono_ns = 0

    @property
    def is_reading(self) -> bool:
        """Say whether a file is being read."""
        return self._reading is not None

    @property
    def is_listing(self) -> bool:
        """Say whether a listing is awaited."""
        return self._listing is not None

    @property
    def is_bringing(self) -> bool:
        """Say whether a receipt's answer is awaited."""
        return self._receipt is not None

    def ask_listing(self, now_mono_ns: int) -> Effects:
        """Ask for a fresh listing; `Listed` follows."""
        ask = ListFiles(session=self._own(), request=self._next_request(), after=None)
        self._listing = _Listing(ask, [], now_mono_ns + RETRY_NS)
        return (Send(encode_message(ask)),)

    def read(self, folder: str, name: str, *, offset_bytes: int, size_bytes: int, now_mono_ns: int) -> Effects:
        """Read a file from ``offset_bytes`` to the size that was listed; `Arrived` and one `ReadEnded` follow."""
        if offset_bytes >= size_bytes:
            return (ReadEnded(None),)
        return (self._ask_read(folder, name, offset_bytes, size_bytes, now_mono_ns),)

    def stop_reading(self) -> None:
        """Want no more of the file; what is on its way is passed over."""
        self._reading = None

    def bring_receipt(self, brought: ReceiptWithProof, now_mono_ns: int) -> Effects:
        """Bring a receipt; `ReceiptAnswered` follows."""
        ask = BringReceipt(session=self._own(), receipt=brought.signed, proof=brought.proof)
        self._receipt = _Receipt(ask, receipt_hash(brought.signed), now_mono_ns + RETRY_NS)
        return (Send(encode_message(ask)),)

    def show_ready(self, *, is_ready: bool, now_mono_ns: int) -> None:
        """Let the camera show whether the dock has everything."""
        if is_ready != self._is_ready:
            self._is_ready = is_ready
            self._ping_at_mono_ns = now_mono_ns

    def take(self, answer: Answer, now_mono_ns: int) -> Effects:
        """Take an answer of the present session.

        Raises:
            PeerError: it cannot be the answer of a camera that keeps to the specification.
        """
        match answer:
            case Listing():
                return self._take_page(answer, now_mono_ns)
            case ReadRefused():
                return self._take_refusal(answer)
            case ReceiptAnswer():
                return self._take_receipt_answer(answer)
            case Pong():
                return ()

    def take_data(self, data: Data, now_mono_ns: int) -> Effects:
        """Take bytes of a file, if they are the next ones.

        Raises:
            PeerError: they go beyond the size that the camera listed.
        """
        reading = self._reading
        if reading is None or data.request != reading.ask.request or data.offset_bytes < reading.next_bytes:
            return ()
        if data.offset_bytes > reading.next_bytes:
            return (self._read_again(reading, now_mono_ns),)
        end = data.offset_bytes + len(data.data)
        if end > reading.size_bytes:
            raise PeerError(f"data up to byte {end} of a file of {reading.size_bytes} bytes", section=_SECTION)
        reading.next_bytes, reading.due_at_mono_ns = end, now_mono_ns + STALL_NS
        arrived = Arrived(data.offset_bytes, data.data)
        if end == reading.size_bytes:
            self._reading = None
            self._frame_bytes = min(self._frame_bytes_max, self._frame_bytes * 2)
            return (arrived, ReadEnded(None))
        if end - reading.told_bytes < self._window_bytes // 4:
            return (arrived,)
        reading.told_bytes = end
        taken = Taken(session=self._own(), request=reading.ask.request, offset_bytes=end)
        # After the bytes, so that a slow disk holds the camera back.
        return (arrived, Send(encode_message(taken)))

    def next_deadline(self) -> int:
        """Return when something has to be asked again, in a session."""
        waiting = (self._listing, self._reading, self._receipt)
        return min([self._ping_at_mono_ns, *(item.due_at_mono_ns for item in waiting if item is not None)])

    def on_time(self, now_mono_ns: int) -> Effects:
        """Ask again what has had no answer for too long."""
        if self._session is None:
            return ()
        sends: list[Send] = []
        for item in (self._listing, self._receipt):
            if item is not None and now_mono_ns >= item.due_at_mono_ns:
                item.due_at_mono_ns = now_mono_ns + RETRY_NS
                sends.append(Send(encode_message(item.ask)))
        if self._reading is not None and now_mono_ns >= self._reading.due_at_mono_ns:
            sends.append(self._read_again(self._reading, now_mono_ns))
        if now_mono_ns >= self._ping_at_mono_ns:
            self._ping_at_mono_ns = now_mono_ns + PING_INTERVAL_NS
            sends.append(Send(encode_message(Ping(session=self._session, is_ready=self._is_ready))))
        return tuple(sends)

    def _own(self) -> bytes:
        assert self._session is not None, "asked outside a session"
        return self._session

    def _next_request(self) -> int:
        self._request += 1
        return self._request

    def _ask_read(self, folder: str, name: str, offset_bytes: int, size_bytes: int, now_mono_ns: int) -> Send:
        ask = ReadFile(
            session=self._own(),
            request=self._next_request(),
            folder=folder,
            name=name,
            offset_bytes=offset_bytes,
            window_bytes=self._window_bytes,
            frame_bytes=self._frame_bytes,
        )
        self._reading = _Reading(ask, size_bytes, offset_bytes, offset_bytes, now_mono_ns + STALL_NS)
        return Send(encode_message(ask))

    def _read_again(self, reading: _Reading, now_mono_ns: int) -> Send:
        """Ask from where the file has arrived to; the new number makes everything on its way obsolete."""
        # On a noisy line small frames get through where large ones never would.
        self._frame_bytes = max(FRAME_BYTES_MIN, self._frame_bytes // 2)
        ask = reading.ask
        return self._ask_read(ask.folder, ask.name, reading.next_bytes, reading.size_bytes, now_mono_ns)

    def _take_page(self, page: Listing, now_mono_ns: int) -> Effects:
        listing = self._listing
        if listing is None or page.request != listing.ask.request:
            return ()
        places = [(file.folder, file.name) for file in (*listing.files[-1:], *page.files)]
        if any(later <= earlier for earlier, later in pairwise(places)):
            raise PeerError("files of a listing are not in order", section=_SECTION)
        listing.files += page.files
        if page.is_last:
            self._listing = None
            return (Listed(tuple(listing.files)),)
        if not page.files or len(listing.files) > LISTED_FILES_MAX:
            raise PeerError(f"listing does not end after {len(listing.files)} files", section=_SECTION)
        after = FilePlace(folder=places[-1][0], name=places[-1][1])
        listing.ask = ListFiles(session=self._own(), request=self._next_request(), after=after)
        listing.due_at_mono_ns = now_mono_ns + RETRY_NS
        return (Send(encode_message(listing.ask)),)

    def _take_refusal(self, refusal: ReadRefused) -> Effects:
        if self._reading is None or refusal.request != self._reading.ask.request:
            return ()
        self._reading = None
        return (ReadEnded(refusal.reason),)

    def _take_receipt_answer(self, answer: ReceiptAnswer) -> Effects:
        if self._receipt is None or answer.receipt_hash != self._receipt.named:
            return ()
        self._receipt = None
        return (ReceiptAnswered(answer.receipt_hash, answer.is_erased, answer.is_proof_wanted, answer.reason),)
