"""A broker that acknowledges everything and delivers nothing: the liar that the erase law is tested against (I2).

It speaks MQTT 5 over mutual TLS 1.3 like the real one, in one thread, with a bound on everything that it holds.
With ``deliver_retained`` it passes on the workers' retained presence, so that a dock believes in a worker and offloads.
"""

import selectors
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from hw_sim.ack_only_packets import (
    CONNACK_UNSUPPORTED_VERSION,
    DISCONNECT_PROTOCOL_ERROR,
    PACKET_SIZE_BYTES_MAX,
    PINGRESP,
    BadPacket,
    Packet,
    PacketType,
    Publish,
    connack,
    delivery,
    matches,
    parse_publish,
    parse_subscribe,
    puback,
    suback,
    take_packet,
    unsuback,
)

PRESENCE_FILTER: Final = "sealcam/1/ingest/+/st"
CONNECTIONS_MAX: Final = 64
FILTERS_PER_CONNECTION_MAX: Final = 64
RETAINED_MAX: Final = 64
RETAINED_SIZE_BYTES_MAX: Final = 64 * 1024
OUTGOING_SIZE_BYTES_MAX: Final = 8 * 1024 * 1024
_READ_SIZE_BYTES: Final = 65536
_READS_PER_TURN_MAX: Final = 32
_STOP_SECONDS_MAX: Final = 5.0


class _Connection:
    """One client: its TLS socket, what came in and is no whole packet yet, and what still has to go out."""

    def __init__(self, line: ssl.SSLSocket) -> None:
        self.line = line
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.filters: set[str] = set()
        self.has_shaken_hands = False
        self.is_connected = False
        self.is_closing = False


class AckOnlyBroker:
    """Acknowledges and forgets. Start and stop from any thread.

    May break: delivery, all of it, for ever; wills, sessions and shared subscriptions do not exist. May not break:
    any acknowledgement, nor let in a client without a certificate of the CA.
    """

    def __init__(
        self,
        *,
        ca_file: Path,
        certificate_file: Path,
        key_file: Path,
        deliver_retained: bool = False,
        port: int = 0,
    ) -> None:
        """Listen on loopback, on a free port unless one is named; clients are served from ``start`` on."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_verify_locations(cafile=ca_file)
        self._context.load_cert_chain(certificate_file, key_file)
        self._delivers_retained = deliver_retained
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.setblocking(False)
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._connections: set[_Connection] = set()
        self._unattended: set[_Connection] = set()
        self._retained: dict[str, Publish] = {}
        self._acknowledged_count = 0
        self._thread = threading.Thread(target=self._serve, name="ack-only-broker", daemon=True)
        self.host: Final = "127.0.0.1"
        self.port: Final[int] = self._listener.getsockname()[1]

    @property
    def acknowledged_count(self) -> int:
        """How many messages it has acknowledged, and dropped."""
        return self._acknowledged_count

    def start(self) -> None:
        """Begin to serve, once."""
        self._thread.start()

    def stop(self) -> None:
        """Cut every connection and end; the port is free on return. Safe to call twice."""
        with suppress(OSError):
            self._wake.send(b"x")
        if self._thread.ident is None:
            self._close_all()
        else:
            self._thread.join(_STOP_SECONDS_MAX)
            assert not self._thread.is_alive(), "the ack-only broker does not end"

    def __enter__(self) -> "AckOnlyBroker":
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _serve(self) -> None:
        try:
            while True:
                # A socket may be silent while TLS holds decrypted bytes of it: those connections are in _unattended.
                ready = self._selector.select(0 if self._unattended else None)
                self._unattended.update(key.data for key, _ in ready if isinstance(key.data, _Connection))
                for key, _ in ready:
                    if key.fileobj is self._woken:
                        return
                    if key.fileobj is self._listener:
                        self._accept()
                for connection in tuple(self._unattended):
                    self._attend(connection)
        finally:
            self._close_all()

    def _accept(self) -> None:
        with suppress(OSError):
            raw, _ = self._listener.accept()
            if len(self._connections) >= CONNECTIONS_MAX:
                raw.close()
                return
            raw.setblocking(False)
            line = self._context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
            connection = _Connection(line)
            self._connections.add(connection)
            self._selector.register(line, selectors.EVENT_READ, connection)

    def _attend(self, connection: _Connection) -> None:
        """Read, answer and write for one client; whatever it breaks ends its own connection only."""
        self._unattended.discard(connection)
        events = selectors.EVENT_READ
        try:
            if not connection.has_shaken_hands:
                connection.line.do_handshake()
                connection.has_shaken_hands = True
            self._read(connection)
            while connection.outgoing:
                sent = connection.line.send(connection.outgoing[:_READ_SIZE_BYTES])
                del connection.outgoing[:sent]
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            events = selectors.EVENT_WRITE if connection.is_closing else selectors.EVENT_READ | selectors.EVENT_WRITE
        except OSError:  # ssl.SSLError too: no certificate, a wrong one, a broken connection
            self._close(connection)
            return
        if connection.is_closing and not connection.outgoing:
            self._close(connection)
        else:
            self._selector.modify(connection.line, events, connection)

    def _read(self, connection: _Connection) -> None:
        for _ in range(_READS_PER_TURN_MAX):
            if connection.is_closing:
                return
            try:
                data = connection.line.recv(_READ_SIZE_BYTES)
            except ssl.SSLWantReadError:
                return
            if not data:
                raise ConnectionResetError("closed by the client")
            connection.incoming += data
            try:
                while not connection.is_closing and (packet := take_packet(connection.incoming)) is not None:
                    self._handle(connection, packet)
            except BadPacket:
                connection.outgoing += DISCONNECT_PROTOCOL_ERROR
                connection.is_closing = True
            if len(connection.outgoing) > OUTGOING_SIZE_BYTES_MAX:
                raise ConnectionResetError("the client does not read its acknowledgements")
        self._unattended.add(connection)

    def _handle(self, connection: _Connection, packet: Packet) -> None:
        if connection.is_connected == (packet.kind is PacketType.CONNECT):
            raise BadPacket("CONNECT comes first, and once")
        match packet.kind:
            case PacketType.CONNECT:
                answer = connack(packet)
                connection.outgoing += answer
                connection.is_connected = True
                connection.is_closing = answer == CONNACK_UNSUPPORTED_VERSION
            case PacketType.PUBLISH:
                message = parse_publish(packet)
                if message.packet_id:
                    connection.outgoing += puback(message.packet_id)
                    self._acknowledged_count += 1
                self._keep_presence(message)
            case PacketType.SUBSCRIBE:
                subscribe = parse_subscribe(packet)
                connection.outgoing += suback(subscribe)
                self._subscribe(connection, subscribe.filters)
            case PacketType.UNSUBSCRIBE:
                unsubscribe = parse_subscribe(packet)
                connection.outgoing += unsuback(unsubscribe)
                connection.filters.difference_update(unsubscribe.filters)
            case PacketType.PINGREQ:
                connection.outgoing += PINGRESP
            case PacketType.DISCONNECT:
                connection.is_closing = True
            case PacketType.PUBACK:
                pass  # nothing is ever sent with QoS 1

    def _keep_presence(self, message: Publish) -> None:
        if not (self._delivers_retained and message.is_retained and matches(PRESENCE_FILTER, message.topic)):
            return
        if not message.payload:
            self._retained.pop(message.topic, None)
        elif len(message.payload) <= RETAINED_SIZE_BYTES_MAX and (
            message.topic in self._retained or len(self._retained) < RETAINED_MAX
        ):
            self._retained[message.topic] = message
        for other in self._connections:
            if any(matches(one, message.topic) for one in other.filters) and not other.is_closing:
                self._deliver(other, message)

    def _subscribe(self, connection: _Connection, filters: tuple[str, ...]) -> None:
        if not self._delivers_retained:
            return
        if len(connection.filters) + len(filters) > FILTERS_PER_CONNECTION_MAX:
            raise BadPacket(f"more than {FILTERS_PER_CONNECTION_MAX} subscriptions")
        connection.filters.update(filters)
        for message in self._retained.values():
            if any(matches(one, message.topic) for one in filters):
                self._deliver(connection, message)

    def _deliver(self, connection: _Connection, message: Publish) -> None:
        if len(connection.outgoing) + PACKET_SIZE_BYTES_MAX <= OUTGOING_SIZE_BYTES_MAX:
            connection.outgoing += delivery(message)
            self._unattended.add(connection)  # it has something to write: in the next turn

    def _close(self, connection: _Connection) -> None:
        self._unattended.discard(connection)
        self._connections.discard(connection)
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.line)
        with suppress(OSError):
            connection.line.close()

    def _close_all(self) -> None:
        for connection in tuple(self._connections):
            self._close(connection)
        self._selector.close()
        for line in (self._listener, self._wake, self._woken):
            line.close()
