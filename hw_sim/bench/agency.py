"""The bench's agency: provisioned as any agency is, and settings for each program with the ports of this run.

Ports change from start to start, so settings are written anew at each; keys, policy, store and card stay.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dockd.central.adapters.private_files import write_new
from dockd.central.adapters.settings_file import read_policy
from dockd.central.adapters.system import SystemClock, SystemEntropy
from dockd.central.commands.provision import enrol_camera, provision_agency
from dockd.central.core.ledger_plan import new_ledger
from dockd.central.core.toml_text import Settings, Table, toml_text
from dockd.shared.password import read_password
from hw_sim.bench.broker import BrokerTls
from hw_sim.bench.broker_process import BenchBroker
from hw_sim.bench.errors import BenchError
from hw_sim.bench.witnesses import BenchWitness
from protocol.policy import TrustedPolicy

NAME: Final = "Bench City"
DOCK: Final = "dock-a"
WORKER: Final = "ingest-1"
SERIAL: Final = "BENCH-1"
BROKER_HOST: Final = "localhost"
RESERVE_BYTES: Final = 8 << 20
_CAMERA_FILES: Final = ("device.key", "enrolment", "policy")
CARD_ON_CAMERA: Final = "/var/lib/sealcam/card"
PORT_ON_CAMERA: Final = "/dev/ttyGS0"
"""The USB gadget port towards the dock."""
PASSWORD_NAME: Final = "broker.password"
PASSWORD_SIZE_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class WorkerCredentials:
    """What the ingest worker shows the broker, and whom it trusts to be the broker."""

    name: str
    ca_file: Path
    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class BenchAgency:
    """An agency in one folder."""

    folder: Path
    policy: TrustedPolicy

    @classmethod
    def provision(
        cls, folder: Path, say: Callable[[str], None], *, witnesses: Sequence[BenchWitness] = ()
    ) -> "BenchAgency":
        """Make a new agency with one dock, one ingest worker, one camera, and a ledger that all of ``witnesses`` must cosign."""
        say(f"provisions {NAME}: offline root, policy, vault, escrow, central, a ledger, a dock, a camera, TLS")
        clock, entropy = SystemClock(), SystemEntropy()
        provision_agency(
            folder,
            agency=NAME,
            entropy=entropy,
            now_ms=clock.unix_ms(),
            docks=(DOCK,),
            worker=WORKER,
            broker_host=BROKER_HOST,
            ledger=new_ledger(NAME, witnesses=tuple((witness.verifier_key, witness.url) for witness in witnesses)),
        )
        enrol_camera(folder, serial=SERIAL, entropy=entropy, now_ms=clock.unix_ms())
        made = cls.load(folder)
        for witness in witnesses:
            witness.trust(folder / "policy" / "policy", made.fingerprint)
        return made

    @classmethod
    def load(cls, folder: Path) -> "BenchAgency":
        """Return an agency that was provisioned before."""
        fingerprint = (folder / "policy" / "root.fingerprint").read_text().strip()
        return cls(folder, read_policy(folder / "policy" / "policy", root_fingerprint=fingerprint))

    @classmethod
    def adopt(
        cls, source: Path, folder: Path, say: Callable[[str], None], *, may_hold_footage: bool = False
    ) -> "BenchAgency":
        """Copy an agency that `sealcam-central provision` made, and enrol the bench's camera in the copy.

        Raises:
            BenchError: it is none, has not the bench's dock and worker, or holds footage.
        """
        require_adoptable(source, may_hold_footage=may_hold_footage)
        say(f"copies the agency in {source}, with all its keys")
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.socket"))
        if not (folder / "cameras" / SERIAL).exists():
            enrol_camera(folder, serial=SERIAL, entropy=SystemEntropy(), now_ms=SystemClock().unix_ms())
        return cls.load(folder)

    @property
    def has_ledger(self) -> bool:
        """Say whether the policy names a ledger: one that was provisioned without has none."""
        return self.policy.policy.ledger is not None

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

    def worker_credentials(self, ca_file: Path | None) -> WorkerCredentials:
        """Return what the worker shows a broker; ``ca_file`` where the broker's own certificate is not of our CA."""
        central = self.folder / "central"
        return WorkerCredentials(
            WORKER, ca_file or central / "ca.pem", central / f"{WORKER}.pem", central / f"{WORKER}.key"
        )

    def broker_passwords(self) -> dict[str, str]:
        """Return the password of each of the broker's clients by name; the first call makes them, each in a file 0600."""
        passwords = {}
        for name, folder in self._clients().items():
            file = folder / PASSWORD_NAME
            if not file.exists():
                write_new(file, SystemEntropy().take(PASSWORD_SIZE_BYTES).hex().encode() + b"\n")
            passwords[name] = read_password(file)
        return passwords

    def write_settings(
        self,
        *,
        broker: BenchBroker,
        broker_ca: Path | None,
        dock_port: Path,
        camera_port: Path,
        card: Path,
        spool: Path,
        pre_event_s: int,
        witnesses: Sequence[BenchWitness] = (),
    ) -> None:
        """Write the settings of central, dock and camera for the ports of this start."""
        clients = {name: _client(folder, name, broker, broker_ca) for name, folder in self._clients().items()}
        _write(self.central_settings, {
            "policy_file": "policy",
            "root_fingerprint": self.fingerprint,
            "central_key_file": "central.key",
            "storage": {"folder": "storage", "catalogue_file": "catalogue.sqlite"},
            "vault": {"socket_file": "../vault/vault.socket"},
            "broker": clients[WORKER],
            "ingest": {"name": WORKER, "free_bytes_min": 64 << 20},
            **({"ledger": {"folder": "ledger", "key_file": "ledger.key"}} if self.has_ledger else {}),
            "witness": tuple({"key": witness.verifier_key, "url": witness.url} for witness in witnesses),
        })  # fmt: skip
        _write(self.dock_settings, {
            "dock_name": DOCK,
            "policy_file": "policy",
            "root_fingerprint": self.fingerprint,
            "dock_key_file": "dock.key",
            "spool_folder": str(spool.resolve()),
            "status_file": "status.json",
            "broker": clients[DOCK],
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

    def write_for_camera(self, folder: Path, *, pre_event_s: int) -> Path:
        """Put into ``folder`` all that a camera outside of the bench needs of this agency, and return the folder."""
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in _CAMERA_FILES:
            shutil.copy(self.camera_settings.parent / name, folder / name)
        text = toml_text(
            {
                **{f"{name.replace('.', '_')}_file": name for name in _CAMERA_FILES},
                "root_fingerprint": self.fingerprint,
                "card_folder": CARD_ON_CAMERA,
                "dock_port": PORT_ON_CAMERA,
                "pre_event_s": pre_event_s,
            },
            comment=f"A camera of {NAME}. Put it with its files into /etc/sealcam; paths are relative to that folder.",
        )
        (folder / self.camera_settings.name).write_text(text)
        return folder

    def _clients(self) -> dict[str, Path]:
        """Return the folder of each of the broker's clients."""
        return {WORKER: self.folder / "central", DOCK: self.dock_settings.parent}

    def write_wrong_vault(self) -> Path:
        """Return settings of a vault whose key opens nothing: the fault of a restored wrong backup."""
        key_file, settings = self.folder / "vault" / "wrong.key", self.folder / "vault" / "wrong.toml"
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(SystemEntropy().take(96))
        _write(settings, {"key_file": "wrong.key", "socket_file": "vault.socket"})
        return settings


def _client(folder: Path, name: str, broker: BenchBroker, broker_ca: Path | None) -> Table:
    password = {"password_file": str(folder / PASSWORD_NAME)} if broker.client_auth == "password" else {}
    return {
        **password,
        "host": broker.host,
        "port": broker.port,
        "ca_file": str(broker_ca or folder / "ca.pem"),
        "certificate_file": str(folder / f"{name}.pem"),
        "key_file": str(folder / f"{name}.key"),
    }


def require_adoptable(source: Path, *, may_hold_footage: bool = False) -> None:
    """Refuse what `BenchAgency.adopt` could not use.

    Raises:
        BenchError: it is no agency, has not the bench's dock and worker, or holds footage.
    """
    needed = (
        *("policy/root.fingerprint", "policy/policy", "vault/vault.key", f"central/{WORKER}.pem"),
        *(f"docks/{DOCK}/{DOCK}.pem", "tls/ca.pem"),
    )
    missing = next((name for name in needed if not (source / name).is_file()), None)
    if missing is not None:
        raise BenchError(
            f"{source} has no {missing}",
            expected=f"an agency with {DOCK} and {WORKER}, as sealcam-central provision makes it",
            next_step=f'sealcam-central provision NEW_DIR --agency "{NAME}" --broker-host HOST',
        )
    objects = source / "central" / "storage" / "objects"
    if not may_hold_footage and objects.exists() and any(objects.rglob("*.media")):
        raise BenchError(
            f"{source} holds footage",
            expected="an agency that has stored nothing yet: the bench checks all that is in the store",
            next_step="provision one for the bench alone",
        )


def _write(path: Path, values: Settings) -> None:
    path.write_text(toml_text(values, comment="Written by the bench at each start."))
