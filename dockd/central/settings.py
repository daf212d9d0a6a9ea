"""The settings of central's programs, from TOML; every error names file, line and key (`protocol.settings`).

Paths may be relative to the file's own folder. Secrets never stand here, only where they are.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from protocol.settings import SettingsModel

Port = Annotated[int, Field(ge=1, le=65_535)]


class StorageSettings(SettingsModel):
    """Where footage is kept."""

    folder: Path = Field(description="the folder of the objects, staging among them, on one file system")
    catalogue_file: Path = Field(description="the catalogue's SQLite file")


class VaultLinkSettings(SettingsModel):
    """How the vault's process is reached."""

    socket_file: Path = Field(description="the vault's Unix socket")
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0


class BrokerSettings(SettingsModel):
    """The MQTT broker, and what this worker shows it."""

    host: Annotated[str, Field(min_length=1, max_length=253, description="the broker's name, as in its certificate")]
    port: Port = 8883
    ca_file: Path = Field(description="the agency's CA certificate")
    certificate_file: Path = Field(description="this worker's certificate")
    key_file: Path = Field(description="this worker's private key")
    password_file: Path | None = None
    """For a broker that knows its clients by password: a file of mode 0600; the user is the worker's name."""


class IngestSettings(SettingsModel):
    """This worker, and what docks may fill of its staging. The broker knows it by the name in its certificate."""

    name: Annotated[str, Field(pattern=r"^ingest-[a-z0-9](?:[a-z0-9-]{0,23}[a-z0-9])?$")] = "ingest-1"
    dock_bytes_max: Annotated[int, Field(ge=1 << 20)] = 256 << 30
    free_bytes_min: Annotated[int, Field(ge=0)] = 1 << 30


class LedgerSettings(SettingsModel):
    """Where the ledger is kept. Its name, its keys and how many witnesses it needs stand in the policy."""

    folder: Path = Field(description="the folder of the ledger's public files: tiles and checkpoints")
    key_file: Path = Field(description="the private key that signs checkpoints, which only `ledger` reads")
    poll_ms: Annotated[int, Field(ge=10, le=10_000)] = 50


class WitnessSettings(SettingsModel):
    """A witness that the ledger's checkpoints are shown to; whether its word counts, the policy says."""

    key: Annotated[
        str,
        Field(min_length=1, max_length=400, description="the witness's verifier key: name+id+key, as it published it"),
    ]
    url: Annotated[str, Field(pattern=r"^https?://[!-~]{1,500}$", description="the prefix of its add-checkpoint")]


class CentralSettings(SettingsModel):
    """`central.toml`: what ingest, the ledger and the commands about recordings read."""

    policy_file: Path = Field(description="the agency's signed policy")
    root_fingerprint: Annotated[
        str,
        Field(pattern=r"^[0-9a-f]{64}$", description="the agency's root fingerprint, 64 hex digits as it published it"),
    ]
    central_key_file: Path = Field(description="central's private key, which signs receipts and enrolments")
    storage: StorageSettings
    vault: VaultLinkSettings
    broker: BrokerSettings
    ingest: IngestSettings = IngestSettings()
    ledger: LedgerSettings | None = None
    witness: Annotated[tuple[WitnessSettings, ...], Field(max_length=64)] = ()


class VaultSettings(SettingsModel):
    """`vault.toml`: what the vault's process reads, and nobody else needs to."""

    key_file: Path = Field(description="the vault's private key, 96 bytes, mode 0600")
    socket_file: Path = Field(description="the Unix socket to answer on")
    socket_group: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    """Who besides this user may ask: the group that ingest runs in, where that is another user. None: nobody."""
