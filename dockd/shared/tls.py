"""The TLS side of every client of the broker: TLS 1.3 only, both ends by certificate (architecture.md, 8).

It only makes the context. Certificates are made by `dockd.central.adapters.certificate_authority`.
"""

import ssl
from pathlib import Path

from dockd.shared.errors import CredentialsFault


def client_context(*, ca_file: Path, certificate_file: Path, key_file: Path) -> ssl.SSLContext:
    """Return a context that trusts ``ca_file`` alone, checks the broker's name, and shows our certificate.

    Raises:
        CredentialsFault: a file is missing, is not PEM, or certificate and key do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name from the start
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for file in (ca_file, certificate_file, key_file):
        _require_readable(file)
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as error:
        raise CredentialsFault(
            f"{ca_file} is not a CA certificate ({error.reason})",
            expected="the agency's CA certificate in PEM",
            next_step="copy the CA certificate from central again",
        ) from error
    try:
        context.load_cert_chain(certificate_file, key_file, password=_no_password)
    except ssl.SSLError as error:
        raise CredentialsFault(
            f"{certificate_file} and {key_file} cannot be used together ({error.reason})",
            expected="a certificate in PEM and the unencrypted private key that it was issued for",
            next_step="have central issue this certificate again, and copy both files",
        ) from error
    return context


def _no_password() -> str:
    """Answer instead of the prompt on the terminal that OpenSSL would open, on which a service hangs."""
    return ""


def _require_readable(file: Path) -> None:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise CredentialsFault(
            f"{file} cannot be read ({error.strerror})",
            expected="a PEM file that this user may read",
            next_step="check the path in the settings and the owner of the file",
        ) from error
