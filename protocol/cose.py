"""COSE_Sign1 with constant headers (RFC 9052, 4.2; spec/01-encoding.md, 1.3), about as small as it can be."""

from typing import Final

from protocol.canonical import encode
from protocol.errors import BadSignature, PeerError
from protocol.keys import DeviceSigner, EntryKey, verify_ed25519, verify_p256

ED25519_HEADER: Final = bytes.fromhex("a10132")
ESP256_HEADER: Final = bytes.fromhex("a10128")
_SECTION: Final = "spec/01-encoding.md, 1.3"

Sign1 = list[object]


def signed_bytes(header: bytes, purpose: str, payload: bytes) -> bytes:
    """Return the Sig_structure (RFC 9052, 4.4)."""
    return encode(["Signature1", header, purpose.encode("ascii"), payload])


def sign_detached(key: EntryKey, purpose: str, payload: bytes) -> Sign1:
    """Return a COSE_Sign1 by an Ed25519 key whose payload stands elsewhere."""
    return [ED25519_HEADER, {}, None, key.sign(signed_bytes(ED25519_HEADER, purpose, payload))]


def sign_detached_by_device(key: DeviceSigner, purpose: str, payload: bytes) -> Sign1:
    """Return a COSE_Sign1 by a camera's device key whose payload stands elsewhere."""
    return [ESP256_HEADER, {}, None, key.sign(signed_bytes(ESP256_HEADER, purpose, payload))]


def sign_attached(key: EntryKey, purpose: str, payload: bytes) -> bytes:
    """Return the bytes of a COSE_Sign1 by an Ed25519 key that carries its payload."""
    return encode([ED25519_HEADER, {}, payload, key.sign(signed_bytes(ED25519_HEADER, purpose, payload))])


def verify_detached(sign1: object, public_key: bytes, purpose: str, payload: bytes) -> None:
    """Check a detached COSE_Sign1; the length of ``public_key`` says which kind of key it is.

    Raises:
        BadSignature: it does not hold.
        PeerError: it is not a COSE_Sign1 of this kind.
    """
    is_device = len(public_key) == 65
    header = ESP256_HEADER if is_device else ED25519_HEADER
    found_payload, signature = _split(sign1, header)
    if found_payload is not None:
        raise PeerError("COSE_Sign1 carries a payload where a detached one is expected", section=_SECTION)
    verify = verify_p256 if is_device else verify_ed25519
    verify(public_key, signed_bytes(header, purpose, payload), signature)


def payload_of(sign1: object) -> bytes:
    """Return the payload of an attached COSE_Sign1 by an Ed25519 key, not yet verified.

    Raises:
        PeerError: it is not such a COSE_Sign1.
    """
    payload, _ = _split(sign1, ED25519_HEADER)
    if payload is None:
        raise PeerError("COSE_Sign1 without payload where an attached one is expected", section=_SECTION)
    return payload


def verify_attached(sign1: object, public_key: bytes, purpose: str) -> bytes:
    """Check an attached COSE_Sign1 by an Ed25519 key and return its payload.

    Raises:
        BadSignature: it does not hold.
        PeerError: it is not a COSE_Sign1 of this kind.
    """
    payload, signature = _split(sign1, ED25519_HEADER)
    if payload is None:
        raise PeerError("COSE_Sign1 without payload where an attached one is expected", section=_SECTION)
    verify_ed25519(public_key, signed_bytes(ED25519_HEADER, purpose, payload), signature)
    return payload


def _split(sign1: object, header: bytes) -> tuple[bytes | None, bytes]:
    if not isinstance(sign1, tuple | list) or len(sign1) != 4:
        raise PeerError("COSE_Sign1 is not an array of four", section=_SECTION)
    protected, unprotected, payload, signature = sign1
    if protected != header or unprotected != {}:
        raise PeerError("headers of the COSE_Sign1 are not the constant ones of this kind of key", section=_SECTION)
    if not (payload is None or isinstance(payload, bytes)) or not isinstance(signature, bytes):
        raise PeerError("payload or signature of the COSE_Sign1 is no byte string", section=_SECTION)
    if len(signature) != 64:
        raise BadSignature(f"signature of {len(signature)} bytes, 64 expected")
    return payload, signature
