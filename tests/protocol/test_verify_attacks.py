"""The chain's opponent with a plan: forged entries, stolen keys, holes, and every mixture of them that chance finds.

What is held to in all of it: nothing that the camera did not write ever stands, and nothing can be done unnoticed.
"""

import os
from dataclasses import replace

import pytest

from protocol.chain import Entry, record_of
from protocol.entries import Event, Resumed, ShiftClosed
from protocol.verify.chain import ChainVerifier, verify_chain
from tests.protocol.attackers import forged_run
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
)

IS_LONG = os.environ.get("SEALCAM_TEST_LONG") == "1"
DAY = make_shift("O[cc]e[ccc]Z")
LONG_DAY = make_shift("O[cc]e[cRh[c]pr[cc]Z")
ATTACKER = Device("attacker")


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


def test_a_record_of_nothing_but_size_hides_nothing() -> None:
    assert standing(DAY, check(record_of(b"\x00" * 60_000) + DAY.chain)) == DAY.story


def test_entries_that_stand_again_behind_forged_ones_are_found() -> None:
    run, again = forged_run(DAY, 3, 3), forged_run(DAY, 4, 1)

    report = check(spliced(DAY.entries, at=3, insert=[*run, *again]))

    assert grave(report) == ["entry-signature-invalid", "entry-out-of-sequence", "entry-key-unknown"]
    assert "entry 4 stands again where entry 6 is expected" in report.findings[1].text
    assert standing(DAY, report) == DAY.story


def test_what_nobody_vouches_for_is_named_for_each_place_apart() -> None:
    first, second = forged_run(LONG_DAY, 3, 2), forged_run(LONG_DAY, 12, 2)
    entries = spliced(LONG_DAY.entries, at=12, insert=second)

    report = check(spliced(entries, at=3, insert=first))

    lost = [found.text.split(":")[0] for found in report.findings if found.kind == "entry-key-unknown"]
    assert lost == [f"nothing vouches for 2 entries, numbered {numbers}" for numbers in ("3 to 4", "12 to 13")]


def test_an_end_that_stands_needs_nobody_to_vouch_for_it() -> None:
    for entries in (DAY.entries, DAY.entries[:5]):
        report = verify_chain(records(entries), camera_key=DEVICE.public_key, is_end_vouched=True)

        assert report is not None
        assert report.does_head_stand
        assert report.entry_count == len(entries)


def test_a_link_from_one_shift_into_another_vouches_for_nothing() -> None:
    """The device signed it, so its firmware is at fault; the other shift's entry is still none of this one's."""
    other = make_shift("Oe", name="other").entries[1]
    body = Resumed(
        at=moment(2), is_clean=False, interrupted_recording_id=None, trimmed_chain_bytes=0, trimmed_media_bytes=0
    )
    named = compose(body, shift_id=DAY.shift_id, sequence=2, before=other, next_key=entry_key("next"))

    report = check([other, sign_entry(*named, None, DEVICE)])

    assert report.entry_count == 1
    assert report.shift_id == DAY.shift_id


def test_an_entry_that_an_attacker_writes_behind_a_power_off_does_not_stand() -> None:
    shift = make_shift("OepreZ")

    report = check(spliced(shift.entries, at=3, insert=forged_run(shift, 3, 2)))

    assert first_grave(report) == ("kind-out-of-place", 3)
    assert standing(shift, report) == "OepreZ"


def test_an_opening_in_the_middle_names_no_camera() -> None:
    """Else whoever cut the beginning off could put an opening with a key of his own in its place."""
    opening = make_shift("O", device=ATTACKER).entries[0]
    head = opening.head.model_copy(update={"sequence": 3, "previous": bytes(32), "shift_id": DAY.shift_id})
    forged = sign_entry(head, opening.body_bytes, None, ATTACKER)

    report = check([forged, *DAY.entries[4:]], None)

    assert (report.camera_key, report.entry_count) == (b"", 0)
