"""Makes an agency: its keys, its first policy, and what each of its machines is given, as files to be written.

Nothing is written here, and nothing is drawn but from the entropy that is passed in. Each folder is for one place:
`root` goes offline into safes, `escrow` to an independent keeper, `vault` and `central` to their machines, `docks/…`
and `cameras/…` to theirs.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_public_key

from dockd.central.core.ledger_plan import NewLedger
from dockd.central.core.toml_text import Settings, toml_text
from dockd.central.errors import SettingsFault
from dockd.central.ports import Entropy
from protocol.keybox import SealingKey
from protocol.keys import SoftwareEd25519, SoftwareP256, camera_id, key_id
from protocol.policy import (
    Enrolment,
    LedgerIdentity,
    Policy,
    Root,
    TrustedPolicy,
    sign_enrolment,
    sign_policy,
    verify_policy,
)

ROOT_KEY_COUNT: Final = 3
ROOT_THRESHOLD: Final = 2
SEED_SIZE_BYTES: Final = 32
SEALING_SIZE_BYTES: Final = 96
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be made; ``path`` is relative, with `/`."""

    path: str
    data: bytes
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class NewAgency:
    """An agency's files, and the policy among them."""

    files: tuple[NewFile, ...]
    policy: TrustedPolicy


@dataclass(frozen=True, slots=True)
class NewCamera:
    """A camera's files, and what central writes down of it."""

    files: tuple[NewFile, ...]
    camera_id: bytes
    serial: str
    enrolment: bytes


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is, as docks and central reach it."""

    host: str
    port: int


def new_agency(
    *,
    name: str,
    docks: tuple[str, ...],
    worker: str,
    broker: Broker,
    bay_port: str,
    entropy: Entropy,
    now_ms: int,
    ledger: NewLedger | None = None,
) -> NewAgency:
    """Return the files of a new agency with policy version 1: all but TLS, the catalogue, and cameras.

    ``ledger`` None: the policy names none, and receipts need no proof.
    """
    roots = sorted((entropy.take(SEED_SIZE_BYTES) for _ in range(ROOT_KEY_COUNT)), key=_public)
    central, vault = entropy.take(SEED_SIZE_BYTES), entropy.take(SEALING_SIZE_BYTES)
    escrow = entropy.take(SEALING_SIZE_BYTES)
    dock_keys = {dock: entropy.take(SEED_SIZE_BYTES) for dock in docks}
    ledger_key = None if ledger is None else entropy.take(SEED_SIZE_BYTES)
    policy = Policy(
        version=1,
        agency=name,
        issued_at_ms=now_ms,
        central_keys=(_public(central),),
        dock_keys=tuple(_public(key) for key in dock_keys.values()),
        vault_key=SealingKey(vault).public_key,
        escrow_key=SealingKey(escrow).public_key,
        ledger=None
        if ledger is None or ledger_key is None
        else LedgerIdentity(origin=ledger.origin, keys=(_public(ledger_key),)),
        witness_keys=() if ledger is None else tuple(witness.public_key for witness in ledger.witnesses),
        witness_threshold=0 if ledger is None else ledger.witness_threshold,
        erase_level="stored",
        revoked_cameras=(),
    )
    root = Root(threshold=ROOT_THRESHOLD, keys=tuple(_public(key) for key in roots))
    signers = tuple(SoftwareEd25519(key) for key in roots[:ROOT_THRESHOLD])
    trusted = verify_policy(sign_policy(policy, root, signers))
    fingerprint = root.fingerprint.hex()
    files = [
        *(NewFile(f"root/root-{number}.key", key, is_secret=True) for number, key in enumerate(roots, start=1)),
        NewFile("root/root", root.encoded()),
        NewFile("root/root.fingerprint", f"{fingerprint}\n".encode()),
        NewFile("policy/policy", trusted.signed_bytes),
        NewFile("policy/root.fingerprint", f"{fingerprint}\n".encode()),
        NewFile("vault/vault.key", vault, is_secret=True),
        NewFile("vault/vault.toml", _vault_toml()),
        NewFile("escrow/escrow.key", escrow, is_secret=True),
        NewFile("central/central.key", central, is_secret=True),
        NewFile("central/policy", trusted.signed_bytes),
        NewFile("central/central.toml", _central_toml(fingerprint, worker, broker, ledger)),
    ]
    if ledger_key is not None:
        files.append(NewFile("central/ledger.key", ledger_key, is_secret=True))
    for dock, key in dock_keys.items():
        files += _dock_files(dock, key, trusted, broker, bay_port)
    return NewAgency(tuple(files), trusted)


def new_device_key(entropy: Entropy) -> tuple[SoftwareP256, bytes]:
    """Return a camera's device key and its PEM (PKCS #8). On a real camera this happens on the camera."""
    # 64 bits more than the order has, so that the remainder is not biased (FIPS 186-5, A.2.1).
    secret = int.from_bytes(entropy.take(40), "big") % (_P256_ORDER - 1) + 1
    key = ec.derive_private_key(secret, ec.SECP256R1())
    return SoftwareP256(key), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def device_public_key(pem: bytes, *, file: str) -> bytes:
    """Return the 65 bytes of the public key in a PEM file that a camera made.

    Raises:
        SettingsFault: it is no P-256 public key.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SettingsFault(
            f"{file} holds no P-256 public key in PEM",
            expected="the public half of the camera's device key, as the camera wrote it",
            next_step="copy the file from the camera again; its private key never leaves it",
        )
    numbers = key.public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def new_camera(
    *,
    serial: str,
    camera_key: bytes,
    device_key_pem: bytes | None,
    policy: TrustedPolicy,
    central: SoftwareEd25519,
    place: str,
    settings: Settings,
    now_ms: int,
) -> NewCamera:
    """Return an enrolled camera's files.

    ``place`` is the folder that they will stand in on the camera; ``settings`` go into its `camera.toml` beside those
    about keys and policy, and in place of those of the same name.
    """
    enrolment = Enrolment(
        camera_key=camera_key,
        serial=serial,
        enrolled_at_ms=now_ms,
        central_key_id=key_id(central.public_key),
        policy_version=policy.policy.version,
    )
    signed = sign_enrolment(enrolment, central)
    toml: Settings = {
        "card_folder": f"{place}/card",
        "device_key_file": f"{place}/device.key",
        "enrolment_file": f"{place}/enrolment",
        "policy_file": f"{place}/policy",
        "root_fingerprint": policy.root.fingerprint.hex(),
        **settings,
    }
    files = [
        NewFile("enrolment", signed),
        NewFile("policy", policy.signed_bytes),
        NewFile("camera.toml", toml_text(toml, comment=f"Camera {serial}. Made by sealcam-central enrol.").encode()),
    ]
    if device_key_pem is not None:
        files.append(NewFile("device.key", device_key_pem, is_secret=True))
    return NewCamera(tuple(files), camera_id(camera_key), serial, signed)


def _public(seed: bytes) -> bytes:
    return SoftwareEd25519(seed).public_key


def _vault_toml() -> bytes:
    values: Settings = {"key_file": "vault.key", "socket_file": "vault.socket"}
    return toml_text(values, comment="The vault. Made by sealcam-central provision.").encode()


def _central_toml(fingerprint: str, worker: str, broker: Broker, ledger: NewLedger | None) -> bytes:
    kept: Settings = {}
    if ledger is not None:
        witnesses = tuple({"key": witness.verifier_key, "url": witness.url} for witness in ledger.witnesses)
        kept = {
            "ledger": {"folder": "ledger", "key_file": "ledger.key"},
            **({"witness": witnesses} if witnesses else {}),
        }
    values: Settings = {
        "policy_file": "policy",
        "root_fingerprint": fingerprint,
        "central_key_file": "central.key",
        "storage": {"folder": "storage", "catalogue_file": "catalogue.sqlite"},
        "vault": {"socket_file": "../vault/vault.socket"},
        "broker": {
            "host": broker.host,
            "port": broker.port,
            "ca_file": "ca.pem",
            "certificate_file": f"{worker}.pem",
            "key_file": f"{worker}.key",
        },
        "ingest": {"name": worker},
        **kept,
    }
    return toml_text(values, comment="Central. Made by sealcam-central provision.").encode()


def _dock_files(dock: str, key: bytes, policy: TrustedPolicy, broker: Broker, bay_port: str) -> list[NewFile]:
    values: Settings = {
        "dock_name": dock,
        "policy_file": "policy",
        "root_fingerprint": policy.root.fingerprint.hex(),
        "dock_key_file": "dock.key",
        "spool_folder": "spool",
        "status_file": "status.json",
        "broker": {
            "host": broker.host,
            "port": broker.port,
            "ca_file": "ca.pem",
            "certificate_file": f"{dock}.pem",
            "key_file": f"{dock}.key",
        },
        "bay": ({"name": "bay-1", "port": bay_port},),
    }
    text = toml_text(values, comment=f"{dock}. Made by sealcam-central provision.")
    return [
        NewFile(f"docks/{dock}/dock.key", key, is_secret=True),
        NewFile(f"docks/{dock}/policy", policy.signed_bytes),
        NewFile(f"docks/{dock}/dock.toml", text.encode()),
    ]
