"""The camera's settings, from a TOML file; every error names file, line and key (`protocol.settings`)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from protocol.settings import SettingsModel


class TokenSettings(SettingsModel):
    """A device key that stays in hardware, reached by PKCS #11."""

    module_file: Path = Field(description="the PKCS #11 library that the hardware's maker ships")
    token_label: Annotated[str, Field(min_length=1, max_length=32)]
    key_label: Annotated[str, Field(min_length=1, max_length=64)] = "sealcam-device"
    pin_file: Path = Field(description="a file of mode 0600 with the token's user PIN")


class CameraSettings(SettingsModel):
    """What a camera is told; paths of secrets, never secrets. The device key is in a file or in a token."""

    card_folder: Path
    device_key_file: Path | None = None
    device_token: TokenSettings | None = None
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

    @model_validator(mode="after")
    def _has_one_device_key(self) -> "CameraSettings":
        if (self.device_key_file is None) == (self.device_token is None):
            found = "neither" if self.device_key_file is None else "both"
            raise ValueError(f"{found} of device_key_file and [device_token] found, one of them expected")
        return self
