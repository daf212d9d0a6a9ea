"""A new agency in a folder: root, policy, keys, TLS, and what each program needs to start (spec/04-trust.md, 4.1 to 4.3).

    root/      offline: the root's private keys, and the fingerprint to publish      policy   the signed policy
    central/   central's signing key          vault/  the vault's private key        escrow/  the escrow's private key
    tls/       the agency's CA, and the broker's certificate
    docks/N/   a dock's signing key, TLS files, policy and root fingerprint
    ingest/N/  an ingest worker's TLS files   cameras/SERIAL/  a camera's enrolment, policy and root fingerprint

In the field these folders are carried apart: root and escrow into safes, each other to its own machine. Secrets are 0600.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dockd.central.adapters.certificate_authority import CertificateAuthority, Credentials, Usage
from dockd.central.adapters.private_files import read_private, write_new
from dockd.central.errors import SettingsFault
from protocol.keybox import SealingKey
from protocol.keys import SoftwareEd25519, SoftwareP256, key_id
from protocol.policy import Enrolment, Policy, Root, TrustedPolicy, sign_enrolment, sign_policy, verify_policy

ROOT_KEY_COUNT: Final = 3
ROOT_THRESHOLD: Final = 2
SEED_SIZE_BYTES: Final = 32
SEALING_PRIVATE_SIZE_BYTES: Final = 96

Draw = Callable[[int], bytes]
"""Gives that many unpredictable bytes."""


@dataclass(frozen=True, slots=True)
class AgencyFolder:
    """Where the things of an agency stand."""

    path: Path

    @property
    def policy_file(self) -> Path:
        """Return the signed policy."""
        return self.path / "policy"

    @property
    def fingerprint_file(self) -> Path:
        """Return the root fingerprint in hex, as the agency publishes it."""
        return self.path / "root" / "fingerprint"

    @property
    def central_key_file(self) -> Path:
        """Return central's Ed25519 private key, 32 bytes."""
        return self.path / "central" / "signing.key"

    @property
    def vault_key_file(self) -> Path:
        """Return the vault's private key, 96 bytes."""
        return self.path / "vault" / "vault.key"

    @property
    def tls_folder(self) -> Path:
        """Return the agency's CA and the broker's certificate."""
        return self.path / "tls"

    def dock(self, name: str) -> Path:
        """Return a dock's folder."""
        return self.path / "docks" / name

    def ingest(self, name: str) -> Path:
        """Return an ingest worker's folder."""
        return self.path / "ingest" / name

    def camera(self, serial: str) -> Path:
        """Return a camera's folder."""
        return self.path / "cameras" / serial

    def policy(self) -> TrustedPolicy:
        """Return the policy in force."""
        return verify_policy(self.policy_file.read_bytes())


def provision_agency(
    path: Path, *, agency: str, dock_names: tuple[str, ...], ingest_names: tuple[str, ...], draw: Draw, now: datetime
) -> AgencyFolder:
    """Make a new agency below ``path``, which must be absent or empty.

    Raises:
        SettingsFault: the folder is not empty, or cannot be written.
    """
    _require_empty(path)
    folder = AgencyFolder(path)
    for name in ("root", "central", "vault", "escrow", "tls", "docks", "ingest", "cameras"):
        _make_folder(path / name)
    roots = _new_keys(draw, ROOT_KEY_COUNT)
    for number, (_, seed) in enumerate(roots):
        write_new(path / "root" / f"root-{number + 1}.key", seed)
    central, central_seed = _new_keys(draw, 1)[0]
    write_new(folder.central_key_file, central_seed)
    docks = {name: _new_keys(draw, 1)[0] for name in dock_names}
    policy = Policy(
        version=1,
        agency=agency,
        issued_at_ms=int(now.timestamp() * 1000),
        central_keys=(central.public_key,),
        dock_keys=tuple(key.public_key for key, _ in docks.values()),
        vault_key=_new_sealing_key(folder.vault_key_file, draw),
        escrow_key=_new_sealing_key(path / "escrow" / "escrow.key", draw),
        witness_keys=(),
        witness_threshold=0,
        erase_level="stored",
        revoked_cameras=(),
    )
    root = Root(threshold=ROOT_THRESHOLD, keys=tuple(key.public_key for key, _ in roots))
    write_new(folder.policy_file, sign_policy(policy, root, tuple(key for key, _ in roots[:ROOT_THRESHOLD])), mode=0o644)
    write_new(folder.fingerprint_file, root.fingerprint.hex().encode() + b"\n", mode=0o644)
    authority = CertificateAuthority.create(folder.tls_folder, agency=agency, now=now)
    authority.issue("broker", Usage.BROKER, folder=folder.tls_folder, now=now)
    for name, (_, seed) in docks.items():
        add_dock(folder, name, seed=seed, authority=authority, now=now)
    for name in ingest_names:
        _make_folder(folder.ingest(name))
        _issue_client(authority, name, folder.ingest(name), now)
    return folder


def add_dock(folder: AgencyFolder, name: str, *, seed: bytes, authority: CertificateAuthority, now: datetime) -> Credentials:
    """Make a dock's folder; its public key must be in the policy for a camera to trust it."""
    path = folder.dock(name)
    _make_folder(path)
    write_new(path / "dock.key", seed)
    _copy_trust(folder, path)
    return _issue_client(authority, name, path, now)


def enrol_camera(folder: AgencyFolder, *, serial: str, camera_key: bytes, now: datetime) -> Path:
    """Sign the enrolment of a camera whose public key is known, and return the folder with what the camera needs.

    Raises:
        SettingsFault: central's key cannot be read, or the camera is enrolled already.
    """
    seed = read_private(folder.central_key_file, what="central's signing key", size_bytes=SEED_SIZE_BYTES)
    central = SoftwareEd25519(seed)
    enrolment = Enrolment(
        camera_key=camera_key,
        serial=serial,
        enrolled_at_ms=int(now.timestamp() * 1000),
        central_key_id=key_id(central.public_key),
        policy_version=folder.policy().policy.version,
    )
    path = folder.camera(serial)
    _make_folder(path)
    write_new(path / "enrolment", sign_enrolment(enrolment, central), mode=0o644)
    _copy_trust(folder, path)
    return path


def new_device_key(file: Path) -> bytes:
    """Make a camera's device key in ``file`` and return its public half; a camera does this on its own board."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_new(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return SoftwareP256(key).public_key


def _new_keys(draw: Draw, count: int) -> list[tuple[SoftwareEd25519, bytes]]:
    seeds = [draw(SEED_SIZE_BYTES) for _ in range(count)]
    return sorted(((SoftwareEd25519(seed), seed) for seed in seeds), key=lambda pair: pair[0].public_key)


def _new_sealing_key(file: Path, draw: Draw) -> bytes:
    private = draw(SEALING_PRIVATE_SIZE_BYTES)
    write_new(file, private)
    return SealingKey(private).public_key


def _issue_client(authority: CertificateAuthority, name: str, path: Path, now: datetime) -> Credentials:
    credentials = authority.issue(name, Usage.CLIENT, folder=path, now=now)
    write_new(path / "ca.pem", authority.ca_file.read_bytes(), mode=0o644)
    return credentials


def _copy_trust(folder: AgencyFolder, path: Path) -> None:
    for source, name in ((folder.policy_file, "policy"), (folder.fingerprint_file, "root-fingerprint")):
        write_new(path / name, source.read_bytes(), mode=0o644)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise SettingsFault(
            f"{path} is there already", expected="a new name", next_step="name another, or look at what is there"
        ) from None
    except OSError as error:
        raise SettingsFault(
            f"{path} cannot be made ({error.strerror})",
            expected="a folder that this user may write to",
            next_step="name another folder, or check owner and mode of the one above",
        ) from error


def _require_empty(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(os.scandir(path))):
        raise SettingsFault(
            f"{path} is not empty",
            expected="a new or an empty folder: an agency is never made over another",
            next_step="name another folder",
        )
