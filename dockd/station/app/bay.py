"""One bay: a thread that opens the port, knocks, keeps the session, and lets `Custody` do what is to be done with a camera."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dockd.station.app.custody import Custody, Say
from dockd.station.app.status import BayState, BayStatus, StatusBoard
from dockd.station.errors import LineAbsent, LineLost
from dockd.station.ports import Clock, Entropy, Line, Spool
from protocol.keys import EntryKey
from protocol.link.dock import DockLink
from protocol.link.dock_effects import (
    CameraRefused,
    DockEffect,
    Effects,
    SessionEnded,
    SessionOpened,
    Vacant,
)
from protocol.link.dock_states import State
from protocol.link.frames import FrameReader
from protocol.link.messages import NONCE_SIZE_BYTES
from protocol.link.steps import Malformed, Send, SignTranscript, WantNonce
from protocol.link.transcript import sign_as_dock
from protocol.policy import Policy

TURN_MS_MAX: Final = 50
WRITE_WAIT_MS: Final = 20
REOPEN_WAIT_S: Final = 0.5
PENDING_BYTES_MAX: Final = 256 * 1024
STATUS_EVERY_NS: Final = 250_000_000


@dataclass(frozen=True, slots=True)
class Station:
    """What all bays of a dock share."""

    spool: Spool
    policy: Policy
    dock_key: EntryKey
    clock: Clock
    entropy: Entropy
    board: StatusBoard
    say: Say
    on_complete: Callable[[], None]
    on_fault: Callable[[BaseException], None]
    """Called when a bay's thread ends by a fault: the process must end, and look at its spool at the next start."""


class Bay:
    """One port and whatever camera is in it, from `start` to `stop`."""

    def __init__(
        self,
        *,
        name: str,
        station: Station,
        open_line: Callable[[], Line],
        window_bytes: int,
        is_port_lasting: bool = False,
    ) -> None:
        """Take the bay's name and how its port is opened; nothing is opened yet.

        ``is_port_lasting``: the port is there without a camera too, so that its absence is trouble.
        """
        self.name: Final = name
        self._is_port_lasting = is_port_lasting
        self._station, self._open_line = station, open_line
        self._link = DockLink(
            dock_key=station.dock_key.public_key,
            policy=station.policy,
            nonce=station.entropy.take(NONCE_SIZE_BYTES),
            now_mono_ns=station.clock.mono_ns(),
            window_bytes=window_bytes,
        )
        self._custody: Custody | None = None
        self._camera = ""
        self._docked_at_ns = 0
        self._status_at_ns = 0
        self._is_shown_ready = False
        self._pending: deque[bytes] = deque()
        self._trouble: str | None = None
        self._has_receipts = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"bay-{name}", daemon=True)

    def start(self) -> None:
        """Begin to knock."""
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye and end; what is in the spool is taken up at the next start. Safe to call twice."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def look_for_receipts(self) -> None:
        """Look into the spool at the next turn; any thread may ask."""
        self._has_receipts.set()

    # The line.

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._open_and_serve()
        except BaseException as fault:
            self._station.on_fault(fault)
            raise

    def _open_and_serve(self) -> None:
        try:
            line = self._open_line()
        except LineLost as fault:
            # No port where a camera brings its own: nobody is there, and nothing is wrong.
            is_vacant = isinstance(fault, LineAbsent) and not self._is_port_lasting
            self._set_trouble(None if is_vacant else str(fault))
            self._stop.wait(REOPEN_WAIT_S)
            return
        self._set_trouble(None)
        try:
            self._serve(line)
        except LineLost:
            self._pending.clear()
            self._perform(self._link.on_line_lost(self._now()))
            self._pending.clear()
        finally:
            line.close()

    def _serve(self, line: Line) -> None:
        reader = FrameReader()
        while not self._stop.is_set():
            now = self._now()
            self._perform(self._link.on_time(now))
            self._go_on(now)
            self._write(line)
            data = line.read(self._wait_ms(now))
            if data:
                now = self._now()
                for frame in reader.feed(data, now_mono_ns=now):
                    self._perform(self._link.receive(frame, now_mono_ns=now))
        self._perform(self._link.hang_up("the dock's program ends"))
        self._write(line)

    def _go_on(self, now: int) -> None:
        custody = self._custody
        if custody is not None and self._link.state is State.OPEN:
            if self._has_receipts.is_set():
                self._has_receipts.clear()
                custody.look_for_receipts()
            self._perform(custody.next(now))
            self._link.asking.show_ready(is_ready=custody.is_ready, now_mono_ns=now)
        is_ready = custody is not None and custody.is_ready
        if is_ready != self._is_shown_ready or now - self._status_at_ns >= STATUS_EVERY_NS:
            self._is_shown_ready, self._status_at_ns = is_ready, now
            self._show()

    def _wait_ms(self, now: int) -> int:
        if self._pending:
            return 0
        if self._custody is not None and self._custody.is_busy:
            return 0
        return min(TURN_MS_MAX, max(0, (self._link.next_deadline() - now) // 1_000_000 + 1))

    def _write(self, line: Line) -> None:
        while self._pending:
            frame = self._pending.popleft()
            taken = line.write(frame, WRITE_WAIT_MS)
            if taken < len(frame):
                self._pending.appendleft(frame[taken:])
                break
        if sum(len(frame) for frame in self._pending) > PENDING_BYTES_MAX:
            # Nobody takes what we say. All of it is asked again in time; the rest of a frame is noise to whoever comes.
            self._pending.clear()

    # What the link reports.

    def _perform(self, effects: Effects) -> None:
        for effect in effects:
            self._do(effect)

    def _do(self, effect: DockEffect) -> None:
        match effect:
            case Send():
                self._pending.append(effect.frame)
            case WantNonce():
                self._link.take_nonce(self._station.entropy.take(NONCE_SIZE_BYTES))
            case SignTranscript():
                signature = sign_as_dock(self._station.dock_key, effect.transcript)
                self._perform(self._link.on_signed(effect.transcript, signature, self._now()))
            case SessionOpened():
                self._open(effect)
            case SessionEnded():
                self._end(effect.reason)
            case CameraRefused():
                self._set_trouble(f"{effect.reason}; nothing was read")
            case Vacant():
                self._set_trouble(None)
            case Malformed():
                self._say("malformed", {"text": effect.text})
            case _:
                if self._custody is not None:
                    self._custody.take(effect, self._now())

    def _open(self, opened: SessionOpened) -> None:
        station = self._station
        self._pending.clear()
        self._docked_at_ns, self._camera, self._trouble = self._now(), opened.serial, None
        self._custody = Custody(
            bay=self.name,
            opened=opened,
            asking=self._link.asking,
            spool=station.spool,
            policy=station.policy,
            say=station.say,
            on_complete=station.on_complete,
        )
        self._say("docked", {"camera_id": self._custody.camera_id.hex()})
        self._show()

    def _end(self, reason: str) -> None:
        self._pending.clear()
        self._custody = None
        self._say("undocked", {"reason": reason})
        self._camera = ""
        self._station.board.set_trouble(self.name, None)

    def _show(self) -> None:
        custody = self._custody
        if custody is None:
            return
        progress = custody.progress()
        seconds = (self._now() - self._docked_at_ns) / 1e9
        rate = progress.bytes_read / seconds if seconds > 0 else 0.0
        left = progress.bytes_listed - progress.bytes_held
        state: BayState = progress.state
        self._station.board.set_bay(
            BayStatus(
                bay=self.name,
                state=state,
                is_ready=progress.is_ready,
                camera=self._camera,
                docked_s=round(seconds, 1),
                shift_count=progress.shift_count,
                bytes_listed=progress.bytes_listed,
                bytes_held=progress.bytes_held,
                bytes_per_s=int(rate),
                seconds_left=0.0 if left == 0 else round(left / rate, 1) if rate else None,
                finding_count=progress.finding_count,
                trouble=progress.trouble,
            )
        )

    def _set_trouble(self, text: str | None) -> None:
        if text is not None and text != self._trouble:
            self._say("trouble", {"text": text})
        self._trouble = text
        self._station.board.set_trouble(self.name, text)

    def _say(self, name: str, fields: dict[str, object]) -> None:
        camera = {"camera": self._camera} if self._camera else {}
        self._station.say(name, {"bay": self.name, **camera, **fields})

    def _now(self) -> int:
        return self._station.clock.mono_ns()
