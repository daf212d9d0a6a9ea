"""The broker that only acknowledges, with the real paho: it says yes to everything and delivers nothing."""

import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw_sim.ack_only_broker import CONNECTIONS_MAX, AckOnlyBroker
from tests.hw_sim.mqtt_parties import CONNECT, HOST, PATIENCE_SECONDS, Agency, Party, is_let_in, real_agency, refusal

PRESENCE = "sealcam/1/ingest/ingest-1/st"


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    return real_agency(tmp_path_factory.mktemp("tls") / "agency")


def liar(agency: Agency, *, deliver_retained: bool = False, port: int = 0) -> AckOnlyBroker:
    tls = agency.broker_tls()
    return AckOnlyBroker(
        ca_file=tls.ca_file,
        certificate_file=tls.certificate_file,
        key_file=tls.key_file,
        deliver_retained=deliver_retained,
        port=port,
    )


@pytest.fixture
def broker(agency: Agency) -> Iterator[AckOnlyBroker]:
    with liar(agency) as running:
        yield running


def party(agency: Agency, broker: AckOnlyBroker, name: str, *, client_id: str = "") -> Party:
    return Party(agency.context(agency.client(name)), broker.port, client_id=client_id)


def test_everything_is_acknowledged_and_nothing_delivered(agency: Agency, broker: AckOnlyBroker) -> None:
    with party(agency, broker, "dock-a") as dock, party(agency, broker, "ingest-1") as worker:
        assert worker.subscribe("#", "$share/ingest/sealcam/1/dock/+/open") == ["Granted QoS 1", "Granted QoS 1"]
        assert dock.publish("sealcam/1/dock/dock-a/open", b"a file") == "Success"
        assert dock.publish("sealcam/1/dock/dock-a/st", b"online", retain=True) == "Success"
        assert dock.publish("sealcam/1/dock/dock-a/to/ingest-1/block", os.urandom(1024 * 1024)) == "Success"
        assert worker.publish(PRESENCE, b"online", retain=True) == "Success"
        assert worker.unsubscribe("#") == ["Success"]
        assert worker.subscribe(PRESENCE) == ["Granted QoS 1"]

        assert worker.hears_nothing()
        assert dock.hears_nothing()
        assert broker.acknowledged_count == 4


def test_a_hundred_blocks_at_once_are_acknowledged(agency: Agency, broker: AckOnlyBroker) -> None:
    block = bytes(1024 * 1024)
    with party(agency, broker, "dock-a") as dock:
        for _ in range(100):
            dock.send("sealcam/1/dock/dock-a/to/ingest-1/block", block)

        assert dock.publish("sealcam/1/dock/dock-a/open", b"last") == "Success"
        assert broker.acknowledged_count == 101


def test_presence_is_delivered_where_it_is_asked_to_and_nothing_else(agency: Agency) -> None:
    with (
        liar(agency, deliver_retained=True) as broker,
        party(agency, broker, "ingest-1") as worker,
        party(agency, broker, "dock-a") as early,
        party(agency, broker, "dock-b") as late,
    ):
        early.subscribe("sealcam/1/ingest/+/st", "sealcam/1/ingest/+/to/dock-a/#")
        worker.publish(PRESENCE, b"online", retain=True)
        worker.publish("sealcam/1/ingest/ingest-1/to/dock-a/reply", b"send it", retain=True)
        worker.publish("sealcam/1/ingest/ingest-1/to/dock-a/reply", b"send it")
        late.subscribe("sealcam/1/ingest/+/st")

        heard = [early.receive(), late.receive()]
        assert [(one.topic, one.payload, one.is_retained) for one in heard] == [(PRESENCE, b"online", True)] * 2
        assert early.hears_nothing()
        assert late.hears_nothing()


def test_presence_that_was_taken_back_is_not_delivered(agency: Agency) -> None:
    with (
        liar(agency, deliver_retained=True) as broker,
        party(agency, broker, "ingest-1") as worker,
        party(agency, broker, "dock-a") as dock,
    ):
        worker.publish(PRESENCE, b"online", retain=True)
        worker.publish(PRESENCE, b"", retain=True)
        dock.subscribe("sealcam/1/ingest/+/st")

        assert dock.hears_nothing()


def test_a_client_without_the_agencys_certificate_is_refused(
    agency: Agency, broker: AckOnlyBroker, tmp_path: Path
) -> None:
    anonymous = ssl.create_default_context(cafile=agency.authority.ca_file)
    foreign = agency.context(agency.client("dock-x"))
    stranger = real_agency(tmp_path / "other").client("dock-a")
    foreign.load_cert_chain(stranger.certificate_file, stranger.key_file)

    assert refusal(anonymous, broker.port) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert not is_let_in(foreign, broker.port)
    assert is_let_in(agency.context(agency.client("dock-a")), broker.port)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x30\x05\x00\x01axx",  # PUBLISH before CONNECT
        CONNECT + CONNECT,
        CONNECT + b"\x34\x07\x00\x01a\x00\x01\x00x",  # QoS 2
        CONNECT + b"\xf0\x00",
        CONNECT + b"\x82\x03\x00\x01\x00" + b"\x82\x05\x00\x01\x00\x00\x09",  # a filter that does not end
        CONNECT + b"\x30\xff\xff\xff\x7f",  # 256 MiB are announced
        CONNECT + b"\x30\xff\xff\xff\xff\x7f",  # a length of five bytes
    ],
)
def test_who_breaks_the_protocol_loses_the_connection_alone(agency: Agency, broker: AckOnlyBroker, sent: bytes) -> None:
    with party(agency, broker, "ingest-1") as bystander:
        context = agency.context(agency.client("dock-a"))
        with (
            socket.create_connection((HOST, broker.port), timeout=PATIENCE_SECONDS) as line,
            context.wrap_socket(line, server_hostname=HOST, suppress_ragged_eofs=True) as secure,
        ):
            secure.sendall(sent)
            answers = b""
            while data := secure.recv(4096):
                answers += data

        assert answers.endswith(b"\xe0\x01\x82")
        assert bystander.publish(PRESENCE, b"online") == "Success"


def test_mqtt_3_1_1_is_told_that_it_is_not_spoken(agency: Agency, broker: AckOnlyBroker) -> None:
    old = bytes.fromhex("100e 0004 4d515454 04 02 003c 0002 6162")
    context = agency.context(agency.client("dock-a"))
    with (
        socket.create_connection((HOST, broker.port), timeout=PATIENCE_SECONDS) as line,
        context.wrap_socket(line, server_hostname=HOST) as secure,
    ):
        secure.sendall(old)

        assert secure.recv(64)[3] == 0x84
        assert secure.recv(64) == b""


def test_connections_that_break_off_are_forgotten(agency: Agency, broker: AckOnlyBroker) -> None:
    for _ in range(2 * CONNECTIONS_MAX):
        with socket.create_connection((HOST, broker.port), timeout=PATIENCE_SECONDS) as line:
            # A reset instead of a close.
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    context = agency.context(agency.client("dock-a"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_let_in(context, broker.port):
        assert time.monotonic() < deadline


def test_a_stopped_one_leaves_its_port_to_the_next(agency: Agency) -> None:
    with liar(agency) as first, party(agency, first, "dock-a") as dock:
        first.stop()
        first.stop()
        assert dock.disconnected.get(timeout=PATIENCE_SECONDS)
    never_started = liar(agency, port=first.port)
    never_started.stop()
    with liar(agency, port=first.port) as second:
        assert is_let_in(agency.context(agency.client("dock-a")), second.port)
