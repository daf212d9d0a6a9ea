"""Leaves: each opening has one form, and a leaf is opened by its own salt and opening only."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import decode, digest, encode
from protocol.entries import EntryPlace
from protocol.errors import LedgerRefused, PeerError
from protocol.ledger.leaves import (
    OPENING_OF_KIND,
    AccessOpening,
    AnchorOpening,
    AnyOpening,
    CameraKeyOpening,
    CheckOutOpening,
    DisposalOpening,
    ErasureOpening,
    ExportOpening,
    HoldOpening,
    PolicyOpening,
    ReceiptOpening,
    ShiftOpening,
    make_leaf,
    open_leaf,
    parse_leaf,
    parse_opening,
)
from protocol.units import EXTENSIONS_MAX, LEAF_SIZE_BYTES_MAX, OPENING_SIZE_BYTES_MAX
from tests.protocol.shifts import secret

CAMERA, SHIFT, RECORDING = secret("camera", 16), secret("shift", 16), secret("recording", 16)
HASH, PERSON, SECOND = secret("hash"), secret("person"), secret("second person")
SALT = secret("salt")
AT_MS = 1_790_000_000_000
PLACE = EntryPlace(shift_id=SHIFT, sequence=7, head_hash=HASH)

OPENINGS: tuple[AnyOpening, ...] = (
    CameraKeyOpening(camera_id=CAMERA, enrolment_hash=HASH),
    PolicyOpening(version=3, policy_hash=HASH),
    ShiftOpening(camera_id=CAMERA, shift_id=SHIFT, shift_number=2, head_hash=HASH, previous_shift=PLACE),
    ShiftOpening(camera_id=CAMERA, shift_id=SHIFT, shift_number=1, head_hash=HASH, previous_shift=None),
    AnchorOpening(camera_id=CAMERA, shift_id=SHIFT, head_sequence=0, head_hash=HASH),
    ReceiptOpening(receipt_hash=HASH, camera_id=CAMERA, shift_id=SHIFT),
    ErasureOpening(camera_id=CAMERA, shift_id=SHIFT, recording_id=RECORDING, receipt_hash=HASH),
    ErasureOpening(camera_id=CAMERA, shift_id=SHIFT, recording_id=None, receipt_hash=HASH),
    AccessOpening(recording_id=RECORDING, action="view", person=PERSON, reason="complaint 7", at_ms=AT_MS),
    ExportOpening(recording_id=RECORDING, bundle_hash=HASH, person=PERSON, reason="court", at_ms=AT_MS),
    HoldOpening(recording_id=RECORDING, is_set=True, person=PERSON, reason="case", at_ms=AT_MS),
    DisposalOpening(
        recording_id=RECORDING, rule="retention-180d", people=(PERSON, SECOND), ending_head_hash=HASH, at_ms=AT_MS
    ),
    CheckOutOpening(camera_id=CAMERA, pseudonym=PERSON, is_return=False, at_ms=AT_MS, ext={"bay": 4}),
)
VIEW = OPENINGS[8]
DISPOSAL = OPENINGS[11]


@pytest.mark.parametrize("opening", OPENINGS)
def test_a_leaf_is_opened_by_its_salt_and_opening(opening: AnyOpening) -> None:
    assert open_leaf(make_leaf(opening, SALT), SALT, opening.encoded()) == opening


def test_every_kind_has_an_opening_and_every_opening_its_kind() -> None:
    assert {opening.kind for opening in OPENINGS} == OPENING_OF_KIND.keys()
    assert all(type(opening) is OPENING_OF_KIND[opening.kind] for opening in OPENINGS)


def test_a_leaf_has_the_bytes_of_the_page() -> None:
    leaf = make_leaf(VIEW, SALT)

    assert leaf == encode([1, "access", digest("sealcam/1 leaf", SALT, VIEW.encoded())])
    assert leaf.hex().startswith("8301666163636573735820")


def test_a_leaf_says_nothing_that_its_opening_says() -> None:
    assert make_leaf(VIEW, SALT) != make_leaf(VIEW, secret("another salt"))
    assert all(value not in make_leaf(VIEW, SALT) for value in (RECORDING, PERSON, b"complaint"))


def test_a_leaf_is_not_opened_by_anything_else() -> None:
    leaf = make_leaf(VIEW, SALT)
    other = VIEW.model_copy(update={"reason": "complaint 8"})
    recast = encode([1, "hold", parse_leaf(leaf).commitment])
    for case in ((leaf, secret("x"), VIEW), (leaf, SALT, other), (leaf, SALT[:31], VIEW), (recast, SALT, VIEW)):
        with pytest.raises(LedgerRefused) as caught:
            open_leaf(case[0], case[1], case[2].encoded())
        assert caught.value.kind == "leaf"


@given(st.data())
def test_every_flipped_byte_is_refused(data: st.DataObject) -> None:
    given_bytes = [make_leaf(VIEW, SALT), SALT, VIEW.encoded()]
    place = data.draw(st.integers(0, 2))
    flipped = bytearray(given_bytes[place])
    flipped[data.draw(st.integers(0, len(flipped) - 1))] ^= data.draw(st.integers(1, 255))
    given_bytes[place] = bytes(flipped)

    with pytest.raises(PeerError):
        open_leaf(*given_bytes)


@pytest.mark.parametrize(
    ("opening", "change"),
    [
        (VIEW, {"action": "sell"}),
        (VIEW, {"person": bytes(31)}),
        (VIEW, {"reason": ""}),
        (VIEW, {"reason": "x" * 201}),
        (VIEW, {"at_ms": True}),
        (VIEW, {"more": 1}),
        (VIEW, {"kind": "hold"}),
        (VIEW, {"kind": "seen"}),
        (VIEW, {"kind": 1}),
        (VIEW, {"ext": {"k": True}}),
        (DISPOSAL, {"people": [PERSON]}),
        (DISPOSAL, {"people": [PERSON, PERSON]}),
        (DISPOSAL, {"people": [PERSON, SECOND, HASH]}),
        (DISPOSAL, {"rule": "a rule"}),
        (OPENINGS[1], {"version": 0}),
        (OPENINGS[3], {"shift_number": 0}),
        (OPENINGS[2], {"previous_shift": [SHIFT, 7]}),
        (OPENINGS[12], {"is_return": 0}),
    ],
)
def test_an_opening_of_another_form_is_refused(opening: AnyOpening, change: dict[str, Any]) -> None:
    with pytest.raises(PeerError, match=r"8\.2"):
        parse_opening(encode(decode(opening.encoded()) | change))


@pytest.mark.parametrize("opening", OPENINGS)
def test_an_opening_without_one_of_its_keys_is_refused(opening: AnyOpening) -> None:
    whole = decode(opening.encoded())
    for name in whole:
        with pytest.raises(PeerError, match=r"8\.2"):
            parse_opening(encode({key: value for key, value in whole.items() if key != name}))


@pytest.mark.parametrize("value", [[], 1, "access", [2, "access", HASH], [1, "Access", HASH], [1, "access", HASH[:31]]])
def test_a_leaf_of_another_form_is_refused(value: object) -> None:
    with pytest.raises(PeerError):
        parse_leaf(encode(value))


def test_a_leaf_of_a_kind_to_come_is_a_leaf_and_its_opening_is_refused() -> None:
    opening = encode({"kind": "redaction", "ext": {}})
    leaf = encode([1, "redaction", digest("sealcam/1 leaf", SALT, opening)])

    assert parse_leaf(leaf).kind == "redaction"
    with pytest.raises(PeerError, match="opening of kind 'redaction'"):
        open_leaf(leaf, SALT, opening)


def test_the_largest_opening_and_the_longest_kind_stay_within_the_limits() -> None:
    ext: dict[str, int | str | bytes] = {f"k{number:031d}": "\U0001f4f7" * 1024 for number in range(EXTENSIONS_MAX)}
    largest = AccessOpening(recording_id=RECORDING, action="view", person=PERSON, reason="r", at_ms=AT_MS, ext=ext)

    assert len(largest.encoded()) > OPENING_SIZE_BYTES_MAX, "then the maker has to refuse it"
    assert len(encode([1, "k" * 32, HASH])) <= LEAF_SIZE_BYTES_MAX
    with pytest.raises(AssertionError, match="opening of"):
        make_leaf(largest, SALT)
