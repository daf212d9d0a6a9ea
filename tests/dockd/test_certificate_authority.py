"""The agency's certificate authority: what it issues, what it refuses, and what it never forgets."""

import os
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dockd.central.adapters.certificate_authority import (
    AUTHORITY_LIFETIME,
    LEAF_LIFETIME,
    CertificateAuthority,
    Usage,
)
from dockd.shared.errors import CredentialsFault

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path, agency="Test agency", now=NOW)


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def revoked_serials(authority: CertificateAuthority) -> list[int]:
    crl = x509.load_pem_x509_crl(authority.revocation_file.read_bytes())
    assert crl.is_signature_valid(certificate(authority.ca_file).public_key())  # type: ignore[arg-type]
    return [entry.serial_number for entry in crl]


def revocation_list_number(authority: CertificateAuthority) -> int:
    crl = x509.load_pem_x509_crl(authority.revocation_file.read_bytes())
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_the_authority_can_sign_certificates_and_lists_and_nothing_else(authority: CertificateAuthority) -> None:
    own = certificate(authority.ca_file)
    constraints = own.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = own.extensions.get_extension_for_class(x509.KeyUsage)

    own.verify_directly_issued_by(own)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, True, False)
    assert own.not_valid_after_utc == NOW + AUTHORITY_LIFETIME
    assert isinstance(own.public_key(), ec.EllipticCurvePublicKey)


@pytest.mark.parametrize(
    ("name", "usage", "allowed"),
    [
        ("dock-a", Usage.CLIENT, ExtendedKeyUsageOID.CLIENT_AUTH),
        ("ingest-1", Usage.CLIENT, ExtendedKeyUsageOID.CLIENT_AUTH),
        ("broker", Usage.BROKER, ExtendedKeyUsageOID.SERVER_AUTH),
    ],
)
def test_a_certificate_serves_one_usage_for_a_year(
    authority: CertificateAuthority, tmp_path: Path, name: str, usage: Usage, allowed: x509.ObjectIdentifier
) -> None:
    issued = certificate(authority.issue(name, usage, folder=tmp_path, now=NOW).certificate_file)
    own = certificate(authority.ca_file)

    issued.verify_directly_issued_by(own)
    assert [part.value for part in issued.subject] == [name]
    assert list(issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [allowed]
    assert issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert issued.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False
    assert issued.not_valid_after_utc == NOW + LEAF_LIFETIME
    assert issued.not_valid_before_utc < NOW
    authority_identifier = issued.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    own_identifier = own.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert authority_identifier.key_identifier == own_identifier.digest


def test_a_broker_is_known_by_its_names_and_a_client_by_none(authority: CertificateAuthority, tmp_path: Path) -> None:
    broker = authority.issue("broker", Usage.BROKER, folder=tmp_path, now=NOW, hosts=["mqtt.example.org", "192.0.2.1"])
    client = authority.issue("dock-a", Usage.CLIENT, folder=tmp_path, now=NOW)
    names = certificate(broker.certificate_file).extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["mqtt.example.org"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]
    with pytest.raises(x509.ExtensionNotFound):
        certificate(client.certificate_file).extensions.get_extension_for_class(x509.SubjectAlternativeName)


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("broker", Usage.CLIENT),
        ("dock-a", Usage.BROKER),
        ("admin", Usage.CLIENT),
        ("dock", Usage.CLIENT),
        ("dock-", Usage.CLIENT),
        ("dock-A", Usage.CLIENT),
        ("dock-a-", Usage.CLIENT),
        ("dock-a/open", Usage.CLIENT),
        ("dock-+", Usage.CLIENT),
        ("dock-#", Usage.CLIENT),
        ("dock-a\n", Usage.CLIENT),
        ("ingest-1 ", Usage.CLIENT),
        ("dock-" + "a" * 41, Usage.CLIENT),
        ("../dock-a", Usage.CLIENT),
        ("", Usage.CLIENT),
    ],
)
def test_a_name_that_the_access_list_could_misread_is_refused(
    authority: CertificateAuthority, tmp_path: Path, name: str, usage: Usage
) -> None:
    before = sorted(tmp_path.iterdir())

    with pytest.raises(CredentialsFault, match="is no name for a"):
        authority.issue(name, usage, folder=tmp_path, now=NOW)
    assert sorted(tmp_path.iterdir()) == before


def test_keys_are_for_their_owner_alone_and_nothing_half_made_stays(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    old_mask = os.umask(0)
    try:
        authority.issue("dock-a", Usage.CLIENT, folder=tmp_path, now=NOW)
        CertificateAuthority.create(_made(tmp_path / "second"), agency="Another", now=NOW)
    finally:
        os.umask(old_mask)

    keys = [*tmp_path.rglob("*.key")]
    assert len(keys) == 3
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} <= {0o600}
    assert not [*tmp_path.rglob(".*")]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_certificate_does_not_outlive_its_authority(authority: CertificateAuthority, tmp_path: Path) -> None:
    late = NOW + AUTHORITY_LIFETIME - 30 * DAY
    issued = authority.issue("dock-a", Usage.CLIENT, folder=tmp_path, now=late)

    assert certificate(issued.certificate_file).not_valid_after_utc == NOW + AUTHORITY_LIFETIME


def test_a_second_authority_in_the_same_folder_is_refused(authority: CertificateAuthority, tmp_path: Path) -> None:
    before = authority.ca_file.read_bytes()

    with pytest.raises(CredentialsFault, match="already"):
        CertificateAuthority.create(tmp_path, agency="Another", now=NOW)
    assert authority.ca_file.read_bytes() == before


@pytest.mark.parametrize("agency", ["", "A" * 65])
def test_an_agency_name_that_does_not_fit_is_refused(tmp_path: Path, agency: str) -> None:
    with pytest.raises(CredentialsFault, match="characters"):
        CertificateAuthority.create(tmp_path, agency=agency, now=NOW)
    assert [*tmp_path.iterdir()] == []


def test_opened_again_it_issues_as_before(authority: CertificateAuthority, tmp_path: Path) -> None:
    issued = CertificateAuthority(tmp_path).issue("dock-a", Usage.CLIENT, folder=tmp_path, now=NOW)

    certificate(issued.certificate_file).verify_directly_issued_by(certificate(authority.ca_file))


@pytest.mark.parametrize("damage", ["no key", "no certificate", "no PEM", "another's key"])
def test_an_authority_that_is_not_whole_is_refused(
    authority: CertificateAuthority, tmp_path: Path, damage: str
) -> None:
    match damage:
        case "no key":
            (tmp_path / "ca.key").unlink()
        case "no certificate":
            authority.ca_file.unlink()
        case "no PEM":
            authority.ca_file.write_text("not PEM")
        case _:
            other = CertificateAuthority.create(_made(tmp_path / "other"), agency="Another", now=NOW)
            shutil.copy(other.ca_file.with_name("ca.key"), tmp_path / "ca.key")

    with pytest.raises(CredentialsFault, match=r"expected.*Next: "):
        CertificateAuthority(tmp_path)


def test_a_revocation_is_never_forgotten(authority: CertificateAuthority, tmp_path: Path) -> None:
    files = [
        authority.issue(name, Usage.CLIENT, folder=tmp_path, now=NOW).certificate_file
        for name in ("dock-a", "dock-b", "ingest-1")
    ]
    serials = [certificate(file).serial_number for file in files]
    assert revoked_serials(authority) == []

    authority.revoke(files[0], now=NOW + DAY)
    authority.revoke(files[2], now=NOW + 2 * DAY)
    authority.revoke(files[0], now=NOW + 3 * DAY)
    CertificateAuthority(tmp_path).renew_revocation_list(now=NOW + 80 * DAY)

    assert sorted(revoked_serials(authority)) == sorted([serials[0], serials[2]])
    assert revocation_list_number(authority) == 5
    crl = x509.load_pem_x509_crl(authority.revocation_file.read_bytes())
    assert crl.next_update_utc == NOW + 170 * DAY
    dates = {entry.serial_number: entry.revocation_date_utc for entry in crl}
    assert dates[serials[0]] == NOW + DAY


def test_a_certificate_of_another_authority_cannot_be_revoked_here(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    other = CertificateAuthority.create(_made(tmp_path / "other"), agency="Another", now=NOW)
    foreign = other.issue("dock-a", Usage.CLIENT, folder=tmp_path / "other", now=NOW).certificate_file

    for file in (foreign, tmp_path / "nothing.pem", tmp_path / "ca.key"):
        with pytest.raises(CredentialsFault, match="not a certificate of this authority"):
            authority.revoke(file, now=NOW)
    assert revoked_serials(authority) == []


@pytest.mark.parametrize("damage", ["garbage", "another authority's"])
def test_a_damaged_revocation_list_is_never_replaced_by_an_empty_one(
    authority: CertificateAuthority, tmp_path: Path, damage: str
) -> None:
    if damage == "garbage":
        authority.revocation_file.write_bytes(b"garbage")
    else:
        other = CertificateAuthority.create(_made(tmp_path / "other"), agency="Test agency", now=NOW)
        shutil.copy(other.revocation_file, authority.revocation_file)
    before = authority.revocation_file.read_bytes()

    with pytest.raises(CredentialsFault, match="not this authority's revocation list"):
        authority.renew_revocation_list(now=NOW)
    assert authority.revocation_file.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(authority: CertificateAuthority, tmp_path: Path) -> None:
    with pytest.raises(CredentialsFault, match=r"missing/dock-a.key cannot be written \(No such file"):
        authority.issue("dock-a", Usage.CLIENT, folder=tmp_path / "missing", now=NOW)


def test_the_authority_names_its_agency(authority: CertificateAuthority) -> None:
    subject = certificate(authority.ca_file).subject

    assert [part.value for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["Test agency"]
