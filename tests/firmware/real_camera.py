"""A camera in real time over a real file system: the simulated sensor and microphone, and the firmware as it is.

As a program, ``python -m tests.firmware.real_camera CARD``, it presses its own button, says when chunks are durable, and goes on
until it is killed.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from firmware.adapters.file_store import FileStore
from firmware.adapters.os_entropy import OsEntropy
from firmware.adapters.system_clock import SystemClock
from firmware.app.capture import Capture
from firmware.app.checkpoints import CheckpointShelf
from firmware.app.eraser import Eraser
from firmware.app.recorder import Recorder
from firmware.app.shift_log import ShiftLog
from firmware.ports import Gesture
from firmware.settings import CameraSettings
from hw_sim.encoded import SimulatedCamera, SimulatedMicrophone
from hw_sim.officer import SimulatedIndicator, SimulatedPanel
from hw_sim.scene import Scene
from tests.firmware.crash_world import AGENCY, CAMERA
from tests.firmware.stage import SETTINGS

PRE_EVENT_S = 2
FRAME_RATE_MHZ = 30_000
WARM_UP_NS = 50_000_000


class RealCamera:
    """Everything of one camera, over the card in ``folder``."""

    def __init__(self, folder: Path, say: Callable[[str, dict[str, object]], None] = lambda name, fields: None) -> None:
        self.store = FileStore(folder)
        clock = SystemClock(utc_source="none", utc_uncertainty_ms=None)
        scene = Scene(7, clock.mono_ns() + WARM_UP_NS, 192, 128, FRAME_RATE_MHZ)
        self.camera = SimulatedCamera(scene=scene, clock=clock)
        self.microphone = SimulatedMicrophone(scene=scene, clock=clock)
        self.panel, self.indicator = SimulatedPanel(), SimulatedIndicator(clock=clock)
        entropy = OsEntropy()
        checkpoints = CheckpointShelf(store=self.store, policy=AGENCY.policy)
        self.log = ShiftLog(
            store=self.store,
            clock=clock,
            entropy=entropy,
            device=CAMERA.device,
            policy=AGENCY.trusted,
            checkpoints=checkpoints,
            firmware_version="0.1.0",
        )
        values = {**SETTINGS, "pre_event_s": PRE_EVENT_S}
        settings = CameraSettings.model_validate(values, strict=False)
        self.recorder = Recorder(
            settings=settings,
            store=self.store,
            clock=clock,
            log=self.log,
            eraser=Eraser(store=self.store, log=self.log, policy=AGENCY.policy, checkpoints=checkpoints, say=say),
            capture=Capture(
                store=self.store,
                log=self.log,
                entropy=entropy,
                policy=AGENCY.policy,
                video=self.camera.description,
                audio=self.microphone.description,
                pre_event_s=PRE_EVENT_S,
                is_pre_event_audio_on=True,
                reserve_bytes=settings.reserve_bytes,
                say=say,
            ),
            camera=self.camera,
            microphone=self.microphone,
            panel=self.panel,
            indicator=self.indicator,
            say=say,
        )

    def press(self, gesture: Gesture) -> int:
        """Make a gesture and return when, in nanoseconds of CLOCK_MONOTONIC."""
        now_ns = time.monotonic_ns()
        assert self.panel.press(gesture)
        return now_ns


def image(folder: Path) -> dict[str, dict[str, bytes]]:
    """Return everything on a card."""
    return {
        shift.name: {file.name: file.read_bytes() for file in sorted(shift.iterdir())}
        for shift in sorted(folder.iterdir())
    }


def main() -> None:
    """Record until killed."""
    camera = RealCamera(Path(sys.argv[1]), say=lambda name, fields: print(name, flush=True))
    camera.recorder.start()
    time.sleep(0.3)
    camera.press(Gesture.START)
    time.sleep(60)


if __name__ == "__main__":
    main()
