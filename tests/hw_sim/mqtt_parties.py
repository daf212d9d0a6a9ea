"""An agency's certificates, a real broker, and clients of it, for the tests that need them for real."""

import queue
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from dockd.central.adapters.certificate_authority import CertificateAuthority, Credentials, Usage
from dockd.shared.tls import client_context
from hw_sim.bench.broker import BrokerTls, MosquittoBroker
from hw_sim.bench.mosquitto import MosquittoProgram, locate

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS: Final = 10.0
# Long enough for a message over loopback, when the point is that none comes.
SILENCE_SECONDS: Final = 0.15
HOST: Final = "127.0.0.1"
# CONNECT, MQTT 5, clean start, keep alive 60 s, no properties, client id "probe".
CONNECT: Final = bytes.fromhex("1012 0004 4d515454 05 02 003c 00 0005 70726f6265")


class Agency:
    """A certificate authority and what it issues; ``now`` is when it did."""

    def __init__(self, folder: Path, *, now: datetime) -> None:
        folder.mkdir()
        self.folder = folder
        self.now = now
        self.authority = CertificateAuthority.create(folder, agency="Test agency", now=now)

    def client(self, name: str, *, now: datetime | None = None) -> Credentials:
        return self.authority.issue(name, Usage.CLIENT, folder=self.folder, now=now or self.now)

    def broker(self) -> Credentials:
        return self.authority.issue("broker", Usage.BROKER, folder=self.folder, now=self.now)

    def expired_client(self, name: str) -> Credentials:
        return self.client(name, now=self.now - timedelta(days=800))

    def context(self, credentials: Credentials) -> ssl.SSLContext:
        return client_context(
            ca_file=self.authority.ca_file,
            certificate_file=credentials.certificate_file,
            key_file=credentials.key_file,
        )

    def broker_tls(self) -> BrokerTls:
        own = self.broker()
        return BrokerTls(
            ca_file=self.authority.ca_file,
            certificate_file=own.certificate_file,
            key_file=own.key_file,
            crl_file=self.authority.revocation_file,
        )


def real_agency(folder: Path) -> Agency:
    """Return one that real TLS of today accepts; an hour old, so that later revocation lists are newer than its first."""
    return Agency(folder, now=datetime.now(UTC) - timedelta(hours=1))


def mosquitto() -> MosquittoProgram:
    return locate(REPOSITORY / ".cache/mosquitto", print)


@contextmanager
def running_broker(agency: Agency, folder: Path) -> Iterator[MosquittoBroker]:
    with MosquittoBroker(mosquitto(), folder, agency.broker_tls()) as broker:
        yield broker


@contextmanager
def _connected(context: ssl.SSLContext, port: int) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS) as line,
        context.wrap_socket(line, server_hostname=HOST) as secure,
    ):
        yield secure


def is_let_in(context: ssl.SSLContext, port: int) -> bool:
    """Say whether the broker answers CONNECT with CONNACK."""
    try:
        with _connected(context, port) as secure:
            secure.sendall(CONNECT)
            return secure.recv(64)[:1] == b"\x20"
    except (ssl.SSLError, ConnectionError):
        return False


def refusal(context: ssl.SSLContext, port: int) -> str:
    """Return the reason that TLS gives; nothing is sent, since an alert is lost when the peer closes on unread bytes."""
    with pytest.raises(ssl.SSLError) as caught, _connected(context, port) as secure:
        secure.recv(64)
    return caught.value.reason


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    is_retained: bool


class Party:
    """A real paho client that keeps what happens to it; every wait has an end."""

    def __init__(
        self,
        context: ssl.SSLContext,
        port: int,
        *,
        client_id: str = "",
        session_s: int = 0,
        password: str | None = None,
    ) -> None:
        self.messages: queue.Queue[Message] = queue.Queue()
        self._acknowledged: queue.Queue[tuple[int, str]] = queue.Queue()
        self._subscribed: queue.Queue[list[str]] = queue.Queue()
        self._unsubscribed: queue.Queue[list[str]] = queue.Queue()
        self._connected: queue.Queue[tuple[str, bool]] = queue.Queue()
        self.disconnected: queue.Queue[str] = queue.Queue()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        self._client.tls_set_context(context)
        if password is not None:
            self._client.username_pw_set(client_id, password)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_unsubscribe = self._on_unsubscribe
        self._port = port
        self._session_s = session_s
        self.has_session = False

    def will(self, topic: str, payload: bytes) -> None:
        self._client.will_set(topic, payload, qos=1, retain=True)

    def __enter__(self) -> "Party":
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._session_s
        self._client.connect(HOST, self._port, clean_start=self._session_s == 0, properties=properties)
        self._client.loop_start()
        reason, self.has_session = self._connected.get(timeout=PATIENCE_SECONDS)
        assert reason == "Success", reason
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def is_let_in(self) -> bool:
        """Connect; say whether the broker answered with success. For brokers that just hang up on strangers."""
        self._client.connect(HOST, self._port)
        self._client.loop_start()
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while self._connected.empty() and self.disconnected.empty():
                assert time.monotonic() < deadline, "no answer at all"
                time.sleep(0.01)
            return not self._connected.empty() and self._connected.get()[0] == "Success"
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def tls_version(self) -> str | None:
        """Return the version of the TLS that is spoken."""
        line = self._client.socket()
        assert isinstance(line, ssl.SSLSocket)
        return line.version()

    def vanish(self) -> None:
        """Break the connection without a word, so that the broker sends the will."""
        line = self._client.socket()
        assert isinstance(line, socket.socket)
        line.shutdown(socket.SHUT_RDWR)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> str:
        """Return the reason of the acknowledgement."""
        wanted = self.send(topic, payload, retain=retain)
        while True:
            packet_id, reason = self._acknowledged.get(timeout=PATIENCE_SECONDS)
            if packet_id == wanted:
                return reason

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def subscribe(self, *filters: str) -> list[str]:
        self._client.subscribe([(one, SubscribeOptions(qos=1)) for one in filters])
        return self._subscribed.get(timeout=PATIENCE_SECONDS)

    def unsubscribe(self, *filters: str) -> list[str]:
        self._client.unsubscribe(list(filters))
        return self._unsubscribed.get(timeout=PATIENCE_SECONDS)

    def receive(self) -> Message:
        return self.messages.get(timeout=PATIENCE_SECONDS)

    def hears_nothing(self) -> bool:
        try:
            self.messages.get(timeout=SILENCE_SECONDS)
        except queue.Empty:
            return True
        return False

    def _on_connect(
        self, client: mqtt.Client, data: object, flags: mqtt.ConnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        self._connected.put((str(reason), flags.session_present))

    def _on_disconnect(
        self, client: mqtt.Client, data: object, flags: mqtt.DisconnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        self.disconnected.put(str(reason))

    def _on_message(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        self.messages.put(Message(topic=message.topic, payload=bytes(message.payload), is_retained=message.retain))

    def _on_publish(self, client: mqtt.Client, data: object, packet_id: int, reason: ReasonCode, _: Properties) -> None:
        self._acknowledged.put((packet_id, str(reason)))

    def _on_subscribe(
        self, client: mqtt.Client, data: object, packet_id: int, reasons: list[ReasonCode], _: Properties | None
    ) -> None:
        self._subscribed.put([str(reason) for reason in reasons])

    def _on_unsubscribe(
        self, client: mqtt.Client, data: object, packet_id: int, reasons: list[ReasonCode], _: Properties | None
    ) -> None:
        self._unsubscribed.put([str(reason) for reason in reasons])
