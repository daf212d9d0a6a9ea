"""The fragmenter, read back by PyAV and by a strict box reader, from real encoders' streams."""

import io
import struct
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.audio_placer import AudioPlacer, PlacedAudio, Placement, Span, overlaps
from firmware.core.fmp4 import (
    AudioTrack,
    ParameterSetsChanged,
    VideoTrack,
    audio_fragment,
    audio_sequence,
    init_segment,
    video_fragment,
    video_sequence,
)
from firmware.core.gop import Gop
from firmware.core.h264 import NAL_TYPE_ACCESS_UNIT_DELIMITER, StreamFault, nal_type, nal_units
from firmware.core.pairing import AudioPairer
from firmware.ports import EncodedAudio, EncodedFrame
from tests.firmware.boxes import boxes, fragments
from tests.firmware.encoded import (
    RATE_HZ,
    START_US,
    VIDEO,
    Samples,
    audio,
    decode_annexb,
    lag_samples,
    noise,
    video,
    video_gops,
)
from tests.firmware.streams import blocks, delta_frame, key_frame

PROFILES = ("baseline", "main", "high")


def track(profile: str = "high") -> VideoTrack:
    return VideoTrack.of(video(profile)[0], VIDEO)


def init(profile: str = "high", with_audio: bool = True) -> bytes:
    return init_segment(track(profile), AudioTrack.of(audio()[1]) if with_audio else None)


def video_part(gop: Gop, index: int, profile: str = "high") -> bytes:
    return video_fragment(
        track(profile),
        sequence=video_sequence(index),
        frames=gop.frames,
        base_us=gop.start_mono_us - START_US,
        end_us=gop.end_mono_us - START_US,
    )


def video_parts(profile: str = "high") -> list[bytes]:
    return [video_part(gop, index, profile) for index, gop in enumerate(video_gops(profile))]


def placements(sound: list[EncodedAudio]) -> list[Placement]:
    pairer, placer = AudioPairer(is_audio_expected=True), AudioPlacer(origin_mono_us=START_US, sample_rate_hz=RATE_HZ)
    for gop in video_gops():
        pairer.add_gop(gop)
    for block in sound:
        pairer.add_audio(block)
    return [placer.place(pair.audio) for pair in pairer.take_all()]


def recording(sound: list[EncodedAudio]) -> bytes:
    parts = [init()]
    for index, (part, placement) in enumerate(zip(video_parts(), placements(sound), strict=True)):
        parts.append(part)
        if placement.blocks:
            parts.append(audio_fragment(sequence=audio_sequence(index), blocks=placement.blocks))
    return b"".join(parts)


def video_times_us(mp4: bytes) -> list[Fraction]:
    with av.open(io.BytesIO(mp4), "r") as container:
        return [seconds(frame) * 1_000_000 for frame in container.decode(video=0)]


def seconds(frame: av.VideoFrame | av.AudioFrame) -> Fraction:
    assert frame.pts is not None
    assert frame.time_base is not None
    return Fraction(frame.pts * frame.time_base)


def heard(mp4: bytes) -> tuple[list[int], Samples]:
    """Return the start of each decoded audio frame in samples, and the sound laid out by these starts."""
    starts, sound = [], np.zeros(RATE_HZ * 4, np.float32)
    with av.open(io.BytesIO(mp4), "r") as container:
        for frame in container.decode(audio=0):
            starts.append(int(seconds(frame) * RATE_HZ))
            sound[starts[-1] : starts[-1] + frame.samples] = frame.to_ndarray()[0]
    return starts, sound


@pytest.mark.parametrize("profile", PROFILES)
def test_every_frame_plays_at_its_capture_time_to_the_microsecond(profile: str) -> None:
    mp4 = init(profile, with_audio=False) + b"".join(video_parts(profile))

    assert video_times_us(mp4) == [frame.captured_at_mono_us - START_US for frame in video(profile)]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_picture_is_the_one_that_the_encoder_made(profile: str) -> None:
    with av.open(io.BytesIO(init(profile) + b"".join(video_parts(profile))), "r") as container:
        pictures = [frame.to_ndarray() for frame in container.decode(video=0)]
    expected = decode_annexb(video(profile))

    assert len(pictures) == len(expected) == 75
    assert all(np.array_equal(one, other) for one, other in zip(pictures, expected, strict=True))


@pytest.mark.parametrize("profile", PROFILES)
def test_the_init_segment_holds_the_parameter_sets_of_the_stream(profile: str) -> None:
    sps, pps = (next(nal for nal in nal_units(video(profile)[0].data) if nal_type(nal) == kind) for kind in (7, 8))
    ftyp, moov = boxes(init(profile))
    avcc = moov.all("trak")[0].one("mdia/minf/stbl/stsd/avc1/avcC").payload
    # 4:2:0 and 8 bits stand there from the high profiles on.
    tail = bytes.fromhex("fdf8f800") if profile == "high" else b""

    assert ftyp.kind == "ftyp"
    assert avcc == (
        bytes([1, sps[1], sps[2], sps[3], 0xFF, 0xE1])
        + struct.pack(">H", len(sps)) + sps + b"\x01" + struct.pack(">H", len(pps)) + pps + tail
    )  # fmt: skip


def test_a_player_is_told_size_codecs_and_clock_rates() -> None:
    with av.open(io.BytesIO(recording(audio()[0])), "r") as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]

        assert (picture.codec_context.name, picture.width, picture.height) == ("h264", 320, 240)
        assert picture.time_base == Fraction(1, 1_000_000)
        assert (sound.codec_context.name, sound.rate, sound.layout.name) == ("aac", RATE_HZ, "mono")
        assert sound.codec_context.extradata == audio()[1].decoder_config


def test_video_fragments_join_without_gap_or_overlap() -> None:
    gops = video_gops()
    read = fragments(b"".join(video_parts()))

    assert [part.track_id for part in read] == [1, 1, 1]
    assert [part.samples[0].time for part in read] == [gop.start_mono_us - START_US for gop in gops]
    assert [part.end for part in read] == [gop.end_mono_us - START_US for gop in gops]
    assert read[0].end == read[1].samples[0].time


def test_only_the_first_sample_of_a_video_fragment_is_a_sync_sample() -> None:
    for part in fragments(b"".join(video_parts())):
        assert [sample.flags for sample in part.samples] == [0x02000000] + [0x01010000] * (len(part.samples) - 1)


def test_sequence_numbers_follow_from_the_chunk_index() -> None:
    sound = [placement.blocks for placement in placements(audio()[0])]
    parts = [
        part
        for index, video_bytes in enumerate(video_parts())
        for part in (video_bytes, audio_fragment(sequence=audio_sequence(index), blocks=sound[index]))
    ]

    assert [(part.sequence, part.track_id) for part in fragments(b"".join(parts))] == [
        (1, 1), (2, 2), (3, 1), (4, 2), (5, 1), (6, 2),
    ]  # fmt: skip


def test_a_sample_is_the_access_unit_without_parameter_sets_and_delimiter() -> None:
    delimiter = b"\x00\x00\x00\x01\x09\x10"
    gop = video_gops()[0]
    with_delimiters = tuple(replace(frame, data=delimiter + frame.data) for frame in gop.frames)
    (part,) = fragments(video_part(replace(gop, frames=with_delimiters), 0))

    for frame, sample in zip(gop.frames, part.samples, strict=True):
        kept = [nal for nal in nal_units(frame.data) if nal_type(nal) not in (7, 8, NAL_TYPE_ACCESS_UNIT_DELIMITER)]
        assert sample.data == b"".join(struct.pack(">I", len(nal)) + nal for nal in kept)


def test_supplemental_information_stays_in_the_sample() -> None:
    (part,) = fragments(video_part(video_gops()[0], 0))

    assert part.samples[0].data[4] & 0x1F == 6
    assert b"x264" in part.samples[0].data


@pytest.mark.parametrize("first", [1, 2])
def test_a_cut_plays_from_its_first_chunk_at_the_original_times(first: int) -> None:
    gops = video_gops()[first:]

    assert video_times_us(init() + b"".join(video_parts()[first:])) == [
        frame.captured_at_mono_us - START_US for gop in gops for frame in gop.frames
    ]


def test_a_chunk_left_out_leaves_the_others_at_their_times() -> None:
    first, _, third = video_parts()
    gops = video_gops()

    assert video_times_us(init() + first + third) == [
        frame.captured_at_mono_us - START_US for gop in (gops[0], gops[2]) for frame in gop.frames
    ]


def test_video_plays_when_all_audio_is_withheld() -> None:
    with av.open(io.BytesIO(init() + b"".join(video_parts())), "r") as container:
        assert len(list(container.decode(video=0))) == 75


def test_sound_is_in_step_with_its_capture_times() -> None:
    reference = np.zeros(RATE_HZ * 4, np.float32)
    reference[: len(noise())] = noise()
    starts, sound = heard(recording(audio()[0]))

    assert starts[0] == 0
    assert abs(lag_samples(sound, reference)) * 1000 / RATE_HZ < 1


@pytest.mark.parametrize("late_us", [-300_000, 12_345, 500_000])
def test_sound_that_begins_elsewhere_than_the_video_is_in_step_too(late_us: int) -> None:
    late_samples = round(late_us * RATE_HZ / 1_000_000)
    reference = np.zeros(RATE_HZ * 4, np.float32)
    kept = noise()[max(0, -late_samples) :]
    reference[max(0, late_samples) : max(0, late_samples) + len(kept)] = kept
    _, sound = heard(recording(audio(START_US + late_us)[0]))

    assert abs(lag_samples(sound, reference)) * 1000 / RATE_HZ < 1


def test_no_audio_comes_before_the_origin() -> None:
    priming, *rest = audio()[0]
    read = placements(audio()[0])

    assert priming.captured_at_mono_us < START_US
    assert read[0].blocks[0] == PlacedAudio(rest[0].data, 0, 1024)


def test_a_muted_span_is_silent_and_the_sound_after_it_is_in_step() -> None:
    span = Span(START_US + 700_000, START_US + 1_200_000)
    kept = [block for block in audio()[0] if not overlaps(block, span, sample_rate_hz=RATE_HZ)]
    starts, sound = heard(recording(kept))
    after = slice(RATE_HZ * 13 // 10, RATE_HZ * 23 // 10)

    assert not sound[RATE_HZ * 7 // 10 : RATE_HZ * 12 // 10].any()
    assert max(other - one for one, other in pairwise(starts)) >= RATE_HZ // 2
    assert lag_samples(sound[after], noise()[after]) == 0


def test_an_audio_gap_stretches_the_block_before_it() -> None:
    sound = [PlacedAudio(b"a", 0, 1024), PlacedAudio(b"b", 1024, 1024), PlacedAudio(b"c", 5000, 1024)]
    (part,) = fragments(audio_fragment(sequence=2, blocks=sound))

    assert [(sample.time, sample.duration) for sample in part.samples] == [(0, 1024), (1024, 3976), (5000, 1024)]
    assert [sample.data for sample in part.samples] == [b"a", b"b", b"c"]


def test_the_same_input_gives_the_same_bytes() -> None:
    assert recording(audio()[0]) == recording(list(audio()[0]))


def test_new_parameter_sets_ask_for_a_new_recording() -> None:
    other = video("high", 3, (176, 144))

    with pytest.raises(ParameterSetsChanged, match="open a new recording") as caught:
        video_fragment(track(), sequence=1, frames=other, base_us=0, end_us=1_000_000)
    assert caught.value.frame_index == 0


def test_a_frame_without_a_picture_is_refused() -> None:
    headers_only = EncodedFrame(b"\x00\x00\x01\x09\x10", False, START_US + 1)

    with pytest.raises(StreamFault, match="no picture"):
        video_fragment(track(), sequence=1, frames=[headers_only], base_us=0, end_us=10)


def test_frames_out_of_order_are_our_own_fault() -> None:
    frames = video()[:3]

    with pytest.raises(AssertionError, match="rise"):
        video_fragment(track(), sequence=1, frames=frames[::-1], base_us=0, end_us=1_000_000)


def test_a_stall_of_hours_does_not_break_the_fragment() -> None:
    (part,) = fragments(
        video_fragment(track(), sequence=1, frames=video()[:1], base_us=5, end_us=5 + 3 * 3_600_000_000)
    )

    assert (part.samples[0].time, part.samples[0].duration) == (5, 0xFFFFFFFF)


def test_the_boxes_take_less_than_two_thousandths_of_a_recording_at_the_default_rate() -> None:
    frames = [key_frame(0, 25_000), *(delta_frame(33_333 * index, 25_000) for index in range(1, 30))]
    part = video_fragment(VideoTrack.of(frames[0], VIDEO), sequence=1, frames=frames, base_us=0, end_us=1_000_000)
    sound = [PlacedAudio(block.data, 1024 * index, 1024) for index, block in enumerate(blocks(47, size_bytes=340))]
    media_bytes = sum(len(frame.data) for frame in frames) + 47 * 340

    assert len(part) + len(audio_fragment(sequence=2, blocks=sound)) < media_bytes * 1.002


@given(
    st.integers(0, 2**40),
    st.lists(st.tuples(st.integers(1, 2**32 - 1), st.binary(min_size=1, max_size=20)), min_size=1, max_size=40),
)
def test_times_and_bytes_of_any_run_of_frames_come_back(base_us: int, rows: list[tuple[int, bytes]]) -> None:
    sets = track().parameter_sets
    known = VideoTrack(sets, 320, 240)
    times_us = [START_US]
    for duration_us, _ in rows:
        times_us.append(times_us[-1] + duration_us)
    # A slice header first, an end that is not zero: any bytes between that hold no start code.
    nals = [b"\x41" + body.replace(b"\x00\x00\x01", b"") + b"\x80" for _, body in rows]
    frames = [EncodedFrame(b"\x00\x00\x01" + nal, False, time) for nal, time in zip(nals, times_us, strict=False)]
    end_us = base_us + times_us[-1] - START_US
    (part,) = fragments(video_fragment(known, sequence=9, frames=frames, base_us=base_us, end_us=end_us))

    assert [sample.time - base_us + START_US for sample in part.samples] == times_us[:-1]
    assert part.end == end_us
    assert [sample.data[4:] for sample in part.samples] == nals
