"""What both sides sign to prove themselves to each other (spec/06-dock-link.md, 6.3)."""

from typing import Final

from protocol.canonical import decode, digest, encode
from protocol.cose import sign_detached, sign_detached_by_device, verify_detached
from protocol.keys import DeviceSigner, EntryKey
from protocol.link.messages import SESSION_SIZE_BYTES

DOCK_PURPOSE: Final = "sealcam/1 link dock"
CAMERA_PURPOSE: Final = "sealcam/1 link camera"


def transcript_of(camera_hello: bytes, hello: bytes) -> bytes:
    """Return the 32 bytes that stand for both hellos; ``camera_hello`` is its message's payload as it travelled."""
    return digest("sealcam/1 link", digest("sealcam/1 link camera-hello", camera_hello), hello)


def session_of(transcript: bytes) -> bytes:
    """Return the 8 bytes that every later message of the session carries."""
    return transcript[:SESSION_SIZE_BYTES]


def sign_as_dock(key: EntryKey, transcript: bytes) -> bytes:
    """Return the dock's proof."""
    return encode(sign_detached(key, DOCK_PURPOSE, transcript))


def sign_as_camera(key: DeviceSigner, transcript: bytes) -> bytes:
    """Return the camera's proof."""
    return encode(sign_detached_by_device(key, CAMERA_PURPOSE, transcript))


def verify_dock(signature: bytes, dock_key: bytes, transcript: bytes) -> None:
    """Check the dock's proof.

    Raises:
        PeerError: it does not hold.
    """
    verify_detached(decode(signature, size_bytes_max=128), dock_key, DOCK_PURPOSE, transcript)


def verify_camera(signature: bytes, camera_key: bytes, transcript: bytes) -> None:
    """Check the camera's proof.

    Raises:
        PeerError: it does not hold.
    """
    verify_detached(decode(signature, size_bytes_max=128), camera_key, CAMERA_PURPOSE, transcript)
