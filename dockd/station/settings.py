"""The dock's settings, from TOML; every error names file, line and key (`protocol.settings`).

Paths may be relative to the file's own folder. Secrets never stand here, only where they are.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from protocol.link.messages import WINDOW_BYTES_MAX, WINDOW_BYTES_MIN
from protocol.settings import SettingsModel

BAYS_MAX: Final = 64
USB_WINDOW_BYTES: Final = 1024 * 1024
UART_WINDOW_BYTES: Final = 16 * 1024
"""A second and a half at 115,200 baud: what is on its way when something has to be repeated."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Port = Annotated[int, Field(ge=1, le=65_535)]


class BaySettings(SettingsModel):
    """One bay and its serial port."""

    name: Name = Field(description="a name for the bay: small letters, digits and hyphens")
    port: Path = Field(description="the serial port, best by a lasting name below /dev/serial/by-path")
    line: Literal["usb", "uart"] = "usb"
    """A USB port comes and goes with its camera; a UART is always there, and one that is not is a fault."""
    baud_rate: Annotated[int, Field(ge=9600, le=12_000_000)] = 115_200
    """For a UART; USB ignores it."""
    window_bytes: Annotated[int, Field(ge=WINDOW_BYTES_MIN, le=WINDOW_BYTES_MAX)] | None = None

    @property
    def window(self) -> int:
        """Return how many bytes may be on their way."""
        if self.window_bytes is not None:
            return self.window_bytes
        return USB_WINDOW_BYTES if self.line == "usb" else UART_WINDOW_BYTES


class BrokerSettings(SettingsModel):
    """The MQTT broker, and what this dock shows it."""

    host: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="the broker's name, as in its certificate"
    )
    port: Port = 8883
    ca_file: Path = Field(description="the agency's CA certificate")
    certificate_file: Path = Field(description="this dock's certificate")
    key_file: Path = Field(description="this dock's private TLS key")
    password_file: Path | None = None
    """For a broker that knows its clients by password: a file of mode 0600; the user is the dock's name."""


class DockSettings(SettingsModel):
    """`dock.toml`. Without ``broker`` the dock holds what it reads and offloads nothing."""

    dock_name: Name = Field(description='the dock\'s name, as in its certificate, such as "dock-a"')
    policy_file: Path = Field(description="the agency's signed policy")
    root_fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="the agency's root fingerprint, 64 hex digits as it published it"
    )
    dock_key_file: Path = Field(description="the dock's private key, 32 bytes, mode 0600")
    spool_folder: Path = Field(description="the folder on the dock's own disk that holds footage until central has it")
    status_file: Path = Field(description="the file that says what each bay does, written anew all the time")
    broker: BrokerSettings | None = None
    bay: Annotated[tuple[BaySettings, ...], Field(min_length=1, max_length=BAYS_MAX)] = Field(
        description="at least one [[bay]] with its port"
    )

    @model_validator(mode="after")
    def _check(self) -> "DockSettings":
        for what, values in (("name", [bay.name for bay in self.bay]), ("port", [str(bay.port) for bay in self.bay])):
            twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
            if twice is not None:
                raise ValueError(f"two bays have the {what} {twice}; each needs its own")
        return self
