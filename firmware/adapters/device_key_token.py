"""The camera's device key in hardware, by PKCS #11 (OASIS PKCS #11 v3.1; port `protocol.keys.DeviceSigner`).

The private key is made in the token, sensitive and not extractable: it signs there, and no copy of it exists elsewhere.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

from firmware.adapters.private_file import DeviceKeyUnusable, read_private
from firmware.settings import TokenSettings
from protocol.keys import DeviceSigner

_PIN_SIZE_BYTES_MAX: Final = 256


class TokenKeyUnusable(DeviceKeyUnusable):
    """The token, or the key in it, is not there or does not answer."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Check that the token is connected and its PIN right; a new camera makes its key with: sealcam-camera make-key."


class TokenP256:
    """A P-256 key that never leaves its token. Any thread may sign; one does at a time."""

    def __init__(self, settings: TokenSettings) -> None:
        """Log in and find the key.

        Raises:
            DeviceKeyUnusable: library, token, PIN or key cannot be used.
        """
        self._what = _words(settings)
        self._lock = threading.Lock()
        self._session = _open(settings, is_writing=False)
        with _faults(self._what):
            key, public = (
                self._session.get_key(object_class=kind, key_type=pkcs11.KeyType.EC, label=settings.key_label)
                for kind in (pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.ObjectClass.PUBLIC_KEY)
            )
        if not isinstance(key, pkcs11.PrivateKey) or not isinstance(public, pkcs11.PublicKey):
            raise TokenKeyUnusable(f"{self._what} is no pair of a private and a public key")
        self._key = key
        if self._key[pkcs11.Attribute.EXTRACTABLE] or not self._key[pkcs11.Attribute.SENSITIVE]:
            raise TokenKeyUnusable(f"{self._what}: the key can be copied out of the token, one that cannot expected")
        self.public_key: bytes = _point(encode_ec_public_key(public), self._what)

    def sign(self, message: bytes) -> bytes:
        """Return r and s, 64 bytes.

        Raises:
            DeviceKeyUnusable: the token does not answer any more.
        """
        # The token hashes nothing: CKM_ECDSA takes the digest, and every token has it (v3.1, 6.3.12).
        with self._lock, _faults(self._what):
            digest = hashlib.sha256(message).digest()
            signature = self._key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)  # type: ignore[attr-defined]  # not in its types
        return bytes(signature)

    def close(self) -> None:
        """Log out; safe to call twice."""
        with self._lock:
            self._session.close()


def make_token_key(settings: TokenSettings) -> TokenP256:
    """Have the token make a key, and return its signer.

    Raises:
        DeviceKeyUnusable: there is a key of this label already, or the token cannot be used.
    """
    what = _words(settings)
    session = _open(settings, is_writing=True)
    try:
        with _faults(what):
            if any(True for _ in session.get_objects({pkcs11.Attribute.LABEL: settings.key_label})):
                raise TokenKeyUnusable(f"{what} is there already: a camera makes its key once")
            curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
            parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
            parameters.generate_keypair(
                store=True,
                label=settings.key_label,
                private_template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
            )
    finally:
        session.close()
    return TokenP256(settings)


def _words(settings: TokenSettings) -> str:
    return f"device key {settings.key_label!r} in token {settings.token_label!r}"


def _open(settings: TokenSettings, *, is_writing: bool) -> pkcs11.Session:
    pin = read_private(settings.pin_file, what="PIN", size_bytes_max=_PIN_SIZE_BYTES_MAX)
    what = _words(settings)
    try:
        library = pkcs11.lib(str(settings.module_file))
    except (RuntimeError, pkcs11.PKCS11Error) as error:
        raise TokenKeyUnusable(f"{what}: {settings.module_file} is no PKCS #11 library that works: {error}") from error
    with _faults(what):
        token = library.get_token(token_label=settings.token_label)
        try:
            return token.open(user_pin=pin.decode(errors="replace").strip(), rw=is_writing)
        except pkcs11.UserAlreadyLoggedIn:
            # A process logs in once, and every session of its has that login (v3.1, 5.6.8).
            return token.open(rw=is_writing)


def _point(der: bytes, what: str) -> bytes:
    key = load_der_public_key(der)
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise TokenKeyUnusable(f"{what} is no P-256 key")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@contextmanager
def _faults(what: str) -> Iterator[None]:
    """Turn what PKCS #11 reports into the fault of this port."""
    try:
        yield
    except pkcs11.PKCS11Error as error:
        words = str(error) or type(error).__name__
        raise TokenKeyUnusable(f"{what}: {words}") from error


_: type[DeviceSigner] = TokenP256
