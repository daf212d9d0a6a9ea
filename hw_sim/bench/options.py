"""What a run of the bench is told, from the command line or from the state file of a run before."""

import argparse
from pathlib import Path
from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

PartFault = Literal["central-stopped", "broker-acknowledges-only", "vault-wrong-key", "witness-stopped"]
"""Faults of what is behind the camera: they last, and `resume` heals them."""
CameraFaultName = Literal[
    "camera-dropped-frames", "camera-late-buffer", "camera-stalled-sensor", "camera-gone", "camera-encoder-error",
    "camera-hanging-close", "camera-never-closes",
]  # fmt: skip
"""Faults of the camera while it records: it must get over them by itself."""
Fault = PartFault | CameraFaultName
SILENCE_S_MAX: Final = 5.0
"""How long a camera that fails while it records may be without a picture."""
MOSQUITTO: Final = "mosquitto"
EMBEDDED: Final = "embedded"
BROKER_PORT_DEFAULT: Final = 8883
_SCHEME: Final = "mqtts"
PART_FAULTS: Final[tuple[PartFault, ...]] = get_args(PartFault)
CAMERA_FAULT_NAMES: Final[tuple[CameraFaultName, ...]] = get_args(CameraFaultName)
FAULTS: Final[tuple[Fault, ...]] = (*PART_FAULTS, *CAMERA_FAULT_NAMES)


class RunOptions(BaseModel):
    """One run; frame rates are milli-hertz."""

    model_config = ConfigDict(frozen=True)

    seconds: Annotated[float, Field(ge=2, le=3600)]
    pre_event_s: Annotated[int, Field(ge=0, le=120)]
    seed: int
    width_px: int
    height_px: int
    frame_rate_mhz: int
    fault: Fault | None
    patience_s: Annotated[float, Field(gt=0)]
    silence_s_max: Annotated[float, Field(gt=0)] = SILENCE_S_MAX
    card_folder: Path | None = None
    spool_folder: Path | None = None
    has_audit: bool = False
    broker: str = MOSQUITTO
    broker_ca: Path | None = None
    agency_folder: Path | None = None
    video: Path | None = None
    video_format: str | None = None
    camera: str = "simulated"
    witness_count: Annotated[int, Field(ge=0, le=8)] = 0
    camera_port: Path | None = None
    """Where a real camera docks; then no camera is simulated."""
    wait_s: Annotated[float, Field(gt=0)] = 600.0

    @property
    def part_fault(self) -> PartFault | None:
        """Return the fault of what is behind the camera, if that is what breaks."""
        return next((name for name in PART_FAULTS if name == self.fault), None)

    @property
    def camera_fault(self) -> CameraFaultName | None:
        """Return the fault of the camera, if that is what breaks."""
        return next((name for name in CAMERA_FAULT_NAMES if name == self.fault), None)


def size_px(text: str) -> tuple[int, int]:
    """Return width and height of WIDTHxHEIGHT."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write WIDTHxHEIGHT in pixels, for example 640x480")
    pair = int(width), int(height)
    if pair[0] % 2 or pair[1] % 2 or not (160 <= pair[0] <= 3840 and 120 <= pair[1] <= 2160):
        raise argparse.ArgumentTypeError(f"{text} cannot be recorded: even numbers from 160x120 to 3840x2160 can")
    return pair


def frame_rate_mhz(text: str) -> int:
    """Return milli-hertz of frames per second."""
    try:
        rate = round(float(text) * 1000)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no frame rate: write frames per second, for example 29.97"
        ) from None
    if not 1000 <= rate <= 120_000:
        raise argparse.ArgumentTypeError(f"{text} frames per second cannot be recorded: 1 to 120 can")
    return rate


def broker_choice(text: str) -> str:
    """Return the name of a broker, or the address of one that runs already, in one form."""
    if text in (MOSQUITTO, EMBEDDED):
        return text
    try:
        host, port = broker_place(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no broker: write {MOSQUITTO}, {EMBEDDED} or {_SCHEME}://HOST[:PORT]"
        ) from None
    return f"{_SCHEME}://{f'[{host}]' if ':' in host else host}:{port}"


def broker_place(address: str) -> tuple[str, int]:
    """Return host and port of mqtts://HOST[:PORT].

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(address)
    is_bare = not (parts.username or parts.password or parts.path.strip("/") or parts.query or parts.fragment)
    if parts.scheme != _SCHEME or not parts.hostname or not is_bare:
        raise ValueError(address)
    return parts.hostname, BROKER_PORT_DEFAULT if parts.port is None else parts.port
