"""The counter in the pixels must be readable after anything a recording does to it, and never misread."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_sim.counter import FRAME_NUMBER_MAX, Plane, draw_number, read_number
from hw_sim.picture import MovingPicture, Planes
from hw_sim.scene import Scene
from tests.hw_sim.films import film_frames


def blank(width_px: int, height_px: int, level: int = 90) -> Plane:
    return np.full((height_px, width_px), level, np.uint8)


@settings(deadline=None)  # The machine may be busy.
@given(number=st.integers(0, FRAME_NUMBER_MAX), half_width_px=st.integers(80, 700), half_height_px=st.integers(60, 400))
def test_a_number_is_read_back_at_any_size(number: int, half_width_px: int, half_height_px: int) -> None:
    luma = blank(2 * half_width_px, 2 * half_height_px)

    draw_number(luma, number)

    assert read_number(luma) == number


@pytest.mark.parametrize(("width_px", "height_px"), [(160, 120), (162, 122), (1000, 120), (160, 600), (640, 480)])
def test_a_number_survives_the_coarsest_quantiser_of_h264(width_px: int, height_px: int) -> None:
    scene = Scene(1, 0, width_px, height_px, 30_000)
    numbers = range(FRAME_NUMBER_MAX - 20, FRAME_NUMBER_MAX)
    encoder = av.VideoCodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = width_px, height_px, "yuv420p", Fraction(30)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "qp=51"}
    decoder = av.VideoCodecContext.create("h264", "r")
    picture = MovingPicture(scene)
    seen: list[int | None] = []
    seen_scaled: list[int | None] = []

    for number in numbers:
        frame = av.VideoFrame.from_ndarray(_drawn(picture, number, scene), format="yuv420p")
        for packet in encoder.encode(frame):
            for decoded in decoder.decode(packet):
                seen.append(read_number(_luma(decoded)))
                seen_scaled.append(read_number(_luma(decoded.reformat(format="rgb24").reformat(format="gray"))))

    assert seen == list(numbers)
    assert seen_scaled == list(numbers)


def test_one_wrong_cell_makes_the_number_unreadable_and_not_another_number() -> None:
    for cell in range(48):
        luma = blank(320, 240)
        draw_number(luma, 123_456)
        row, column = divmod(cell, 16)
        middle = luma[row * 8 : row * 8 + 8, column * 20 : column * 20 + 20]
        middle[:] = 251 - middle

        assert read_number(luma) is None


@pytest.mark.parametrize("level", [0, 16, 128, 255])
def test_a_plain_picture_has_no_number(level: int) -> None:
    assert read_number(blank(640, 480, level)) is None


def test_a_faint_pattern_is_not_taken_for_a_number() -> None:
    luma = blank(640, 480)
    draw_number(luma, 7)

    assert read_number(luma // 8 + 100) is None


def test_a_picture_too_small_for_the_counter_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least 160x120"):
        draw_number(blank(158, 120), 1)


def test_the_picture_moves_and_comes_back_the_same() -> None:
    scene = Scene(1, 0, 160, 120, 30_000)

    first, second = (_drawn(MovingPicture(scene), number, scene) for number in (10, 11))

    assert np.mean(first != second) > 0.5
    assert np.array_equal(second, _drawn(MovingPicture(scene), 11, scene))


def test_another_seed_gives_another_picture() -> None:
    one, other = (Scene(seed, 0, 160, 120, 30_000) for seed in (1, 2))

    assert film_frames(one, 1)[0].data != film_frames(other, 1)[0].data


def _luma(frame: av.VideoFrame) -> Plane:
    """Return the first rows of PyAV's array, which are the luma plane in yuv420p and in gray."""
    return frame.to_ndarray().astype(np.uint8)[: frame.height]


def _drawn(picture: MovingPicture, number: int, scene: Scene) -> Plane:
    """Return a frame as PyAV's yuv420p array: luma above the two chroma planes."""
    width_px, height_px = scene.width_px, scene.height_px
    luma = np.zeros((height_px, width_px), np.uint8)
    blue, red = (np.zeros((height_px // 2, width_px // 2), np.uint8) for _ in range(2))
    picture.draw(number, Planes(luma, blue, red))
    return np.concatenate([luma.ravel(), blue.ravel(), red.ravel()]).reshape(height_px * 3 // 2, width_px)
