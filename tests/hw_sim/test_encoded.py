"""The simulated camera and microphone keep the promises of the firmware's ports."""

import threading

import av
import pytest

from firmware.ports import EncodedAudio, EncodedFrame
from hw_sim.encoded import SAMPLE_RATE_HZ, SimulatedCamera, SimulatedMicrophone
from hw_sim.manual_clock import ManualClock
from tests.hw_sim.films import ORIGIN_NS, PATIENCE_S, film_frames, film_sound, scene

ORIGIN_US = ORIGIN_NS // 1000
_START_CODE = b"\x00\x00\x00\x01"
_SPS, _PPS, _IDR = 7, 8, 5


def kinds(frame: EncodedFrame) -> list[int]:
    """Return the NAL unit types of an access unit; libx264 writes the start codes of slices with three bytes."""
    units = frame.data.replace(_START_CODE, b"\x00\x00\x01").split(b"\x00\x00\x01")[1:]
    return [unit[0] & 31 for unit in units]


def test_frames_carry_the_exact_time_of_their_exposure() -> None:
    frames = film_frames(scene(frame_rate_mhz=29_970), 4)

    assert [frame.captured_at_mono_us - ORIGIN_US for frame in frames] == [0, 33_367, 66_734, 100_100]


def test_a_key_frame_comes_every_second_with_its_parameter_sets() -> None:
    frames = film_frames(scene(frame_rate_mhz=14_985), 46)

    assert [index for index, frame in enumerate(frames) if frame.is_key] == [0, 15, 30, 45]
    for frame in frames:
        assert frame.data.startswith(_START_CODE)
        assert ({_SPS, _PPS, _IDR} <= set(kinds(frame))) == frame.is_key


def test_a_key_frame_that_is_asked_for_comes_next() -> None:
    frames = film_frames(scene(), 20, key_frame_asked_after=7)

    assert [index for index, frame in enumerate(frames) if frame.is_key] == [0, 7]


def test_a_stalled_consumer_loses_frames_and_the_others_keep_their_times() -> None:
    world = scene()
    clock = ManualClock(start_mono_ns=ORIGIN_NS)
    camera = SimulatedCamera(scene=world, clock=clock, wait=clock.wait)
    times_us: list[int] = []
    is_enough = threading.Event()

    def on_frame(frame: EncodedFrame) -> None:
        times_us.append(frame.captured_at_mono_us)
        if len(times_us) == 11:
            clock.advance(10**9)
        if len(times_us) >= 30:
            is_enough.set()

    camera.start(on_frame)
    assert is_enough.wait(PATIENCE_S)
    camera.stop()

    delivered = [round((time_us - ORIGIN_US) * 30 / 1e6) for time_us in times_us[:25]]
    assert delivered == [*range(23), 41, 42]
    assert camera.sensor.frames_dropped_between(0, clock.mono_ns()) == (range(23, 41),)


def test_a_camera_that_is_started_again_goes_on_counting_and_begins_with_a_key_frame() -> None:
    clock = ManualClock(start_mono_ns=ORIGIN_NS)
    camera = SimulatedCamera(scene=scene(), clock=clock, wait=clock.wait)
    runs: list[list[EncodedFrame]] = []
    for _ in range(2):
        runs.append([])
        is_enough = threading.Event()

        def on_frame(frame: EncodedFrame, is_enough: threading.Event = is_enough) -> None:
            runs[-1].append(frame)
            is_enough.set()

        camera.start(on_frame)
        assert is_enough.wait(PATIENCE_S)
        camera.stop()

    assert runs[1][0].is_key
    assert runs[1][0].captured_at_mono_us > runs[0][-1].captured_at_mono_us


def test_nothing_comes_after_stop_and_stop_may_be_called_twice() -> None:
    clock = ManualClock(start_mono_ns=ORIGIN_NS)
    camera = SimulatedCamera(scene=scene(), clock=clock)
    arrived: list[EncodedFrame] = []
    camera.start(arrived.append)
    camera.stop()
    camera.stop()
    before = len(arrived)

    clock.advance(10**9)

    assert len(arrived) == before


def test_stop_does_not_wait_for_the_next_frame() -> None:
    """The real wait of an hour's length: only stop can end it, so this test hangs where stop does not."""
    clock = ManualClock(start_mono_ns=ORIGIN_NS - 3600 * 10**9)
    camera = SimulatedCamera(scene=scene(), clock=clock)
    microphone = SimulatedMicrophone(scene=scene(), clock=clock)
    camera.start(lambda frame: None)
    microphone.start(lambda block: None)

    camera.stop()
    microphone.stop()

    assert camera.sensor.counters(clock.mono_ns()).frames_exposed == 0


def test_the_first_block_of_sound_is_stamped_before_the_first_sample_by_the_priming() -> None:
    blocks = film_sound(scene(), 3)

    assert [block.captured_at_mono_us - ORIGIN_US for block in blocks] == [-21_333, 0, 21_333]
    assert {block.sample_count for block in blocks} == {1024}


def test_sound_comes_at_the_speed_of_real_time() -> None:
    """Three blocks of 21.3 ms after a block's first sample: its own length, and the two that the encoder holds back."""
    clock = ManualClock(start_mono_ns=ORIGIN_NS)
    microphone = SimulatedMicrophone(scene=scene(), clock=clock, wait=clock.wait)
    delays_us: list[float] = []
    is_enough = threading.Event()

    def on_audio(block: EncodedAudio) -> None:
        delays_us.append(clock.mono_ns() / 1000 - block.captured_at_mono_us)
        if len(delays_us) == 100:
            is_enough.set()

    microphone.start(on_audio)
    assert is_enough.wait(PATIENCE_S)
    microphone.stop()

    assert delays_us == pytest.approx([64_000] * len(delays_us), abs=1)


def test_a_stalled_reader_loses_sound_and_what_follows_keeps_its_time() -> None:
    clock = ManualClock(start_mono_ns=ORIGIN_NS)
    microphone = SimulatedMicrophone(scene=scene(), clock=clock, wait=clock.wait)
    blocks: list[EncodedAudio] = []
    is_enough = threading.Event()

    def on_audio(block: EncodedAudio) -> None:
        blocks.append(block)
        if len(blocks) == 10:
            clock.advance(3 * 10**9)
        if len(blocks) == 20:
            is_enough.set()

    microphone.start(on_audio)
    assert is_enough.wait(PATIENCE_S)
    microphone.stop()

    numbers = [round((block.captured_at_mono_us - ORIGIN_US) * SAMPLE_RATE_HZ / 1024e6) for block in blocks[:20]]
    # Two blocks were in the encoder when the reader stalled for 140.6 blocks.
    assert microphone.blocks_lost == 139
    assert numbers == [*range(-1, 11), *range(150, 158)]


def test_the_decoder_config_says_aac_lc_48_khz_mono() -> None:
    config = SimulatedMicrophone(scene=scene(), clock=ManualClock()).description.decoder_config
    decoder = av.AudioCodecContext.create("aac", "r")
    decoder.extradata = config

    decoded = [frame for block in film_sound(scene(), 3) for frame in decoder.decode(av.Packet(block.data))]

    assert config[0] >> 3 == 2
    assert {(frame.sample_rate, frame.layout.name) for frame in decoded} == {(48_000, "mono")}


def test_the_tap_sees_everything_that_is_delivered() -> None:
    clock = ManualClock(start_mono_ns=ORIGIN_NS)
    tapped: list[EncodedFrame | EncodedAudio] = []
    delivered: list[EncodedFrame] = []
    camera = SimulatedCamera(scene=scene(), clock=clock, wait=clock.wait, tap=tapped.append)
    is_enough = threading.Event()

    def on_frame(frame: EncodedFrame) -> None:
        delivered.append(frame)
        if len(delivered) == 5:
            is_enough.set()

    camera.start(on_frame)
    assert is_enough.wait(PATIENCE_S)
    camera.stop()

    assert tapped == delivered


def test_what_runs_is_not_started_again() -> None:
    clock = ManualClock(start_mono_ns=ORIGIN_NS)
    camera, microphone = SimulatedCamera(scene=scene(), clock=clock), SimulatedMicrophone(scene=scene(), clock=clock)
    camera.start(lambda frame: None)
    microphone.start(lambda block: None)

    with pytest.raises(ValueError, match="camera runs already"):
        camera.start(lambda frame: None)
    with pytest.raises(ValueError, match="microphone runs already"):
        microphone.start(lambda block: None)
    camera.stop()
    microphone.stop()


def test_a_camera_may_be_stopped_from_its_own_callback() -> None:
    clock = ManualClock(start_mono_ns=ORIGIN_NS)
    camera = SimulatedCamera(scene=scene(), clock=clock, wait=clock.wait)
    arrived: list[EncodedFrame] = []
    is_stopped = threading.Event()

    def on_frame(frame: EncodedFrame) -> None:
        arrived.append(frame)
        camera.stop()
        is_stopped.set()

    camera.start(on_frame)

    assert is_stopped.wait(PATIENCE_S)
    assert len(arrived) == 1


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert film_frames(scene(), 40) == film_frames(scene(), 40)
    assert film_sound(scene(), 60) == film_sound(scene(), 60)
    assert film_sound(scene(), 60) != film_sound(scene(seed=8), 60)
