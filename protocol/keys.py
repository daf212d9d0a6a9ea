"""Public keys, key ids and strict verification (spec/01-encoding.md, 1.3 and 1.4).

Libraries accept Ed25519 keys of small order, with which one signature fits every message; this module refuses them.
"""

from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from protocol.canonical import digest
from protocol.errors import BadSignature

FIELD_PRIME: Final = 2**255 - 19
_SIGN_BIT: Final = 1 << 255

# The y coordinates of the eight points of small order (RFC 8032's curve); either sign of x is refused.
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        FIELD_PRIME - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)


class EntryKey(Protocol):
    """A private Ed25519 key behind a port: it signs, and shows its public half."""

    @property
    def public_key(self) -> bytes:
        """Return the 32 bytes of the public key."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""


class DeviceSigner(Protocol):
    """A camera's P-256 device key, in a file or in hardware."""

    @property
    def public_key(self) -> bytes:
        """Return the 65-byte uncompressed point."""

    def sign(self, message: bytes) -> bytes:
        """Return r and s, 64 bytes, of ECDSA with SHA-256."""


class SoftwareEd25519:
    """An Ed25519 private key made from 32 secret bytes, held in memory."""

    def __init__(self, seed: bytes) -> None:
        """Take the 32-byte private key of RFC 8032, 5.1.5."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key: bytes = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""
        return self._key.sign(message)


class SoftwareP256:
    """A P-256 private key held in memory, as `DeviceSigner`."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Take a key on P-256."""
        self._key = key
        numbers = key.public_key().public_numbers()
        self.public_key: bytes = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")

    def sign(self, message: bytes) -> bytes:
        """Return r and s, 64 bytes."""
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


_software_keys: tuple[type[EntryKey], type[DeviceSigner]] = (SoftwareEd25519, SoftwareP256)


def camera_id(device_key: bytes) -> bytes:
    """Return the 16-byte name of a camera."""
    return digest("sealcam/1 camera", device_key)[:16]


def key_id(public_key: bytes) -> bytes:
    """Return the 16-byte name of any other public key."""
    return digest("sealcam/1 key", public_key)[:16]


def check_point(encoded: bytes, *, what: str) -> None:
    """Refuse a non-canonical or small-order encoding of a curve25519 point.

    Raises:
        BadSignature: it is one of these.
    """
    y = int.from_bytes(encoded, "little") & (_SIGN_BIT - 1)
    if y >= FIELD_PRIME:
        raise BadSignature(f"{what} is not canonical: y is not below 2^255 - 19")
    if y in _SMALL_ORDER_Y:
        raise BadSignature(f"{what} is a point of small order")


def verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check a signature.

    Raises:
        BadSignature: the key, the signature, or both together do not hold.
    """
    if len(public_key) != 32 or len(signature) != 64:
        raise BadSignature(
            f"Ed25519 key of {len(public_key)} and signature of {len(signature)} bytes, 32 and 64 expected"
        )
    check_point(public_key, what="public key")
    check_point(signature[:32], what="R of the signature")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise BadSignature("Ed25519 signature does not fit key and message") from None


def verify_p256(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check a signature of r and s, 64 bytes, with SHA-256.

    Raises:
        BadSignature: the key is no point of P-256, or the signature does not fit.
    """
    if len(public_key) != 65 or len(signature) != 64:
        raise BadSignature(
            f"P-256 key of {len(public_key)} and signature of {len(signature)} bytes, 65 and 64 expected"
        )
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
        key.verify(der, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        raise BadSignature("P-256 signature does not fit key and message") from None
