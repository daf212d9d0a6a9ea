"""The media file's opponent: every byte of it, and every way to move bytes about."""

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.units import FINDINGS_PER_KIND_MAX
from protocol.verdict import Finding
from protocol.verify.chain import ChainReport
from protocol.verify.media import MediaVerifier
from tests.protocol.checks import check
from tests.protocol.shifts import Shift, changed, make_shift, withheld

IS_LONG = os.environ.get("SEALCAM_TEST_LONG") == "1"
SHIFT = make_shift("O[cccC]e[cc]Z")
REPORT = check(SHIFT.entries)
FILES = list(SHIFT.media.values())
DATA = FILES[0]
# Where each part of the first file begins, and where the last one ends.
CUTS = [0]
for _view in REPORT.recordings[0].chunks_of(0):
    for _part in _view.chunk.parts:
        CUTS.append(CUTS[-1] + _part.size_bytes)


def verify(
    data: bytes, *, report: ChainReport = REPORT, recording: int = 0, number: int = 0, pieces: int | None = None
) -> tuple[Finding, ...]:
    verifier = MediaVerifier(report.recordings[recording], number, file="media")
    for at in range(0, len(data), pieces or len(data) or 1):
        verifier.feed(memoryview(data)[at : at + (pieces or len(data))])
    return verifier.finish()


def brief(findings: tuple[Finding, ...]) -> list[str]:
    """Return kind, chunk and part of each finding as one word."""
    return [f"{found.kind} {found.place.chunk_index} {found.place.part}" for found in findings]


def test_what_the_camera_wrote_is_in_order() -> None:
    assert [verify(FILES[0]), verify(FILES[1], number=1), verify(FILES[2], recording=1)] == [(), (), ()]


@given(st.integers(1, 500))
def test_the_findings_do_not_depend_on_the_pieces(pieces: int) -> None:
    damaged = DATA[:50] + b"x" + DATA[51:-40]

    assert verify(DATA, pieces=pieces) == ()
    assert verify(damaged, pieces=pieces) == verify(damaged)


def test_the_expected_size_is_that_of_the_file() -> None:
    verifier = MediaVerifier(REPORT.recordings[0], 0, file="media")

    assert verifier.size_expected_bytes == len(DATA) == CUTS[-1]


@pytest.mark.parametrize("at", range(0, len(DATA), 1 if IS_LONG else 7))
def test_every_flipped_byte_is_found_in_its_own_part(at: int) -> None:
    damaged = bytearray(DATA)
    damaged[at] ^= 1 << (at % 8)

    (found,) = verify(bytes(damaged))

    assert found.kind == "part-hash-mismatch"
    assert found.place.offset_bytes == max(cut for cut in CUTS if cut <= at)
    assert found.place.recording_id == SHIFT.recording_ids[0].hex()


def test_the_first_and_last_byte_of_every_part_are_its_own() -> None:
    for index, (start, end) in enumerate(pairwise(CUTS)):
        for at in (start, end - 1):
            (found,) = verify(DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :])

            assert found.place.offset_bytes == start, f"part {index}"


@pytest.mark.parametrize("size", [0, 1, CUTS[1] - 1, CUTS[1], CUTS[1] + 1, CUTS[3], len(DATA) - 1])
def test_a_cut_file_is_short_from_the_part_that_is_cut(size: int) -> None:
    (found,) = verify(DATA[:size])

    parts = [(view.chunk.index, part.kind) for view in REPORT.recordings[0].chunks_of(0) for part in view.chunk.parts]
    assert found.kind == "media-short"
    assert (found.place.chunk_index, found.place.part) == parts[sum(cut <= size for cut in CUTS) - 1]
    assert found.text == f"the file ends {len(DATA) - size} bytes early"


@pytest.mark.parametrize("extra", [1, 16, 5000])
def test_what_follows_the_last_part_is_excess(extra: int) -> None:
    (found,) = verify(DATA + bytes(extra), pieces=1000)

    assert (found.kind, found.place.offset_bytes) == ("media-excess", len(DATA))
    assert found.text == f"{extra} bytes that no chunk describes"


def test_swapped_parts_and_chunks_are_found_where_they_stand() -> None:
    parts = [DATA[start:end] for start, end in pairwise(CUTS)]
    swapped_parts = b"".join([parts[0], parts[2], parts[1], *parts[3:]])
    swapped_chunks = b"".join([*parts[:3], *parts[5:7], *parts[3:5]])

    assert brief(verify(swapped_parts)) == ["part-hash-mismatch 0 video", "part-hash-mismatch 0 audio"]
    assert {found.place.chunk_index for found in verify(swapped_chunks)} == {1, 2}


def test_media_of_another_recording_file_or_shift_is_found_in_every_part() -> None:
    other = make_shift(SHIFT.story, name="other")

    for data, recording, number in ((FILES[2], 0, 0), (FILES[1], 0, 0), (next(iter(other.media.values())), 0, 0)):
        kinds = {found.kind for found in verify(data, recording=recording, number=number)}
        assert "part-hash-mismatch" in kinds
    assert len(verify(next(iter(other.media.values())))) == len(CUTS) - 1


def test_a_file_that_the_chain_does_not_describe_is_all_excess() -> None:
    assert brief(verify(DATA, number=7)) == ["media-excess None None"]
    assert verify(b"", number=7) == ()


# --- Where the chain has holes or withholds


def without(shift: Shift, *sequences: int) -> ChainReport:
    return check([entry for entry in shift.entries if entry.head.sequence not in sequences])


def hidden(shift: Shift, *sequences: int) -> ChainReport:
    return check([withheld(entry) if entry.head.sequence in sequences else entry for entry in shift.entries])


@pytest.mark.parametrize("sequence", [2, 3, 4])
def test_a_chunk_that_the_chain_lost_costs_no_other_chunk_its_check(sequence: int) -> None:
    lost = next(view.chunk for view in REPORT.recordings[0].chunks if view.sequence == sequence)
    report = without(SHIFT, sequence)

    (found,) = verify(DATA, report=report)
    damaged = verify(bytes([DATA[0] ^ 1]) + DATA[1:-1] + bytes([DATA[-1] ^ 1]), report=report)

    assert found.kind == "chunk-missing"
    assert f"{lost.size_bytes} bytes are of chunks whose entries are missing" in found.text
    assert {each.place.chunk_index for each in damaged if each.kind == "part-hash-mismatch"} == {0, 2} - {sequence - 2}


def test_the_last_file_of_a_recording_is_checked_up_to_what_the_closing_says() -> None:
    report = without(SHIFT, 5)

    assert brief(verify(FILES[1], report=report, number=1)) == ["chunk-missing None None"]
    assert brief(verify(FILES[1] + b"x", report=report, number=1)) == [
        "media-excess None None",
        "chunk-missing None None",
    ]
    assert brief(verify(FILES[1][:-1], report=report, number=1)) == ["media-short None None", "chunk-missing None None"]


def test_bytes_of_withheld_chunks_are_a_cut_and_not_checked() -> None:
    report = hidden(SHIFT, 3)

    (found,) = verify(DATA, report=report)

    assert found.kind == "part-withheld"
    assert "whose entries are withheld" in found.text
    assert brief(verify(DATA[:-1] + b"x", report=report))[0] == "part-hash-mismatch 2 audio"


def test_with_the_closing_withheld_too_nobody_knows_where_the_file_ends() -> None:
    report = hidden(SHIFT, 4, 6)

    assert brief(verify(DATA, report=report)) == ["part-withheld None None"]
    assert brief(verify(DATA + b"more", report=report)) == ["part-withheld None None"]


def test_where_the_end_is_known_nothing_behind_it_is_taken_for_withheld() -> None:
    """By the closing, or because every chunk is shown."""
    assert brief(verify(DATA + b"more", report=hidden(SHIFT, 6))) == ["media-excess None None"]
    assert brief(verify(DATA + b"more", report=hidden(SHIFT, 1, 6))) == ["media-excess None None"]
    assert brief(verify(DATA + b"more", report=hidden(SHIFT, 3))) == [
        "media-excess None None",
        "part-withheld None None",
    ]


def test_parts_that_are_said_to_overlap_are_not_passed_over() -> None:
    """The camera signed it, so the chain says so too; here nothing may be taken as checked that was not."""
    shift = make_shift("O[ccc]Z", change={3: changed(offset_bytes=10)})
    report = check(shift.entries)

    findings = verify(next(iter(shift.media.values())), report=report)

    assert ("part-hash-mismatch", 1) in [(found.kind, found.place.chunk_index) for found in findings]
    assert any("where another part stands" in found.text for found in findings)


def test_an_offset_beyond_any_file_makes_it_short_and_not_the_verifier_ill() -> None:
    report = check(make_shift("O[ccc]Z", change={4: changed(offset_bytes=2**63 - 1)}).entries)

    assert "media-short None None" in brief(verify(DATA, report=report))


def test_the_findings_on_one_file_are_bounded_and_the_rest_counted() -> None:
    shift = make_shift(f"O[{'c' * 120}]Z")
    data = next(iter(shift.media.values()))

    findings = verify(bytes(len(data)), report=check(shift.entries))

    assert len(findings) == FINDINGS_PER_KIND_MAX + 1
    assert sum(found.count for found in findings) == 241
    assert findings[-1].text.startswith("and 141 more of this kind; the last: ")
    assert findings[-1].kind == "part-hash-mismatch"
