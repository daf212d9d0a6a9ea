"""The bench's agency: provisioned as any agency is, and settings for each program with the ports of this run.

Ports change from start to start, so settings are written anew at each; keys, policy, store and card stay.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dockd.central.adapters.settings_file import read_policy
from dockd.central.adapters.system import SystemClock, SystemEntropy
from dockd.central.commands.provision import enrol_camera, provision_agency
from dockd.central.core.toml_text import Table, Value, toml_text
from hw_sim.bench.broker import BrokerTls
from protocol.policy import TrustedPolicy

NAME: Final = "Bench City"
DOCK: Final = "dock-a"
WORKER: Final = "ingest-1"
SERIAL: Final = "BENCH-1"
BROKER_HOST: Final = "localhost"
RESERVE_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class BenchAgency:
    """An agency in one folder."""

    folder: Path
    policy: TrustedPolicy

    @classmethod
    def provision(cls, folder: Path, say: Callable[[str], None]) -> "BenchAgency":
        """Make a new agency with one dock, one ingest worker and one camera."""
        say(f"provisions {NAME}: offline root, policy, vault, escrow, central, a dock, a camera, TLS")
        clock, entropy = SystemClock(), SystemEntropy()
        provision_agency(
            folder,
            agency=NAME,
            entropy=entropy,
            now_ms=clock.unix_ms(),
            docks=(DOCK,),
            worker=WORKER,
            broker_host=BROKER_HOST,
        )
        enrol_camera(folder, serial=SERIAL, entropy=entropy, now_ms=clock.unix_ms())
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> "BenchAgency":
        """Return an agency that was provisioned before."""
        fingerprint = (folder / "root" / "root.fingerprint").read_text().strip()
        return cls(folder, read_policy(folder / "policy" / "policy", root_fingerprint=fingerprint))

    @property
    def fingerprint(self) -> str:
        """Return the root fingerprint in hex."""
        return self.policy.root.fingerprint.hex()

    @property
    def broker_tls(self) -> BrokerTls:
        """Return the broker's own files."""
        tls = self.folder / "tls"
        return BrokerTls(
            ca_file=tls / "ca.pem",
            certificate_file=tls / "broker.pem",
            key_file=tls / "broker.key",
            crl_file=tls / "ca.crl",
        )

    @property
    def storage_folder(self) -> Path:
        """Return central's store."""
        return self.folder / "central" / "storage"

    @property
    def central_settings(self) -> Path:
        """Return the settings of central's programs."""
        return self.folder / "central" / "central.toml"

    @property
    def vault_settings(self) -> Path:
        """Return the settings of the vault."""
        return self.folder / "vault" / "vault.toml"

    @property
    def dock_settings(self) -> Path:
        """Return the settings of the dock."""
        return self.folder / "docks" / DOCK / "dock.toml"

    @property
    def camera_settings(self) -> Path:
        """Return the settings of the camera."""
        return self.folder / "cameras" / SERIAL / "camera.toml"

    def write_settings(
        self, *, broker_port: int, dock_port: Path, camera_port: Path, card: Path, spool: Path, pre_event_s: int
    ) -> None:
        """Write the settings of central, dock and camera for the ports of this start."""
        central = self.folder / "central"
        _write(self.central_settings, {
            "policy_file": "policy",
            "root_fingerprint": self.fingerprint,
            "central_key_file": "central.key",
            "storage": {"folder": "storage", "catalogue_file": "catalogue.sqlite"},
            "vault": {"socket_file": "../vault/vault.socket"},
            "broker": _client(central, WORKER, broker_port),
            "ingest": {"name": WORKER, "free_bytes_min": 64 << 20},
        })  # fmt: skip
        _write(self.dock_settings, {
            "dock_name": DOCK,
            "policy_file": "policy",
            "root_fingerprint": self.fingerprint,
            "dock_key_file": "dock.key",
            "spool_folder": str(spool.resolve()),
            "status_file": "status.json",
            "broker": _client(self.dock_settings.parent, DOCK, broker_port),
        })  # fmt: skip
        with self.dock_settings.open("a") as file:
            file.write(f'\n[[bay]]\nname = "bay-1"\nport = {json.dumps(str(dock_port))}\n')
        _write(self.camera_settings, {
            "device_key_file": str(self.camera_settings.parent / "device.key"),
            "enrolment_file": str(self.camera_settings.parent / "enrolment"),
            "policy_file": str(self.camera_settings.parent / "policy"),
            "root_fingerprint": self.fingerprint,
            "card_folder": str(card.resolve()),
            "dock_port": str(camera_port),
            "pre_event_s": pre_event_s,
            "reserve_bytes": RESERVE_BYTES,
        })  # fmt: skip

    def write_wrong_vault(self) -> Path:
        """Return settings of a vault whose key opens nothing: the fault of a restored wrong backup."""
        key_file, settings = self.folder / "vault" / "wrong.key", self.folder / "vault" / "wrong.toml"
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(SystemEntropy().take(96))
        _write(settings, {"key_file": "wrong.key", "socket_file": "vault.socket"})
        return settings


def _client(folder: Path, name: str, port: int) -> Table:
    return {
        "host": BROKER_HOST,
        "port": port,
        "ca_file": str(folder / "ca.pem"),
        "certificate_file": str(folder / f"{name}.pem"),
        "key_file": str(folder / f"{name}.key"),
    }


def _write(path: Path, values: Mapping[str, Value | Table]) -> None:
    path.write_text(toml_text(values, comment="Written by the bench at each start."))
