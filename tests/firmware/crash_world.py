"""A camera's day on a card that can be cut at every step. The production code runs as it is; only card, clock, entropy and
frames are made here. What is left after a cut is judged in `tests.firmware.crash_judge`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from firmware.app.capture import Capture
from firmware.app.checkpoints import CheckpointShelf
from firmware.app.eraser import Eraser, ReceiptOutcome
from firmware.app.shift_log import ShiftLog
from firmware.core.session import Event
from firmware.ports import AudioDescription, EncodedAudio, Store, VideoDescription
from hw_sim.crash_store import CrashStore
from hw_sim.manual_clock import ManualClock
from protocol.canonical import digest
from protocol.receipt import ChainSubject, RecordingSubject
from protocol.verify.chain import ChainReport
from protocol.verify.shift import recording_subject
from tests.builders import make_agency, make_camera, make_receipt
from tests.firmware.crash_sites import watched
from tests.firmware.streams import delta_frame, key_frame
from tests.protocol.ledgers import Ledger, with_ledger

AGENCY: Final = with_ledger(make_agency(), Ledger(witness_count=1))
CAMERA: Final = make_camera(AGENCY)
KEY: Final = CAMERA.device.public_key
VIDEO: Final = VideoDescription("simulated", 320, 240, 2_000)
AUDIO: Final = AudioDescription("simulated", 8_000, 1, bytes.fromhex("1588"))
_BLOCK_US: Final = 128_000


class SeededEntropy:
    """The same bytes for the same life; each life of the camera has its own."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def take(self, size_bytes: int) -> bytes:
        return self._random.randbytes(size_bytes)


class DayCutShort(Exception):
    """The card is full: the day ends here."""


@dataclass(frozen=True)
class Promise:
    """A chunk whose writing has returned: from this step on it may not be lost."""

    step: int
    shift_id: bytes
    recording_id: bytes
    index: int


def as_it_is(store: Store) -> Store:
    """Return the card as it is."""
    return store


@dataclass(frozen=True)
class Parts:
    """What of the camera is exchanged for something worse, to see that the judge finds it."""

    make_store: Callable[..., CrashStore] = CrashStore
    make_eraser: Callable[..., Eraser] = Eraser
    make_log: Callable[..., ShiftLog] = ShiftLog
    wrap: Callable[[Store], Store] = as_it_is


class Life:
    """One process of the camera on one card."""

    def __init__(
        self, store: CrashStore, name: str, parts: Parts | None = None, *, ledger: Ledger | None = None
    ) -> None:
        parts = Parts() if parts is None else parts
        self.ledger = Ledger(witness_count=1) if ledger is None else ledger
        self.store = store
        self.promises: list[Promise] = []
        self.clock = ManualClock(start_mono_ns=5_000_000_000, boot_id=digest("boot", name.encode())[:16])
        entropy = SeededEntropy(name)
        card = parts.wrap(watched(store))
        checkpoints = CheckpointShelf(store=card, policy=AGENCY.policy)
        self.log = parts.make_log(
            store=card,
            clock=self.clock,
            entropy=entropy,
            device=CAMERA.device,
            policy=AGENCY.trusted,
            checkpoints=checkpoints,
            firmware_version="0.1.0",
        )
        self.eraser = parts.make_eraser(
            store=card, log=self.log, policy=AGENCY.policy, checkpoints=checkpoints, say=self._hear
        )
        self.capture = Capture(
            store=card,
            log=self.log,
            entropy=entropy,
            policy=AGENCY.policy,
            video=VIDEO,
            audio=AUDIO,
            pre_event_s=2,
            is_pre_event_audio_on=True,
            reserve_bytes=1 << 20,
            say=self._hear,
        )

    def start(self) -> None:
        self.log.recover()
        self.eraser.redo()
        self.log.event("power-on")

    def live(self, seconds: int) -> None:
        """Let time pass, with two frames and eight blocks of sound a second, and write what is ready."""
        for _ in range(seconds):
            now_us = self.clock.mono_ns() // 1000
            for number in range(8):
                self.capture.take_audio(EncodedAudio(bytes([number]) * 20, now_us + number * _BLOCK_US, 1024))
            self.capture.take_frame(key_frame(now_us, 900))
            self.capture.take_frame(delta_frame(now_us + 500_000, 300))
            self.clock.advance(1_000_000_000)
            self.write()

    def write(self) -> None:
        """Write what is ready, as the conductor does."""
        now_us = self.clock.mono_ns() // 1000
        while True:
            event = self.capture.write_next(now_us)
            if event is Event.CARD_FULL:
                self.capture.end("full")
                raise DayCutShort
            if event is Event.WRITE_FAILED:
                self.capture.end("write-error")
                self.capture.open("write-error", now_us, continues=self.capture.last_recording_id)
            elif not self.capture.is_behind:
                return

    def record(self, seconds: int) -> None:
        self.live(2)
        self.capture.open("press", self.clock.mono_ns() // 1000, continues=None)
        self.live(seconds)
        self.capture.mark(self.clock.mono_ns() // 1000)
        self.capture.take_frame(key_frame(self.clock.mono_ns() // 1000, 900))
        self.capture.end_audio()
        self.write()
        self.capture.end("stop")

    def dock(self) -> bytes:
        """Close the shift and return its id."""
        shift_id = self.log.shift_id
        self.log.close_and_open_next("docked")
        self.log.event("docked")
        return shift_id

    def report(self, shift_id: bytes) -> ChainReport:
        found = self.log.report(shift_id)
        assert found is not None
        return found[1]

    def receive(self, *receipts: bytes) -> None:
        """Take receipts as a dock brings them while the ledger grows: what was early comes again with a newer proof."""
        early = [signed for signed in receipts if not self.take(signed).is_erased]
        for signed in early:
            self.take(signed)

    def take(self, signed: bytes) -> ReceiptOutcome:
        """Take a receipt with its proof against the newest checkpoint."""
        self.eraser.prepare(signed)
        return self.eraser.take(self.ledger.proved(signed, AGENCY.policy))

    def _hear(self, name: str, fields: dict[str, object]) -> None:
        if name == "chunk":
            recording_id, count = fields["recording_id"], fields["chunk_count"]
            assert isinstance(recording_id, str)
            assert isinstance(count, int)
            promise = Promise(self.store.step, self.log.shift_id, bytes.fromhex(recording_id), count - 1)
            self.promises.append(promise)


def receipts_for(report: ChainReport) -> tuple[bytes, ...]:
    """Return central's receipts for a closed shift, that of the chain first."""
    subjects: list[RecordingSubject | ChainSubject] = [ChainSubject(kind="chain", size_bytes=report.size_bytes)]
    for view in report.recordings:
        subject = recording_subject(view)
        assert subject is not None
        subjects.append(subject)
    return tuple(make_receipt(subject, report=report, agency=AGENCY, camera=CAMERA) for subject in subjects)
