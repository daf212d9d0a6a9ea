"""The chain's opponent at signatures, bodies and kinds: stripped, spliced, forged, withheld, out of place."""

from dataclasses import replace

import pytest

from protocol.canonical import digest
from protocol.chain import Entry, parse_body
from protocol.entries import Heartbeat
from protocol.keys import FIELD_PRIME
from tests.protocol.checks import check, first_grave, grave, kinds, standing
from tests.protocol.shifts import (
    DEVICE,
    Shift,
    compose,
    entry_key,
    make_shift,
    moment,
    sign_entry,
    spliced,
    withheld,
)

DAY = make_shift("O[cc]e[ccc]Z")
CUT_IN_TWO = make_shift("O[cc]e[cRh[c]pr[cc]Z")

# --- Signatures


SIGNED = [
    (index, name)
    for index, entry in enumerate(CUT_IN_TWO.entries)
    for name in ("entry_signature", "device_signature")
    if getattr(entry, name) is not None
]


def with_entry(shift: Shift, index: int, **changes: object) -> tuple[Entry, ...]:
    return spliced(shift.entries, at=index, insert=[replace(shift.entries[index], **changes)], drop=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(("index", "name"), SIGNED)
def test_a_stripped_signature_is_missing_and_not_merely_absent(index: int, name: str) -> None:
    report = check(with_entry(CUT_IN_TWO, index, **{name: None}))

    assert first_grave(report) == ("entry-signature-missing", index)


@pytest.mark.parametrize(("index", "name"), SIGNED)
def test_a_signature_of_another_entry_is_invalid(index: int, name: str) -> None:
    other = next(
        getattr(entry, name)
        for entry in (*CUT_IN_TWO.entries[index + 1 :], *CUT_IN_TWO.entries)
        if getattr(entry, name) is not None and entry is not CUT_IN_TWO.entries[index]
    )
    report = check(with_entry(CUT_IN_TWO, index, **{name: other}))

    kind = "entry-signature-invalid" if name == "entry_signature" else "device-signature-invalid"
    assert first_grave(report) == (kind, index)


@pytest.mark.parametrize("index", range(len(CUT_IN_TWO.entries)))
def test_a_signature_that_its_kind_does_not_have_is_unexpected(index: int) -> None:
    entry = CUT_IN_TWO.entries[index]
    name, other = ("entry_signature", 1) if entry.entry_signature is None else ("device_signature", 0)
    if getattr(entry, name) is not None:
        return
    signature = getattr(CUT_IN_TWO.entries[other], name)

    report = check(with_entry(CUT_IN_TWO, index, **{name: signature}))

    assert grave(report) == ["entry-signature-unexpected"]
    assert standing(CUT_IN_TWO, report) == CUT_IN_TWO.story


@pytest.mark.parametrize("letter", "c]eh")
def test_a_signature_made_for_another_kind_is_invalid(letter: str) -> None:
    """The purpose carries the kind: what was signed as one thing never passes for another."""
    story = "O[c]ehZ"
    shift, index = make_shift(story), story.index(letter)
    entry, key = shift.entries[index], shift.keys[index - 1]
    resigned = sign_entry(entry.head, entry.body_bytes, key, None, kind="assigned")

    report = check(spliced(shift.entries, at=index, insert=[resigned], drop=1))

    assert grave(report) == ["entry-signature-invalid"]


@pytest.mark.parametrize(("letter", "purpose"), [("O", "resumed"), ("R", "shift-opened"), ("Z", "resumed")])
def test_a_device_signature_made_for_another_kind_is_invalid(letter: str, purpose: str) -> None:
    story = "OeReZ"
    shift, index = make_shift(story), story.index(letter)
    entry = shift.entries[index]
    resigned = replace(
        sign_entry(entry.head, entry.body_bytes, None, DEVICE, kind=purpose), entry_signature=entry.entry_signature
    )

    report = check(spliced(shift.entries, at=index, insert=[resigned], drop=1))

    assert grave(report)[0] == "device-signature-invalid"


def test_the_signatures_behind_a_hole_are_checked_too_once_they_can_be() -> None:
    """Their keys are known when a later device signature vouches for the heads that name them."""
    entries = list(spliced(CUT_IN_TWO.entries, at=1, insert=(), drop=1))
    entries[3] = replace(entries[3], entry_signature=entries[4].entry_signature)

    report = check(entries)

    assert ("entry-signature-invalid", 4) in [(found.kind, found.place.sequence) for found in report.findings]


NEUTRAL = (1).to_bytes(32, "little")
NON_CANONICAL_NEUTRAL = (1 + FIELD_PRIME).to_bytes(32, "little")


class Point:
    """A public key without a private one, with the signature that libraries accept for every message."""

    def __init__(self, encoded: bytes) -> None:
        self.public_key = encoded

    def sign(self, message: bytes) -> bytes:
        return self.public_key + bytes(32)


@pytest.mark.parametrize("point", [NEUTRAL, NON_CANONICAL_NEUTRAL])
def test_a_next_key_that_signs_everything_signs_nothing_here(point: bytes) -> None:
    base, key = make_shift("Oe"), Point(point)
    named = compose(
        parse_body(base.entries[1]), shift_id=base.shift_id, sequence=1, before=base.entries[0], next_key=key
    )
    entry = sign_entry(*named, base.keys[0], None)
    body = Heartbeat(at=moment(2), state="standby")
    forged_head = compose(body, shift_id=base.shift_id, sequence=2, before=entry, next_key=entry_key("attacker"))

    report = check([base.entries[0], entry, sign_entry(*forged_head, key, None)])

    assert grave(report)[:2] == ["entry-signature-invalid", "entry-key-unknown"]
    assert "public key is" in report.findings[0].text
    assert report.entry_count == 2


@pytest.mark.parametrize("point", [NEUTRAL, NON_CANONICAL_NEUTRAL])
def test_an_r_of_small_order_is_refused_in_an_entry(point: bytes) -> None:
    sign1 = DAY.entries[3].entry_signature
    assert isinstance(sign1, tuple)

    report = check(with_entry(DAY, 3, entry_signature=(*sign1[:3], point + sign1[3][32:])))

    assert grave(report) == ["entry-signature-invalid"]
    assert "R of the signature" in report.findings[0].text


# --- Bodies


@pytest.mark.parametrize("index", range(len(DAY.entries)))
def test_a_withheld_body_is_a_cut_and_no_alteration(index: int) -> None:
    report = check(spliced(DAY.entries, at=index, insert=[withheld(DAY.entries[index])], drop=1))

    assert kinds(report) == ["body-withheld"]
    assert report.findings[0].place.sequence == index
    assert report.entry_count == len(DAY.entries)
    assert report.is_closed


def test_with_every_body_withheld_the_heads_still_tell_how_much_there_is() -> None:
    report = check([withheld(entry) for entry in CUT_IN_TWO.entries])

    assert grave(report) == []
    assert kinds(report).count("body-withheld") == len(CUT_IN_TWO.entries)
    assert [kind for kind in kinds(report) if kind != "body-withheld"] == ["resumed-unclean", "recording-interrupted"]
    assert (report.entry_count, report.is_closed, report.bodies) == (len(CUT_IN_TWO.entries), True, ())
    assert (report.recordings, report.withheld_recording_count) == ((), 4)


def test_a_chain_without_its_camera_key_cannot_be_verified() -> None:
    """The opening's body names it; a release that withholds that must carry the enrolment."""
    entries = spliced(DAY.entries, at=0, insert=[withheld(DAY.entries[0])], drop=1)

    assert grave(check(entries)) == []
    assert grave(check(entries, None))[0] == "entry-key-unknown"
    assert check(entries, None).findings[1].text == "the camera's key is not known"
    assert check(entries, None).entry_count == 0


@pytest.mark.parametrize("index", range(len(DAY.entries)))
def test_a_body_that_was_swapped_or_changed_is_a_mismatch(index: int) -> None:
    body = DAY.entries[index].body_bytes
    assert body is not None
    other = DAY.entries[(index + 1) % len(DAY.entries)].body_bytes

    for changed_body in (other, body[:-1] + bytes([body[-1] ^ 1]), b"", body + b"\x00"):
        report = check(with_entry(DAY, index, body_bytes=changed_body))

        assert grave(report)[0] == "body-mismatch"
        assert report.findings[0].place.sequence == index
        assert "!" not in standing(DAY, report)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xbf\xff", "entry-not-canonical"),
        (b"", "entry-not-canonical"),
        (b"\xa0", "body-invalid"),
        (b"\x00", "body-invalid"),
    ],
)
def test_a_body_that_the_camera_signed_and_nobody_can_read_is_told_how(content: bytes, kind: str) -> None:
    shift = make_shift("Oe")
    head = shift.entries[1].head
    body_bytes = bytes(16) + content
    wrong = head.model_copy(update={"body_hash": digest("sealcam/1 body", body_bytes)})
    entry = sign_entry(wrong, body_bytes, shift.keys[0], None)

    report = check([shift.entries[0], entry])

    assert grave(report) == [kind, "chain-not-closed"]
    assert report.entry_count == 2


# --- What stands where


@pytest.mark.parametrize(
    ("story", "why"),
    [
        ("eZ", "event stands at sequence 0"),
        ("ROZ", "resumed stands at sequence 0"),
        ("OeOZ", "shift-opened stands at sequence 2"),
        ("OpeZ", "event follows an entry that names no next key"),
        ("OpZ", "shift-closed follows an entry that names no next key"),
    ],
)
def test_a_kind_that_stands_where_it_may_not_is_found(story: str, why: str) -> None:
    """All of it signed by the camera: its own firmware broke the rule."""
    report = check(make_shift(story).chain)

    assert any(found.kind == "kind-out-of-place" and why in found.text for found in report.findings)


@pytest.mark.parametrize(("letter", "is_named"), [("Z", True), ("p", True), ("e", False), ("R", False), ("c", False)])
def test_a_next_key_where_none_may_be_and_none_where_one_must_be_is_found(letter: str, is_named: bool) -> None:
    shift = make_shift(f"O[{letter}")
    entry = shift.entries[2]
    next_key = entry_key("next").public_key if is_named else None
    head = entry.head.model_copy(update={"next_key": next_key})
    resigned = sign_entry(
        head,
        entry.body_bytes,
        shift.keys[1] if entry.entry_signature is not None else None,
        DEVICE if entry.device_signature is not None else None,
    )

    report = check([*shift.entries[:2], resigned])

    expected = "names a next key" if is_named else "does not name a next key"
    assert any(found.kind == "kind-out-of-place" and expected in found.text for found in report.findings)


def test_a_power_off_whose_body_is_withheld_needs_no_next_key() -> None:
    entries = make_shift("OeprhZ").entries

    assert kinds(check(spliced(entries, at=2, insert=[withheld(entries[2])], drop=1))) == ["body-withheld"]


def test_only_the_first_entry_opens_the_shift() -> None:
    twice, never = make_shift("OeOZ"), make_shift("ReZ")

    assert check(twice.chain).opened == parse_body(twice.entries[0])
    assert check(never.chain).opened is None


def test_a_first_entry_that_names_one_before_it_is_not_linked() -> None:
    shift = make_shift("OZ")
    head = shift.entries[0].head.model_copy(update={"previous": bytes(32)})

    report = check([sign_entry(head, shift.entries[0].body_bytes, None, DEVICE)])

    assert first_grave(report) == ("entry-not-linked", 0)
