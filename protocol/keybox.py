"""The key box: a recording's content key, sealed to vault and escrow (spec/03-recording.md, 3.6)."""

from typing import Annotated, Any, Final, Literal

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from pydantic import Field

from protocol.canonical import Row, decode, digest, encode, parse
from protocol.errors import KeyBoxUnreadable, PeerError
from protocol.keys import key_id
from protocol.sealing import content_key_commitment
from protocol.units import KEY_BOX_SIZE_BYTES_MAX, SEALED_KEY_SIZE_BYTES, SEALING_KEY_SIZE_BYTES, Id

_SECTION: Final = "spec/03-recording.md, 3.6"
_MLKEM_PUBLIC_SIZE_BYTES: Final = 1184
_PRIVATE_SIZE_BYTES: Final = 96
"""Private key as stored: ML-KEM-768 seed d ‖ z (64 bytes, FIPS 203), then the X25519 private key (32 bytes)."""

Role = Literal["vault", "escrow"]


class SealedKey(Row):
    """The content key as one recipient can open it."""

    role: Role
    key_id: Id
    sealed: Annotated[bytes, Field(min_length=SEALED_KEY_SIZE_BYTES, max_length=SEALED_KEY_SIZE_BYTES)]


class KeyBox(Row):
    """All recipients of one recording's content key."""

    version: Literal[1]
    shift_id: Id
    recording_id: Id
    recipients: Annotated[tuple[SealedKey, ...], Field(min_length=1, max_length=4)]


def _suite() -> hpke.Suite:
    return hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class SealingKey:
    """A private key of the vault or the escrow."""

    def __init__(self, private: bytes) -> None:
        """Take the 96 bytes of `generate`."""
        if len(private) != _PRIVATE_SIZE_BYTES:
            raise KeyBoxUnreadable(f"private key of {len(private)} bytes, {_PRIVATE_SIZE_BYTES} expected")
        pq = mlkem.MLKEM768PrivateKey.from_seed_bytes(private[:64])
        classic = x25519.X25519PrivateKey.from_private_bytes(private[64:])
        self._key = hpke.MLKEM768X25519PrivateKey(pq, classic)
        self.public_key: bytes = pq.public_key().public_bytes_raw() + classic.public_key().public_bytes_raw()

    def open_key_box(self, data: bytes, *, role: Role, commitment: bytes) -> bytes:
        """Return the content key.

        Raises:
            KeyBoxUnreadable: the box is not for this key, damaged, or holds another key than the camera committed to.
        """
        try:
            box = parse_key_box(data)
        except PeerError as error:
            raise KeyBoxUnreadable(f"key box cannot be read: {error}") from None
        own = key_id(self.public_key)
        sealed = next((item for item in box.recipients if item.role == role and item.key_id == own), None)
        if sealed is None:
            raise KeyBoxUnreadable(f"key box is not sealed to this {role}'s key {own.hex()}")
        try:
            content_key = _suite().decrypt(sealed.sealed, self._key, info=_info(box.shift_id, box.recording_id, role))
        except (
            Exception
        ) as error:  # the library raises InvalidTag or ValueError by what is damaged; each means the same here
            raise KeyBoxUnreadable(f"key box does not open with this {role}'s key: {type(error).__name__}") from None
        if content_key_commitment(box.recording_id, content_key) != commitment:
            raise KeyBoxUnreadable("key box holds another content key than the camera committed to")
        return content_key


def _info(shift_id: bytes, recording_id: bytes, role: str) -> bytes:
    return encode(["sealcam/1 key-box", shift_id, recording_id, role])


def sealing_public_key(encoded: bytes) -> Any:
    """Return the library's form of a 1,216-byte public key.

    Raises:
        PeerError: it is no such key.
    """
    if len(encoded) != SEALING_KEY_SIZE_BYTES:
        raise PeerError(f"sealing key of {len(encoded)} bytes, {SEALING_KEY_SIZE_BYTES} expected", section=_SECTION)
    try:
        return hpke.MLKEM768X25519PublicKey(
            mlkem.MLKEM768PublicKey.from_public_bytes(encoded[:_MLKEM_PUBLIC_SIZE_BYTES]),
            x25519.X25519PublicKey.from_public_bytes(encoded[_MLKEM_PUBLIC_SIZE_BYTES:]),
        )
    except ValueError as error:
        raise PeerError(f"sealing key is not valid: {error}", section=_SECTION) from None


def make_key_box(
    *, shift_id: bytes, recording_id: bytes, content_key: bytes, vault_key: bytes, escrow_key: bytes
) -> bytes:
    """Return the key box of a recording, sealed to the policy's vault and escrow."""
    recipients: list[object] = []
    recipients_by_role: tuple[tuple[Role, bytes], ...] = (("vault", vault_key), ("escrow", escrow_key))
    for role, public in recipients_by_role:
        sealed = _suite().encrypt(content_key, sealing_public_key(public), info=_info(shift_id, recording_id, role))
        recipients.append([role, key_id(public), sealed])
    return encode([1, shift_id, recording_id, recipients])


def key_box_hash(data: bytes) -> bytes:
    """Return what `recording-opened` and a receipt say of a key box."""
    return digest("sealcam/1 key-box", data)


def parse_key_box(data: bytes) -> KeyBox:
    """Return a key box.

    Raises:
        PeerError: it is not one.
    """
    return parse(KeyBox, decode(data, size_bytes_max=KEY_BOX_SIZE_BYTES_MAX), section=_SECTION)
