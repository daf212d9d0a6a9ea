"""The fragmenter: a recording's init segment, and one fragment for each part of a chunk.

Init segment, then for each chunk its video fragment and, where it is there, its audio fragment, is a playable MP4; so
is any run of chunks behind the init segment. Every part has a moof of its own, so a part can be withheld.
Not handled: B-frames, and parameter sets that change within a recording. See firmware/design/fragmenter.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from firmware.core.audio_placer import PlacedAudio
from firmware.core.fmp4_boxes import (
    AUDIO_TRACK_ID,
    SAMPLE_FLAGS_NON_SYNC,
    SAMPLE_FLAGS_SYNC,
    VIDEO_TRACK_ID,
    avc1_box,
    box,
    fragment,
    full_box,
    movie_box,
    mp4a_box,
    track_box,
)
from firmware.core.h264 import (
    NAL_TYPE_ACCESS_UNIT_DELIMITER,
    NAL_TYPE_PPS,
    NAL_TYPE_SPS,
    ParameterSets,
    StreamFault,
    nal_type,
    nal_units,
)
from firmware.errors import OperatingError
from firmware.ports import AudioDescription, EncodedFrame, VideoDescription

VIDEO_TIMESCALE_HZ: Final = 1_000_000
"""Microseconds, so capture times are stored as they are."""
SAMPLE_DURATION_MAX: Final = 0xFFFF_FFFF

_PARAMETER_SET_TYPES: Final = frozenset({NAL_TYPE_SPS, NAL_TYPE_PPS})


class ParameterSetsChanged(OperatingError):
    """A frame brings an SPS or PPS that the init segment does not hold: the GOP belongs into a new recording.

    ``frame_index`` counts within the GOP. Where it is not 0, a new recording meets the same fault.
    """

    def __init__(self, frame_index: int, nal: bytes) -> None:
        """Name the frame and show the NAL unit."""
        super().__init__(
            f"frame {frame_index} of a GOP brings NAL unit {nal.hex()}, which is not in the init segment; "
            "open a new recording with this GOP"
        )
        self.frame_index = frame_index

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "The recording goes on as a new one; if this repeats, check what changes the encoder's settings."


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """What the init segment says of the picture."""

    parameter_sets: ParameterSets
    width_px: int
    height_px: int

    @classmethod
    def of(cls, key_frame: EncodedFrame, description: VideoDescription) -> "VideoTrack":
        """Describe the stream that ``key_frame`` begins.

        Raises:
            StreamFault: the frame does not carry its parameter sets.
        """
        return cls(ParameterSets.of_key_frame(key_frame.data), description.width_px, description.height_px)


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """What the init segment says of the sound."""

    sample_rate_hz: int
    channel_count: int
    decoder_config: bytes

    @classmethod
    def of(cls, description: AudioDescription) -> "AudioTrack":
        """Describe what the microphone delivers."""
        return cls(description.sample_rate_hz, description.channel_count, description.decoder_config)


def video_sequence(chunk_index: int) -> int:
    """Return the sequence number of a chunk's video fragment."""
    return 2 * chunk_index + 1


def audio_sequence(chunk_index: int) -> int:
    """Return the sequence number of a chunk's audio fragment."""
    return 2 * chunk_index + 2


def init_segment(video: VideoTrack, audio: AudioTrack | None) -> bytes:
    """Return ftyp and moov: the same bytes for the same tracks."""
    tracks = [
        track_box(
            track_id=VIDEO_TRACK_ID,
            timescale_hz=VIDEO_TIMESCALE_HZ,
            handler=b"vide",
            header=full_box(b"vmhd", 0, 1, bytes(8)),
            sample_entry=avc1_box(video.width_px, video.height_px, video.parameter_sets.avcc_payload()),
            size_px=(video.width_px, video.height_px),
        )
    ]
    if audio is not None:
        tracks.append(
            track_box(
                track_id=AUDIO_TRACK_ID,
                timescale_hz=audio.sample_rate_hz,
                handler=b"soun",
                header=full_box(b"smhd", 0, 0, bytes(4)),
                sample_entry=mp4a_box(audio.sample_rate_hz, audio.channel_count, audio.decoder_config),
                size_px=(0, 0),
            )
        )
    # iso6 is the first brand that has tfdt and default-base-is-moof; CMAF's own brands want one track a file.
    return box(b"ftyp", b"iso6", bytes(4), b"iso6", b"mp41") + movie_box(tracks)


def video_fragment(
    track: VideoTrack, *, sequence: int, frames: Sequence[EncodedFrame], base_us: int, end_us: int
) -> bytes:
    """Return the video part of a chunk: the frames of one GOP, ``base_us`` to ``end_us`` after the recording's origin.

    Raises:
        ParameterSetsChanged: nothing of this GOP can go behind the init segment of ``track``.
        StreamFault: a frame is no access unit.
    """
    origin_us = frames[0].captured_at_mono_us - base_us
    next_us = [frame.captured_at_mono_us for frame in frames[1:]]
    next_us.append(origin_us + end_us)
    words: list[int] = []
    payload: list[bytes] = []
    for index, frame in enumerate(frames):
        duration_us = next_us[index] - frame.captured_at_mono_us
        if duration_us <= 0:
            raise AssertionError(f"frame {index} of a GOP lasts {duration_us} us, expected capture times that rise")
        size_bytes = _append_sample(payload, frame.data, track.parameter_sets, index)
        flags = SAMPLE_FLAGS_SYNC if frame.is_key else SAMPLE_FLAGS_NON_SYNC
        # After a stall of 71 min a duration is too short, no time is wrong: the next fragment states its own.
        words += (min(duration_us, SAMPLE_DURATION_MAX), size_bytes, flags)
    return fragment(
        sequence=sequence, track_id=VIDEO_TRACK_ID, base=base_us, sample_words=words, has_flags=True, payload=payload
    )


def _append_sample(payload: list[bytes], access_unit: bytes, known: ParameterSets, frame_index: int) -> int:
    """Append an access unit with lengths instead of start codes; return its size."""
    size_bytes = 0
    for nal in nal_units(access_unit):
        kind = nal_type(nal)
        if kind in _PARAMETER_SET_TYPES:
            if nal not in known.sps and nal not in known.pps:
                raise ParameterSetsChanged(frame_index, nal)
            continue
        if kind == NAL_TYPE_ACCESS_UNIT_DELIMITER:
            continue  # A sample is delimited by its size; the unit carries no picture.
        payload += (len(nal).to_bytes(4, "big"), nal)
        size_bytes += 4 + len(nal)
    if size_bytes == 0:
        raise StreamFault(
            f"frame {frame_index} of a GOP has {len(access_unit)} bytes and no picture in them; "
            "check that the encoder sends its headers together with the key frame"
        )
    return size_bytes


def audio_fragment(*, sequence: int, blocks: Sequence[PlacedAudio]) -> bytes:
    """Return the audio part of a chunk. A block lasts until the next one starts; a chunk without audio has no part."""
    if not blocks:
        raise AssertionError("found no audio block for an audio fragment, expected at least one")
    words: list[int] = []
    for block, following in pairwise(blocks):
        words += (following.start_sample - block.start_sample, len(block.data))
    words += (blocks[-1].sample_count, len(blocks[-1].data))
    return fragment(
        sequence=sequence,
        track_id=AUDIO_TRACK_ID,
        base=blocks[0].start_sample,
        sample_words=words,
        has_flags=False,
        payload=[block.data for block in blocks],
    )
