"""The one encoding: what it accepts it gives back byte for byte, and what it refuses it refuses in one way."""

from hashlib import sha256
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import Row, Structure, decode, digest, digest_state, encode, parse
from protocol.entries import Head, Moment, ShiftClosed
from protocol.errors import NotCanonical, PeerError
from protocol.units import CBOR_DEPTH_MAX, CBOR_MEMBERS_MAX, CBOR_SIZE_BYTES_MAX

INTEGERS = st.integers(min_value=-(2**64), max_value=2**64 - 1)
SCALARS = st.one_of(st.none(), st.booleans(), INTEGERS, st.binary(max_size=40), st.text(max_size=20))
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5).map(tuple), st.dictionaries(st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=12,
)


def depth(value: object) -> int:
    if isinstance(value, tuple):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=1)
    return 1


@given(VALUES)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    data = encode(value)

    if depth(value) <= CBOR_DEPTH_MAX:
        assert decode(data) == value
    else:
        with pytest.raises(NotCanonical, match="nested deeper"):
            decode(data)


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_or_are_the_one_encoding_of_what_they_say(data: bytes) -> None:
    try:
        value = decode(data)
    except NotCanonical:
        return

    assert encode(value) == data


@given(VALUES.map(encode), st.data())
def test_a_damaged_encoding_is_refused_or_says_something_else(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    damaged = bytearray(data)
    damaged[at] ^= draw.draw(st.integers(1, 255))
    try:
        value = decode(bytes(damaged))
    except NotCanonical:
        return

    assert encode(value) == damaged


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "cut in the middle of a structure"),
        ("00ff", "1 bytes after the end"),
        ("1800", "0 is not in its shortest form"),
        ("1817", "23 is not in its shortest form"),
        ("1900ff", "255 is not in its shortest form"),
        ("1a0000ffff", "65535 is not in its shortest form"),
        ("1b00000000ffffffff", "4294967295 is not in its shortest form"),
        ("3800", "0 is not in its shortest form"),
        ("5800", "0 is not in its shortest form"),
        ("9800", "0 is not in its shortest form"),
        ("1901", "cut in the middle of a number"),
        ("4261", "string of 2 bytes where 1 are left"),
        ("5b7fffffffffffffff00", "string of 9223372036854775807 bytes"),
        ("9a7fffffff00", "array or map of 2147483647 members"),
        ("ba7fffffff00", "array or map of 2147483647 members"),
        ("1c", "indefinite length or reserved"),
        ("5f4100ff", "indefinite length or reserved"),
        ("9f00ff", "indefinite length or reserved"),
        ("bf616100ff", "indefinite length or reserved"),
        ("c000", "tag 0"),
        ("d9d9f700", "tag 55799"),
        ("c249010000000000000000", "tag 2"),
        ("f7", "simple value or float 23"),
        ("f820", "simple value or float 24"),
        ("f90000", "simple value or float 25"),
        ("fb3ff0000000000000", "simple value or float 27"),
        ("a10000", "map key that is not text"),
        ("a1410000", "map key that is not text"),
        ("a2616100616101", "differ from the deterministic encoding"),
        ("a2616200616100", "differ from the deterministic encoding"),
        ("a262616100616200", "differ from the deterministic encoding"),
        ("62c328", "undecodable"),
        ("63eda080", "undecodable"),
    ],
)
def test_what_the_page_forbids_is_refused_for_its_own_reason(data: str, why: str) -> None:
    with pytest.raises(NotCanonical, match=why):
        decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("1818", 24),
        ("1bffffffffffffffff", 2**64 - 1),
        ("3bffffffffffffffff", -(2**64)),
        ("f4", False),
        ("f6", None),
        ("a2616100626161f5", {"a": 0, "aa": True}),
        ("8263c3a96140", ("éa", b"")),
    ],
)
def test_the_edges_of_what_the_page_allows_are_read(data: str, value: object) -> None:
    assert decode(bytes.fromhex(data)) == value


def test_eight_levels_are_read_and_a_ninth_is_refused() -> None:
    assert decode(b"\x81" * (CBOR_DEPTH_MAX - 1) + b"\x00") == (((((((0,),),),),),),)
    with pytest.raises(NotCanonical, match="nested deeper than 8"):
        decode(b"\x81" * CBOR_DEPTH_MAX + b"\x00")


def test_a_structure_larger_than_the_limit_is_refused_before_it_is_read() -> None:
    assert len(decode(encode(bytes(CBOR_SIZE_BYTES_MAX - 5)))) == CBOR_SIZE_BYTES_MAX - 5
    with pytest.raises(NotCanonical, match="structure of 1048577 bytes"):
        decode(bytes(CBOR_SIZE_BYTES_MAX + 1))
    with pytest.raises(NotCanonical, match="structure of 5 bytes, at most 4"):
        decode(bytes(5), size_bytes_max=4)


def test_arrays_and_maps_hold_as_many_members_as_the_page_allows_and_no_more() -> None:
    most = CBOR_MEMBERS_MAX
    keys = {f"{number:05d}": 0 for number in range(most)}

    assert len(decode(encode([0] * most))) == most
    assert len(decode(encode(keys))) == most
    with pytest.raises(NotCanonical, match=f"{most + 1} members"):
        decode(encode([0] * (most + 1)))
    with pytest.raises(NotCanonical, match=f"{most + 1} members"):
        decode(encode(keys | {"x": 0}))


def test_the_items_of_a_structure_are_counted_at_every_depth() -> None:
    assert decode(encode([[1], [2]]), items_max=5) == ((1,), (2,))
    with pytest.raises(NotCanonical, match="more than 4 items"):
        decode(encode([[1], [2]]), items_max=4)


def test_a_digest_is_bound_to_its_purpose() -> None:
    assert digest("sealcam/1 head", b"ab", b"c") == sha256(b"sealcam/1 head\0abc").digest()
    assert digest("sealcam/1 body", b"abc") != digest("sealcam/1 head", b"abc")
    state = digest_state("sealcam/1 head")
    state.update(b"abc")
    assert state.digest() == digest("sealcam/1 head", memoryview(b"abc"))


class Pair(Row):
    """A row for these tests."""

    left: int
    right: int


class Holder(Structure):
    """A map for these tests."""

    pair: Pair
    pairs: tuple[Pair, ...]


def test_a_row_is_an_array_and_a_structure_a_map_on_the_wire() -> None:
    holder = Holder(pair=Pair(left=1, right=2), pairs=(Pair(left=3, right=4),))

    assert cbor2.loads(holder.encoded()) == {"pair": [1, 2], "pairs": [[3, 4]]}
    assert parse(Holder, decode(holder.encoded()), section="x") == holder


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ((1,), "array of 1, 2 expected: left, right"),
        ((1, 2, 3), "array of 3, 2 expected"),
        ((1, True), "valid integer"),
        ((1, "2"), "valid integer"),
        ({"left": 1, "right": 2}, "another form"),
        (7, "Pair"),
        (None, "Pair"),
    ],
)
def test_a_row_in_any_other_form_is_refused(value: object, why: str) -> None:
    with pytest.raises(PeerError, match=why):
        parse(Pair, value, section="spec")


def test_true_does_not_pass_for_version_1() -> None:
    """A model takes it for 1, and the same head would have two encodings."""
    head = (1, bytes(16), 0, None, "chunk", None, bytes(32))
    assert parse(Head, head, section="x").version == 1

    with pytest.raises(PeerError, match="another form"):
        parse(Head, (True, *head[1:]), section="x")


def test_a_map_that_lacks_a_key_is_refused_even_where_the_model_has_a_default() -> None:
    at = Moment(mono_ns=1, boot_id=bytes(16), utc_ms=0, utc_source="none", utc_uncertainty_ms=None)
    full = decode(ShiftClosed(at=at, reason="docked", recording_count=0).encoded())
    assert parse(ShiftClosed, full, section="x").ext == {}

    with pytest.raises(PeerError, match="another form"):
        parse(ShiftClosed, {key: value for key, value in full.items() if key != "ext"}, section="x")
    with pytest.raises(PeerError, match="recording_count: Field required"):
        parse(ShiftClosed, {key: value for key, value in full.items() if key != "recording_count"}, section="x")
    with pytest.raises(PeerError, match="more: Extra inputs"):
        parse(ShiftClosed, full | {"more": 0}, section="x")


def test_a_refusal_cites_the_section_that_was_broken() -> None:
    with pytest.raises(PeerError) as caught:
        parse(Pair, (1,), section="spec/02-chain.md, 2.2")

    assert caught.value.section == "spec/02-chain.md, 2.2"
    assert str(caught.value).endswith("(spec/02-chain.md, 2.2)")
