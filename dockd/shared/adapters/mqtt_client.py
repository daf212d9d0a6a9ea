"""The broker through paho-mqtt: MQTT 5, TLS, one session at a time, made anew for ever (spec/07-offload.md).

Every session starts clean, with a client object of its own: what was under way when the last one ended is gone, from our
side and from the broker's. All that must survive is the offload protocol's, and a library that sends old blocks again
by itself would only send them twice. It decides nothing about messages.
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from dockd.shared.adapters.heap import keep_large_buffers
from dockd.shared.adapters.mqtt_faults import (
    lost,
    not_connected,
    refused_connect,
    refused_login,
    refused_subscription,
    refused_tls,
    too_few_in_flight,
)
from dockd.shared.errors import BrokerUnreachable
from dockd.shared.ports import (
    Acknowledged,
    BrokerEvent,
    Connect,
    Connected,
    Connection,
    ConnectionPlan,
    Disconnected,
    OnBrokerEvent,
    Publication,
    Received,
)

KEEP_ALIVE_S: Final = 20
BACKOFF_S_MIN: Final = 0.5
BACKOFF_S_MAX: Final = 30.0
RECEIVE_MAX: Final = 32
IN_FLIGHT_MAX: Final = 20
QUEUED_MAX: Final = 512
PACKET_SIZE_BYTES_MAX: Final = 2 * 1024 * 1024
_STOP_S_MAX: Final = 3.0
_LOOK_AFTER_S: Final = 0.2
_NO_SUBSCRIBERS: Final = 0x10


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is, and how it is trusted."""

    host: str
    port: int
    context: ssl.SSLContext
    password: str | None = field(default=None, repr=False)
    """For brokers that know their clients by password; None: by certificate alone."""


class _Session:
    """One client object of the library, from its connect to its end."""

    def __init__(
        self,
        plan: ConnectionPlan,
        address: BrokerAddress,
        on_event: OnBrokerEvent,
        *,
        number: int = 0,
        says_hello: bool = True,
    ) -> None:
        self._plan = plan
        self._address = address
        self._on_event = on_event
        self._number = number
        self._says_hello = says_hello
        self._tls_fault: str | None = None
        self._is_answered = False
        self.fault: BrokerUnreachable | None = None
        self.is_ready = False
        self.was_ready = False
        self.ended = threading.Event()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=plan.name,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.tls_set_context(address.context)
        if address.password is not None:
            client.username_pw_set(plan.name, address.password)
        client.max_inflight_messages_set(IN_FLIGHT_MAX)
        client.max_queued_messages_set(QUEUED_MAX)
        if says_hello:
            client.will_set(plan.will.topic, plan.will.payload, qos=1, retain=plan.will.is_retained)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.on_log = self._on_log
        self._client = client

    def open(self) -> None:
        """Connect and begin to serve.

        Raises:
            BrokerUnreachable: nobody there, or TLS does not hold.
        """
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = RECEIVE_MAX
        properties.MaximumPacketSize = PACKET_SIZE_BYTES_MAX
        host, port = self._address.host, self._address.port
        try:
            self._client.connect(host, port, KEEP_ALIVE_S, clean_start=True, properties=properties)
        except (OSError, ValueError) as error:
            raise not_connected(error, host=host, port=port) from error
        self._client.loop_start()

    def is_alive(self) -> bool:
        """Say whether the library's thread still serves; an exception in there would end it without a callback."""
        # While it lives, starting it again is refused; this is the library's only public word on it.
        return self._client.loop_start() == MQTTErrorCode.MQTT_ERR_INVAL

    def close(self) -> None:
        """End it; the broker publishes the will."""
        self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
        if not self.ended.wait(_STOP_S_MAX):
            line = self._client.socket()
            if isinstance(line, socket.socket):  # the broker takes nothing any more: our DISCONNECT cannot get out
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()

    def publish(self, publication: Publication) -> int | None:
        """Hand over a message; None when it was dropped."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if publication.response_topic is not None:
            properties.ResponseTopic = publication.response_topic
        if publication.correlation is not None:
            properties.CorrelationData = publication.correlation
        sent = self._client.publish(
            publication.topic, publication.payload, qos=1, retain=publication.is_retained, properties=properties
        )
        return self._token(sent.mid) if sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def acknowledge(self, message_id: int) -> None:
        """Acknowledge a message of this session."""
        self._client.ack(message_id, 1)

    def _token(self, message_id: int) -> int:
        return self._number << 16 | message_id

    def _on_connect(
        self, client: paho.Client, _user: object, _flags: object, reason: ReasonCode, properties: Any
    ) -> None:
        self._is_answered = True
        if reason.is_failure:
            self.fault = refused_connect(
                str(reason), name=self._plan.name, host=self._address.host, port=self._address.port
            )
            return
        allowed = getattr(properties, "ReceiveMaximum", IN_FLIGHT_MAX)
        if allowed < IN_FLIGHT_MAX:  # the library does not heed it, and the broker would end the connection later
            self.fault = too_few_in_flight(allowed, IN_FLIGHT_MAX, host=self._address.host, port=self._address.port)
            client.disconnect()
            return
        client.subscribe([(topic_filter, 1) for topic_filter in self._plan.filters])

    def _on_subscribe(
        self, client: paho.Client, _user: object, _message_id: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        for topic_filter, reason in zip(self._plan.filters, reasons, strict=False):
            if reason.is_failure:
                self.fault = refused_subscription(
                    topic_filter, str(reason), host=self._address.host, port=self._address.port
                )
                client.disconnect()
                return
        self.is_ready = self.was_ready = True
        if self._says_hello:
            self.publish(self._plan.hello)
        self._on_event(Connected())

    def _on_message(self, _client: paho.Client, _user: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        if message.qos != 1:
            return  # nothing holds those back, so they could flood us; spec 7.1 ignores them
        self._on_event(
            Received(
                topic,
                bytes(message.payload),
                getattr(message.properties, "ResponseTopic", None),
                getattr(message.properties, "CorrelationData", None),
                (self, message.mid),
            )
        )

    def _on_publish(
        self, _client: paho.Client, _user: object, message_id: int, reason: ReasonCode, _properties: object
    ) -> None:
        refusal = str(reason) if reason.is_failure else None
        self._on_event(Acknowledged(self._token(message_id), reason.value != _NO_SUBSCRIBERS, refusal))

    def _on_disconnect(
        self, _client: paho.Client, _user: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        host, port = self._address.host, self._address.port
        if self.fault is None and not self._is_answered:
            # In TLS 1.3 the broker looks at our certificate after our own handshake is done; its alert is often lost.
            why = self._tls_fault or "it ended the connection"
            has_password = self._address.password is not None
            self.fault = (
                refused_login(why, name=self._plan.name, host=host, port=port)
                if has_password
                else refused_tls(why, host=host, port=port)
            )
        if self.fault is None:
            self.fault = lost(str(reason), name=self._plan.name, host=host, port=port)
        self.is_ready = False
        self.ended.set()

    def _on_log(self, _client: paho.Client, _user: object, level: int, text: str) -> None:
        # The library has no other way to tell what the socket said.
        if level == LogLevel.MQTT_LOG_ERR and "SSL" in text:
            self._tls_fault = text.partition("[SSL: ")[2].partition("]")[0] or text


class MqttClient:
    """A `Connection`: sessions one after the other, on a thread of its own."""

    def __init__(self, plan: ConnectionPlan, on_event: OnBrokerEvent, *, address: BrokerAddress) -> None:
        """Take what is needed; nothing happens before ``start``."""
        self._plan = plan
        self._address = address
        self._on_event = on_event
        self._session: _Session | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to connect; returns at once."""
        assert self._thread is None, "started twice"
        keep_large_buffers()
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{self._plan.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the broker publish the will, and end."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def publish(self, publication: Publication) -> int | None:
        """Hand over a message; None: not connected, it is dropped."""
        session = self._session
        return session.publish(publication) if session is not None and session.is_ready else None

    def acknowledge(self, received: Received) -> None:
        """Tell the broker that a message was taken; one of an earlier connection is fine."""
        assert isinstance(received.ticket, tuple)
        session, message_id = received.ticket
        if session is self._session:
            assert isinstance(session, _Session)
            session.acknowledge(message_id)

    def _run(self) -> None:
        waits = _backoff()
        for number in count(1):
            session = self._session = _Session(self._plan, self._address, self._on_event, number=number)
            try:
                session.open()
                while not session.ended.wait(_LOOK_AFTER_S) and not self._stopping.is_set() and session.is_alive():
                    pass
                fault = session.fault
                session.close()
            except BrokerUnreachable as error:
                fault = error
            self._session = None
            if self._stopping.is_set():
                return
            self._on_event(Disconnected(str(fault or "the MQTT library's thread ended")))
            if session.was_ready:
                waits = _backoff()
            if self._stopping.wait(next(waits)):
                return


def _backoff() -> Iterator[float]:
    wait_s = BACKOFF_S_MIN
    while True:
        yield wait_s
        wait_s = min(2 * wait_s, BACKOFF_S_MAX)


_: type[Connection] = MqttClient


def connector(address: BrokerAddress) -> Connect:
    """Return what makes connections to this broker."""
    return lambda plan, on_event: MqttClient(plan, on_event, address=address)


def check(plan: ConnectionPlan, address: BrokerAddress, *, timeout_s: float = 10.0) -> None:
    """Connect once and end again, to tell a wrong setting from a bad day before anything is started.

    Raises:
        BrokerUnreachable: the reason, and what to do about it.
    """
    ready = threading.Event()

    def on_event(event: BrokerEvent) -> None:
        if isinstance(event, Connected):
            ready.set()

    session = _Session(plan, address, on_event, says_hello=False)
    session.open()
    for _ in range(round(timeout_s / _LOOK_AFTER_S)):
        if ready.wait(_LOOK_AFTER_S) or session.ended.is_set():
            break
    fault = session.fault or not_connected(TimeoutError(), host=address.host, port=address.port)
    session.close()
    if not ready.is_set():
        raise fault
