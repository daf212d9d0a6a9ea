"""Records and entries: cutting a chain file up, and finding the next record behind any damage."""

import tracemalloc
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import digest, encode
from protocol.chain import Entry, Record, RecordReader, encode_entry, make_entry, parse_body, parse_entry, record_of
from protocol.entries import Event, Head, ShiftClosed, ShiftOpened
from protocol.errors import BodyMismatch, NotCanonical, PeerError
from protocol.units import ENTRY_SIZE_BYTES_MAX
from tests.protocol.shifts import DEVICE, changed, entry_key, make_shift, moment, records, secret, sign_entry, withheld

SHIFT = make_shift("O[cc]e[c]Z")
CHAIN, CUTS = SHIFT.chain, SHIFT.cuts()


def read(data: bytes, *pieces: int) -> list[Record]:
    """Read ``data`` in pieces of these sizes, over and over; in one piece when there are none."""
    reader = RecordReader()
    found, at, turn = [], 0, 0
    while at < len(data):
        size = pieces[turn % len(pieces)] if pieces else len(data)
        found += reader.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    return found + reader.finish()


def entries(found: list[Record]) -> list[Entry]:
    return [record.entry for record in found if record.entry is not None]


def check_tiling(found: list[Record], data: bytes) -> None:
    """Records cover the file, whole ones are what they were parsed from, and no two damaged ones touch."""
    ends = [0, *(record.end_bytes for record in found)]
    assert [record.offset_bytes for record in found] == ends[:-1]
    assert ends[-1] == len(data)
    for record in found:
        assert (record.entry is None) == (record.fault is not None)
        if record.entry is not None:
            assert record_of(encode_entry(record.entry)) == data[record.offset_bytes : record.end_bytes]
    assert all(one.entry or other.entry for one, other in pairwise(found))


def test_a_chain_file_is_its_records() -> None:
    found = read(CHAIN)

    assert [(record.offset_bytes, record.end_bytes) for record in found] == list(pairwise(CUTS))
    assert entries(found) == list(SHIFT.entries)


def test_an_empty_file_has_no_records() -> None:
    assert read(b"") == []


@given(st.lists(st.integers(1, 900), min_size=1, max_size=6))
def test_the_records_do_not_depend_on_the_pieces(pieces: list[int]) -> None:
    assert read(CHAIN, *pieces) == read(CHAIN)


@st.composite
def damaged_chains(draw: st.DrawFn) -> bytes:
    """A chain with bytes flipped, cut out, put in or repeated, in up to four places."""
    data = bytearray(CHAIN)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        size = draw(st.integers(1, 600))
        match draw(st.sampled_from(["flip", "cut", "insert", "repeat"])):
            case "flip":
                data[at] ^= draw(st.integers(1, 255))
            case "cut":
                del data[at : at + size]
            case "insert":
                data[at:at] = Random(draw(st.integers(0, 99))).randbytes(size)
            case _:
                data[at:at] = data[at : at + size]
        if not data:
            break
    return bytes(data)


@given(damaged_chains(), st.lists(st.integers(1, 900), min_size=1, max_size=4))
def test_damage_is_cut_out_the_same_way_in_any_pieces(data: bytes, pieces: list[int]) -> None:
    found = read(data)

    check_tiling(found, data)
    assert read(data, *pieces) == found


@given(st.binary(max_size=300), st.data())
def test_every_whole_record_behind_damage_is_found(junk: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(SHIFT.entries) - 1))

    found = read(CHAIN[: CUTS[at]] + junk + CHAIN[CUTS[at + 1] :])

    kept = [entry for index, entry in enumerate(SHIFT.entries) if index != at]
    assert [entry for entry in entries(found) if entry in kept] == kept


@pytest.mark.parametrize("at", range(len(SHIFT.entries)))
def test_a_damaged_size_costs_one_record(at: int) -> None:
    for position in range(4):
        for bit in range(8):
            data = bytearray(CHAIN)
            data[CUTS[at] + position] ^= 1 << bit

            found = read(bytes(data))

            assert entries(found) == [entry for index, entry in enumerate(SHIFT.entries) if index != at]


def test_damage_from_the_first_byte_on_does_not_hide_the_rest() -> None:
    found = read(b"\xff" * 1000 + CHAIN)

    assert entries(found) == list(SHIFT.entries)
    assert (found[0].offset_bytes, found[0].end_bytes) == (0, 1000)


def test_a_cut_tail_is_one_record_that_says_so() -> None:
    for size in range(CUTS[-2] + 1, CUTS[-1]):
        found = read(CHAIN[:size])

        assert entries(found) == list(SHIFT.entries[:-1])
        assert found[-1].fault == f"{size - CUTS[-2]} bytes are not a whole record"


def test_a_record_larger_than_the_limit_is_refused_by_its_size() -> None:
    found = read((ENTRY_SIZE_BYTES_MAX + 1).to_bytes(4, "big") + bytes(70_000) + CHAIN)

    assert found[0].fault == "size 65537, 1 to 65536 expected"
    assert entries(found) == list(SHIFT.entries)


@pytest.mark.parametrize(
    "unit",
    [
        b"\x00",
        b"\xff" * 7,
        b"\x00\x00\xff\x00\x84\x58\x80\x87\x01\x50",
        b"\x00\x00\xff\xff" + encode_entry(SHIFT.entries[2])[:60],
        record_of(encode_entry(SHIFT.entries[1]))[:-1],
    ],
    ids=["zeros", "ones", "starts of heads", "starts of entries", "entries without their end"],
)
def test_hostile_input_is_held_back_by_one_record_at_most(unit: bytes) -> None:
    data = unit * (400_000 // len(unit))
    reader = RecordReader()
    tracemalloc.start()

    for at in range(0, len(data), 10_000):
        reader.feed(data[at : at + 10_000])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < 330_000
    assert entries(reader.finish()) == []


@pytest.mark.parametrize("entry", SHIFT.entries, ids=lambda entry: f"{entry.head.sequence}-{entry.head.kind}")
def test_an_entry_comes_back_from_its_bytes_with_and_without_its_body(entry: Entry) -> None:
    assert parse_entry(encode_entry(entry)) == entry
    assert parse_entry(encode_entry(entry, is_body_withheld=True)) == withheld(entry)
    assert entry.head_hash == withheld(entry).head_hash


@given(st.binary(max_size=400))
def test_any_bytes_are_no_entry_and_no_crash(data: bytes) -> None:
    with pytest.raises(PeerError):
        parse_entry(data)


HEAD = SHIFT.entries[1].head_bytes


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([HEAD, None, None], "array of four"),
        ([HEAD, None, None, None, None], "array of four"),
        ({"head": HEAD}, "array of four"),
        (["text", None, None, None], "no byte string"),
        ([HEAD, 7, None, None], "no byte string"),
        ([HEAD[:20], None, None, None], "head of 20 bytes, 24 to 255 expected"),
        ([bytes(256), None, None, None], "head of 256 bytes, 24 to 255 expected"),
        ([HEAD[:-1], None, None, None], "string of 32 bytes where 31 are left"),
        ([HEAD + b"\x00", None, None, None], "after the end"),
        ([HEAD, None, [[0] * 40], None], "more than 32 items"),
    ],
)
def test_another_form_of_an_entry_is_refused(value: object, why: str) -> None:
    with pytest.raises(PeerError, match=why):
        parse_entry(encode(value))


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (0, 2, "version"),
        (1, bytes(15), "shift_id"),
        (2, -1, "sequence"),
        (2, 2**63, "sequence"),
        (3, bytes(31), "previous"),
        (4, "Event", "kind"),
        (4, "e" * 33, "kind"),
        (4, "", "kind"),
        (4, "event\n", "kind"),
        (5, bytes(33), "next_key"),
        (6, None, "body_hash"),
    ],
)
def test_a_head_with_a_field_out_of_range_is_refused(place: int, value: object, why: str) -> None:
    fields = list(SHIFT.entries[1].head.to_wire())  # type: ignore[call-overload]
    fields[place] = value

    with pytest.raises(PeerError, match=why):
        parse_entry(encode([encode(fields), None, None, None]))


def test_a_body_is_read_by_its_kind() -> None:
    body = parse_body(SHIFT.entries[0])

    assert isinstance(body, ShiftOpened)
    assert body.camera_key == DEVICE.public_key


def test_a_withheld_body_and_one_of_an_unknown_kind_are_none() -> None:
    unknown = make_shift("Ou").entries[1]

    assert parse_body(withheld(SHIFT.entries[0])) is None
    assert parse_body(unknown) is None


def test_a_body_that_the_head_does_not_commit_to_is_told_from_one_that_cannot_be_read() -> None:
    entry = SHIFT.entries[1]
    assert entry.body_bytes is not None
    unknown = make_shift("Ou").entries[1]
    long_form = secret("salt", 16) + b"\xbf\xff"
    wrong = sign_entry(replace_hash(entry, long_form), long_form, None, None)
    empty = sign_entry(replace_hash(entry, b"short"), b"short", None, None)
    other = sign_entry(replace_hash(entry, unknown.body_bytes or b""), unknown.body_bytes, None, None)

    with pytest.raises(BodyMismatch):
        parse_body(replace(entry, body_bytes=entry.body_bytes + b"\x00"))
    with pytest.raises(NotCanonical, match="indefinite"):
        parse_body(wrong)
    with pytest.raises(NotCanonical, match="cut in the middle"):
        parse_body(empty)
    with pytest.raises(PeerError, match="RecordingOpened: recording_id: Field required"):
        parse_body(other)


def replace_hash(entry: Entry, body_bytes: bytes) -> Head:
    return entry.head.model_copy(update={"body_hash": digest("sealcam/1 body", body_bytes)})


def test_making_an_entry_gives_what_parsing_its_record_gives() -> None:
    key, next_key = entry_key("own"), entry_key("next")
    entry, record = make_entry(
        shift_id=secret("id", 16),
        sequence=5,
        previous=secret("previous"),
        body=ShiftClosed(at=moment(5), reason="age", recording_count=0),
        body_salt=secret("salt", 16),
        entry_key=key,
        device=DEVICE,
        next_key=None,
    )
    parsed = parse_entry(record[4:])

    assert parsed.head == entry.head
    assert encode_entry(parsed) == encode_entry(entry) == record[4:]
    assert next_key.public_key != key.public_key


@pytest.mark.parametrize("has_entry_key", [False, True])
@pytest.mark.parametrize("has_device", [False, True])
def test_an_entry_is_never_made_with_signatures_that_its_kind_does_not_have(
    has_entry_key: bool, has_device: bool
) -> None:
    body = Event(at=moment(1), name="standby", recording_id=None, value=None)

    def attempt() -> None:
        make_entry(
            shift_id=secret("id", 16),
            sequence=1,
            previous=secret("previous"),
            body=body,
            body_salt=secret("salt", 16),
            entry_key=entry_key("own") if has_entry_key else None,
            device=DEVICE if has_device else None,
            next_key=entry_key("next").public_key,
        )

    if has_entry_key and not has_device:
        attempt()
    else:
        with pytest.raises(AssertionError):
            attempt()


def test_a_story_can_be_told_otherwise_in_one_body() -> None:
    """The helper under all the attacks: what it changes is signed as if the camera had said it."""
    lied = make_shift("Oe", change={1: changed(name="wake")})

    assert parse_body(lied.entries[1]) != parse_body(make_shift("Oe").entries[1])
    assert records(lied.entries) == lied.chain
