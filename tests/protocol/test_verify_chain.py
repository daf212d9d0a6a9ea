"""The chain's opponent: everything that can be done to a chain file without the keys, and what the verifier says of it.

SEALCAM_TEST_LONG=1 flips every bit instead of one bit of every byte, and tries more combinations of attacks.
"""

import os
from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.units import CHAIN_SIZE_BYTES_MAX
from protocol.verify.chain import ChainVerifier, verify_chain
from tests.protocol.checks import check, grave, kinds, standing
from tests.protocol.shifts import DEVICE, Device, make_shift, spliced

IS_LONG = os.environ.get("SEALCAM_TEST_LONG") == "1"
DAY = make_shift("O[cc]e[ccc]Z")
CUT_IN_TWO = make_shift("O[cc]e[cRh[c]pr[cc]Z")
"""With power lost in the second recording, and switched off after the third."""


# --- What is in order


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("OZ", []),
        ("OhheaZ", []),
        ("O[c]Z", []),
        ("O[]Z", []),
        ("O[cmc]e[cCcC]Zx"[:-1], []),
        ("OexZ", []),
        ("OeprhZ", []),
        ("OuZ", ["kind-unknown"]),
        ("O(c]Z", ["pre-event-short"]),
        ("O[cg]Z", ["frames-dropped"]),
        ("OeReZ", ["resumed-unclean"]),
        ("O[cRe[c]Z", ["resumed-unclean", "recording-interrupted"]),
        ("O[cR[cR[c]Z", ["resumed-unclean", "recording-interrupted"] * 2),
        ("OepReZ", ["resumed-unclean"]),
    ],
)
@pytest.mark.parametrize("camera_key", [DEVICE.public_key, None])
def test_what_the_camera_wrote_verifies(story: str, expected: list[str], camera_key: bytes | None) -> None:
    shift = make_shift(story)

    report = check(shift.chain, camera_key)

    assert kinds(report) == expected
    assert standing(shift, report).replace("u", ".") == story.replace("u", ".")
    assert (report.is_closed, report.does_head_stand, report.has_alterations) == (True, True, False)
    assert (report.head_sequence, report.head_hash) == (len(story) - 1, shift.entries[-1].head_hash)
    assert (report.entry_count, report.size_bytes) == (len(story), len(shift.chain))
    assert (report.shift_id, report.camera_key) == (shift.shift_id, DEVICE.public_key)
    assert report.opened is not None


@pytest.mark.parametrize("size", [1, 7, 100, 1000, 100_000])
def test_the_report_does_not_depend_on_the_pieces(size: int) -> None:
    data = DAY.chain[:1500] + b"\xff" + DAY.chain[1501:]
    verifier = ChainVerifier(camera_key=DEVICE.public_key)
    for at in range(0, len(data), size):
        verifier.feed(memoryview(data)[at : at + size])

    assert verifier.finish() == check(data)


@pytest.mark.parametrize("data", [b"", b"\x00", b"garbage" * 1000, bytes(5000)])
def test_what_holds_no_entry_has_no_report(data: bytes) -> None:
    assert verify_chain(data, camera_key=DEVICE.public_key) is None


def test_recordings_are_read_out_of_the_chain() -> None:
    one, two, three, four = check(CUT_IN_TWO.chain).recordings

    assert [view.recording_id for view in (one, two, three, four)] == list(CUT_IN_TWO.recording_ids)
    assert [len(view.chunks) for view in (one, two, three, four)] == [2, 1, 1, 2]
    assert [view.is_after_unclean_resume for view in (one, two, three, four)] == [False, False, True, True]
    assert [view.opened_sequence for view in (one, two, three, four)] == [1, 6, 10, 15]
    assert two.closed is None
    assert (two.ending_sequence, two.ending_head_hash) == (8, CUT_IN_TWO.entries[8].head_hash)
    assert one.closed is not None
    assert (one.ending_sequence, one.ending_head_hash) == (4, CUT_IN_TWO.entries[4].head_hash)
    assert (one.duration_us, one.size_bytes) == (2_000_000, sum(view.chunk.size_bytes for view in one.chunks))


# --- Every byte


@pytest.mark.parametrize("index", range(len(DAY.entries)))
def test_every_flipped_byte_is_found_and_costs_no_other_entry(index: int) -> None:
    chain, cuts = DAY.chain, DAY.cuts()
    for at in range(cuts[index], cuts[index + 1]):
        for bit in range(8) if IS_LONG else (at % 8,):
            damaged = bytearray(chain)
            damaged[at] ^= 1 << bit

            report = check(bytes(damaged))

            assert report.has_alterations, f"bit {bit} of byte {at}"
            first = next(found for found in report.findings if found.finding_class == "altered")
            is_named = first.place.sequence in (index, index + 1) or first.place.offset_bytes == cuts[index]
            assert is_named or first.place.sequence not in range(len(DAY.entries)), f"bit {bit} of byte {at}: {first}"
            assert report.entry_count >= len(DAY.entries) - 1, f"bit {bit} of byte {at}"
            assert "!" not in standing(DAY, report)


@given(st.data())
@settings(max_examples=3000 if IS_LONG else 150)
def test_several_damages_are_found_and_nothing_false_stands(data: st.DataObject) -> None:
    damaged = bytearray(CUT_IN_TWO.chain)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    report = verify_chain(bytes(damaged), camera_key=DEVICE.public_key)

    assert report is not None
    assert report.has_alterations or bytes(damaged) == CUT_IN_TWO.chain
    assert "!" not in standing(CUT_IN_TWO, report)


@pytest.mark.parametrize("size", range(1, len(DAY.chain), 1 if IS_LONG else 23))
def test_a_cut_tail_is_found_wherever_it_is_cut(size: int) -> None:
    report = verify_chain(DAY.chain[:size], camera_key=DEVICE.public_key)
    whole = bisect_right(DAY.cuts(), size) - 1

    if report is None:
        assert whole == 0
        return
    assert "chain-not-closed" in kinds(report)
    assert report.is_closed is False
    assert standing(DAY, report) == DAY.story[:whole] + "." * (len(DAY.story) - whole)
    assert ("record-unreadable" in kinds(report)) == (size not in DAY.cuts())


def test_an_unreadable_record_says_where_it_is_and_how_large() -> None:
    chain, cuts = DAY.chain, DAY.cuts()
    report = check(chain[: cuts[3] + 4] + b"\x00" + chain[cuts[3] + 5 :])

    first = report.findings[0]
    assert (first.kind, first.place.offset_bytes) == ("record-unreadable", cuts[3])
    assert first.text.startswith(f"{cuts[4] - cuts[3]} bytes are no entry: 589 bytes after the end of the structure")


# --- Whole entries


@pytest.mark.parametrize("index", range(len(DAY.entries)))
def test_a_removed_entry_is_a_hole_and_the_rest_stands(index: int) -> None:
    report = check(spliced(DAY.entries, at=index, insert=(), drop=1))

    if index == len(DAY.entries) - 1:
        assert grave(report) == ["chain-not-closed"]
    else:
        first = report.findings[0]
        assert (first.kind, first.place.sequence) == ("entry-out-of-sequence", index + 1)
        after = f"entry {index - 1}" if index else "the start"
        assert first.text == f"entry {index + 1} follows {after}: 1 missing"
    assert standing(DAY, report) == DAY.story[:index] + "." + DAY.story[index + 1 :]


@pytest.mark.parametrize("index", range(len(DAY.entries)))
def test_a_repeated_entry_is_found_and_everything_stands(index: int) -> None:
    report = check(spliced(DAY.entries, at=index, insert=[DAY.entries[index]]))

    expected = "entry-after-end" if index == len(DAY.entries) - 1 else "entry-out-of-sequence"
    assert grave(report) == [expected]
    assert report.findings[0].place.sequence == index
    if expected == "entry-out-of-sequence":
        assert report.findings[0].text == f"entry {index} stands again where entry {index + 1} is expected"
    assert standing(DAY, report) == DAY.story


@pytest.mark.parametrize("index", range(len(DAY.entries) - 1))
def test_swapped_entries_are_found(index: int) -> None:
    one, two = DAY.entries[index : index + 2]

    report = check(spliced(DAY.entries, at=index, insert=[two, one], drop=2))

    assert "entry-out-of-sequence" in grave(report) or "entry-after-end" in grave(report)
    assert "!" not in standing(DAY, report)
    if 0 < index < len(DAY.entries) - 2:
        assert standing(DAY, report) == DAY.story


def test_an_entry_that_stands_before_the_resumed_it_follows_still_stands() -> None:
    story = "OeReeRZ"
    shift = make_shift(story)
    resumed, after = shift.entries[2:4]

    report = check(spliced(shift.entries, at=2, insert=[after, resumed], drop=2))

    assert grave(report) == ["entry-out-of-sequence"] * 2
    assert standing(shift, report) == story


@pytest.mark.parametrize("index", range(1, len(DAY.entries)))
def test_an_entry_of_another_shift_is_passed_over(index: int) -> None:
    stranger = make_shift(DAY.story, name="other").entries[index]

    inserted = check(spliced(DAY.entries, at=index, insert=[stranger]))
    replaced = check(spliced(DAY.entries, at=index, insert=[stranger], drop=1))

    assert grave(inserted) == ["entry-out-of-sequence"]
    assert "entry of another shift" in inserted.findings[0].text
    assert standing(DAY, inserted) == DAY.story
    assert standing(DAY, replaced) == DAY.story[:index] + "." + DAY.story[index + 1 :]


def test_a_chain_that_another_shift_was_put_before_still_stands() -> None:
    """The first entry of a file must not decide alone which shift it is: one flipped bit would hide them all."""
    stranger = make_shift("Oe", name="other").entries[1]

    report = check([stranger, *DAY.entries])

    assert grave(report) == ["entry-out-of-sequence", "entry-key-unknown"]
    assert standing(DAY, report) == DAY.story


def test_where_the_shift_changes_before_anything_stands_it_is_said() -> None:
    stranger = make_shift("Oe", name="other").entries[1]

    report = check([stranger, *DAY.entries[1:]])

    assert f"the shift is {DAY.shift_id.hex()} from here on" in [found.text for found in report.findings]
    assert standing(DAY, report) == "." + DAY.story[1:]


def test_a_whole_chain_of_another_shift_of_the_same_camera_appended_is_found() -> None:
    other = make_shift("OeZ", name="other", number=2, previous=DAY.last)

    report = check([*DAY.entries, *other.entries])

    assert grave(report) == ["entry-out-of-sequence"] * 3
    assert (report.shift_id, standing(DAY, report)) == (DAY.shift_id, DAY.story)


@pytest.mark.parametrize("camera_key", [DEVICE.public_key, None])
def test_nothing_of_another_camera_stands(camera_key: bytes | None) -> None:
    other = make_shift(DAY.story, device=Device("other"))
    report = check(other.chain, camera_key)

    if camera_key is None:
        assert not report.has_alterations
        assert report.camera_key == Device("other").public_key
    else:
        assert grave(report)[0] == "camera-mismatch"
        assert (report.entry_count, report.is_closed, report.does_head_stand) == (0, False, False)
        assert (report.recordings, report.bodies, report.opened) == ((), (), None)


def test_the_end_of_another_cameras_shift_does_not_close_this_one() -> None:
    other = make_shift(DAY.story, device=Device("other"))

    report = check([*DAY.entries[:-1], other.entries[-1]])

    assert grave(report)[:2] == ["entry-not-linked", "device-signature-invalid"]
    assert report.is_closed is False


def test_an_entry_behind_the_end_is_passed_over() -> None:
    extra = DAY.forged(len(DAY.entries))

    report = check([*DAY.entries, extra])

    assert grave(report) == ["entry-after-end"]
    assert (report.is_closed, report.head_hash) == (True, DAY.entries[-1].head_hash)


@pytest.mark.parametrize("excess", [0, 1])
def test_a_chain_longer_than_a_chain_may_be_is_not_read_to_its_end(excess: int) -> None:
    cut = DAY.cuts()[-2]
    zeros = memoryview(bytes(CHAIN_SIZE_BYTES_MAX - len(DAY.chain) + excess))
    verifier = ChainVerifier(camera_key=DEVICE.public_key)
    verifier.feed(DAY.chain[:cut])
    verifier.feed(zeros)
    for at in range(cut, len(DAY.chain)):
        verifier.feed(DAY.chain[at : at + 1])

    report = verifier.finish()

    assert report is not None
    assert report.is_closed == (not excess)
    places = [found.place.offset_bytes for found in report.findings if found.kind == "record-unreadable"]
    assert places == ([cut, CHAIN_SIZE_BYTES_MAX] if excess else [cut])
