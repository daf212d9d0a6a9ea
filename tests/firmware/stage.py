"""A camera with its real loop, over a sensor and a microphone that deliver what a test tells them, in time that stands still.

Time passes in `live` only, and for who waits on a `CreepingClock`. `settle` returns when the loop has done everything that
came before it, so nothing here sleeps.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from firmware.app.capture import Capture
from firmware.app.checkpoints import CheckpointShelf
from firmware.app.eraser import Eraser
from firmware.app.recorder import Recorder
from firmware.app.shift_log import ShiftLog
from firmware.errors import CameraFault
from firmware.ports import (
    AudioDescription,
    Camera,
    EncodedAudio,
    EncodedFrame,
    Gesture,
    Microphone,
    Store,
    VideoDescription,
)
from firmware.settings import CameraSettings
from hw_sim.crash_store import CrashStore
from hw_sim.manual_clock import ManualClock
from hw_sim.officer import SimulatedIndicator, SimulatedPanel
from tests.firmware.crash_judge import Card, damaged
from tests.firmware.crash_world import AGENCY, AUDIO, CAMERA, VIDEO, SeededEntropy
from tests.firmware.streams import delta_frame, key_frame
from tests.firmware.unsealed import Recording, events, recordings

FRAME_US: Final = 500_000
BLOCK_US: Final = 128_000
SETTINGS: Final = {
    "card_folder": "card",
    "device_key_file": "key",
    "enrolment_file": "enrolment",
    "policy_file": "policy",
    "root_fingerprint": "0" * 64,
    "dock_port": "port",
    "pre_event_s": 3,
    "pre_event_audio": True,
    "reserve_bytes": 1 << 20,
}


class CreepingClock(ManualClock):
    """Moves on a little whenever it is asked: for waits that must end."""

    def mono_ns(self) -> int:
        self.advance(2_000_000)
        return super().mono_ns()


class ToldCamera:
    """Delivers the frames that it is told to; a key frame that is asked for comes at once."""

    def __init__(self) -> None:
        self.description: VideoDescription = VIDEO
        self.on_frame: Callable[[EncodedFrame], None] | None = None
        self.on_asked: Callable[[], None] = lambda: None
        self.fault: CameraFault | None = None
        self.asked_count = 0

    def start(self, on_frame: Callable[[EncodedFrame], None]) -> None:
        if self.fault is not None:
            raise self.fault
        self.on_frame = on_frame

    def stop(self) -> None:
        self.on_frame = None

    def request_key_frame(self) -> None:
        self.asked_count += 1
        self.on_asked()

    def give(self, frame: EncodedFrame) -> None:
        if self.on_frame is not None:
            self.on_frame(frame)


class ToldMicrophone:
    """Delivers the sound that it is told to."""

    def __init__(self) -> None:
        self.description: AudioDescription = AUDIO
        self.on_audio: Callable[[EncodedAudio], None] | None = None
        self.fault: CameraFault | None = None
        self.is_dead = False

    def start(self, on_audio: Callable[[EncodedAudio], None]) -> None:
        if self.fault is not None:
            raise self.fault
        self.on_audio = on_audio

    def stop(self) -> None:
        self.on_audio = None

    def give(self, block: EncodedAudio) -> None:
        if self.on_audio is not None and not self.is_dead:
            self.on_audio(block)


_fits: tuple[type[Camera], type[Microphone]] = (ToldCamera, ToldMicrophone)


class Stage:
    """Everything around one recorder."""

    def __init__(
        self,
        *,
        store: CrashStore | None = None,
        wrap: Callable[[Store], Store] = lambda store: store,
        name: str = "first life",
        clock: ManualClock | None = None,
        say: Callable[[str, dict[str, object]], None] | None = None,
        **settings: object,
    ) -> None:
        self.store = CrashStore() if store is None else store
        self.clock = ManualClock(start_mono_ns=10_000_000_000) if clock is None else clock
        self.camera, self.microphone = ToldCamera(), ToldMicrophone()
        self.panel, self.indicator = SimulatedPanel(), SimulatedIndicator()
        self.said: list[tuple[str, dict[str, object]]] = []
        self._listener = say
        self.was_told_of_fault = threading.Event()
        self._next_sound_us = self._answered_us = self.now_us
        self.make_frame: Callable[[bool, int], EncodedFrame] = lambda is_key, at_us: (
            key_frame(at_us, 300) if is_key else delta_frame(at_us)
        )
        card = wrap(self.store)
        entropy = SeededEntropy(name)
        checkpoints = CheckpointShelf(store=card, policy=AGENCY.policy)
        self.log = ShiftLog(
            store=card,
            clock=self.clock,
            entropy=entropy,
            device=CAMERA.device,
            policy=AGENCY.trusted,
            checkpoints=checkpoints,
            firmware_version="0.1.0",
        )
        values = CameraSettings.model_validate({**SETTINGS, **settings}, strict=False)
        self.recorder = Recorder(
            settings=values,
            store=card,
            clock=self.clock,
            log=self.log,
            eraser=Eraser(store=card, log=self.log, policy=AGENCY.policy, checkpoints=checkpoints, say=self._hear),
            capture=Capture(
                store=card,
                log=self.log,
                entropy=entropy,
                policy=AGENCY.policy,
                video=VIDEO,
                audio=AUDIO,
                pre_event_s=values.pre_event_s,
                is_pre_event_audio_on=values.pre_event_audio,
                reserve_bytes=values.reserve_bytes,
                say=self._hear,
            ),
            camera=self.camera,
            microphone=self.microphone,
            panel=self.panel,
            indicator=self.indicator,
            say=self._hear,
            on_fault=self.was_told_of_fault.set,
        )
        self.camera.on_asked = self.answer

    @property
    def now_us(self) -> int:
        return ManualClock.mono_ns(self.clock) // 1000

    def start(self) -> "Stage":
        self.recorder.start()
        return self

    def live(self, seconds: float = 1.0) -> "Stage":
        """Let time pass, with a key frame each second and a frame between, and sound; all of it is taken in."""
        for _ in range(round(seconds * 1_000_000 / FRAME_US)):
            at_us = self.now_us
            self.camera.give(self.make_frame(at_us % 1_000_000 == 0, at_us))
            self.clock.advance((at_us + FRAME_US) * 1000 - self.now_us * 1000)
            self.sound()
        return self.settle()

    def sound(self) -> None:
        """Give all sound that was made until now; each block tells its second."""
        while self._next_sound_us < self.now_us:
            second = self._next_sound_us // 1_000_000
            self.microphone.give(EncodedAudio(f"<{second}>".encode(), self._next_sound_us, 1024))
            self._next_sound_us += BLOCK_US

    def answer(self) -> None:
        """Give the key frame that is asked for, a moment later than now and than the one before, and the sound up to it."""
        self._answered_us = max(self.now_us, self._answered_us) + 1000
        self.camera.give(self.make_frame(True, self._answered_us))
        self.microphone.give(EncodedAudio(b"<late>", self._answered_us + 500, 1024))

    def press(self, gesture: Gesture) -> "Stage":
        """Make a gesture; it is answered when this returns."""
        assert self.panel.press(gesture)
        return self.settle()

    def settle(self) -> "Stage":
        """Return when the loop has done all that came before, and written what can be written."""
        for _ in range(3):
            self.recorder.call(lambda: None)
        while self.recorder._capture.is_behind and self.recorder.fault is None:
            self.recorder.call(lambda: None)
        return self

    def dock(self) -> "Stage":
        self.recorder.docked()
        return self

    def stop(self) -> "Stage":
        self.recorder.stop()
        return self

    @property
    def recordings(self) -> list[Recording]:
        """Return what stands on the card, every part of it opened."""
        return recordings(self.store.disk.live())

    def sound_of(self, recording: Recording) -> set[int]:
        """Return of which seconds there is sound."""
        return {second for second in range(1000) if f"<{second}>".encode() in recording.sound}

    def check(self, *excused: str) -> "Stage":
        """What stands on the card verifies."""
        wrong = damaged(Card.of(self.store.disk.live()), open_folder=self.log.folder)
        assert [sentence for sentence in wrong if sentence.split(": ")[1] not in excused] == []
        return self

    def names_said(self) -> list[str]:
        return [name for name, _ in self.said]

    def _hear(self, name: str, fields: dict[str, object]) -> None:
        self.said.append((name, fields))
        if self._listener is not None:
            self._listener(name, fields)


@contextmanager
def on_stage(stage: Stage) -> Iterator[Stage]:
    """Start the camera and stop it, whatever happens."""
    try:
        yield stage.start()
    finally:
        stage.stop()


def names(stage: Stage) -> list[str]:
    """Return the names of all signed events."""
    return [event.name for event in events(stage.store.disk.live())]
