"""The camera of the bench, in a process of its own: the firmware as it is, over a simulated sensor, microphone and panel.

It takes JSON lines on standard input: {"do": "press", "gesture": "double-press"}, {"do": "exposed", "begin_mono_ns": …,
"end_mono_ns": …}, {"do": "break-camera", "fault": "stalled-sensor"}, and ends in order when standard input ends or at
SIGTERM. It says what happens as JSON lines. At a fault of the camera's program it ends by itself with exit code 1.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from firmware.adapters.device_key import open_device_key
from firmware.adapters.file_store import FileStore
from firmware.adapters.os_entropy import OsEntropy
from firmware.adapters.serial_line import SerialLine
from firmware.adapters.settings_file import read_settings
from firmware.adapters.system_clock import SystemClock
from firmware.adapters.trust_files import load_enrolment, load_policy
from firmware.app.compose import build_camera
from firmware.errors import CameraSoftwareError
from firmware.ports import EncodedAudio, EncodedFrame, Gesture
from firmware.settings import CameraSettings
from hw_sim.bench.cameras import CAMERAS, BenchCamera, build_bench_camera
from hw_sim.bench.exposure import Exposure
from hw_sim.encoded import SimulatedMicrophone
from hw_sim.entropy import RecordingEntropy
from hw_sim.officer import SimulatedIndicator, SimulatedPanel
from hw_sim.picture import MovingPicture, Picture
from hw_sim.scene import Scene
from hw_sim.sensor import SimulatedSensor
from hw_sim.video_file import UnusableVideo
from hw_sim.video_picture import VideoPicture
from protocol.errors import SettingsError

_WARM_UP_NS = 200_000_000


class Speaker:
    """Writes JSON lines, one at a time, from any thread."""

    def __init__(self, stream: IO[str]) -> None:
        """Take where to write."""
        self._stream, self._lock = stream, threading.Lock()

    def say(self, name: str, fields: dict[str, object]) -> None:
        """Say one event."""
        line = json.dumps({"event": name, "mono_ns": time.monotonic_ns(), **fields})
        with self._lock:
            print(line, file=self._stream, flush=True)


class Audit:
    """Keeps what must never be found on a card: every value drawn as entropy, and the encoded stream."""

    def __init__(self, folder: Path | None, entropy: RecordingEntropy) -> None:
        """Write into ``folder``; None keeps nothing."""
        self._folder, self._entropy = folder, entropy
        self._stream = None if folder is None else (folder / "stream.bin").open("ab", buffering=0)

    def tap(self, item: EncodedFrame | EncodedAudio) -> None:
        """Keep an access unit or a block of sound."""
        if self._stream is not None:
            self._stream.write(item.data)

    def save(self) -> None:
        """Write what was drawn so far, one hex value a line."""
        if self._folder is not None:
            (self._folder / "secrets.hex").write_text("".join(f"{value.hex()}\n" for value in self._entropy.drawn))


class Sight:
    """Makes what the sensor looks at: a drawn scene, or a video file."""

    def __init__(self, path: Path | None, speaker: Speaker) -> None:
        """Open nothing yet; without ``path`` it is a drawn scene."""
        self._path, self._speaker = path, speaker
        self._made: list[VideoPicture] = []

    def make(self, scene: Scene) -> Picture:
        """Return the picture at the size of ``scene``.

        Raises:
            UnusableVideo: the file cannot be shown.
        """
        if self._path is None:
            return MovingPicture(scene)
        picture = VideoPicture(
            scene, self._path, on_damage=lambda text: self._speaker.say("video-damaged", {"text": text})
        )
        self._made.append(picture)
        return picture

    def close(self) -> None:
        """End all decoding."""
        for picture in self._made:
            picture.close()


class Sensor:
    """The sensor's own count of what it exposed, with that of the processes before this one."""

    def __init__(self, scene: Scene, sensor: SimulatedSensor, before: Exposure) -> None:
        """Take the sensor of this process."""
        self._scene, self._sensor, self._before = scene, sensor, before

    def exposed_between(self, begin_mono_ns: int, end_mono_ns: int) -> tuple[range, ...]:
        """Return the numbers exposed in a stretch of time, one range per uninterrupted stream."""
        earlier = self._before.within(self._scene, begin_mono_ns, end_mono_ns)
        return (*earlier, *self._sensor.frames_exposed_between(begin_mono_ns, end_mono_ns))

    def exposure(self, now_mono_ns: int) -> Exposure:
        """Return everything up to now."""
        return Exposure(self._scene.start_mono_ns, self.exposed_between(self._scene.start_mono_ns, now_mono_ns))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the camera until it is told to end."""
    options = _parser().parse_args(arguments)
    speaker = Speaker(sys.stdout)
    try:
        settings = read_settings(options.settings)
        return _run(options, settings, speaker)
    except (CameraSoftwareError, SettingsError, UnusableVideo, OSError) as error:
        hint = f" {error.diagnosis()}" if isinstance(error, CameraSoftwareError) else ""
        print(f"camera: {error}.{hint}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="camera_process", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--width-px", type=int, required=True)
    parser.add_argument("--height-px", type=int, required=True)
    parser.add_argument("--frame-rate-mhz", type=int, required=True)
    parser.add_argument("--camera", choices=CAMERAS, default=CAMERAS[0])
    parser.add_argument("--video", type=Path, help="a film that the sensor looks at, instead of a drawn scene")
    parser.add_argument(
        "--sensor-before", type=Exposure.parse, metavar="JSON", help="what a process before this one exposed"
    )
    parser.add_argument("--audit", type=Path, help="folder for what the search for secrets looks for")
    return parser


def _run(options: argparse.Namespace, settings: CameraSettings, speaker: Speaker) -> int:
    clock = SystemClock(utc_source=settings.utc_source, utc_uncertainty_ms=settings.utc_uncertainty_ms)
    entropy = RecordingEntropy(OsEntropy())
    audit = Audit(options.audit, entropy)
    device = open_device_key(settings)
    policy = load_policy(settings.policy_file, root_fingerprint=bytes.fromhex(settings.root_fingerprint))
    enrolment = load_enrolment(settings.enrolment_file, policy=policy, camera_key=device.public_key)
    before = options.sensor_before or Exposure(clock.mono_ns() + _WARM_UP_NS)
    scene = Scene(
        seed=options.seed,
        start_mono_ns=before.start_mono_ns,
        width_px=options.width_px,
        height_px=options.height_px,
        frame_rate_mhz=options.frame_rate_mhz,
    )
    sight = Sight(options.video, speaker)
    camera = build_bench_camera(options.camera, scene=scene, clock=clock, tap=audit.tap, make_picture=sight.make)
    microphone = SimulatedMicrophone(scene=scene, clock=clock, tap=audit.tap)
    panel = SimulatedPanel()
    store = FileStore(settings.card_folder)
    program = build_camera(
        settings=settings,
        open_line=lambda: SerialLine(Path(settings.dock_port), baud_rate=settings.dock_baud),
        enrolment=enrolment,
        store=store,
        clock=clock,
        entropy=entropy,
        device=device,
        policy=policy,
        camera=camera.camera,
        microphone=microphone,
        panel=panel,
        indicator=SimulatedIndicator(lambda signal: speaker.say("signal", {"signal": signal.value})),
        say=speaker.say,
        on_fault=lambda: os.kill(os.getpid(), signal.SIGTERM),
    )
    speaker.say("camera", {"name": camera.camera.description.name})
    sensor = Sensor(scene, camera.sensor, before)
    is_ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: _interrupt(is_ending))
    try:
        program.start()
        _obey(sys.stdin, panel, camera, sensor, speaker, audit)
        is_ending.set()
    except KeyboardInterrupt:
        pass
    program.stop()
    speaker.say("sensor-ended", sensor.exposure(clock.mono_ns()).fields)
    sight.close()
    audit.save()
    return 0 if program.fault is None else 1


def _interrupt(is_ending: threading.Event) -> None:
    """End the obeying, once: the bench closes the standard input and sends the signal, and ending must not be disturbed."""
    if not is_ending.is_set():
        is_ending.set()
        raise KeyboardInterrupt


def _obey(
    stream: IO[str], panel: SimulatedPanel, camera: BenchCamera, sensor: Sensor, speaker: Speaker, audit: Audit
) -> None:
    for line in stream:
        order: dict[str, Any] = json.loads(line)
        if order["do"] == "press":
            panel.press(Gesture(order["gesture"]))
        elif order["do"] == "save-audit":
            audit.save()
            speaker.say("audit-saved", {})
        elif order["do"] == "break-camera":
            _break(camera, order, speaker)
        elif order["do"] == "exposed":
            spans = sensor.exposed_between(order["begin_mono_ns"], order["end_mono_ns"])
            numbers = {"first": spans[0].start, "last": spans[-1].stop - 1} if spans else {"first": None, "last": None}
            speaker.say("exposed", {"id": order["id"], "count": sum(len(span) for span in spans), **numbers})


def _break(camera: BenchCamera, order: dict[str, Any], speaker: Speaker) -> None:
    try:
        fault = camera.break_now(order)
    except ValueError as error:
        speaker.say("camera-not-broken", {"text": str(error)})
    else:
        speaker.say("camera-broken", {"fault": fault.kind.value, "first_frame": fault.first_frame})


if __name__ == "__main__":
    sys.exit(main())
