"""Joins the camera's parts; `__main__` and the bench call it with their own devices and nothing else differs."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from firmware.app.camera_keeper import CameraKeeper
from firmware.app.capture import Capture
from firmware.app.checkpoints import CheckpointShelf
from firmware.app.dock_client import DockClient
from firmware.app.eraser import Eraser
from firmware.app.recorder import Recorder
from firmware.app.shift_log import ShiftLog
from firmware.app.telling import Say
from firmware.ports import Camera, Clock, Entropy, Indicator, Line, Microphone, Panel, Store
from firmware.settings import CameraSettings
from protocol.keys import DeviceSigner
from protocol.policy import TrustedPolicy


@dataclass(frozen=True, slots=True)
class CameraProgram:
    """A camera's two loops: they start and stop together, the recorder first and last."""

    recorder: Recorder
    dock_client: DockClient

    def start(self) -> None:
        """Recover the card, begin to record, and listen for a dock."""
        self.recorder.start()
        self.dock_client.start()

    def stop(self) -> None:
        """Say goodbye to the dock, close what runs, and sign the power-off."""
        self.dock_client.stop()
        self.recorder.stop()

    @property
    def fault(self) -> BaseException | None:
        """Return what ended a loop, if it was not `stop`: the process must end, and recover at its next start."""
        return self.recorder.fault or self.dock_client.fault


def build_camera(
    *,
    settings: CameraSettings,
    open_line: Callable[[], Line],
    enrolment: bytes,
    store: Store,
    clock: Clock,
    entropy: Entropy,
    device: DeviceSigner,
    policy: TrustedPolicy,
    camera: Camera,
    microphone: Microphone | None,
    panel: Panel,
    indicator: Indicator,
    say: Say,
    on_fault: Callable[[], None] = lambda: None,
) -> CameraProgram:
    """Return a camera over these devices; nothing is started.

    ``on_fault`` is called, from a thread of the program and perhaps twice, when a loop has ended by a fault: the process must end.
    """
    checkpoints = CheckpointShelf(store=store, policy=policy.policy)
    log = ShiftLog(
        store=store,
        clock=clock,
        entropy=entropy,
        device=device,
        policy=policy,
        checkpoints=checkpoints,
        firmware_version=version("sealcam"),
    )
    eraser = Eraser(store=store, log=log, policy=policy.policy, checkpoints=checkpoints, say=say)
    capture = Capture(
        store=store,
        log=log,
        entropy=entropy,
        policy=policy.policy,
        video=camera.description,
        audio=None if microphone is None else microphone.description,
        pre_event_s=settings.pre_event_s,
        is_pre_event_audio_on=settings.pre_event_audio,
        reserve_bytes=settings.reserve_bytes,
        say=say,
    )
    keeper = CameraKeeper(camera=camera, clock=clock, on_news=lambda news: recorder.hear_of_camera(news))
    recorder = Recorder(
        settings=settings,
        store=store,
        clock=clock,
        log=log,
        eraser=eraser,
        capture=capture,
        camera=keeper,
        microphone=microphone,
        panel=panel,
        indicator=indicator,
        say=say,
        on_fault=on_fault,
    )
    dock_client = DockClient(
        open_line=open_line,
        store=store,
        signer=device,
        enrolment=enrolment,
        policy=policy.policy,
        entropy=entropy,
        clock=clock,
        closed_folders=lambda: tuple(folder for folder in store.folders() if folder != log.folder),
        on_docked=recorder.docked,
        on_undocked=recorder.undocked,
        on_receipt=recorder.take_receipt,
        on_ready=lambda is_ready: say("ready", {"is_ready": is_ready}),
        say=say,
        on_fault=on_fault,
    )
    return CameraProgram(recorder, dock_client)
