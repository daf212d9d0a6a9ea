"""The chain's opponent with a plan: forged entries, stolen keys, holes, and every mixture of them that chance finds.

What is held to in all of it: nothing that the camera did not write ever stands, and nothing can be done unnoticed.
"""

import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.chain import Entry, record_of
from protocol.entries import Event, Resumed, ShiftClosed
from protocol.verify.chain import ChainVerifier, verify_chain
from tests.protocol.checks import check, first_grave, grave, kinds, standing
from tests.protocol.shifts import (
    DEVICE,
    Device,
    Shift,
    compose,
    entry_key,
    make_shift,
    moment,
    records,
    sign_entry,
    spliced,
    withheld,
)

IS_LONG = os.environ.get("SEALCAM_TEST_LONG") == "1"
DAY = make_shift("O[cc]e[ccc]Z")
LONG_DAY = make_shift("O[cc]e[cRh[c]pr[cc]Z")
ATTACKER = Device("attacker")


def forged_run(shift: Shift, first: int, count: int, before: Entry | None = None) -> list[Entry]:
    """Return entries that link to ``before`` and to each other, signed with the attacker's own keys throughout."""
    made: list[Entry] = []
    for sequence in range(first, first + count):
        body = Event(at=moment(sequence), name="wake", recording_id=None, value=sequence)
        previous = made[-1] if made else before or shift.entries[first - 1]
        named = compose(
            body, shift_id=shift.shift_id, sequence=sequence, before=previous, next_key=entry_key(f"mine {sequence}")
        )
        made.append(sign_entry(*named, entry_key(f"mine {sequence - 1}"), None))
    return made


# --- Forged entries


@pytest.mark.parametrize("index", range(1, len(DAY.entries)))
def test_a_forged_entry_put_in_displaces_nothing(index: int) -> None:
    report = check(spliced(DAY.entries, at=index, insert=forged_run(DAY, index, 1)))

    assert first_grave(report) == ("entry-signature-invalid", index)
    assert standing(DAY, report) == DAY.story
    assert report.is_closed


def test_forged_entries_that_link_to_each_other_displace_nothing() -> None:
    report = check(spliced(DAY.entries, at=3, insert=forged_run(DAY, 3, 4)))

    assert grave(report) == ["entry-signature-invalid", "entry-key-unknown"]
    assert "4 entries, numbered 3 to 6" in report.findings[1].text
    assert standing(DAY, report) == DAY.story


@pytest.mark.parametrize("sequence", [9, 50, 2**62])
def test_a_forged_entry_with_a_number_far_ahead_displaces_nothing(sequence: int) -> None:
    far = replace_sequence(forged_run(DAY, 3, 1)[0], sequence)

    report = check(spliced(DAY.entries, at=3, insert=[far]))

    assert first_grave(report) == ("entry-out-of-sequence", sequence)
    assert standing(DAY, report) == DAY.story


def replace_sequence(entry: Entry, sequence: int) -> Entry:
    return sign_entry(entry.head.model_copy(update={"sequence": sequence}), entry.body_bytes, entry_key("mine"), None)


@pytest.mark.parametrize("index", range(2, len(DAY.entries)))
def test_forged_entries_behind_a_hole_do_not_stand(index: int) -> None:
    """The entry before is gone, so that nobody knows the key: the attacker's is no better than none."""
    forged = forged_run(DAY, index, 2)

    report = check(spliced(DAY.entries, at=index - 1, insert=forged, drop=2))

    assert first_grave(report)[0] in ("entry-out-of-sequence", "entry-not-linked")
    assert "!" not in standing(DAY, report)
    assert standing(DAY, report)[: index - 1] == DAY.story[: index - 1]


def test_a_tail_that_the_attacker_writes_anew_does_not_stand() -> None:
    closed = ShiftClosed(at=moment(7), reason="docked", recording_count=1)
    forged = forged_run(DAY, 5, 2)
    end = compose(closed, shift_id=DAY.shift_id, sequence=7, before=forged[-1], next_key=None)
    tail = [*forged, sign_entry(*end, entry_key("mine 6"), ATTACKER)]

    report = check([*DAY.entries[:5], *tail])

    assert grave(report) == [
        "entry-signature-invalid", "device-signature-invalid", "entry-key-unknown", "chain-not-closed",
    ]  # fmt: skip
    assert (report.is_closed, report.does_head_stand) == (False, False)
    assert standing(DAY, report) == "O[cc]......."[: len(DAY.story)]


@pytest.mark.parametrize("device", [None, ATTACKER])
def test_a_forged_end_does_not_close_the_shift_and_hides_nothing(device: Device | None) -> None:
    """Even with the live entry key stolen: the device key has to sign the end as well."""
    closed = ShiftClosed(at=moment(5), reason="docked", recording_count=1)
    named = compose(closed, shift_id=DAY.shift_id, sequence=5, before=DAY.entries[4], next_key=None)
    end = sign_entry(*named, DAY.keys[4], device)

    cut = check([*DAY.entries[:5], end])
    inserted = check(spliced(DAY.entries, at=5, insert=[end]))

    kind = "entry-signature-missing" if device is None else "device-signature-invalid"
    assert grave(cut) == [kind, "entry-key-unknown", "chain-not-closed"]
    assert (cut.is_closed, cut.does_head_stand) == (False, False)
    assert first_grave(inserted) == (kind, 5)
    assert (inserted.is_closed, standing(DAY, inserted)) == (True, DAY.story)


def test_a_forged_resumed_vouches_for_nothing() -> None:
    body = Resumed(
        at=moment(8), is_clean=True, interrupted_recording_id=None, trimmed_chain_bytes=0, trimmed_media_bytes=0
    )
    run = forged_run(DAY, 5, 3)
    named = compose(body, shift_id=DAY.shift_id, sequence=8, before=run[-1], next_key=entry_key("mine 8"))

    report = check([*DAY.entries[:5], *run, sign_entry(*named, None, ATTACKER)])

    assert "device-signature-invalid" in grave(report)
    assert standing(DAY, report) == "O[cc]......."[: len(DAY.story)]


@pytest.mark.parametrize("stolen", range(2, len(DAY.entries) - 1))
def test_a_stolen_later_key_rewrites_nothing_before_it(stolen: int) -> None:
    """The key that signs entry n + 1 is of no use for any entry up to n."""
    key = DAY.keys[stolen]
    for sequence in range(1, stolen + 1):
        before = DAY.entries[sequence - 1]
        body = Event(at=moment(sequence), name="wake", recording_id=None, value=None)
        named = compose(body, shift_id=DAY.shift_id, sequence=sequence, before=before, next_key=entry_key("mine"))

        report = check(spliced(DAY.entries, at=sequence, insert=[sign_entry(*named, key, None)], drop=1))

        assert first_grave(report) == ("entry-signature-invalid", sequence)
        assert "!" not in standing(DAY, report)


def test_an_entry_that_was_signed_once_more_with_its_own_key_does_not_replace_it() -> None:
    """A used key that was not wiped: the entry after links to the first, so the second is not followed by anything."""
    second = replace_body(DAY, 4)

    report = check(spliced(DAY.entries, at=5, insert=[second]))

    assert grave(report) == ["entry-out-of-sequence"]
    assert standing(DAY, report) == DAY.story


def replace_body(shift: Shift, sequence: int) -> Entry:
    body = Event(at=moment(sequence), name="wake", recording_id=None, value=None)
    named = compose(
        body, shift_id=shift.shift_id, sequence=sequence, before=shift.entries[sequence - 1], next_key=entry_key("mine")
    )
    return sign_entry(*named, shift.keys[sequence - 1], None)


# --- Holes


def test_behind_a_hole_everything_stands_that_a_device_signature_vouches_for() -> None:
    report = check(spliced(LONG_DAY.entries, at=5, insert=(), drop=1))

    assert first_grave(report) == ("entry-out-of-sequence", 6)
    assert standing(LONG_DAY, report) == "O[cc].[cRh[c]pr[cc]Z"


def test_behind_a_hole_nothing_stands_without_a_later_device_signature() -> None:
    entries = spliced(LONG_DAY.entries, at=16, insert=(), drop=1)[:-1]

    report = check(entries)

    assert standing(LONG_DAY, report) == "O[cc]e[cRh[c]pr[...."
    assert "nothing vouches for 2 entries, numbered 17 to 18" in [found.text.split(":")[0] for found in report.findings]
    assert (report.head_sequence, report.does_head_stand) == (18, False)


def test_a_camera_may_vouch_for_its_own_card_before_it_signs_resumed() -> None:
    """Else it would drop the media of recordings behind one flipped bit as described by nothing."""
    entries = spliced(LONG_DAY.entries, at=16, insert=(), drop=1)[:-1]
    report = verify_chain(records(entries), camera_key=DEVICE.public_key, is_end_vouched=True)

    assert report is not None
    assert standing(LONG_DAY, report) == "O[cc]e[cRh[c]pr[.c]."
    assert report.does_head_stand
    assert "entry-out-of-sequence" in grave(report)


def test_two_holes_are_both_named_and_the_rest_stands() -> None:
    entries = [entry for entry in LONG_DAY.entries if entry.head.sequence not in (2, 3, 11)]

    report = check(entries)

    holes = [found for found in report.findings if found.kind == "entry-out-of-sequence"]
    assert [found.place.sequence for found in holes] == [4, 12]
    assert [found.text.split(": ")[1] for found in holes] == ["2 missing", "1 missing"]
    assert standing(LONG_DAY, report) == "O[..]e[cRh[.]pr[cc]Z"


def test_of_two_holes_before_one_device_signature_what_lies_between_does_not_stand() -> None:
    entries = [entry for entry in LONG_DAY.entries if entry.head.sequence not in (2, 5)]

    report = check(entries)

    assert standing(LONG_DAY, report) == "O[....[cRh[c]pr[cc]Z"
    assert "nothing vouches for 2 entries, numbered 3 to 4" in [found.text.split(":")[0] for found in report.findings]


def test_a_hole_right_before_resumed_is_named_and_counts_as_an_unclean_stop() -> None:
    report = check(spliced(LONG_DAY.entries, at=13, insert=(), drop=1))

    assert first_grave(report) == ("entry-out-of-sequence", 14)
    assert standing(LONG_DAY, report) == "O[cc]e[cRh[c].r[cc]Z"
    assert "resumed-unclean" in kinds(report)


def test_a_chain_whose_beginning_is_gone_stands_from_the_enrolled_key() -> None:
    report = check(LONG_DAY.entries[5:])

    assert first_grave(report) == ("entry-out-of-sequence", 5)
    assert standing(LONG_DAY, report) == "....." + LONG_DAY.story[5:]
    assert report.opened is None
    assert check(LONG_DAY.entries[5:], None).entry_count == 0


def test_recordings_behind_a_hole_count_as_made_after_an_unclean_stop() -> None:
    """A `resumed` may have stood in it: taking it out must not raise the assurance."""
    whole = make_shift("O[c]Re[c]Z")
    assert [view.is_after_unclean_resume for view in check(whole.entries).recordings] == [False, True]

    report = check(spliced(whole.entries, at=4, insert=(), drop=1))

    assert [view.is_after_unclean_resume for view in report.recordings] == [False, True]


def test_a_signature_spliced_out_is_no_hole_for_what_follows() -> None:
    entry = replace(LONG_DAY.entries[2], entry_signature=None)

    report = check(spliced(LONG_DAY.entries, at=2, insert=[entry], drop=1))

    assert grave(report) == ["entry-signature-missing"]
    assert standing(LONG_DAY, report) == LONG_DAY.story


def test_only_so_many_entries_are_held_as_memory_allows() -> None:
    entries = spliced(DAY.entries, at=2, insert=(), drop=1)
    verifier = ChainVerifier(camera_key=DEVICE.public_key, held_max=5)
    verifier.feed(records(entries))
    report = verifier.finish()

    assert report is not None
    assert standing(DAY, report) == "O[.........Z"
    assert "nothing vouches for 8 entries, numbered 3 to 7" in [found.text.split(":")[0] for found in report.findings]


# --- Chance

STORIES = {story: make_shift(story) for story in ("O[cc]e[ccc]Z", "O[cc]e[cRh[c]pr[cc]Z", "OpReZ", "O[cRR(cC]uZ", "OZ")}
MOVES = (
    "drop",
    "repeat",
    "swap",
    "forge",
    "strip",
    "splice",
    "withhold",
    "rebody",
    "stranger",
    "steal",
    "junk",
    "tail",
)


@st.composite
def attacked(draw: st.DrawFn) -> tuple[Shift, bytes, bool]:
    """Return a shift, its chain after some attacks, and whether only bodies are withheld."""
    shift = STORIES[draw(st.sampled_from(sorted(STORIES)))]
    stranger = make_shift(shift.story, name="other", device=draw(st.sampled_from([DEVICE, ATTACKER])))
    pieces: list[Entry | bytes] = list(shift.entries)
    moves = draw(st.lists(st.sampled_from(MOVES), min_size=1, max_size=4))
    for move in moves:
        at = draw(st.integers(0, len(pieces) - 1)) if pieces else 0
        other = draw(st.sampled_from(shift.entries))
        piece = pieces[at] if pieces else b""
        entry = piece if isinstance(piece, Entry) else shift.entries[-1]
        sequence = min(entry.head.sequence, len(shift.entries) - 1)
        match move:
            case "drop":
                del pieces[at : at + 1]
            case "tail":
                del pieces[at:]
            case "repeat":
                pieces.insert(at, other)
            case "swap" if at:
                pieces[at - 1 : at + 1] = [piece, pieces[at - 1]]
            case "forge" if sequence:
                pieces[at:at] = forged_run(shift, sequence, draw(st.integers(1, 3)))
            case "strip":
                pieces[at : at + 1] = [replace(entry, entry_signature=None)]
            case "splice":
                pieces[at : at + 1] = [replace(entry, entry_signature=other.entry_signature)]
            case "withhold":
                pieces[at : at + 1] = [withheld(entry)]
            case "rebody":
                pieces[at : at + 1] = [replace(entry, body_bytes=other.body_bytes)]
            case "stranger":
                pieces.insert(at, stranger.entries[draw(st.integers(0, len(stranger.entries) - 1))])
            case "steal" if sequence:
                pieces.insert(at, steal(shift, sequence, draw(st.integers(0, len(shift.entries) - 1))))
            case "junk":
                pieces.insert(at, draw(st.binary(min_size=1, max_size=200)))
    data = b"".join(piece if isinstance(piece, bytes) else record_of_entry(piece) for piece in pieces)
    allowed = [(entry, withheld(entry)) for entry in shift.entries]
    is_withheld_only = len(pieces) == len(allowed) and all(
        piece in pair for piece, pair in zip(pieces, allowed, strict=True)
    )
    return shift, data, is_withheld_only


def steal(shift: Shift, sequence: int, stolen: int) -> Entry:
    """Return an entry made with a stolen key, at any place but the one that the key is for."""
    key = shift.keys[stolen] if stolen != sequence - 1 else None
    return shift.forged(sequence, key=key, next_key=entry_key("mine"))


def record_of_entry(entry: Entry) -> bytes:
    return records([entry])


@settings(max_examples=10_000 if IS_LONG else 400)
@given(attacked())
def test_nothing_forged_ever_stands_and_nothing_is_done_unnoticed(attack: tuple[Shift, bytes, bool]) -> None:
    shift, data, is_withheld_only = attack
    report = verify_chain(data, camera_key=DEVICE.public_key)

    if report is None or data == shift.chain:
        return
    assert is_withheld_only != report.has_alterations
    if report.shift_id != shift.shift_id:
        # What the same camera wrote into another shift is genuine; that this is not its place was found.
        return
    assert "!" not in standing(shift, report)
    assert is_withheld_only <= ("body-withheld" in kinds(report))
    assert len(report.findings) < 100
    genuine = set(shift.recording_ids)
    assert {view.recording_id for view in report.recordings} <= genuine
    assert not report.is_closed or report.head_hash == shift.entries[-1].head_hash


def test_a_record_of_nothing_but_size_hides_nothing() -> None:
    assert standing(DAY, check(record_of(b"\x00" * 60_000) + DAY.chain)) == DAY.story
