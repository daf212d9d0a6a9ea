"""Joins the camera's parts; `__main__` and the bench call it with their own devices and nothing else differs."""

from importlib.metadata import version

from firmware.app.capture import Capture, Say
from firmware.app.eraser import Eraser
from firmware.app.recorder import Recorder
from firmware.app.shift_log import ShiftLog
from firmware.ports import Camera, Clock, Entropy, Indicator, Microphone, Panel, Store
from firmware.settings import CameraSettings
from protocol.keys import DeviceSigner
from protocol.policy import TrustedPolicy


def build_recorder(
    *,
    settings: CameraSettings,
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
) -> Recorder:
    """Return a recorder over these devices; nothing is started."""
    log = ShiftLog(
        store=store, clock=clock, entropy=entropy, device=device, policy=policy, firmware_version=version("sealcam")
    )
    eraser = Eraser(store=store, log=log, policy=policy.policy, say=say)
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
    return Recorder(
        settings=settings,
        store=store,
        clock=clock,
        log=log,
        eraser=eraser,
        capture=capture,
        camera=camera,
        microphone=microphone,
        panel=panel,
        indicator=indicator,
        say=say,
    )
