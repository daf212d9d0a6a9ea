"""The little MQTT that the broker that only acknowledges speaks: nothing that comes in may break it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.ack_only_packets import (
    PACKET_SIZE_BYTES_MAX,
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


@given(st.binary(max_size=200))
def test_bytes_of_a_stranger_are_a_packet_or_none_or_bad(data: bytes) -> None:
    received = bytearray(data)
    try:
        packet = take_packet(received)
    except BadPacket:
        return

    if packet is None:
        assert bytes(received) == data
    else:
        assert len(received) + len(packet.body) + 2 <= len(data)


@given(kind=st.sampled_from(PacketType), flags=st.integers(0, 15), body=st.binary(max_size=100))
def test_bodies_of_a_stranger_are_read_or_bad(kind: PacketType, flags: int, body: bytes) -> None:
    packet = Packet(kind=kind, flags=flags, body=body)
    for read in (connack, parse_publish, parse_subscribe):
        try:
            read(packet)
        except BadPacket:
            continue


@given(
    topic=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    payload=st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 400), max_size=5),
)
def test_a_packet_arrives_however_it_is_cut(topic: str, payload: bytes, cuts: list[int]) -> None:
    message = Publish(topic=topic, packet_id=0, properties=b"\x00", payload=payload, is_retained=True)
    data = delivery(message)
    received = bytearray()
    packets = []
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    for start, end in pairwise(edges):
        received += data[start:end]
        packets.append(take_packet(received))

    assert packets[:-1] == [None] * (len(packets) - 1)
    assert packets[-1] is not None
    assert parse_publish(packets[-1]) == message
    assert not received


def test_two_packets_in_one_read_are_taken_one_by_one() -> None:
    received = bytearray(b"\xc0\x00\xe0\x00\xc0")

    kinds = [packet.kind if (packet := take_packet(received)) else None for _ in range(3)]
    assert kinds == [PacketType.PINGREQ, PacketType.DISCONNECT, None]


def test_a_packet_over_the_limit_is_refused_by_its_header() -> None:
    header = bytearray(b"\x30\x80\x80\x80\x01")  # 2 MiB
    assert take_packet(header) is None
    assert PACKET_SIZE_BYTES_MAX == 2 * 1024 * 1024

    header[1] = 0x81
    with pytest.raises(BadPacket, match="2097153 bytes"):
        take_packet(header)


def test_acknowledgements_are_those_of_the_standard() -> None:
    subscribe = parse_subscribe(
        Packet(kind=PacketType.SUBSCRIBE, flags=2, body=b"\x01\x02\x00\x00\x01a\x00\x00\x01b\x01\x00\x01c\x02")
    )
    unsubscribe = parse_subscribe(Packet(kind=PacketType.UNSUBSCRIBE, flags=2, body=b"\x01\x02\x00\x00\x01a\x00\x01b"))

    assert subscribe.filters == ("a", "b", "c")
    assert suback(subscribe) == b"\x90\x06\x01\x02\x00\x00\x01\x01"
    assert unsuback(unsubscribe) == b"\xb0\x05\x01\x02\x00\x00\x00"
    assert puback(0x0102) == b"\x40\x02\x01\x02"


def test_a_client_without_an_id_is_given_one() -> None:
    body = b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00"

    answer = connack(Packet(kind=PacketType.CONNECT, flags=0, body=body + b"\x00"))
    assert answer[:2] == bytes([0x20, len(answer) - 2])
    assert answer.endswith(b"\x12\x00\x09anonymous")


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("+/b", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/b", "a", False),
        ("a", "a/b", False),
        ("$share/g/a/b", "a/b", False),
    ],
)
def test_filters_take_what_the_standard_says(topic_filter: str, topic: str, *, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected
