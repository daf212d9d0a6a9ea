"""Messages, blocks and topics of the offload wire: exact bytes, and nothing but them (spec/07-offload.md, 7.1 to 7.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import decode, digest, encode
from protocol.errors import PeerError
from protocol.layout import CHAIN_NAME, key_box_name, media_name
from protocol.offload.blocks import BlockSet, decode_block, encode_block
from protocol.offload.messages import (
    BLOCK_SIZE_BYTES,
    BLOCKS_PER_FILE_MAX,
    CREDIT_BYTES_MAX,
    BlockAck,
    Cancel,
    Checking,
    Description,
    Fin,
    Held,
    Message,
    Open,
    OpenReply,
    Presence,
    Refused,
    Stored,
    as_reason,
    media_identity,
    parse_message,
)
from protocol.offload.topics import (
    Topic,
    block_topic,
    control_topic,
    dock_filters,
    dock_presence_topic,
    is_dock_name,
    is_worker_name,
    open_topic,
    parse_topic,
    reply_topic,
    worker_filters,
    worker_presence_topic,
)
from protocol.receipt import ReceiptWithProof
from tests.protocol.ledgers import bare
from tests.protocol.offload_pipe import description

TRANSFER, REQUEST = bytes(range(16)), bytes(range(16, 32))
MESSAGES: tuple[Message, ...] = (
    Presence(name="dock-a", instance=REQUEST, is_online=True),
    Open(request=REQUEST, description=description()),
    OpenReply(
        request=REQUEST, transfer=TRANSFER, worker="ingest-1", epoch=1, have=b"\x80", credit_bytes=BLOCK_SIZE_BYTES
    ),
    BlockAck(transfer=TRANSFER, epoch=2**32 - 1, have=b"", credit_bytes=CREDIT_BYTES_MAX),
    Fin(transfer=TRANSFER, epoch=1),
    Cancel(transfer=TRANSFER, epoch=1),
    Checking(transfer=TRANSFER),
    Held(transfer=TRANSFER, reason="the disk is full"),
    Stored(
        transfer=TRANSFER,
        receipts=(*bare(b"one"), ReceiptWithProof(signed=b"two", proof=b"proof")),
        held_reason=None,
    ),
    Refused(transfer=TRANSFER, reason="altered", section="spec/02-chain.md, 2.2"),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
def test_every_message_is_parsed_to_what_was_encoded(message: Message) -> None:
    assert parse_message(message.encoded()) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
def test_a_message_with_a_key_too_many_or_too_few_is_refused(message: Message) -> None:
    values = decode(message.encoded())
    with pytest.raises(PeerError):
        parse_message(encode(values | {"more": 1}))
    for key in values:
        with pytest.raises(PeerError):
            parse_message(encode({name: value for name, value in values.items() if name != key}))


@pytest.mark.parametrize(
    ("message", "key", "value"),
    [
        (MESSAGES[0], "name", "Dock-A"),
        (MESSAGES[0], "name", "dock-a\n"),
        (MESSAGES[0], "instance", bytes(15)),
        (MESSAGES[0], "is_online", 1),
        (MESSAGES[2], "worker", "dock-a"),
        (MESSAGES[2], "epoch", 0),
        (MESSAGES[2], "epoch", 2**32),
        (MESSAGES[2], "credit_bytes", BLOCK_SIZE_BYTES - 1),
        (MESSAGES[2], "credit_bytes", CREDIT_BYTES_MAX + 1),
        (MESSAGES[3], "have", bytes(BLOCKS_PER_FILE_MAX // 8 + 1)),
        (MESSAGES[7], "reason", ""),
        (MESSAGES[7], "reason", "x" * 501),
        (MESSAGES[8], "receipts", (b"r",) * 9),
        (MESSAGES[9], "kind", "stored"),
        (MESSAGES[9], "kind", "unknown"),
        (MESSAGES[9], "kind", None),
    ],
)
def test_a_value_out_of_its_range_is_refused(message: Message, key: str, value: object) -> None:
    with pytest.raises(PeerError):
        parse_message(encode(decode(message.encoded()) | {key: value}))


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        parse_message(data)
    except PeerError:
        return


def test_the_encoding_of_a_message_is_fixed() -> None:
    assert Fin(transfer=TRANSFER, epoch=7).encoded().hex() == (
        "a3646b696e646366696e6565706f636807687472616e7366657250000102030405060708090a0b0c0d0e0f"
    )


def test_a_transfer_is_named_by_its_description_alone() -> None:
    one = description()

    assert one.transfer == digest("sealcam/1 transfer", one.encoded())[:16]
    assert one.transfer == description().transfer
    assert one.transfer != one.model_copy(update={"size_bytes": 1}).transfer


def test_the_identity_of_media_is_its_ending_and_its_number() -> None:
    assert media_identity(bytes(32), 258) == digest("sealcam/1 media-identity", bytes(32), b"\0\0\1\2")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (CHAIN_NAME, "media"),
        (media_name(REQUEST, 0), "chain"),
        (key_box_name(REQUEST), "media"),
        ("../chain", "chain"),
        ("", "chain"),
        (f"{REQUEST.hex()}.0000.MEDIA", "media"),
    ],
)
def test_a_description_whose_name_is_not_of_its_kind_is_refused(name: str, kind: str) -> None:
    with pytest.raises(ValueError, match="no name of a"):
        Description.model_validate(description().model_dump() | {"name": name, "kind": kind})


@pytest.mark.parametrize(
    ("name", "kind", "size_bytes"),
    [
        (CHAIN_NAME, "chain", 256 * 1024 * 1024),
        (key_box_name(REQUEST), "key-box", 65_536),
        (media_name(REQUEST, 0), "media", 64 * 1024**3),
    ],
)
def test_the_size_of_a_file_is_bounded_by_its_kind(name: str, kind: str, size_bytes: int) -> None:
    values = description().model_dump() | {"name": name, "kind": kind}

    assert Description.model_validate(values | {"size_bytes": size_bytes})
    with pytest.raises(ValueError, match=r"size_bytes|at most"):
        Description.model_validate(values | {"size_bytes": size_bytes + 1})


@pytest.mark.parametrize(
    ("size_bytes", "sizes"),
    [(0, []), (1, [1]), (BLOCK_SIZE_BYTES, [BLOCK_SIZE_BYTES]), (BLOCK_SIZE_BYTES + 1, [BLOCK_SIZE_BYTES, 1])],
)
def test_a_file_is_cut_into_blocks(size_bytes: int, sizes: list[int]) -> None:
    file = description(size_bytes=size_bytes)

    assert file.block_count == len(sizes)
    assert [file.block_size_bytes(index) for index in range(len(sizes) + 1)] == [*sizes, 0]


def test_a_block_is_its_header_and_its_bytes() -> None:
    message = encode_block(TRANSFER, 1, 258, b"abc")
    block = decode_block(message)

    assert message == TRANSFER + bytes.fromhex("00000001 00000102") + b"abc"
    assert (block.transfer, block.epoch, block.index, bytes(block.data)) == (TRANSFER, 1, 258, b"abc")


@pytest.mark.parametrize("size_bytes", [0, 23, 24, 24 + BLOCK_SIZE_BYTES + 1])
def test_a_block_without_bytes_or_with_too_many_is_refused(size_bytes: int) -> None:
    with pytest.raises(PeerError, match="block message of"):
        decode_block(bytes(size_bytes))


@given(count=st.integers(0, 70), seed=st.sets(st.integers(0, 69)))
def test_a_set_of_blocks_is_what_its_bits_say(count: int, seed: set[int]) -> None:
    indices = {index for index in seed if index < count}
    blocks = BlockSet(count, indices)
    again = BlockSet.from_bytes(blocks.to_bytes(), count)

    assert [index in again for index in range(count)] == [index in indices for index in range(count)]
    assert list(again.missing()) == [index for index in range(count) if index not in indices]
    assert len(again) == len(indices)
    assert again.is_full == (len(indices) == count)


def test_block_0_is_the_highest_bit_of_the_first_byte() -> None:
    assert BlockSet(10, (0, 9)).to_bytes() == b"\x80\x40"


@pytest.mark.parametrize(("data", "count"), [(b"", 1), (b"\0\0", 8), (b"\x01", 7), (b"\xff\xc1", 10), (b"\0", 0)])
def test_a_have_of_the_wrong_length_or_past_the_end_is_refused(data: bytes, count: int) -> None:
    with pytest.raises(PeerError, match="have"):
        BlockSet.from_bytes(data, count)


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        (dock_presence_topic("dock-a"), Topic("dock-presence", dock="dock-a")),
        (worker_presence_topic("ingest-1"), Topic("worker-presence", worker="ingest-1")),
        (open_topic("dock-a"), Topic("open", dock="dock-a")),
        (block_topic("dock-a", "ingest-1"), Topic("block", dock="dock-a", worker="ingest-1")),
        (control_topic("dock-a", "ingest-1"), Topic("control", dock="dock-a", worker="ingest-1")),
        (reply_topic("ingest-1", "dock-a"), Topic("reply", dock="dock-a", worker="ingest-1")),
    ],
)
def test_a_topic_says_what_it_was_made_from(topic: str, said: Topic) -> None:
    assert parse_topic(topic) == said


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "sealcam/1/ingest/dock-a/st",
        "sealcam/1/dock/ingest-1/open",
        "sealcam/1/dock/dock-a/open/",
        "sealcam/1/dock/dock-a/open\n",
        "sealcam/2/dock/dock-a/open",
        "sealcam/1/dock/dock-/open",
        f"sealcam/1/dock/dock-{'a' * 28}/open",
        "sealcam/1/dock/dock-A/open",
        "sealcam/1/dock/dock-a/to/dock-b/block",
        "sealcam/1/ingest/ingest-1/to/dock-a/reply/more",
    ],
)
def test_a_topic_of_any_other_form_says_nothing(topic: str) -> None:
    assert parse_topic(topic) is None


def test_names_are_of_one_kind_and_bounded() -> None:
    assert is_dock_name("dock-" + "a" * 27)
    assert not is_dock_name("dock-" + "a" * 28)
    assert not is_dock_name("ingest-1")
    assert is_worker_name("ingest-" + "1" * 25)
    assert not is_worker_name("ingest-" + "1" * 26)
    assert not is_worker_name("dock-a")


def test_opens_go_to_one_worker_and_blocks_to_the_named_one() -> None:
    assert worker_filters("ingest-1") == (
        "sealcam/1/dock/+/to/ingest-1/block",
        "sealcam/1/dock/+/to/ingest-1/control",
        "$share/ingest/sealcam/1/dock/+/open",
    )
    assert dock_filters("dock-a") == ("sealcam/1/ingest/+/to/dock-a/reply", "sealcam/1/ingest/+/st")


def test_a_long_reason_is_cut_and_an_empty_one_replaced() -> None:
    assert len(as_reason("x" * 1000)) == 500
    assert as_reason("") == "no reason given"
