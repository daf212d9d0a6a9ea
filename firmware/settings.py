"""The camera's settings, from a TOML file; every error names file, line and key (`protocol.settings`)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from protocol.settings import SettingsModel


class CameraSettings(SettingsModel):
    """What a camera is told; paths of secrets, never secrets."""

    card_folder: Path
    device_key_file: Path
    enrolment_file: Path
    policy_file: Path
    root_fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    dock_port: str
    dock_baud: Annotated[int, Field(ge=9600, le=12_000_000)] = 921_600
    pre_event_s: Annotated[int, Field(ge=0, le=120)] = 30
    pre_event_audio: bool = False
    reserve_bytes: Annotated[int, Field(ge=1 << 20)] = 64 << 20
    heartbeat_s: Annotated[int, Field(ge=1, le=3600)] = 60
    shift_hours_max: Annotated[int, Field(ge=1, le=24)] = 24
    utc_source: Literal["none", "rtc"] = "none"
    utc_uncertainty_ms: Annotated[int, Field(ge=0)] | None = None
