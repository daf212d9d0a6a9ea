"""Takes custody of one docked camera: reads what the spool lacks, verifies it while it arrives, and makes it durable.

What to read next is decided in `dockd.station.core.bay`; here it is done. Bytes and findings are durable before the mark
that says so. Receipts go the other way in `dockd.station.app.delivery`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from dockd.station.app.delivery import Delivery
from dockd.station.app.notes import ShiftNotes
from dockd.station.app.status import BayState
from dockd.station.core import bay as core
from dockd.station.core.arrival import Arrival, ChainArrival, begin
from dockd.station.core.bay import Holding, Task
from dockd.station.errors import SpoolFull
from dockd.station.ports import ShiftPlace, Spool
from protocol.keys import camera_id
from protocol.layout import CHAIN_NAME
from protocol.link.asking import Asking
from protocol.link.dock_effects import (
    Arrived,
    DockEffect,
    Effects,
    Listed,
    ReadEnded,
    ReceiptAnswered,
    SessionOpened,
)
from protocol.link.messages import ListedFile
from protocol.policy import Policy
from protocol.verify.chain import ChainReport, ChainVerifier

SYNC_EVERY_BYTES: Final = 32 * 1024 * 1024
FEED_PIECE_BYTES: Final = 1024 * 1024
FEED_PIECES_AT_ONCE: Final = 8
LIST_EVERY_NS: Final = 10_000_000_000
POSTPONED_NS: Final = 5_000_000_000
FULL_NS: Final = 10_000_000_000

Say = Callable[[str, dict[str, object]], None]


@dataclass(slots=True)
class _Reading:
    """The file that is on its way in. ``prefix`` feeds the verifier with what the spool had before, a bit at a time."""

    task: Task
    arrival: Arrival
    prefix: Iterator[None] | None
    unsynced_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a camera is; ``is_ready``: every file of every closed shift is verified and durable in the spool."""

    state: BayState
    is_ready: bool
    trouble: str | None
    shift_count: int
    bytes_listed: int
    bytes_held: int
    bytes_read: int
    finding_count: int


class Custody:
    """One session with one camera. Call `next` in every turn of the loop, and `take` with what comes of it."""

    def __init__(
        self,
        *,
        bay: str,
        opened: SessionOpened,
        asking: Asking,
        spool: Spool,
        policy: Policy,
        say: Say,
        on_complete: Callable[[], None],
    ) -> None:
        """Take a session that has just opened.

        ``on_complete`` is called when central has something to be asked: a file more is complete, or a proof is wanted.
        """
        self._bay, self._opened, self._asking = bay, opened, asking
        self._spool = spool
        self._say_raw, self._on_complete = say, on_complete
        self.camera_id: Final = camera_id(opened.camera_key)
        self._notes = ShiftNotes(spool)
        self._listed: tuple[ListedFile, ...] | None = None
        self._listed_at_ns = 0
        self._is_confirmed = False
        self._holdings: dict[ShiftPlace, Holding] = {}
        self._reading: _Reading | None = None
        self._reads: Counter[tuple[ShiftPlace, str]] = Counter()
        self._postponed: dict[tuple[ShiftPlace, str], int] = {}
        self._full_until_ns = 0
        self._verified: frozenset[ShiftPlace] = frozenset()
        self._bytes_read = 0
        self._finding_count = 0
        self._trouble: str | None = None
        self._said: set[str] = set()
        self._delivery = Delivery(
            camera_id=self.camera_id,
            asking=asking,
            spool=spool,
            policy=policy,
            say=self._say,
            look=self._look,
            on_erased=self._list_soon,
            on_proof_wanted=on_complete,
        )

    @property
    def is_busy(self) -> bool:
        """Say whether `next` has more to do at once, without a word from the camera."""
        return self._reading is not None and not self._asking.is_reading

    @property
    def is_ready(self) -> bool:
        """Say whether every file of every closed shift is verified and durable in the spool."""
        return self._is_confirmed

    def progress(self) -> Progress:
        """Return how far the camera is."""
        listed = self._listed or ()
        held = sum(
            file.size_bytes
            for file in listed
            if self._holdings.get(ShiftPlace(self.camera_id, file.folder), core.EMPTY).has(file.name)
        )
        return Progress(
            state=self._state(),
            is_ready=self._is_confirmed,
            trouble=self._trouble,
            shift_count=len({file.folder for file in listed}),
            bytes_listed=sum(file.size_bytes for file in listed),
            bytes_held=held,
            bytes_read=self._bytes_read,
            finding_count=self._finding_count,
        )

    def look_for_receipts(self) -> None:
        """Look into the spool for receipts at the next turn."""
        self._delivery.look_soon()

    def next(self, now_mono_ns: int) -> Effects:
        """Go on with what is to be done; return what to send."""
        try:
            return (*self._go_on_reading(now_mono_ns), *self._delivery.next(now_mono_ns))
        except SpoolFull as full:
            self._stop_at_full(full, now_mono_ns)
            return ()

    def take(self, effect: DockEffect, now_mono_ns: int) -> None:
        """Take what the link reports."""
        try:
            match effect:
                case Listed():
                    self._take_listing(effect.files, now_mono_ns)
                case Arrived():
                    self._take_bytes(effect)
                case ReadEnded():
                    self._end_reading(effect.refusal, now_mono_ns)
                case ReceiptAnswered():
                    self._delivery.take(effect)
        except SpoolFull as full:
            self._stop_at_full(full, now_mono_ns)

    def _go_on_reading(self, now_ns: int) -> Effects:
        if self._asking.is_reading or self._asking.is_listing:
            return ()
        if self._reading is not None:
            return self._feed_prefix(now_ns)
        if self._listed is None or now_ns - self._listed_at_ns > LIST_EVERY_NS:
            return self._asking.ask_listing(now_ns)
        if self._is_confirmed or now_ns < self._full_until_ns:
            return ()
        tasks = core.tasks(self.camera_id, self._listed, self._holdings)
        for task in tasks:
            if self._postponed.get((task.place, task.name), 0) <= now_ns:
                self._begin(task)
                return ()
        # What was listed is here; a fresh listing shows whether that is everything.
        return () if tasks else self._asking.ask_listing(now_ns)

    def _take_listing(self, files: tuple[ListedFile, ...], now_ns: int) -> None:
        for stranger in core.strangers(files):
            self._say_once("file-strange", f"{stranger.folder}/{stranger.name} has no place on a card and is not read")
        self._listed, self._listed_at_ns = files, now_ns
        for folder in {file.folder for file in files if file not in core.strangers(files)}:
            self._look(ShiftPlace(self.camera_id, folder))
        self._tell_verified_shifts()
        is_ready = not core.tasks(self.camera_id, files, self._holdings)
        if is_ready and not self._is_confirmed:
            self._say("ready", {"shift_count": len({file.folder for file in files}), "bytes_read": self._bytes_read})
        self._is_confirmed = is_ready

    def _look(self, place: ShiftPlace) -> Holding:
        """Look up what the spool holds of a shift; a chain that is complete is read once for its report."""
        files = {file.name: file for file in self._spool.files(place)}
        report = self._holdings.get(place, core.EMPTY).report
        if report is None and CHAIN_NAME in files and files[CHAIN_NAME].is_complete:
            report = self._report_of(place)
        holding = self._holdings[place] = Holding(files, report, self._notes.freed(place))
        return holding

    def _list_soon(self) -> None:
        self._listed_at_ns -= LIST_EVERY_NS

    def _report_of(self, place: ShiftPlace) -> ChainReport | None:
        verifier = ChainVerifier(camera_key=self._opened.camera_key, file=f"{place.folder}/{CHAIN_NAME}")
        offset = 0
        while data := self._spool.read(place, CHAIN_NAME, offset, FEED_PIECE_BYTES):
            verifier.feed(data)
            offset += len(data)
        return verifier.finish()

    def _begin(self, task: Task) -> None:
        self._is_confirmed = False
        if task.have_bytes > task.size_bytes:
            text = (
                f"{task.name}: the spool has {task.have_bytes} bytes, the camera {task.size_bytes}; read from the start"
            )
            self._say("trouble", {"text": text})
            self._spool.discard(task.place, task.name)
            task = Task(task.place, task.name, task.parsed, task.size_bytes, 0)
        self._spool.open_shift(task.place)
        self._notes.keep_enrolment(task.place, self._opened.enrolment)
        report = self._holdings.get(task.place, core.EMPTY).report
        arrival = begin(task, camera_key=self._opened.camera_key, report=report)
        self._reads[task.place, task.name] += 1
        self._reading = _Reading(task, arrival, self._prefix(task, arrival))

    def _prefix(self, task: Task, arrival: Arrival) -> Iterator[None]:
        """Feed the verifier with what the spool has already; in steps, so that the camera hears of the dock meanwhile."""
        for offset in range(0, task.have_bytes, FEED_PIECE_BYTES):
            size = min(FEED_PIECE_BYTES, task.have_bytes - offset)
            arrival.feed(self._spool.read(task.place, task.name, offset, size))
            yield

    def _feed_prefix(self, now_ns: int) -> Effects:
        reading = self._reading
        assert reading is not None
        if reading.prefix is not None:
            for _ in range(FEED_PIECES_AT_ONCE):
                try:
                    next(reading.prefix)
                except StopIteration:
                    reading.prefix = None
                    break
            else:
                return ()
        task = reading.task
        return self._asking.read(
            task.place.folder,
            task.name,
            offset_bytes=task.have_bytes,
            size_bytes=task.size_bytes,
            now_mono_ns=now_ns,
        )

    def _take_bytes(self, arrived: Arrived) -> None:
        reading = self._reading
        if reading is None:
            return
        task = reading.task
        self._spool.append(task.place, task.name, arrived.offset_bytes, arrived.data)
        reading.unsynced_bytes += len(arrived.data)
        if reading.unsynced_bytes >= SYNC_EVERY_BYTES:
            self._spool.sync(task.place, task.name)
            reading.unsynced_bytes = 0
        reading.arrival.feed(arrived.data)
        self._bytes_read += len(arrived.data)

    def _stop_at_full(self, full: SpoolFull, now_ns: int) -> None:
        """Let the file stand where it is; it is taken up when there is room."""
        self._asking.stop_reading()
        reading, self._reading = self._reading, None
        if reading is not None:
            self._reads[reading.task.place, reading.task.name] -= 1
            self._look(reading.task.place)
        self._full_until_ns = now_ns + FULL_NS
        self._set_trouble(str(full))

    def _end_reading(self, refusal: str | None, now_ns: int) -> None:
        reading = self._reading
        if reading is None:
            return
        task = reading.task
        if refusal is not None:
            self._reading = None
            self._set_trouble(f"the camera does not read out {task.name}: {refusal}")
            self._look(task.place)
            self._reads[task.place, task.name] -= 1
            self._postponed[task.place, task.name] = now_ns + POSTPONED_NS
            self._listed = None
            return
        findings = reading.arrival.finish()
        if core.is_read_again(findings, reads=self._reads[task.place, task.name]):
            self._say("reading-again", {"text": f"{task.name} does not verify and is read again: {findings[0].text}"})
            self._spool.discard(task.place, task.name)
            self._reading = None
            self._look(task.place)
            return
        self._notes.add_findings(task.place, task.name, findings)
        self._spool.complete(task.place, task.name)
        self._reading = None
        self._set_trouble(None)
        self._finding_count += len(findings)
        if isinstance(reading.arrival, ChainArrival):
            self._holdings[task.place] = Holding({}, reading.arrival.report, frozenset())
        self._look(task.place)
        self._on_complete()
        self._tell_verified_shifts()

    def _tell_verified_shifts(self) -> None:
        verified = core.verified_shifts(self.camera_id, self._listed or (), self._holdings)
        for place in sorted(verified - self._verified):
            holding = self._holdings[place]
            report = holding.report
            self._say(
                "shift-verified",
                {
                    "folder": place.folder,
                    "recording_count": 0 if report is None else len(report.recordings),
                    "size_bytes": sum(file.size_bytes for file in holding.files.values()),
                    "finding_count": self._notes.finding_count(place),
                },
            )
        self._verified |= verified

    # Saying.

    def _state(self) -> BayState:
        if self._trouble is not None:
            return "trouble"
        if self._is_confirmed:
            return "waiting-for-receipt" if self._listed else "ready"
        is_here = self._listed is not None and not core.tasks(self.camera_id, self._listed, self._holdings)
        return "verified" if is_here and self._reading is None else "reading"

    def _set_trouble(self, text: str | None) -> None:
        if text is not None and text != self._trouble:
            self._say("trouble", {"text": text})
        self._trouble = text

    def _say_once(self, name: str, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(name, {"text": text})

    def _say(self, name: str, fields: dict[str, object]) -> None:
        self._say_raw(name, {"bay": self._bay, "camera": self._opened.serial, **fields})
