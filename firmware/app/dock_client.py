"""The camera's side of the dock link: a loop of its own beside the recorder, so that a press is recorded while docked too.

Serves the files of closed shifts, and hands receipts to the erase gate. What is said to the dock is decided in
`protocol.link.camera`; nothing here decides what may be erased.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from firmware.app.eraser import ReceiptOutcome
from firmware.app.telling import Say
from firmware.errors import CameraSoftwareError, LineLost
from firmware.ports import Clock, Entropy, Line, Store
from protocol.keys import DeviceSigner
from protocol.layout import parse_file_name, parse_shift_folder
from protocol.link.camera import CameraLink
from protocol.link.camera_effects import (
    CameraEffect,
    CloseShift,
    DockRefused,
    Effects,
    JudgeReceipt,
    MakeListing,
    ShowReady,
    Undocked,
)
from protocol.link.frames import FrameReader
from protocol.link.messages import NONCE_SIZE_BYTES, ListedFile
from protocol.link.steps import Malformed, Send, SignTranscript, WantNonce
from protocol.link.transcript import sign_as_camera
from protocol.policy import Policy
from protocol.receipt import ReceiptWithProof

PENDING_BYTES_MAX: Final = 256 * 1024
JOBS_MAX: Final = 16
REOPEN_WAIT_S: Final = 1.0
IDLE_WAIT_MS: Final = 200
BUSY_WAIT_MS: Final = 10
WRITE_WAIT_MS: Final = 20


class DockClient:
    """Answers the dock on one serial port, from `start` to `stop`."""

    def __init__(
        self,
        *,
        open_line: Callable[[], Line],
        store: Store,
        signer: DeviceSigner,
        enrolment: bytes,
        policy: Policy,
        entropy: Entropy,
        clock: Clock,
        closed_folders: Callable[[], tuple[str, ...]],
        on_docked: Callable[[], None],
        on_undocked: Callable[[], None],
        on_receipt: Callable[[ReceiptWithProof], ReceiptOutcome],
        on_ready: Callable[[bool], None],
        say: Say,
        on_fault: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the parts; nothing is opened.

        ``closed_folders`` names the folders of closed shifts, never the open one's. ``on_docked``, ``on_undocked`` and
        ``on_receipt`` are called one after the other on a thread of their own and may take their time: ``on_docked``
        returns when the shift is closed, ``on_receipt`` when its outcome is durable, the same for the same receipt.
        ``on_fault`` is called from a thread that `fault` has ended.
        """
        self._open_line, self._store, self._signer = open_line, store, signer
        self._entropy, self._clock, self._say = entropy, clock, say
        self._closed_folders = closed_folders
        self._on_docked, self._on_undocked = on_docked, on_undocked
        self._on_receipt, self._on_ready, self._on_fault = on_receipt, on_ready, on_fault
        self._link = CameraLink(
            camera_key=signer.public_key,
            enrolment=enrolment,
            policy=policy,
            nonce=entropy.take(NONCE_SIZE_BYTES),
            now_mono_ns=clock.mono_ns(),
        )
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._jobs: queue.SimpleQueue[Callable[[], Callable[[], Effects]] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Callable[[], Effects]] = queue.SimpleQueue()
        self._job_count = 0
        self._stop = threading.Event()
        self._last_fault = ""
        self._loop = threading.Thread(target=self._run, name="dock-link", daemon=True)
        self._worker = threading.Thread(target=self._work, name="dock-work", daemon=True)
        self.fault: BaseException | None = None
        """What ended a thread, if it was not `stop`: the process must end, and recovery look at the next start."""

    def start(self) -> None:
        """Begin to listen for a dock."""
        self._worker.start()
        self._loop.start()

    def stop(self) -> None:
        """Say goodbye and end; returns when no call-back runs any more. Safe to call twice."""
        self._stop.set()
        self._jobs.put(None)
        for thread in (self._loop, self._worker):
            if thread.ident is not None:
                thread.join()

    # The line.

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._take_results()
                if self._job_count >= JOBS_MAX:
                    # A line that comes and goes faster than the recorder follows is left alone until it has.
                    self._stop.wait(REOPEN_WAIT_S)
                    continue
                try:
                    line = self._open_line()
                except LineLost as fault:
                    self._report(fault)
                    self._stop.wait(REOPEN_WAIT_S)
                    continue
                self._last_fault = ""
                try:
                    self._serve(line)
                except LineLost:
                    self._drop_pending()
                    self._perform(self._link.on_line_lost())
                    self._drop_pending()
                finally:
                    line.close()
        except BaseException as error:
            self.fault = error
            self._on_fault()
            raise

    def _report(self, fault: LineLost) -> None:
        """Say why there is no line, once for each reason."""
        if str(fault) != self._last_fault:
            self._last_fault = str(fault)
            self._say("dock-line-missing", {"text": str(fault), "next": fault.diagnosis()})

    def _serve(self, line: Line) -> None:
        reader = FrameReader()
        while not self._stop.is_set():
            self._on_time()
            self._take_results()
            self._fill()
            self._write(line)
            data = line.read(self._wait_ms())
            if data:
                now = self._clock.mono_ns()
                for frame in reader.feed(data, now_mono_ns=now):
                    self._perform(self._link.receive(frame, now_mono_ns=now))
        self._perform(self._link.hang_up("the camera's program ends"))
        self._write(line)

    def _on_time(self) -> None:
        effects = self._link.on_time(self._clock.mono_ns())
        if effects:
            # Silence: what still waits was for a dock that is gone.
            self._drop_pending()
            self._perform(effects)

    def _wait_ms(self) -> int:
        """Return how long to wait for bytes: not at all while there is something to send."""
        if self._pending:
            return 0
        if self._job_count:
            return BUSY_WAIT_MS
        deadline = self._link.next_deadline()
        if deadline is None:
            return IDLE_WAIT_MS
        return min(IDLE_WAIT_MS, max(0, (deadline - self._clock.mono_ns()) // 1_000_000 + 1))

    def _write(self, line: Line) -> None:
        while self._pending:
            frame = self._pending.popleft()
            taken = line.write(frame, WRITE_WAIT_MS)
            self._pending_bytes -= taken
            if taken < len(frame):
                self._pending.appendleft(frame[taken:])
                return

    def _drop_pending(self) -> None:
        self._pending.clear()
        self._pending_bytes = 0

    def _fill(self) -> None:
        """Read on from the card as long as there is room on the way out."""
        while self._pending_bytes < PENDING_BYTES_MAX:
            asked = self._link.next_range()
            if asked is None:
                return
            try:
                data = self._store.read(asked.folder, asked.name, asked.offset_bytes, asked.size_bytes)
            except (OSError, CameraSoftwareError) as error:
                self._perform(self._link.on_read_failed(asked, f"{asked.folder}/{asked.name}: {error}"))
                return
            self._perform(self._link.on_bytes(asked, data))

    # What the link asks for.

    def _perform(self, effects: Effects) -> None:
        for effect in effects:
            self._do(effect)

    def _do(self, effect: CameraEffect) -> None:
        match effect:
            case Send():
                self._pending.append(effect.frame)
                self._pending_bytes += len(effect.frame)
            case WantNonce():
                self._link.take_nonce(self._entropy.take(NONCE_SIZE_BYTES))
            case SignTranscript():
                signature = sign_as_camera(self._signer, effect.transcript)
                self._perform(self._link.on_signed(effect.transcript, signature))
            case MakeListing():
                self._perform(self._link.on_listing(effect.request, self._list()))
            case CloseShift():
                self._say("dock-proved", {"dock_key": effect.dock_key.hex()})
                self._put(lambda: self._close_shift(effect.docking))
            case Undocked():
                self._put(self._undock)
            case JudgeReceipt():
                self._put(lambda: self._judge(effect))
            case ShowReady():
                self._on_ready(effect.is_ready)
            case DockRefused():
                self._say("dock-refused", {"text": effect.reason})
            case Malformed():
                self._say("dock-malformed", {"text": effect.text})

    def _list(self) -> list[ListedFile]:
        listed: list[ListedFile] = []
        for folder in self._closed_folders():
            if parse_shift_folder(folder) is None:
                continue
            try:
                files = self._store.files(folder)
            except FileNotFoundError:
                # Erased since: the gate works on the recorder's thread.
                continue
            listed += [
                ListedFile(folder=folder, name=file.name, size_bytes=file.size_bytes)
                for file in files
                if parse_file_name(file.name) is not None
            ]
        return listed

    # What takes its time.

    def _put(self, job: Callable[[], Callable[[], Effects]]) -> None:
        self._job_count += 1
        self._jobs.put(job)

    def _take_results(self) -> None:
        while not self._results.empty():
            self._job_count -= 1
            self._perform(self._results.get()())

    def _work(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                self._results.put(job())
        except BaseException as error:
            self.fault = error
            self._stop.set()
            self._on_fault()
            raise

    def _close_shift(self, docking: int) -> Callable[[], Effects]:
        self._on_docked()
        return lambda: self._link.on_shift_closed(docking)

    def _undock(self) -> Callable[[], Effects]:
        self._on_undocked()
        return tuple

    def _judge(self, effect: JudgeReceipt) -> Callable[[], Effects]:
        outcome = self._on_receipt(effect.brought)
        return lambda: self._link.on_receipt_judged(
            effect.receipt_hash,
            is_erased=outcome.is_erased,
            is_proof_wanted=outcome.is_proof_wanted,
            reason=outcome.reason,
        )
