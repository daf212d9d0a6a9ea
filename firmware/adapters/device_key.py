"""The device key where the settings say that it is: in a file, or in a token."""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from firmware.adapters.device_key_file import load_device_key, make_device_key
from firmware.adapters.private_file import DeviceKeyUnusable
from firmware.settings import CameraSettings, TokenSettings
from protocol.keys import DeviceSigner


def open_device_key(settings: CameraSettings) -> DeviceSigner:
    """Return the signer.

    Raises:
        DeviceKeyUnusable: there is none that can be used.
    """
    if settings.device_token is not None:
        return _with_token(settings.device_token, is_new=False)
    assert settings.device_key_file is not None
    return load_device_key(settings.device_key_file)


def new_device_key(settings: CameraSettings) -> DeviceSigner:
    """Make a key where there is none, and return its signer.

    Raises:
        DeviceKeyUnusable: there is one already, or none can be made.
    """
    if settings.device_token is not None:
        return _with_token(settings.device_token, is_new=True)
    assert settings.device_key_file is not None
    return make_device_key(settings.device_key_file)


def _with_token(settings: TokenSettings, *, is_new: bool) -> DeviceSigner:
    # A camera with its key in a file needs no PKCS #11 library.
    try:
        from firmware.adapters.device_key_token import TokenP256, make_token_key
    except ImportError as error:
        raise DeviceKeyUnusable(
            f"a token needs python-pkcs11, which cannot be imported ({error}); pip install sealcam[token]"
        ) from error
    return make_token_key(settings) if is_new else TokenP256(settings)


def public_pem(public_key: bytes) -> bytes:
    """Return a device key's public half (65 bytes) as the agency takes it: SubjectPublicKeyInfo in PEM (RFC 5480, RFC 7468)."""
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    return point.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
