"""The client's side of TLS, both ends in memory: whom it talks to, and what it says when its own files are wrong."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from dockd.central.adapters.certificate_authority import Credentials, Usage
from dockd.shared.errors import CredentialsFault
from dockd.shared.tls import client_context
from tests.hw_sim.mqtt_parties import Agency, real_agency

ROUNDS_MAX = 10
HOST = "127.0.0.1"


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    return real_agency(tmp_path / "agency")


@pytest.fixture
def dock(agency: Agency) -> Credentials:
    return agency.client("dock-a")


def server_context(agency: Agency, own: Credentials | None = None) -> ssl.SSLContext:
    own = own or agency.broker()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=agency.authority.ca_file)
    context.load_cert_chain(own.certificate_file, own.key_file)
    return context


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, host: str = HOST) -> ssl.SSLObject:
    """Join both ends in memory; return the server's when both are done, or raise what one of them raises."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    for _ in range(ROUNDS_MAX):
        for end in tuple(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                pass
        if not waiting:
            return ends[1]
    raise AssertionError("no end of the handshake")


def test_both_ends_know_each_other_over_tls_1_3(agency: Agency, dock: Credentials) -> None:
    joined = handshake(agency.context(dock), server_context(agency))

    assert joined.version() == "TLSv1.3"
    peer = joined.getpeercert()
    assert peer is not None
    assert peer["subject"] == ((("commonName", "dock-a"),),)


def test_a_broker_under_another_name_is_refused(agency: Agency, dock: Credentials) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        handshake(agency.context(dock), server_context(agency), host="192.0.2.1")


def test_a_broker_of_another_authority_is_refused(agency: Agency, dock: Credentials, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(agency.context(dock), server_context(real_agency(tmp_path / "other")))


def test_a_dock_that_plays_broker_is_refused(agency: Agency, dock: Credentials) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        handshake(agency.context(dock), server_context(agency, dock))


def test_an_expired_broker_is_refused(agency: Agency, dock: Credentials) -> None:
    old = agency.authority.issue("broker", Usage.BROKER, folder=agency.folder, now=agency.now - timedelta(days=800))

    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(agency.context(dock), server_context(agency, old))


def test_a_broker_that_offers_tls_1_2_at_most_is_refused(agency: Agency, dock: Credentials) -> None:
    server = server_context(agency)
    server.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises(ssl.SSLError, match="PROTOCOL"):
        handshake(agency.context(dock), server)


@pytest.mark.parametrize("missing", ["ca_file", "certificate_file", "key_file"])
def test_a_missing_file_is_named(agency: Agency, dock: Credentials, missing: str) -> None:
    files = {
        "ca_file": agency.authority.ca_file,
        "certificate_file": dock.certificate_file,
        "key_file": dock.key_file,
        missing: agency.folder / "nothing.pem",
    }

    with pytest.raises(CredentialsFault, match=r"nothing.pem cannot be read \(No such file.*Next: "):
        client_context(**files)


def test_a_ca_file_that_is_none_is_named(agency: Agency, dock: Credentials) -> None:
    agency.authority.ca_file.write_text("not PEM")

    with pytest.raises(CredentialsFault, match=r"ca.pem is not a CA certificate"):
        agency.context(dock)


def test_a_key_of_another_certificate_is_named(agency: Agency, dock: Credentials) -> None:
    dock.key_file.write_bytes(agency.broker().key_file.read_bytes())

    with pytest.raises(CredentialsFault, match=r"dock-a.key cannot be used together"):
        agency.context(dock)


def test_an_encrypted_key_is_refused_without_a_prompt(agency: Agency, dock: Credentials) -> None:
    key = load_pem_private_key(dock.key_file.read_bytes(), password=None)
    dock.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))

    with pytest.raises(CredentialsFault, match=r"cannot be used together"):
        agency.context(dock)
