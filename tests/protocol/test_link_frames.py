from random import Random
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import encode
from protocol.errors import PeerError
from protocol.link.frames import (
    HEADER_SIZE_BYTES,
    KIND_DATA,
    KIND_MESSAGE,
    MAGIC,
    PARTIAL_NS_MAX,
    PAYLOAD_SIZE_BYTES_MAX,
    Frame,
    FrameReader,
    encode_frame,
)
from protocol.link.messages import (
    Bye,
    Data,
    Knock,
    encode_data,
    encode_message,
    parse_data,
    parse_from_camera,
    parse_from_dock,
)

PAYLOADS = st.lists(st.tuples(st.sampled_from([KIND_MESSAGE, KIND_DATA, 77]), st.binary(max_size=200)), max_size=6)


def frames_in(data: bytes, *, piece_bytes: int = 1 << 20) -> list[Frame]:
    reader = FrameReader()
    found = []
    for at in range(0, len(data), piece_bytes):
        found += reader.feed(data[at : at + piece_bytes], now_mono_ns=0)
    return found


def test_a_frame_has_the_bytes_of_the_specification() -> None:
    assert encode_frame(KIND_MESSAGE, b"abc").hex() == "a55ea101010000033af0794f616263352441c2"


@given(PAYLOADS, st.integers(1, 64))
def test_frames_arrive_whole_and_in_order_however_the_line_cuts_them(
    payloads: list[tuple[int, bytes]], piece: int
) -> None:
    line = b"".join(encode_frame(kind, payload) for kind, payload in payloads)

    assert frames_in(line, piece_bytes=piece) == [Frame(kind, payload) for kind, payload in payloads]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5), st.binary(max_size=40), st.integers(1, 64))
def test_noise_between_frames_costs_no_frame(payloads: list[bytes], noise: bytes, piece: int) -> None:
    noise = noise.replace(MAGIC, b"") + MAGIC[:2]
    line = noise + noise.join(encode_frame(KIND_DATA, payload) for payload in payloads)

    assert [frame.payload for frame in frames_in(line, piece_bytes=piece)] == payloads


@given(st.binary(max_size=300), st.integers(0, 2**32), st.integers(1, 8))
def test_a_changed_bit_costs_only_the_frame_that_it_hits(payload: bytes, seed: int, flips: int) -> None:
    random = Random(seed)
    good = encode_frame(KIND_MESSAGE, b"good")
    hurt = bytearray(encode_frame(KIND_DATA, payload))
    for _ in range(flips):
        hurt[random.randrange(len(hurt))] ^= 1 << random.randrange(8)
    if bytes(hurt) == encode_frame(KIND_DATA, payload):
        hurt[-1] ^= 1

    found = frames_in(bytes(good + hurt + good * 30))

    assert Frame(KIND_DATA, payload) not in found or payload == b""
    assert [frame for frame in found if frame.payload == b"good"] == [Frame(KIND_MESSAGE, b"good")] * 31


@given(st.binary(max_size=2000))
def test_garbage_is_no_frame_and_is_not_kept(garbage: bytes) -> None:
    reader = FrameReader()

    assert reader.feed(garbage.replace(MAGIC, b""), now_mono_ns=0) == []
    assert reader.held_bytes < len(MAGIC)


def test_a_frame_inside_a_false_one_is_found() -> None:
    inner = encode_frame(KIND_MESSAGE, b"inner")
    outer = bytearray(encode_frame(KIND_DATA, b"x" * 10 + inner + b"y" * 10))
    outer[-1] ^= 1

    assert frames_in(bytes(outer)) == [Frame(KIND_MESSAGE, b"inner")]


def test_a_length_beyond_the_limit_is_refused_before_anything_is_kept() -> None:
    reader = FrameReader()
    front = MAGIC + bytes([KIND_DATA]) + (PAYLOAD_SIZE_BYTES_MAX + 1).to_bytes(3, "big")
    assert reader.feed(front + crc32(front).to_bytes(4, "big") + bytes(5000), now_mono_ns=0) == []
    assert reader.held_bytes == 0
    assert reader.discarded_bytes == HEADER_SIZE_BYTES + 5000


def test_memory_is_bounded_by_one_frame_whatever_comes() -> None:
    reader = FrameReader()
    random = Random(1)
    begun = encode_frame(KIND_DATA, bytes(PAYLOAD_SIZE_BYTES_MAX))[:-1]
    most = 0
    for _ in range(200):
        reader.feed(random.choice([begun, random.randbytes(4096), MAGIC * 9]), now_mono_ns=0)
        most = max(most, reader.held_bytes)

    assert most <= HEADER_SIZE_BYTES + PAYLOAD_SIZE_BYTES_MAX + 4


def test_a_frame_that_never_ends_does_not_hold_up_the_ones_behind_it_for_ever() -> None:
    reader = FrameReader()
    good = encode_frame(KIND_MESSAGE, b"good")
    reader.feed(encode_frame(KIND_DATA, bytes(60_000))[:100], now_mono_ns=0)

    assert reader.feed(good, now_mono_ns=PARTIAL_NS_MAX) == []
    assert reader.feed(good, now_mono_ns=PARTIAL_NS_MAX + 1) == [Frame(KIND_MESSAGE, b"good")] * 2


def test_discarded_bytes_are_counted() -> None:
    reader = FrameReader()
    reader.feed(b"noise" + encode_frame(KIND_MESSAGE, b"a") + b"more", now_mono_ns=0)

    assert (reader.discarded_bytes, reader.frame_count) == (9, 1)


@given(st.binary(max_size=200))
def test_a_payload_that_is_no_message_is_refused_with_a_citation(payload: bytes) -> None:
    for parse in (parse_from_dock, parse_from_camera):
        with pytest.raises(PeerError, match=r"spec/0"):
            parse(payload)


def test_a_message_of_the_other_direction_is_refused() -> None:
    knock = Knock().encoded()

    assert parse_from_dock(knock) == Knock()
    with pytest.raises(PeerError, match="knock"):
        parse_from_camera(knock)


def test_a_message_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(PeerError, match="Extra"):
        parse_from_dock(encode({"kind": "knock", "version": 1, "more": 1}))


def test_data_travels_without_cbor_around_it() -> None:
    data = Data(b"sessions", 3, 70_000, b"bytes of a file")
    (frame,) = frames_in(encode_data(data))

    assert parse_data(frame.payload) == data
    assert frame.payload.endswith(b"bytes of a file")


@pytest.mark.parametrize("size", [0, 65_537])
def test_a_data_frame_with_too_few_or_too_many_bytes_is_refused(size: int) -> None:
    with pytest.raises(PeerError, match=f"{size} bytes of a file"):
        parse_data(bytes(24 + size))


def test_every_message_fits_its_frame() -> None:
    longest = Bye(session=b"sessions", reason="x" * 200)

    assert len(encode_message(longest)) < 400
