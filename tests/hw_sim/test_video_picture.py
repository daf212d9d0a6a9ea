"""A video file in front of the simulated sensor: which of its frames is seen when, where it stands, what is refused."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hw_sim.count_frames import count
from hw_sim.counter import read_number, strip_height_px
from hw_sim.scene import Scene
from hw_sim.video_file import UnusableVideo, VideoFile, probe
from hw_sim.video_picture import VideoPicture, largest_size_px
from tests.hw_sim.clips import NTSC, blank_planes, inner, make_clip, make_sound, numbered, shown_numbers, turned
from tests.hw_sim.films import PATIENCE_S, film_frames, write_mp4

SCENE = Scene(7, 1000, 320, 240, 30_000)
FIRST = 100


@contextmanager
def watched(path: Path, *, scene: Scene = SCENE, damage: list[str] | None = None) -> Iterator[VideoPicture]:
    """Give a picture of a clip; each draw waits for its own frame."""
    said = [] if damage is None else damage
    with closing(VideoPicture(scene, path, patience_s=PATIENCE_S, on_damage=said.append)) as picture:
        yield picture


def seen(
    path: Path, frame_count: int, *, scene: Scene = SCENE, aspect: Fraction = Fraction(4, 3)
) -> Sequence[int | None]:
    """Return which frames of a clip the sensor sees one after the other."""
    with watched(path, scene=scene) as picture:
        return shown_numbers(picture, scene, range(FIRST, FIRST + frame_count), aspect=aspect)


def test_each_frame_of_the_sensor_shows_the_nearest_of_the_clip_which_is_looped(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 5)

    assert seen(clip, 12) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


def test_a_clip_of_odd_size_and_rate_is_seen_whole(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 6, size_px=(641, 359), rate=NTSC)

    assert seen(clip, 8, aspect=Fraction(641, 359)) == [0, 1, 2, 3, 4, 5, 0, 1]
    assert probe(clip) == "mpeg4 641x359 yuv420p at 29.97 fps"


def test_a_fast_clip_loses_frames_and_a_slow_one_shows_them_longer(tmp_path: Path) -> None:
    fast = make_clip(tmp_path / "fast.mp4", 12, rate=Fraction(60))
    slow = make_clip(tmp_path / "slow.mp4", 3, rate=Fraction(10))

    assert seen(fast, 7) == [0, 2, 4, 6, 8, 10, 0]
    assert seen(slow, 9) == [0, 0, 1, 1, 1, 2, 2, 2, 0]


def test_a_clip_of_changing_rate_keeps_its_times(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", 4, times_ms=[0, 30, 210, 233])

    assert seen(clip, 8) == [0, 1, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("libx264", "yuv444p"),
        ("libx264", "yuv420p10le"),
        ("ffv1", "gray"),
        ("ffv1", "gray10le"),
        ("ffv1", "bgr0"),
        ("ffv1", "yuva420p"),
        ("qtrle", "rgb24"),
        ("mjpeg", "yuvj422p"),
    ],
)
def test_any_pixel_format_is_seen(tmp_path: Path, codec: str, pixel_format: str) -> None:
    clip = make_clip(
        tmp_path / "clip.mov" if codec == "qtrle" else tmp_path / "clip.mkv", 3, codec=codec, pixel_format=pixel_format
    )

    assert seen(clip, 4) == [0, 1, 2, 0]


def test_a_still_picture_stands_still(tmp_path: Path) -> None:
    av.VideoFrame.from_ndarray(numbered(320, 240, 5), format="gray").save(tmp_path / "still.png")

    assert seen(tmp_path / "still.png", 3) == [5, 5, 5]


@pytest.mark.parametrize(
    ("aspect", "size_px"),
    [
        (Fraction(4, 3), (278, 208)),
        (Fraction(16, 9), (320, 180)),
        (Fraction(1000), (320, 2)),
        (Fraction(1, 1000), (2, 208)),
    ],
)
def test_the_clip_is_as_large_as_there_is_room_below_the_counter(aspect: Fraction, size_px: tuple[int, int]) -> None:
    assert largest_size_px(aspect, 320, 208) == size_px


def test_what_the_clip_does_not_fill_is_black_and_nothing_of_before_shows_through(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "wide.mkv", 2, size_px=(480, 120), codec="ffv1")
    planes = blank_planes(SCENE)

    with watched(clip) as picture:
        picture.draw(FIRST, planes)

    below = planes.luma[strip_height_px(320, 240) :]
    bar = (below.shape[0] - 80) // 2
    assert {int(level) for level in np.unique(below[:bar])} == {16}
    assert {int(level) for level in np.unique(below[-bar:])} == {16}
    assert below[bar + 40].mean() > 60
    assert (planes.chroma_blue == 128).all()
    assert (planes.chroma_red == 128).all()


def test_pixels_that_are_not_square_are_shown_in_shape(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", 2, size_px=(240, 240), pixel_aspect=Fraction(4, 3))

    assert seen(clip, 2) == [0, 1]


def test_a_clip_of_a_telephone_held_upright_is_upright(tmp_path: Path) -> None:
    clip = turned(tmp_path / "turned.mp4", make_clip(tmp_path / "clip.mp4", 2))
    scene = Scene(7, 1000, 640, 480, 30_000)
    planes = blank_planes(scene)

    with watched(clip, scene=scene) as picture:
        picture.draw(FIRST, planes)

    assert read_number(np.rot90(inner(planes.luma, Fraction(3, 4)))) == 0


def test_the_film_stands_still_while_nobody_films(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 200)

    with watched(clip) as picture:
        before = shown_numbers(picture, SCENE, [3, 4, 5])
        after = shown_numbers(picture, SCENE, [9000, 9001, 9003])

    assert before == [0, 1, 2]
    again = after[0]
    assert again is not None
    assert 2 < again < 20
    assert after == [again, again + 1, again + 3]


def test_a_film_that_comes_late_never_holds_up_the_sensor(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 200)
    planes = blank_planes(SCENE)

    with closing(VideoPicture(SCENE, clip)) as picture:
        for number in range(0, 100_000, 1000):
            picture.draw(number, planes)
            assert read_number(planes.luma) == number

        assert picture.late_count > 0


def test_a_cut_clip_is_shown_as_far_as_it_goes_and_that_is_said_once(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mkv", 90).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    said: list[str] = []

    with watched(tmp_path / "cut.mkv", damage=said) as picture:
        numbers = shown_numbers(picture, SCENE, range(150))

    turn = numbers.index(0, 1)
    assert numbers[: 2 * turn] == [*range(turn), *range(turn)]
    assert len(said) == 1
    assert said[0].startswith("cut.mkv: it ends after 1.")
    assert "what can be decoded is shown" in said[0]


def test_a_clip_with_damaged_frames_is_shown_without_them(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", 30, codec="ffv1")
    data = bytearray(clip.read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 3000):
        data[place] ^= 0x5A
    clip.write_bytes(data)
    said: list[str] = []

    with watched(clip, damage=said) as picture:
        numbers = shown_numbers(picture, SCENE, range(40))

    assert {0, 1, 29} <= set(numbers)
    assert said


def test_a_clip_that_is_taken_away_leaves_its_last_frame(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 3)

    with watched(clip) as picture:
        clip.unlink()
        numbers = shown_numbers(picture, SCENE, range(20))

    assert numbers[:3] == [0, 1, 2]
    assert numbers[-1] is not None


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.mp4", b"", "does not open as a video"),
        ("garbage.mp4", b"\x55" * 5000, "does not open as a video"),
        ("text.mp4", b"hello\n" * 99, "does not open as a video"),
        ("playlist.m3u8", b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n", "does not open as a video"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UnusableVideo, match=f"{name} {words}.*; expected .* Next: "):
        probe(tmp_path / name)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableVideo, match="is no file"):
        probe(tmp_path)
    with pytest.raises(UnusableVideo, match="is not there"):
        probe(tmp_path / "absent.mp4")
    with pytest.raises(UnusableVideo, match="is not there"):
        probe(Path("http://127.0.0.1:9/clip.mp4"))


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableVideo, match="holds only sound"):
        probe(make_sound(tmp_path / "sound.m4a"))


def test_an_mp4_without_its_end_is_refused(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(UnusableVideo, match="does not open as a video"):
        probe(tmp_path / "cut.mp4")


def test_a_video_of_which_nothing_decodes_is_refused(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", codec="libx264")
    data = clip.read_bytes()
    begin = data.index(b"mdat") + 4
    (tmp_path / "blank.mp4").write_bytes(
        data[:begin] + bytes(data.index(b"moov") - 4 - begin) + data[data.index(b"moov") - 4 :]
    )

    with pytest.raises(UnusableVideo, match=r"holds no picture that can be decoded \("):
        probe(tmp_path / "blank.mp4")


def test_times_that_jump_or_go_back_are_mended(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", 4, times_ms=[0, 33, 3_600_000, 3_600_033])

    with VideoFile(clip) as file:
        times_ms = [frame.begin_ns // 1_000_000 for frame in file.frames()]

    assert times_ms == [0, 33, 66, 99]


def test_a_recording_of_a_clip_counts_every_frame(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 20, size_px=(641, 359), rate=NTSC)
    scene = Scene(7, 5_000_000_123, 320, 240, 29_970)

    with watched(clip, scene=scene) as picture:
        film = write_mp4(tmp_path / "film.mp4", film_frames(scene, 60, picture=picture))

    counted = count(film, frame_rate_mhz=29_970)
    assert (counted.frames_decoded, counted.frames_missing, counted.complaints()) == (60, 0, ())
