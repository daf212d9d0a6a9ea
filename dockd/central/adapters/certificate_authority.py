"""The agency's certificate authority for TLS: a CA key in a folder, leaf certificates, and a revocation list.

X.509 is for TLS alone: what footage is trusted by is the policy's keys, never a certificate (architecture.md, 5).
A certificate's name is the MQTT user, and the broker's access list speaks of names, so the kinds of names are kept
apart here: only `dock-…` and `ingest-…` can be clients, and a broker can be nothing else.
"""

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dockd.shared.errors import CredentialsFault

AUTHORITY_LIFETIME: Final = timedelta(days=3653)
LEAF_LIFETIME: Final = timedelta(days=365)
# Longer than any holiday, since a broker with an expired list refuses everybody.
REVOCATION_LIST_LIFETIME: Final = timedelta(days=90)
# A dock whose clock is behind central's must not find its new certificate "not yet valid".
BACKDATED: Final = timedelta(hours=1)
AGENCY_CHARACTERS_MAX: Final = 64  # X.520, ub-organization-name
CLIENT_NAME: Final = re.compile(r"(dock|ingest)-[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
BROKER_NAME: Final = re.compile(r"broker(-[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?)?")


class Usage(Enum):
    """What a certificate may be used for, and nothing besides."""

    BROKER = ExtendedKeyUsageOID.SERVER_AUTH
    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate and its private key, as files (PEM; the key's mode is 0600)."""

    certificate_file: Path
    key_file: Path


class CertificateAuthority:
    """Issues and revokes in one folder: ``ca.pem``, ``ca.key`` and ``ca.crl``. One process at a time."""

    def __init__(self, folder: Path) -> None:
        """Open the authority in ``folder``.

        Raises:
            CredentialsFault: there is none, or its files cannot be used.
        """
        self.ca_file: Final = folder / "ca.pem"
        self.revocation_file: Final = folder / "ca.crl"
        key_file = folder / "ca.key"
        try:
            self._certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
            key = load_pem_private_key(key_file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise CredentialsFault(
                f"{folder} holds no usable certificate authority ({error})",
                expected="ca.pem and an unencrypted ca.key in PEM",
                next_step="name the folder that the agency was provisioned in",
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != self._certificate.public_key():
            raise CredentialsFault(
                f"{key_file} is not the key of {self.ca_file}",
                expected="the P-256 key that the CA certificate names",
                next_step="restore both files from the same backup",
            )
        self._key = key

    @classmethod
    def create(cls, folder: Path, *, agency: str, now: datetime) -> "CertificateAuthority":
        """Make a new authority and its first, empty revocation list; an existing one is refused.

        Raises:
            CredentialsFault: ``folder`` has an authority, or cannot be written.
        """
        if (folder / "ca.key").exists() or (folder / "ca.pem").exists():
            raise CredentialsFault(
                f"{folder} has a certificate authority already",
                expected="a folder without one",
                next_step="use that one, or name another folder",
            )
        if not 1 <= len(agency) <= AGENCY_CHARACTERS_MAX:
            raise CredentialsFault(
                f"the agency's name has {len(agency)} characters",
                expected=f"1 to {AGENCY_CHARACTERS_MAX}",
                next_step="shorten it: it goes into every certificate",
            )
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, agency),
                x509.NameAttribute(NameOID.COMMON_NAME, "Sealcam TLS CA"),
            ]
        )
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(name, name, key.public_key(), not_before=now - BACKDATED, not_after=now + AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(is_authority=True), critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        _write(folder / "ca.key", _private_pem(key), mode=0o600)
        _write(folder / "ca.pem", certificate.public_bytes(Encoding.PEM), mode=0o644)
        authority = cls(folder)
        authority.renew_revocation_list(now=now)
        return authority

    def issue(
        self,
        name: str,
        usage: Usage,
        *,
        folder: Path,
        now: datetime,
        hosts: Sequence[str] = ("localhost", "127.0.0.1"),
    ) -> Credentials:
        """Make a key and a certificate for ``name`` in ``folder``, replacing an earlier pair of that name.

        ``hosts``: the names and addresses under which clients reach a broker; of no use to a client certificate.

        Raises:
            CredentialsFault: the name is not one for this usage, or ``folder`` cannot be written.
        """
        pattern = BROKER_NAME if usage is Usage.BROKER else CLIENT_NAME
        if pattern.fullmatch(name) is None:
            raise CredentialsFault(
                f"{name!r} is no name for a {usage.name.lower()} certificate",
                expected=f"a name that matches {pattern.pattern}",
                next_step="choose another name: the broker's access list trusts its first word",
            )
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        # An authority's last certificates end with it.
        not_after = min(now + LEAF_LIFETIME, self._certificate.not_valid_after_utc)
        builder = (
            _builder(
                subject, self._certificate.subject, key.public_key(), not_before=now - BACKDATED, not_after=not_after
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(is_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage.value]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(self._authority_identifier(), critical=False)
        )
        if usage is Usage.BROKER:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        credentials = Credentials(certificate_file=folder / f"{name}.pem", key_file=folder / f"{name}.key")
        _write(credentials.key_file, _private_pem(key), mode=0o600)
        _write(credentials.certificate_file, certificate.public_bytes(Encoding.PEM), mode=0o644)
        return credentials

    def revoke(self, certificate_file: Path, *, now: datetime) -> None:
        """Put the certificate on the revocation list. Brokers must then be told to read it (SIGHUP for mosquitto).

        Raises:
            CredentialsFault: it is not a certificate of this authority.
        """
        try:
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            certificate.verify_directly_issued_by(self._certificate)
        except (OSError, ValueError, TypeError, InvalidSignature) as error:
            raise CredentialsFault(
                f"{certificate_file} is not a certificate of this authority ({error!r})",
                expected="one that it issued",
                next_step="revoke it where it was issued",
            ) from error
        self.renew_revocation_list(now=now, added=certificate.serial_number)

    def renew_revocation_list(self, *, now: datetime, added: int | None = None) -> None:
        """Write the list anew, with all that it held and ``added``. Do this well before it expires."""
        number = 1
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - BACKDATED)
            .next_update(now + REVOCATION_LIST_LIFETIME)
        )
        revoked: set[int] = set()
        if self.revocation_file.exists():
            old = self._revocation_list()
            number = old.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
            for entry in old:
                revoked.add(entry.serial_number)
                builder = builder.add_revoked_certificate(entry)
        if added is not None and added not in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(added).revocation_date(now).build()
            builder = builder.add_revoked_certificate(entry)
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        builder = builder.add_extension(self._authority_identifier(), critical=False)
        crl = builder.sign(self._key, hashes.SHA256())
        _write(self.revocation_file, crl.public_bytes(Encoding.PEM), mode=0o644)

    def _revocation_list(self) -> x509.CertificateRevocationList:
        try:
            crl = x509.load_pem_x509_crl(self.revocation_file.read_bytes())
        except (OSError, ValueError):
            crl = None
        if crl is None or not crl.is_signature_valid(self._key.public_key()):
            # Starting a new, empty list instead would quietly take every revocation back.
            raise CredentialsFault(
                f"{self.revocation_file} is not this authority's revocation list",
                expected="the list that it signed last",
                next_step="restore it from a backup or from a broker, which has a copy",
            )
        return crl

    def _authority_identifier(self) -> x509.AuthorityKeyIdentifier:
        identifier = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    address: IPv4Address | IPv6Address | None = None
    with suppress(ValueError):
        address = ip_address(host)
    return x509.DNSName(host) if address is None else x509.IPAddress(address)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(file: Path, data: bytes, *, mode: int) -> None:
    """Replace ``file`` as a whole and durably; a key is never readable by others, not even for a moment."""
    temporary = file.with_name(f".{file.name}.new")
    try:
        with suppress(FileNotFoundError):
            temporary.unlink()  # of a process that died here
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IMODE(mode))
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise CredentialsFault(
            f"{file} cannot be written ({error.strerror})",
            expected="a folder that this user may write to, with space left",
            next_step="check owner, mode and free space of the folder",
        ) from error
