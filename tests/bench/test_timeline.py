"""What the page tells of a day, told from real chains, receipts and events."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.bench.timeline.axis import Axis, clock, film_time, rows_of, ticks_us
from hw_sim.bench.timeline.facts import Band, Life, PictureSpan, SoundSpan
from hw_sim.bench.timeline.moments import MOMENTS_MAX
from hw_sim.bench.timeline.pictures import THUMBNAIL_COUNT, THUMBNAIL_WIDTH_PX, pictures_of
from hw_sim.bench.timeline.words import seconds, size
from hw_sim.bench.timeline.write import read_events, shifts_below
from protocol.layout import CHAIN_NAME
from tests.bench.day_chain import UNIX_MS, DayChain
from tests.bench.told_days import (
    AGENCY,
    CAMERA,
    DOCKED_MS,
    ERASED_MS,
    FIRST,
    RECEIPTED_MS,
    STORED_MS,
    ToldDay,
    good_day,
    said_by_central,
    said_by_dock,
    stopped_day,
)
from tests.builders import secret
from tests.hw_sim.films import film_frames, scene, write_mp4


def life_of(day: ToldDay) -> Life:
    (life,) = day.timeline().lives
    return life


def custody_ms(life: Life) -> dict[str, int | None]:
    """Return when each step happened, in milliseconds of the day."""
    return {step.name: None if step.at_ms is None else step.at_ms - UNIX_MS for step in life.custody}


def test_every_moment_has_its_place_in_the_film_and_its_time() -> None:
    life = life_of(good_day())

    assert [(moment.name, moment.film_us, (moment.at_ms or 0) - UNIX_MS) for moment in life.moments] == [
        ("standby", None, 1_000),
        ("pre-event", 0, 6_000),
        ("press", 2_500_000, 8_500),
        ("mute", 3_100_000, 9_100),
        ("unmute", 3_900_000, 9_900),
        ("mark", 4_700_000, 10_700),
        ("stop", 5_500_000, 11_500),
    ]


def test_every_moment_names_the_entry_that_tells_it() -> None:
    life = life_of(good_day())

    assert [moment.known_from.rsplit(" ", 1)[1] for moment in life.moments] == ["1", "2", "2", "6", "8", "10", "12"]


def test_the_press_parts_the_picture_though_it_lies_within_a_chunk() -> None:
    assert life_of(good_day()).picture == (
        PictureSpan(0, 2_500_000, "pre-event"),
        PictureSpan(2_500_000, 5_500_000, "live"),
    )


def test_sound_that_goes_on_over_chunks_is_one_stretch() -> None:
    assert life_of(good_day()).sound == (
        SoundSpan(0, 2_490_000, "off-by-policy"),
        SoundSpan(2_490_000, 3_100_000, "present"),
        SoundSpan(3_100_000, 3_900_000, "muted"),
        SoundSpan(3_900_000, 5_500_000, "present"),
    )


def test_a_camera_without_microphone_has_one_stretch_of_none() -> None:
    chain = DayChain(AGENCY, CAMERA, number=1, opened_ms=0)
    chain.open(1_000, FIRST, origin_ms=1_000, has_sound=False)
    chain.chunk(FIRST, ("off-by-policy", 1_000))
    chain.close(FIRST)

    life = life_of(ToldDay(chain))

    assert life.sound == (SoundSpan(0, 1_000_000, "none"),)


def test_a_recording_without_pre_event_begins_live() -> None:
    chain = DayChain(AGENCY, CAMERA, number=1, opened_ms=0)
    chain.open(3_000, FIRST, origin_ms=1_000)
    chain.chunk(FIRST, ("present", 1_000))
    chain.close(FIRST)

    life = life_of(ToldDay(chain))

    assert life.picture == (PictureSpan(0, 1_000_000, "live"),)
    assert [moment.name for moment in life.moments] == ["standby", "press", "stop"]


def test_signed_steps_are_told_from_the_signatures_and_in_order() -> None:
    life = life_of(good_day())

    assert custody_ms(life) == {
        "docked": DOCKED_MS,
        "verified": DOCKED_MS + 640,
        "offloaded": STORED_MS,
        "receipted": RECEIPTED_MS,
        "erased": ERASED_MS,
    }
    assert [step.known_from.split(" ")[0] for step in life.custody] == [
        "camera's", "the", "central's", "central's", "camera's",
    ]  # fmt: skip
    assert life.custody[-1].known_from.endswith("entry 1 of shift 2")


def test_the_assurance_is_the_protocols_own() -> None:
    assert (life_of(good_day()).assurance, life_of(stopped_day()).assurance) == (2, 0)
    assert good_day().timeline().assurance == 2


def test_what_did_not_happen_says_why_and_the_rest_waits() -> None:
    day = stopped_day()

    life = life_of(day)

    assert custody_ms(life) == {
        "docked": DOCKED_MS, "verified": DOCKED_MS + 640, "offloaded": None, "receipted": None, "erased": None,
    }  # fmt: skip
    words = {step.name: step.text for step in life.custody}
    assert words["offloaded"] == "Dock says: no ingest worker is online."
    assert words["receipted"] == "It waits for the step before: offloaded."
    assert words["erased"] == "The camera keeps its copy: it erases only behind a receipt."
    assert day.timeline().word == "Not everything held"


def test_footage_that_central_has_and_holds_is_offloaded_and_not_receipted() -> None:
    day = stopped_day("central holds: no key")
    day.said += said_by_central(day.chain, [f"{FIRST.hex()}.keybox", f"{FIRST.hex()}.0000.media"])
    held = {"child": "central", "event": "held", "at_ms": UNIX_MS + 22_000, "shift": day.chain.shift_id.hex()}
    day.said.append({**held, "file": f"{FIRST.hex()}.0000.media", "reason": "the vault cannot open the key box"})

    life = life_of(day)

    assert custody_ms(life)["offloaded"] == STORED_MS
    receipted = life.custody[3]
    assert (receipted.at_ms, receipted.text) == (None, "Central says: the vault cannot open the key box.")


def test_a_key_box_that_did_not_arrive_is_not_offloaded() -> None:
    day = stopped_day()
    day.said += said_by_central(day.chain, [f"{FIRST.hex()}.0000.media"])

    assert custody_ms(life_of(day))["offloaded"] is None


def test_a_receipt_of_nobody_we_know_is_no_receipt() -> None:
    day = good_day()
    forged = bytearray(day.receipts[0])
    forged[-1] ^= 1
    day.receipts = (bytes(forged),)

    life = life_of(day)

    assert custody_ms(life)["receipted"] is None


def test_trouble_with_another_recording_is_not_the_reason() -> None:
    day = stopped_day()
    other = {"child": "central", "event": "held", "file": f"{secret('other', 16).hex()}.keybox", "reason": "not ours"}
    chain = {"child": "dock", "event": "receipt-refused", "recording_id": None, "text": "the chain goes last"}
    day.said += [other, chain]

    assert life_of(day).custody[2].text == "Dock says: no ingest worker is online."


def test_findings_of_the_dock_are_told() -> None:
    day = stopped_day()
    day.said = said_by_dock(day.chain, finding_count=2)

    assert "found 2 things wrong" in life_of(day).custody[1].text


def test_a_recording_that_was_cut_off_has_no_end_in_order() -> None:
    chain = DayChain(AGENCY, CAMERA, number=1, opened_ms=0)
    chain.open(1_000, FIRST, origin_ms=1_000)
    chain.chunk(FIRST, ("present", 1_000))
    chain.resume(9_000, interrupted=FIRST)
    second = secret("second", 16)
    chain.open(9_100, second, origin_ms=9_100, continues=FIRST, reason="resumed")
    chain.chunk(second, ("present", 1_000))
    chain.close(second)

    cut, after = ToldDay(chain).timeline().lives

    assert (cut.moments[-1].title, cut.moments[-1].at_ms) == ("No end in order", None)
    assert [moment.name for moment in after.moments] == ["press", "stop"]
    assert f"goes on from recording {FIRST.hex()[:8]}" in after.moments[0].text
    assert (cut.number, after.number) == (1, 2)


def test_a_gap_that_the_camera_signed_is_told_and_drawn() -> None:
    chain = DayChain(AGENCY, CAMERA, number=1, opened_ms=0)
    chain.open(1_000, FIRST, origin_ms=1_000)
    chain.chunk(FIRST, ("present", 1_000), gap_ms=(200, 600))
    chain.event(1_500, "camera-lost")
    chain.close(FIRST)

    life = life_of(ToldDay(chain))

    assert PictureSpan(200_000, 600_000, "gap") in life.picture
    assert [(moment.name, moment.film_us) for moment in life.moments[2:4]] == [("gap", 200_000), ("camera", 500_000)]
    assert "12 pictures missing for 0.4 s: the image sensor did not deliver them" in life.moments[2].text


def test_more_marks_than_a_reader_takes_in_are_counted() -> None:
    chain = DayChain(AGENCY, CAMERA, number=1, opened_ms=0)
    chain.open(1_000, FIRST, origin_ms=1_000)
    for number in range(MOMENTS_MAX + 5):
        chain.event(1_001 + number, "mark", FIRST, value_us=number * 1_000)
    chain.chunk(FIRST, ("present", 1_000))
    chain.close(FIRST)

    life = life_of(ToldDay(chain))

    assert len(life.moments) == MOMENTS_MAX + 1
    assert life.more_moment_count == 7
    assert life.moments[-1].name == "stop"


def test_the_day_is_told_without_overlap_from_standby_to_dock() -> None:
    bands = good_day().timeline().day

    assert [(band.kind, band.start_ms - UNIX_MS, band.end_ms - UNIX_MS) for band in bands] == [
        ("standby", 1_000, 6_000),
        ("recording", 6_000, 11_500),
        ("standby", 11_500, DOCKED_MS),
        ("docked", DOCKED_MS, ERASED_MS),
    ]
    assert bands[1] == Band("recording", UNIX_MS + 6_000, UNIX_MS + 11_500, 1)


def test_standby_between_two_recordings_leaves_no_hole_in_the_day() -> None:
    chain = DayChain(AGENCY, CAMERA, number=1, opened_ms=0)
    for number in (1, 5):
        recording_id = secret(f"recording {number}", 16)
        chain.open(number * 1_000, recording_id, origin_ms=number * 1_000)
        chain.chunk(recording_id, ("present", 1_000))
        chain.close(recording_id)

    bands = ToldDay(chain).timeline().day

    assert [(band.kind, band.start_ms - UNIX_MS, band.end_ms - UNIX_MS) for band in bands] == [
        ("standby", 0, 1_000),
        ("recording", 1_000, 2_000),
        ("standby", 2_000, 5_000),
        ("recording", 5_000, 6_000),
    ]


def test_a_recording_without_a_chain_is_named_as_untold() -> None:
    day = good_day()
    lost = day.rows[0].model_copy(update={"recording_id": "00" * 16})

    timeline = day.timeline(recordings=(*day.rows, lost))

    assert timeline.untold == ("00" * 16,)


def test_nothing_at_hand_is_a_day_without_recordings() -> None:
    day = ToldDay(DayChain(AGENCY, CAMERA, number=1, opened_ms=0), problems=("central holds no evidence",))

    timeline = day.timeline(verdict="unreadable", is_good=False)

    assert (timeline.lives, timeline.day, timeline.assurance) == ((), (), 0)
    assert (timeline.word, timeline.tone) == ("Unreadable", "bad")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "165 of the 165 that the sensor took, none missing"),
        ({"frames_decoded": 160, "frames_missing": 5}, "160 of the 165 that the sensor took, 5 missing"),
        ({"mp4": None}, "the sensor took 165; not counted in the film"),
        ({"frames_captured": None}, "165 in the film; the sensor could not be asked"),
        ({"frames_captured": None, "mp4": None}, "not counted"),
    ],
)
def test_frames_are_told_as_far_as_they_were_counted(changes: dict[str, object], expected: str) -> None:
    day = good_day()
    day.rows = (day.rows[0].model_copy(update=changes),)

    assert life_of(day).frames == expected


def test_the_reason_that_the_vault_was_given_is_told() -> None:
    (opening,) = life_of(good_day()).openings

    assert opening.reason == "the bench counts its frames"


def test_of_two_copies_of_a_chain_the_first_folders_counts(tmp_path: Path) -> None:
    day = good_day()
    for name, data in (("central", day.chain.data), ("card", day.chain.data[:-10])):
        (tmp_path / name / "shift").mkdir(parents=True)
        (tmp_path / name / "shift" / CHAIN_NAME).write_bytes(data)
        (tmp_path / name / "shift" / "a.receipt").write_bytes(day.receipts[0])

    (shift,) = shifts_below((tmp_path / "central", tmp_path / "card", tmp_path / "spool"), AGENCY.trusted)

    assert shift.report.is_closed
    assert [each.signed for each in shift.receipts] == list(day.receipts)


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps({"child": "dock"}) + '\n[1]\n{"child": "do')

    assert read_events(file) == ({"child": "dock"},)
    assert read_events(tmp_path / "none") == ()


def test_pictures_stand_evenly_over_the_film(tmp_path: Path) -> None:
    film = write_mp4(tmp_path / "film.mp4", film_frames(scene(), 90, key_frame_asked_after=45))

    pictures = pictures_of(film, poster_at_us=1_800_000)

    assert pictures is not None
    assert len(pictures.thumbnails) == THUMBNAIL_COUNT
    times = [picture.film_us for picture in pictures.thumbnails]
    assert times == sorted(times)
    assert len(set(times)) >= 3
    assert pictures.poster.film_us <= 1_800_000
    assert (pictures.poster.width_px, pictures.poster.height_px) == (160, 120)
    assert all(picture.width_px <= THUMBNAIL_WIDTH_PX for picture in pictures.thumbnails)
    assert all(picture.jpeg[:2] == b"\xff\xd8" and picture.jpeg[-2:] == b"\xff\xd9" for picture in pictures.thumbnails)


def test_a_film_that_cannot_be_decoded_has_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film" * 100)

    assert pictures_of(tmp_path / "film.mp4", poster_at_us=0) is None


def test_long_standby_is_cut_off_the_axis() -> None:
    axis = Axis.of(standby_us=3_600_000_000, duration_us=10_000_000)

    assert axis.is_torn
    assert axis.at(0) < 20
    assert axis.at(10_000_000) == 100


@pytest.mark.parametrize(
    ("duration_us", "expected_s"),
    [(9_400_000, [0, 2, 4, 6, 8]), (400_000, [0]), (3_600_000_000, [0, 600, 1200, 1800, 2400, 3000, 3600])],
)
def test_ticks_are_round_times(duration_us: int, expected_s: list[int]) -> None:
    assert [tick // 1_000_000 for tick in ticks_us(duration_us, count_max=8)] == expected_s


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=24).map(sorted))
def test_marks_of_one_row_never_stand_on_each_other(places: list[float]) -> None:
    rows = rows_of(places, gap=8.0)

    for row in set(rows):
        of_row = [place for place, its_row in zip(places, rows, strict=True) if its_row == row]
        assert all(after - before >= 8.0 for before, after in pairwise(of_row))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (film_time(4_378_000), "0:04.4"),
        (film_time(59_960_000), "1:00.0"),
        (film_time(3_723_400_000), "1:02:03.4"),
        (film_time(8_900_000, is_exact=False), "0:08"),
        (clock(1_790_000_000_123), "14:13:20.123"),
        (clock(-5), "-5 ms"),
        (clock(1 << 63), f"{1 << 63} ms"),
        (seconds(9_400_000), "9.4 s"),
        (seconds(59_990_000), "1 min"),
        (seconds(65_000_000), "1 min 5 s"),
        (seconds(3_700_000_000), "1 h 1 min"),
        (size(999), "1.0 kB"),
        (size(2_578_027), "2.6 MB"),
        (size(3_210_000_000), "3.21 GB"),
    ],
)
def test_times_and_sizes_are_told_as_people_read_them(told: str, expected: str) -> None:
    assert told == expected
