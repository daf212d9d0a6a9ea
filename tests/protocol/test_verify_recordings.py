"""What a chain says of recordings must fit together, even where the camera has signed every word of it."""

from typing import Any

import pytest

from protocol.entries import AudioSpan, MediaFile, Part
from protocol.units import UINT_MAX
from tests.protocol.checks import check, grave, kinds
from tests.protocol.shifts import CHUNK_US, changed, make_shift, secret, sign_entry, spliced, withheld

STORY = "O[cc]e[cCc]Z"
OTHER_ID = secret("nobody", 16)


def part(kind: Any) -> Part:
    return Part(kind=kind, size_bytes=40, commitment=bytes(32), hash=bytes(32))


def span(start_us: int, end_us: int) -> AudioSpan:
    return AudioSpan(start_us=start_us, end_us=end_us, state="present")


def said(sequence: int, story: str = STORY, **values: object) -> list[tuple[str, int | None, str]]:
    """Return kind, entry and text of what is grave when the camera says these values at ``sequence``."""
    report = check(make_shift(story, change={sequence: changed(**values)}).chain)
    return [
        (found.kind, found.place.sequence, found.text)
        for found in report.findings
        if found.finding_class in ("altered", "incomplete")
    ]


@pytest.mark.parametrize(
    ("sequence", "values", "kind", "text"),
    [
        (3, {"index": 2}, "chunk-missing", "chunk 2 where chunk 1 is expected"),
        (3, {"index": 0, "parts": (part("init"), part("video"))}, "chunk-out-of-sequence", "chunk 0 again where chunk 1"),
        (2, {"index": 1, "parts": (part("video"),)}, "chunk-missing", "chunk 1 where chunk 0 is expected"),
        (3, {"offset_bytes": 0}, "chunk-out-of-sequence", "begins at byte 0, "),
        (3, {"offset_bytes": UINT_MAX}, "chunk-out-of-sequence", f"begins at byte {UINT_MAX}, "),
        (2, {"offset_bytes": 1}, "chunk-out-of-sequence", "begins at byte 1, 0 expected"),
        (8, {"offset_bytes": 1}, "chunk-out-of-sequence", "begins at byte 1, 0 expected"),
        (2, {"media_number": 1}, "chunk-out-of-sequence", "stands in media file 1, 0 expected"),
        (8, {"media_number": 2}, "chunk-out-of-sequence", "stands in media file 2, 1 expected"),
        (3, {"start_us": CHUNK_US - 1, "audio": (span(CHUNK_US - 1, 2 * CHUNK_US - 1),)}, "chunk-out-of-sequence",
         "begins at 999999 us, 1000000 us expected"),
        (2, {"start_us": 1, "audio": (span(1, CHUNK_US + 1),)}, "chunk-out-of-sequence", "begins at 1 us, 0 us expected"),
        (3, {"parts": (part("init"), part("video"))}, "body-invalid", "parts init, video"),
        (2, {"parts": (part("video"), part("audio"))}, "body-invalid", "parts video, audio"),
        (2, {"parts": (part("video"), part("init"))}, "body-invalid", "parts video, init"),
        (3, {"parts": (part("video"), part("init"))}, "body-invalid", "parts video, init"),
        (3, {"parts": (part("video"), part("video"))}, "body-invalid", "parts video, video"),
        (3, {"audio": ()}, "body-invalid", "spans of audio"),
        (3, {"audio": (span(CHUNK_US, 2 * CHUNK_US - 1),)}, "body-invalid", "spans of audio"),
        (3, {"audio": (span(CHUNK_US, 2 * CHUNK_US + 1),)}, "body-invalid", "spans of audio"),
        (3, {"audio": (span(CHUNK_US, CHUNK_US), span(CHUNK_US, 2 * CHUNK_US))}, "body-invalid", "spans of audio"),
        (3, {"audio": (span(CHUNK_US, CHUNK_US + 5), span(CHUNK_US + 6, 2 * CHUNK_US))}, "body-invalid", "spans of audio"),
        (3, {"recording_id": OTHER_ID}, "kind-out-of-place", "a chunk of a recording whose opening is not here"),
        (6, {"recording_id": make_shift(STORY).recording_ids[0]}, "kind-out-of-place", "begins a second time"),
        (4, {"recording_id": OTHER_ID}, "kind-out-of-place", "ends a recording that is not running"),
        (10, {"recording_id": make_shift(STORY).recording_ids[0]}, "kind-out-of-place", "not running"),
        (4, {"chunk_count": 3}, "chunk-missing", "3 chunks and 2000000 us were closed, 2 and 2000000 us are here"),
        (4, {"chunk_count": 1}, "chunk-missing", "1 chunks"),
        (4, {"duration_us": 5}, "chunk-missing", "2 chunks and 5 us were closed"),
        (4, {"media": ()}, "chunk-missing", "2 chunks"),
        (4, {"media": (MediaFile(number=0, size_bytes=9),)}, "chunk-missing", "2 chunks"),
        (11, {"recording_count": 3}, "recording-missing", "was closed with 3 recordings, 2 are here"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_found_though_it_is_signed(
    sequence: int, values: dict[str, Any], kind: str, text: str
) -> None:
    found = said(sequence, **values)

    assert any(found_kind == kind and at == sequence and text in words for found_kind, at, words in found), found


def test_spans_that_follow_each_other_cover_a_chunk() -> None:
    assert said(3, audio=(span(CHUNK_US, CHUNK_US + 5), span(CHUNK_US + 5, 2 * CHUNK_US))) == []


@pytest.mark.parametrize(
    ("story", "kind", "text"),
    [
        ("O[ccZ", "recording-not-ended", "has 2 chunks and no entry that ends it"),
        ("O[cc[c]Z", "kind-out-of-place", "a recording begins before this one ended"),
        ("O[c]cZ", "kind-out-of-place", "a chunk after the recording ended"),
        ("O[c]]Z", "kind-out-of-place", "ends a recording that is not running"),
    ],
)
def test_a_recording_that_does_not_end_or_goes_on_is_found(story: str, kind: str, text: str) -> None:
    report = check(make_shift(story).chain)

    assert any(found.kind == kind and text in found.text for found in report.findings)


def test_a_recording_that_no_resumed_names_has_not_ended() -> None:
    assert [found[0] for found in said(3, "O[cR[c]Z", interrupted_recording_id=None)] == ["recording-not-ended"]


@pytest.mark.parametrize("named", [OTHER_ID, make_shift("O[c]e[cR").recording_ids[0]])
def test_a_resumed_that_names_a_recording_that_does_not_run_is_found(named: bytes) -> None:
    found = said(7, "O[c]e[cRZ", interrupted_recording_id=named)

    assert [kind for kind, _, _ in found] == ["kind-out-of-place", "recording-not-ended"]


def test_a_resumed_that_calls_itself_clean_without_a_power_off_is_found_and_is_not_clean() -> None:
    """Else the assurance of what follows could be raised by one word."""
    report = check(make_shift("OeR[c]Z", change={2: changed(is_clean=True)}).chain)

    assert grave(report) == ["kind-out-of-place"]
    assert "resumed-unclean" in kinds(report)
    assert [view.is_after_unclean_resume for view in report.recordings] == [True]


def test_withholding_a_resumed_does_not_hide_that_it_was_unclean() -> None:
    for story, is_unclean in (("O[cR[c]Z", True), ("Oepr[c]Z", False)):
        shift = make_shift(story)
        entries = [withheld(entry) if entry.head.kind == "resumed" else entry for entry in shift.entries]

        report = check(entries)

        assert grave(report) == []
        assert ("resumed-unclean" in kinds(report)) == is_unclean
        assert report.recordings[-1].is_after_unclean_resume == is_unclean


# --- Withheld bodies


@pytest.mark.parametrize(
    ("kept", "count"),
    [
        ("O[cc]e[cCc]Z", [(2, 0), (3, 0)]),
        ("O[.c].......", [(1, 1)]),
        ("O[c.].......", [(1, 1)]),
        ("..c.........", [(1, 1)]),
        ("....]....c.Z", [(0, 2), (1, 2)]),
        (".[........].", [(0, 2), (0, 3)]),
        ("............", []),
    ],
)
def test_what_a_release_withholds_is_counted_and_is_no_alteration(kept: str, count: list[tuple[int, int]]) -> None:
    shift = make_shift(STORY)
    entries = [withheld(entry) if kept[index] == "." else entry for index, entry in enumerate(shift.entries)]

    report = check(entries)

    assert grave(report) == []
    assert [(len(view.chunks), view.withheld_chunk_count) for view in report.recordings] == count
    assert len(report.recordings) + report.withheld_recording_count == 2
    assert all(view.ending_head_hash is not None for view in report.recordings)
    assert kinds(report).count("body-withheld") == kept.count(".")


@pytest.mark.parametrize(
    ("kept", "values", "kind"),
    [
        ("O[..c]Z", {4: {"index": 1}}, "chunk-out-of-sequence"),
        ("O[..c]Z", {4: {"index": 3}}, "chunk-missing"),
        ("O[c.c]Z", {5: {"chunk_count": 2}}, "chunk-missing"),
        ("O[c.c]Z", {5: {"chunk_count": 4}}, "chunk-missing"),
    ],
)
def test_what_a_release_shows_must_fit_what_its_heads_count(
    kept: str, values: dict[int, dict[str, object]], kind: str
) -> None:
    shift = make_shift("O[ccc]Z", change={at: changed(**each) for at, each in values.items()})

    report = check([withheld(entry) if kept[at] == "." else entry for at, entry in enumerate(shift.entries)])

    assert grave(report) == [kind]


@pytest.mark.parametrize(
    ("story", "kept", "kind", "text"),
    [
        ("O[c]cZ", "O....Z", "kind-out-of-place", "a chunk while no recording runs"),
        ("O[c]]Z", "O....Z", "kind-out-of-place", "ends a recording that is not running"),
        ("O[c[c]Z", "O.....Z", "kind-out-of-place", "a recording begins before this one ended"),
        ("O[ccZ", "O...Z", "recording-not-ended", "has 2 chunks and no entry that ends it"),
    ],
)
def test_heads_alone_show_what_is_out_of_place(story: str, kept: str, kind: str, text: str) -> None:
    shift = make_shift(story)
    entries = [withheld(entry) if kept[at] == "." else entry for at, entry in enumerate(shift.entries)]

    report = check(entries)

    assert any(found.kind == kind and text in found.text for found in report.findings)


def test_a_withheld_resumed_ends_the_recording_that_runs() -> None:
    shift = make_shift("O[ccR[c]Z")
    entries = spliced(shift.entries, at=4, insert=[withheld(shift.entries[4])], drop=1)

    report = check(entries)

    assert grave(report) == []
    assert report.recordings[0].ending_head_hash == shift.entries[4].head_hash
    assert "recording-interrupted" in kinds(report)


# --- Behind a hole


def test_a_lost_chunk_is_missing_and_the_ones_after_it_are_read() -> None:
    shift = make_shift("O[cccc]Z")

    report = check(spliced(shift.entries, at=3, insert=(), drop=1))

    assert grave(report) == ["entry-out-of-sequence", "chunk-missing", "chunk-missing"]
    assert [view.chunk.index for view in report.recordings[0].chunks] == [0, 2, 3]
    assert report.recordings[0].media == (MediaFile(number=0, size_bytes=sum(map(len, shift.media.values()))),)


def test_the_end_of_a_media_file_is_known_from_the_closing_when_its_last_chunk_is_lost() -> None:
    shift = make_shift("O[ccCC]Z")

    report = check(spliced(shift.entries, at=5, insert=(), drop=1))

    sizes = [(file.number, file.size_bytes) for file in report.recordings[0].media]
    assert sizes == list(enumerate(len(data) for data in shift.media.values()))


def test_an_opening_lost_in_a_hole_is_not_taken_for_a_release() -> None:
    shift = make_shift("O[c]e[c]Z")

    report = check(spliced(shift.entries, at=5, insert=(), drop=1))

    assert grave(report) == ["entry-out-of-sequence", "kind-out-of-place"]
    assert [view.opened is None for view in report.recordings] == [False, True]


def test_an_end_and_a_beginning_lost_in_one_hole_are_both_missed() -> None:
    shift = make_shift("O[cc][cc]Z")

    report = check(spliced(shift.entries, at=4, insert=(), drop=2))

    assert grave(report) == ["entry-out-of-sequence", "kind-out-of-place", "recording-not-ended"]
    assert [len(view.chunks) for view in report.recordings] == [2, 2]


def test_a_recording_lost_with_all_its_entries_is_missing_by_the_shifts_own_count() -> None:
    shift = make_shift("O[cc]e[c]Z")

    report = check(spliced(shift.entries, at=1, insert=(), drop=4))

    assert "recording-missing" in grave(report)


def test_a_resumed_behind_a_hole_may_name_a_recording_that_was_lost_in_it() -> None:
    shift = make_shift("Oe[cReZ")

    report = check(spliced(shift.entries, at=2, insert=(), drop=2))

    assert "kind-out-of-place" not in kinds(report)
    assert "recording-missing" in grave(report)


def test_an_ending_lost_in_a_hole_is_not_also_an_untimely_beginning() -> None:
    shift = make_shift("O[cc][cc]Z")

    report = check(spliced(shift.entries, at=4, insert=(), drop=1))

    assert grave(report) == ["entry-out-of-sequence", "recording-not-ended"]


def test_behind_a_hole_a_recording_that_does_not_end_is_found_again_once_another_has_begun() -> None:
    shift = make_shift("Oee[c[c]Z")

    report = check(spliced(shift.entries, at=1, insert=(), drop=1))

    assert grave(report) == ["entry-out-of-sequence", "kind-out-of-place", "recording-not-ended"]


def test_behind_a_hole_a_second_end_is_found_once_the_first_was_read() -> None:
    shift = make_shift("O[cc]]Z")
    entries = spliced(shift.entries, at=5, insert=[withheld(shift.entries[5])], drop=1)

    report = check(spliced(entries, at=3, insert=(), drop=1))

    assert "kind-out-of-place" in grave(report)


def test_a_power_off_before_a_hole_does_not_make_the_resumed_behind_it_clean() -> None:
    shift = make_shift("OeprepreZ")

    report = check(spliced(shift.entries, at=3, insert=(), drop=3))

    assert grave(report) == ["entry-out-of-sequence"]
    assert kinds(report).count("resumed-unclean") == 1


@pytest.mark.parametrize("letter", "c]")
def test_heads_of_a_recording_that_never_began_are_out_of_place(letter: str) -> None:
    whole = make_shift("O[c]")
    source = whole.entries[whole.story.index(letter)]
    head = source.head.model_copy(update={"sequence": 1, "previous": whole.entries[0].head_hash})

    report = check([whole.entries[0], withheld(sign_entry(head, source.body_bytes, whole.keys[0], None))])

    assert grave(report) == ["kind-out-of-place", "chain-not-closed"]


def test_a_chunk_of_a_recording_that_ended_does_not_name_the_one_that_runs() -> None:
    first = make_shift("O[c][c]Z").recording_ids[0]
    shift = make_shift("O[c][c]Z", change={5: changed(recording_id=first)})

    report = check(spliced(shift.entries, at=4, insert=[withheld(shift.entries[4])], drop=1))

    assert grave(report)[0] == "kind-out-of-place"
    assert len(report.recordings[0].chunks) == 1


@pytest.mark.parametrize("letter", "c]")
def test_behind_a_hole_heads_of_a_recording_that_began_in_it_are_not_out_of_place(letter: str) -> None:
    shift = make_shift("Oe[cc]Z")
    lost = 1 if letter == "c" else 3
    entries = [withheld(entry) for entry in shift.entries if entry.head.sequence not in range(2, 2 + lost)]

    assert grave(check(entries)) == ["entry-out-of-sequence"]


def test_behind_a_hole_an_end_names_the_recording_that_was_lost_in_it() -> None:
    shift = make_shift("Oe[cc]Z")

    report = check(spliced(shift.entries, at=2, insert=(), drop=3))

    found = next(found for found in report.findings if found.kind == "kind-out-of-place")
    assert found.place.recording_id == shift.recording_ids[0].hex()


def test_what_was_cut_off_before_resumed_is_told() -> None:
    report = check(make_shift("OeRZ", change={2: changed(trimmed_chain_bytes=77)}).chain)

    assert report.findings[0].text == "the camera stopped without warning; 77 bytes of a torn entry were cut"
