"""The camera's device key in a file that only its user may read (port `protocol.keys.DeviceSigner`)."""

import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firmware.errors import OperatingError
from protocol.keys import SoftwareP256


class DeviceKeyUnusable(OperatingError):
    """The device key's file is absent, readable by others, or holds something else."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Enrol the camera again, or set the file's mode to 0600 and its owner to the camera's user."


def load_device_key(path: Path) -> SoftwareP256:
    """Return the signer for a P-256 key in PEM (PKCS #8).

    Raises:
        DeviceKeyUnusable: as its class says.
    """
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        data = path.read_bytes()
    except OSError as error:
        raise DeviceKeyUnusable(f"device key {path}: {error.strerror}") from error
    if mode & 0o077:
        raise DeviceKeyUnusable(f"device key {path} has mode {mode:04o}, 0600 expected: others could have copied it")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise DeviceKeyUnusable(f"device key {path} is no private key in PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise DeviceKeyUnusable(f"device key {path} is no P-256 key")
    return SoftwareP256(key)
