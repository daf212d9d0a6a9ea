"""The camera's device key in a file that only its user may read (port `protocol.keys.DeviceSigner`)."""

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from firmware.adapters.private_file import DeviceKeyUnusable, read_private, write_private
from protocol.keys import SoftwareP256

_WHAT: Final = "device key"
_PEM_SIZE_BYTES_MAX: Final = 16_384


def load_device_key(path: Path) -> SoftwareP256:
    """Return the signer for a P-256 key in PEM (PKCS #8).

    Raises:
        DeviceKeyUnusable: as its class says.
    """
    data = read_private(path, what=_WHAT, size_bytes_max=_PEM_SIZE_BYTES_MAX)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise DeviceKeyUnusable(f"device key {path} is no private key in PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise DeviceKeyUnusable(f"device key {path} is no P-256 key")
    return SoftwareP256(key)


def make_device_key(path: Path) -> SoftwareP256:
    """Draw a key, keep it in a new file, and return its signer.

    Raises:
        DeviceKeyUnusable: the file is there already, or cannot be made.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(path, pem, what=_WHAT)
    return SoftwareP256(key)
