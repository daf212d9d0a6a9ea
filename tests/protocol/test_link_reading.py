from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.link.asking import LISTED_FILES_MAX
from protocol.link.camera_effects import JudgeReceipt
from protocol.link.dock_effects import Listed, ReadEnded, ReceiptAnswered
from protocol.link.messages import LISTING_FILES_MAX, Data, Listing, encode_data, encode_message
from protocol.receipt import ReceiptWithProof, receipt_hash
from protocol.units import LEDGER_PROOF_SIZE_BYTES_MAX
from tests.builders import secret
from tests.protocol.link_pair import LinkPair

SMALL = {("shift-1", "chain"): secret("small", 3000)}


def listed(pair: LinkPair) -> list[tuple[str, str, int]]:
    (effect,) = pair.seen_by_dock(Listed)
    assert isinstance(effect, Listed)
    return [(file.folder, file.name, file.size_bytes) for file in effect.files]


def test_a_listing_shows_every_file_in_order() -> None:
    pair = LinkPair(card={("b", "two"): b"22", ("a", "one"): b"1", ("b", "a"): b""})
    pair.dock()
    pair.ask_listing()

    assert listed(pair) == [("a", "one", 1), ("b", "a", 0), ("b", "two", 2)]


@pytest.mark.parametrize("count", [0, 1, LISTING_FILES_MAX, LISTING_FILES_MAX + 1, 3 * LISTING_FILES_MAX + 5])
def test_a_listing_of_any_length_comes_whole(count: int) -> None:
    pair = LinkPair(card={("shift", f"{number:06d}"): b"" for number in range(count)})
    pair.dock()
    pair.ask_listing()

    assert len(listed(pair)) == count


def test_a_later_listing_shows_what_is_new() -> None:
    pair = LinkPair(card=dict(SMALL))
    pair.dock()
    pair.ask_listing()
    pair.card["shift-2", "chain"] = b"later"
    pair.dock_saw.clear()
    pair.ask_listing()

    assert len(listed(pair)) == 2


def test_a_file_arrives_byte_for_byte() -> None:
    pair = LinkPair(card=dict(SMALL))
    pair.dock()
    pair.ask_listing()
    pair.read("shift-1", "chain")

    assert bytes(pair.spool) == SMALL["shift-1", "chain"]
    assert pair.seen_by_dock(ReadEnded) == [ReadEnded(None)]


def test_an_empty_file_has_arrived_before_it_is_asked_for() -> None:
    pair = LinkPair(card={("shift", "empty"): b""})
    pair.dock()
    pair.ask_listing()
    pair.read("shift", "empty")

    assert pair.seen_by_dock(ReadEnded) == [ReadEnded(None)]


def test_never_more_is_on_its_way_than_the_window() -> None:
    pair = LinkPair(card={("shift", "media"): secret("large", 50_000)}, window_bytes=4096)
    pair.dock()
    pair.ask_listing()
    sent = 0
    pair.at_dock(
        pair.dock_link.asking.read("shift", "media", offset_bytes=0, size_bytes=50_000, now_mono_ns=pair.now_mono_ns)
    )
    asked, pair.frames_to_camera = pair.frames_to_camera, []
    for frame in asked:
        pair.send_to_camera(frame)
    while (wanted := pair.camera_link.next_range()) is not None:
        sent += wanted.size_bytes
        pair.camera_link.on_bytes(wanted, bytes(wanted.size_bytes))

    assert sent == 4096


def test_the_camera_reads_out_nothing_that_it_did_not_list() -> None:
    pair = LinkPair(card={**SMALL, ("shift-2", "open"): b"not closed"})
    pair.dock()
    pair.card.pop(("shift-2", "open"))
    pair.ask_listing()
    pair.card["shift-2", "open"] = b"not closed"
    pair.read("shift-2", "open")

    (ended,) = pair.seen_by_dock(ReadEnded)
    assert isinstance(ended, ReadEnded)
    assert ended.refusal == "shift-2/open is not in the last listing"
    assert pair.spool == b""


def test_a_read_from_beyond_the_end_is_refused() -> None:
    pair = LinkPair(card=dict(SMALL))
    pair.dock()
    pair.ask_listing()
    pair.read("shift-1", "chain", offset_bytes=3001, size_bytes=4000)

    (ended,) = pair.seen_by_dock(ReadEnded)
    assert isinstance(ended, ReadEnded)
    assert ended.refusal is not None
    assert "3000 bytes, read from 3001 on" in ended.refusal


def test_a_file_that_shrank_since_the_listing_is_refused_and_not_awaited() -> None:
    pair = LinkPair(card=dict(SMALL))
    pair.dock()
    pair.ask_listing()
    pair.card["shift-1", "chain"] = SMALL["shift-1", "chain"][:1000]
    pair.read("shift-1", "chain", size_bytes=3000)

    (ended,) = pair.seen_by_dock(ReadEnded)
    assert isinstance(ended, ReadEnded)
    assert ended.refusal == "the file is shorter than the listing says"


def test_a_new_read_ends_the_one_before() -> None:
    files = {("s", "one"): secret("one", 20_000), ("s", "two"): secret("two", 9000)}
    pair = LinkPair(card=files, window_bytes=2048)
    pair.dock()
    pair.ask_listing()
    asking = pair.dock_link.asking
    pair.at_dock(asking.read("s", "one", offset_bytes=0, size_bytes=20_000, now_mono_ns=pair.now_mono_ns))
    pair.read("s", "two")

    assert bytes(pair.spool) == files["s", "two"]


def test_the_line_may_be_cut_after_any_byte_and_the_read_is_taken_up_where_it_ended() -> None:
    content = SMALL["shift-1", "chain"]
    for cut_after in range(0, len(content) + 1200, 1):
        left = cut_after

        def until_cut(data: bytes) -> bytes:
            nonlocal left
            passed, left = data[: max(0, left)], left - len(data)
            return passed

        pair = LinkPair(card=dict(SMALL), window_bytes=2048)
        pair.dock()
        pair.ask_listing()
        pair.to_dock = until_cut
        pair.read("shift-1", "chain")
        arrived = len(pair.spool)
        assert pair.spool == content[:arrived]
        pair.to_dock = bytes
        pair.cut()
        pair.dock()
        pair.ask_listing()
        pair.read("shift-1", "chain", offset_bytes=arrived)

        assert bytes(pair.spool) == content, f"cut after {cut_after} bytes"


@pytest.mark.parametrize("seed", range(12))
def test_a_line_that_changes_drops_and_inserts_bytes_delivers_all_the_same(seed: int) -> None:
    random = Random(seed)
    content = secret(f"noisy/{seed}", 40_000)

    def noise(data: bytes) -> bytes:
        hurt = bytearray(data)
        if random.random() < 0.15:
            at = random.randrange(len(hurt))
            match random.randrange(3):
                case 0:
                    hurt[at] ^= 1 << random.randrange(8)
                case 1:
                    del hurt[at : at + random.randrange(1, 40)]
                case 2:
                    hurt[at:at] = random.randbytes(random.randrange(1, 40))
        return bytes(hurt)

    pair = LinkPair(card={("shift", "media"): content}, to_camera=noise, to_dock=noise)
    pair.dock()
    pair.ask_listing()
    pair.pass_time(10_000)
    pair.read("shift", "media")
    for _ in range(100):
        if pair.seen_by_dock(ReadEnded):
            break
        pair.pass_time(1000)

    assert bytes(pair.spool) == content
    assert pair.complaints == []


@given(st.integers(0, 3000), st.integers(1024, 9000))
@settings(max_examples=40, deadline=None)
def test_a_read_may_begin_at_any_byte_with_any_window(offset: int, window: int) -> None:
    content = SMALL["shift-1", "chain"]
    pair = LinkPair(card=dict(SMALL), window_bytes=window)
    pair.dock()
    pair.ask_listing()
    pair.spool += content[:offset]
    pair.read("shift-1", "chain", offset_bytes=offset)

    assert bytes(pair.spool) == content


def test_bytes_beyond_the_listed_size_end_the_session() -> None:
    pair = LinkPair(card=dict(SMALL))
    pair.dock()
    pair.ask_listing()
    asking = pair.dock_link.asking
    pair.at_dock(asking.read("shift-1", "chain", offset_bytes=2999, size_bytes=3000, now_mono_ns=pair.now_mono_ns))
    assert asking._reading is not None
    request, session = asking._reading.ask.request, asking._reading.ask.session
    pair.frames_to_camera.clear()
    pair.send_to_dock(encode_data(Data(session, request, 2999, b"two")))

    assert pair.complaints == ["data up to byte 3002 of a file of 3000 bytes (spec/06-dock-link.md, 6.4)"]


def test_a_listing_that_never_ends_is_refused() -> None:
    pair = LinkPair()
    pair.dock()
    pair.at_dock(pair.dock_link.asking.ask_listing(pair.now_mono_ns))
    listing = pair.dock_link.asking._listing
    assert listing is not None
    page = Listing(session=listing.ask.session, request=listing.ask.request, files=(), is_last=False)
    pair.frames_to_camera.clear()
    pair.send_to_dock(encode_message(page))

    assert pair.complaints == ["listing does not end after 0 files (spec/06-dock-link.md, 6.4)"]
    assert LISTED_FILES_MAX >= 10_000


# Receipts.


def test_a_receipt_reaches_the_gate_and_its_answer_the_dock() -> None:
    pair = LinkPair(gate=lambda signed: (False, f"not for me: {signed.decode()}"))
    pair.dock()
    pair.bring(b"a receipt")

    assert pair.seen_by_dock(ReceiptAnswered) == [
        ReceiptAnswered(receipt_hash(b"a receipt"), False, False, "not for me: a receipt")
    ]


@pytest.mark.parametrize("proof", [None, b"", bytes(LEDGER_PROOF_SIZE_BYTES_MAX)], ids=["none", "empty", "largest"])
def test_a_receipts_proof_reaches_the_gate_with_it(proof: bytes | None) -> None:
    pair = LinkPair(gate=lambda signed: (False, "a smaller tree"), is_proof_wanted=True)
    pair.dock()
    pair.bring(bytes(65_000), proof)

    (judged,) = pair.seen_by_camera(JudgeReceipt)
    assert isinstance(judged, JudgeReceipt)
    assert judged.brought == ReceiptWithProof(signed=bytes(65_000), proof=proof)
    assert pair.seen_by_dock(ReceiptAnswered) == [
        ReceiptAnswered(receipt_hash(bytes(65_000)), False, True, "a smaller tree")
    ]


def test_a_receipt_may_come_minutes_later_in_the_same_session() -> None:
    pair = LinkPair()
    pair.dock()
    pair.pass_time(300_000, step_ms=500)
    pair.bring(b"late")

    assert len(pair.seen_by_dock(ReceiptAnswered)) == 1


def test_a_receipt_whose_answer_is_lost_is_brought_again_and_judged_once() -> None:
    pair = LinkPair()
    pair.dock()
    pair.to_dock = lambda data: b"" if b"receipt-answer" in data else data
    pair.bring(b"a receipt")
    pair.pass_time(2000)
    assert pair.seen_by_dock(ReceiptAnswered) == []
    pair.to_dock = bytes
    pair.pass_time(1000)

    (answer,) = pair.seen_by_dock(ReceiptAnswered)
    assert isinstance(answer, ReceiptAnswered)
    assert (answer.receipt_hash, answer.is_erased) == (receipt_hash(b"a receipt"), True)
    assert len(pair.seen_by_camera(JudgeReceipt)) == 1


def test_a_receipt_that_was_not_followed_by_erasure_is_judged_again_when_it_is_brought_again() -> None:
    answers = iter([(False, "the recordings go first"), (True, "erased")])
    pair = LinkPair(gate=lambda signed: next(answers))
    pair.dock()
    pair.bring(b"chain receipt")
    pair.bring(b"chain receipt")

    outcomes = pair.seen_by_dock(ReceiptAnswered)
    assert [isinstance(item, ReceiptAnswered) and item.is_erased for item in outcomes] == [False, True]


def test_a_reason_longer_than_a_message_allows_is_cut_not_refused() -> None:
    pair = LinkPair(gate=lambda signed: (False, "long " * 100))
    pair.dock()
    pair.bring(b"a receipt")

    (answer,) = pair.seen_by_dock(ReceiptAnswered)
    assert isinstance(answer, ReceiptAnswered)
    assert len(answer.reason) == 200
