"""The counting program is trusted about recordings, so each kind of fault in one must show."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from firmware.ports import EncodedAudio, EncodedFrame
from hw_sim.count_frames import count, main
from tests.hw_sim.films import film_frames, film_sound, scene, write_mp4

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def frames() -> list[EncodedFrame]:
    return film_frames(scene(), 150)


@pytest.fixture(scope="module")
def blocks() -> list[EncodedAudio]:
    return film_sound(scene(), 235)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return tmp_path / "film.mp4"


def test_a_whole_recording_has_nothing_missing_and_is_in_step(
    film: Path, frames: list[EncodedFrame], blocks: list[EncodedAudio]
) -> None:
    counted = count(write_mp4(film, frames, blocks))

    assert (counted.frames_decoded, counted.first, counted.last, counted.frames_missing) == (150, 0, 149, 0)
    assert counted.fps == 30
    assert counted.pts_deviation_us_max <= 1
    assert (counted.bursts_heard, counted.bursts_expected, counted.bursts_missing) == (4, 4, 0)
    assert counted.av_offset_ms_max is not None
    assert counted.av_offset_ms_max < 2
    assert counted.complaints() == ()


def test_tones_that_come_round_again_are_matched_to_their_own_frames(film: Path) -> None:
    world = scene(frame_rate_mhz=29_970)
    late_frames = film_frames(world, 120, started_after_s=1_000)
    late_blocks = film_sound(world, 190, started_after_s=1_000)

    counted = count(write_mp4(film, late_frames, late_blocks))

    assert (counted.first, counted.bursts_heard, counted.bursts_expected) == (29_970, 3, 3)
    assert counted.complaints() == ()


def test_an_odd_frame_rate_is_told_from_the_film(film: Path) -> None:
    counted = count(write_mp4(film, film_frames(scene(frame_rate_mhz=29_970), 90)))

    assert counted.fps == 29.97
    assert counted.complaints() == ()


def test_a_frame_that_was_never_encoded_is_one_missing(film: Path, frames: list[EncodedFrame]) -> None:
    """The last frame before a key frame: nothing leans on it."""
    counted = count(write_mp4(film, frames[:59] + frames[60:]))

    assert (counted.frames_decoded, counted.frames_missing) == (149, 1)
    assert counted.complaints() == ("frames missing: 1",)


def test_a_frame_cut_out_of_a_group_spoils_those_that_lean_on_it(film: Path, frames: list[EncodedFrame]) -> None:
    counted = count(write_mp4(film, frames[:47] + frames[48:]))

    assert counted.frames_unreadable > 0
    assert counted.frames_missing == counted.frames_unreadable + 1


def test_unreadable_frames_at_the_ends_count_as_missing(film: Path, frames: list[EncodedFrame]) -> None:
    """A film cut in the middle of a group: its first frames have nothing to lean on."""
    head = frames[0].data[: frames[0].data.index(b"\x00\x00\x01\x65")]
    cut = [EncodedFrame(head + frames[40].data, True, frames[40].captured_at_mono_us), *frames[41:90]]
    counted = count(write_mp4(film, cut))

    assert (counted.frames_decoded, counted.first, counted.last) == (30, 60, 89)
    assert (counted.frames_unreadable, counted.frames_missing) == (20, 20)


def test_a_group_shown_twice_is_duplicated_and_out_of_order(film: Path, frames: list[EncodedFrame]) -> None:
    again = [EncodedFrame(f.data, f.is_key, f.captured_at_mono_us + 1_000_000) for f in frames[:30]]

    counted = count(write_mp4(film, frames[:30] + again))

    assert counted.frames_duplicated == 30
    assert counted.frames_out_of_order == 29
    assert counted.complaints()


def test_swapped_groups_are_out_of_order(film: Path, frames: list[EncodedFrame]) -> None:
    moved = [
        EncodedFrame(f.data, f.is_key, at.captured_at_mono_us)
        for f, at in zip(frames[30:60] + frames[:30], frames[:60], strict=True)
    ]

    counted = count(write_mp4(film, moved), frame_rate_mhz=30_000)

    assert (counted.frames_missing, counted.frames_out_of_order) == (0, 30)


def test_a_frame_shown_at_the_wrong_time_shows(film: Path, frames: list[EncodedFrame]) -> None:
    late = EncodedFrame(frames[70].data, frames[70].is_key, frames[70].captured_at_mono_us + 5_000)

    counted = count(write_mp4(film, [*frames[:70], late, *frames[71:]]))

    assert counted.pts_deviation_us_max == pytest.approx(5_000, abs=2)
    assert counted.complaints() == ("a frame 5000 us off its time (limit 1000)",)


@pytest.mark.parametrize("shift_us", [100_000, -100_000])
def test_shifted_sound_is_measured(
    film: Path, frames: list[EncodedFrame], blocks: list[EncodedAudio], shift_us: int
) -> None:
    counted = count(write_mp4(film, frames, blocks, audio_shift_us=shift_us))

    assert counted.av_offset_ms_max == pytest.approx(100, abs=2)
    assert counted.complaints()


def test_no_burst_is_expected_where_there_is_no_sound(
    film: Path, frames: list[EncodedFrame], blocks: list[EncodedAudio]
) -> None:
    """Silent before the event (to 2.1 s), and muted from 2.6 to 3.5 s."""
    counted = count(write_mp4(film, frames, blocks[100:122] + blocks[165:]))

    assert [round(begin, 1) for begin, _ in counted.audio_spans_s] == [2.1, 3.5]
    assert (counted.bursts_expected, counted.bursts_heard, counted.bursts_missing) == (1, 1, 0)
    assert counted.complaints() == ()


@pytest.mark.parametrize(
    ("first", "after"),
    [(96, 142), (94, 140), (97, 141)],
    ids=["both ends within a burst", "begins just before a burst", "ends as a burst begins"],
)
def test_a_burst_cut_by_the_edge_of_the_sound_is_not_expected(
    film: Path, frames: list[EncodedFrame], blocks: list[EncodedAudio], first: int, after: int
) -> None:
    counted = count(write_mp4(film, frames, blocks[first:after]))

    assert counted.bursts_expected == 0
    assert counted.complaints() == ()


def test_a_frame_whose_lower_half_is_damaged_counts_as_missing(film: Path, frames: list[EncodedFrame]) -> None:
    """Its counter can be read, but the picture is not whole; the frame is the last of its group."""
    data = frames[59].data
    damaged = EncodedFrame(data[: len(data) // 2], False, frames[59].captured_at_mono_us)

    counted = count(write_mp4(film, [*frames[:59], damaged, *frames[60:]]))

    assert (counted.frames_unreadable, counted.frames_missing) == (1, 1)


def test_sound_without_its_burst_is_a_complaint(
    film: Path, frames: list[EncodedFrame], blocks: list[EncodedAudio]
) -> None:
    """Blanked instead of left out: other blocks stand where the burst of 2 s was."""
    blanked = [
        EncodedAudio(blocks[10 + i % 20].data if 90 <= i < 100 else block.data, block.captured_at_mono_us, 1024)
        for i, block in enumerate(blocks)
    ]

    counted = count(write_mp4(film, frames, blanked))

    assert (counted.bursts_expected, counted.bursts_missing) == (4, 1)
    assert counted.complaints() == ("tone bursts missing: 1",)


def test_a_film_without_sound_is_fine(film: Path, frames: list[EncodedFrame]) -> None:
    counted = count(write_mp4(film, frames))

    assert (counted.av_offset_ms_max, counted.bursts_expected, counted.complaints()) == (None, 0, ())


def test_exit_codes_tell_fine_from_missing_from_unusable(
    tmp_path: Path, frames: list[EncodedFrame], blocks: list[EncodedAudio]
) -> None:
    fine = str(write_mp4(tmp_path / "fine.mp4", frames, blocks))
    short = str(write_mp4(tmp_path / "short.mp4", frames[:59] + frames[60:], blocks))

    assert main([fine]) == 0
    assert main([fine, short]) == 1
    assert main([fine, short, str(tmp_path / "absent.mp4")]) == 2


def test_json_holds_totals_and_every_file(
    tmp_path: Path, frames: list[EncodedFrame], blocks: list[EncodedAudio], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [write_mp4(tmp_path / f"{name}.mp4", frames, blocks) for name in "ab"]

    main(["--json", *map(str, paths), str(tmp_path / "absent.mp4")])

    report = json.loads(capsys.readouterr().out)
    assert (report["frames_decoded"], report["frames_missing"]) == (300, 0)
    assert [each["file"] for each in report["files"]] == list(map(str, paths))
    assert report["av_offset_ms_max"] == report["files"][0]["av_offset_ms_max"]
    assert [each["file"] for each in report["errors"]] == [str(tmp_path / "absent.mp4")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no such file"),
        (b"", "does not open as a video"),
        (bytes(range(256)) * 100, "does not open as a video"),
    ],
)
def test_a_file_that_is_no_film_is_named_with_what_was_expected(
    film: Path, content: bytes | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        film.write_bytes(content)

    code = main([str(film)])

    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith(f"count_frames: {film}: ")
    assert says in error
    assert error.count("\n") == 1


def test_a_film_cut_short_is_unusable(film: Path, frames: list[EncodedFrame], blocks: list[EncodedAudio]) -> None:
    content = write_mp4(film, frames, blocks).read_bytes()
    film.write_bytes(content[: len(content) // 2])

    assert main([str(film)]) == 2


def test_a_film_without_a_counter_is_unusable(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with av.open(film, "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for level in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((180, 160), 100 + level, np.uint8), format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    assert main([str(film)]) == 2
    assert "none of its 5 frames carries a readable counter" in capsys.readouterr().err


def test_the_program_imports_nothing_of_what_it_judges() -> None:
    code = (
        "import sys, hw_sim.count_frames; "
        "print([n for n in sys.modules if n.split('.')[0] in ('firmware', 'dockd', 'protocol')])"
    )

    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_the_script_sets_itself_up_once_and_runs_from_anywhere(tmp_path: Path, frames: list[EncodedFrame]) -> None:
    """A copy of the script in a house where ``bench --setup-only`` makes the environment."""
    house, elsewhere = tmp_path / "house", tmp_path / "elsewhere"
    (house / "scripts").mkdir(parents=True)
    elsewhere.mkdir()
    shutil.copy(ROOT / "scripts" / "count_frames", house / "scripts")
    (house / "hw_sim").symlink_to(ROOT / "hw_sim")
    bench = house / "scripts" / "bench"
    bench.write_text(
        f'#!/bin/sh\n[ "$*" = --setup-only ] || exit 9\necho setting up\nmkdir -p "{house}/.venv/bin"\n'
        f'printf \'#!/bin/sh\\nexec {sys.executable} "$@"\\n\' > "{house}/.venv/bin/python"\n'
        f'chmod +x "{house}/.venv/bin/python"\n: > "{house}/.venv/made-from-bench"\n'
    )
    bench.chmod(0o755)
    write_mp4(elsewhere / "film.mp4", frames[:30])
    environment = {**os.environ, "PYTHONPATH": ""}

    runs = [
        subprocess.run(
            [house / "scripts" / "count_frames", "--json", "film.mp4"],
            cwd=elsewhere, env=environment, capture_output=True, text=True, check=True,
        )
        for _ in range(2)
    ]  # fmt: skip

    assert [json.loads(run.stdout)["frames_decoded"] for run in runs] == [30, 30]
    assert ["setting up" in run.stderr for run in runs] == [True, False]
