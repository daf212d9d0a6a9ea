"""As much of MQTT 5 (the OASIS standard; "MQTT 5, X.Y" is a section) as a broker that only acknowledges must speak.

Bytes in, bytes out; no sockets. Not a general codec: properties are skipped over, and sessions do not exist.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

PACKET_SIZE_BYTES_MAX: Final = 2 * 1024 * 1024
FILTERS_PER_PACKET_MAX: Final = 64
_LENGTH_BYTES_MAX: Final = 4
_ACCEPTED_QOS_MAX: Final = 1

PINGRESP: Final = b"\xd0\x00"
DISCONNECT_PROTOCOL_ERROR: Final = b"\xe0\x01\x82"
CONNACK_UNSUPPORTED_VERSION: Final = b"\x20\x03\x00\x84\x00"


class BadPacket(Exception):
    """The client broke MQTT, or uses what this broker does not speak; the connection must end."""


class PacketType(IntEnum):
    """What clients send (MQTT 5, 2.1.2)."""

    CONNECT = 1
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    UNSUBSCRIBE = 10
    PINGREQ = 12
    DISCONNECT = 14


@dataclass(frozen=True, slots=True)
class Packet:
    """One control packet without its fixed header."""

    kind: PacketType
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Publish:
    """A PUBLISH; ``packet_id`` is 0 for QoS 0. ``properties`` have their length before them, as on the wire."""

    topic: str
    packet_id: int
    properties: bytes
    payload: bytes
    is_retained: bool


@dataclass(frozen=True, slots=True)
class Subscribe:
    """The filters of a SUBSCRIBE or UNSUBSCRIBE."""

    packet_id: int
    filters: tuple[str, ...]
    qos: tuple[int, ...]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size_bytes: int) -> bytes:
        if self._at + size_bytes > len(self._data):
            raise BadPacket(f"{size_bytes} bytes expected, {len(self._data) - self._at} left in the packet")
        self._at += size_bytes
        return self._data[self._at - size_bytes : self._at]

    def uint16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def text(self) -> str:
        try:
            return self.take(self.uint16()).decode()
        except UnicodeDecodeError as error:
            raise BadPacket("a string that is not UTF-8") from error

    def properties(self) -> bytes:
        """Return the properties with their length before them."""
        start = self._at
        length = _variable_length(self._data, self._at)
        if length is None:
            raise BadPacket("properties without an end")
        value, self._at = length
        self.take(value)
        return self._data[start : self._at]

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)


def _variable_length(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """Return value and following position (MQTT 5, 1.5.5), or None where bytes are missing."""
    value = 0
    for index in range(_LENGTH_BYTES_MAX):
        if at + index >= len(data):
            return None
        value |= (data[at + index] & 0x7F) << (7 * index)
        if not data[at + index] & 0x80:
            return value, at + index + 1
    raise BadPacket("a length of more than 4 bytes")


def _encoded_length(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, low = divmod(value, 128)
        encoded.append(low | (0x80 if value else 0))
        if not value:
            return bytes(encoded)


def take_packet(received: bytearray) -> Packet | None:
    """Cut one whole packet off the front of ``received``; None while it is not there yet.

    Raises:
        BadPacket: it is too large, or of a kind that clients do not send.
    """
    if not received:
        return None
    length = _variable_length(received, 1)
    if length is None:
        return None
    size_bytes, start = length
    if size_bytes > PACKET_SIZE_BYTES_MAX:
        raise BadPacket(f"a packet of {size_bytes} bytes, at most {PACKET_SIZE_BYTES_MAX} are taken")
    if len(received) < start + size_bytes:
        return None
    first, body = received[0], bytes(received[start : start + size_bytes])
    del received[: start + size_bytes]
    try:
        kind = PacketType(first >> 4)
    except ValueError as error:
        raise BadPacket(f"a packet of type {first >> 4}, which clients do not send here") from error
    return Packet(kind=kind, flags=first & 0x0F, body=body)


def connack(connect: Packet) -> bytes:
    """Return the answer to a CONNECT; the caller closes after CONNACK_UNSUPPORTED_VERSION."""
    reader = _Reader(connect.body)
    name, version = reader.text(), reader.take(1)[0]
    if name != "MQTT" or version != 5:
        return CONNACK_UNSUPPORTED_VERSION
    reader.take(3)  # flags, keep alive
    reader.properties()
    properties = b"\x24\x01"  # Maximum QoS 1
    properties += b"\x27" + PACKET_SIZE_BYTES_MAX.to_bytes(4, "big")
    if not reader.text():
        properties += b"\x12\x00\x09anonymous"  # Assigned Client Identifier: required where the client sent none
    body = b"\x00\x00" + _encoded_length(len(properties)) + properties
    return b"\x20" + _encoded_length(len(body)) + body


def parse_publish(packet: Packet) -> Publish:
    """Read a PUBLISH of QoS 0 or 1."""
    qos = packet.flags >> 1 & 3
    if qos > _ACCEPTED_QOS_MAX:
        raise BadPacket(f"QoS {qos}, at most {_ACCEPTED_QOS_MAX} was offered")
    reader = _Reader(packet.body)
    topic = reader.text()
    packet_id = reader.uint16() if qos else 0
    return Publish(
        topic=topic,
        packet_id=packet_id,
        properties=reader.properties(),
        payload=reader.rest(),
        is_retained=bool(packet.flags & 1),
    )


def parse_subscribe(packet: Packet) -> Subscribe:
    """Read a SUBSCRIBE or an UNSUBSCRIBE."""
    reader = _Reader(packet.body)
    packet_id = reader.uint16()
    reader.properties()
    filters: list[str] = []
    qos: list[int] = []
    while not reader.is_at_end:
        if len(filters) == FILTERS_PER_PACKET_MAX:
            raise BadPacket(f"more than {FILTERS_PER_PACKET_MAX} filters in a packet")
        filters.append(reader.text())
        options = reader.take(1)[0] if packet.kind is PacketType.SUBSCRIBE else 0
        qos.append(min(options & 3, _ACCEPTED_QOS_MAX))
    return Subscribe(packet_id=packet_id, filters=tuple(filters), qos=tuple(qos))


def puback(packet_id: int) -> bytes:
    """Return a PUBACK that says "success"."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


def suback(subscribe: Subscribe) -> bytes:
    """Return a SUBACK that grants everything."""
    body = subscribe.packet_id.to_bytes(2, "big") + b"\x00" + bytes(subscribe.qos)
    return b"\x90" + _encoded_length(len(body)) + body


def unsuback(unsubscribe: Subscribe) -> bytes:
    """Return an UNSUBACK that says "success" for each filter."""
    body = unsubscribe.packet_id.to_bytes(2, "big") + b"\x00" + bytes(len(unsubscribe.filters))
    return b"\xb0" + _encoded_length(len(body)) + body


def delivery(message: Publish) -> bytes:
    """Return the PUBLISH (QoS 0, retained) that brings ``message`` to a subscriber."""
    topic = message.topic.encode()
    body = len(topic).to_bytes(2, "big") + topic + message.properties + message.payload
    return b"\x31" + _encoded_length(len(body)) + body


def matches(topic_filter: str, topic: str) -> bool:
    """Say whether a subscription's filter (with + and #, not $share) takes a topic (MQTT 5, 4.7)."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)
