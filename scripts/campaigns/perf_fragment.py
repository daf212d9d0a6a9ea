"""`perf fragment`: the fragmenter in pure Python against PyAV's muxer: CPU, overhead, and whether each time is the one that went in.

Capture times jitter by up to 0.2 ms here, since no sensor's times lie on a grid; a time that is off by more than 1 us counts as wrong. PyAV is
asked twice: with care (parameter sets from the stream, microseconds), and as its own examples do.
"""

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import av

from firmware.core.audio_placer import AudioPlacer
from firmware.core.fmp4 import (
    AudioTrack,
    VideoTrack,
    audio_fragment,
    audio_sequence,
    init_segment,
    video_fragment,
    video_sequence,
)
from firmware.core.gop import Gop, GopAssembler
from firmware.core.h264 import ParameterSets
from firmware.core.pairing import AudioPairer, GopWithAudio
from firmware.ports import EncodedFrame
from scripts.campaigns.alternating import medians
from scripts.campaigns.command import Campaign, Order
from scripts.campaigns.media import FRAME_RATE_MHZ, LAP_S, Item, Media, encode
from scripts.campaigns.plain_muxer import PlainMuxer, Sink
from scripts.campaigns.result import Row, against, measured, none_of

_LAPS: Final = 8
_JITTER_US: Final = 200
_WRONG_US_MIN: Final = 2
"""In whole microseconds: more than 1."""


def run(order: Order) -> Sequence[Row]:
    """Measure."""
    media = encode(order)
    stream = _with_jitter(media.stream(_LAPS), order)
    gops, muxer = _gops(stream), PlainMuxer(media)
    kept: list[Item] = []
    for paired in gops:
        kept += (*paired.gop.frames, *paired.audio)
    input_bytes = sum(len(item.data) for item in kept)
    minutes = _LAPS * LAP_S / 60
    sinks: dict[str, Sink] = {}

    def cpu_s(name: str, write: Callable[[Sink], None]) -> float:
        sink = sinks[name] = Sink()
        began_s = time.process_time()
        write(sink)
        return (time.process_time() - began_s) / minutes

    taken = tuple(item for item in stream if item.captured_at_mono_us >= stream[0].captured_at_mono_us)
    usual = PlainMuxer(media, is_careful=False)
    found = medians(
        {
            "ours": lambda: cpu_s("ours", lambda sink: _write_ours(sink, media, gops)),
            "pyav": lambda: cpu_s("pyav", lambda sink: muxer.write(sink, taken)),
        },
        order,
    )
    usual.write(sinks.setdefault("pyav as usual", Sink()), taken)
    films = {name: sink.content() for name, sink in sinks.items()}
    expected_us = [
        frame.captured_at_mono_us - stream[0].captured_at_mono_us for paired in gops for frame in paired.gop.frames
    ]
    wrong = {name: _wrong_count(film, expected_us) for name, film in films.items()}
    avcc = ParameterSets.of_key_frame(media.frames[0].data).avcc_payload()
    foreign = {name: int(avcc not in film) for name, film in films.items()}
    beyond = {name: len(film) - input_bytes for name, film in films.items()}
    return (
        measured("video in each run", _LAPS * LAP_S, "s of 720p30"),
        measured("frames", len(expected_us), "frames"),
        against("CPU per minute of video", found["ours"], "s", peer="PyAV's muxer", peer_value=found["pyav"]),
        against("bytes beyond the input", beyond["ours"], "B", peer="PyAV's muxer", peer_value=beyond["pyav"]),
        measured("overhead", round(100 * beyond["ours"] / input_bytes, 4), "% of the input"),
        none_of("times off by more than 1 us", wrong["ours"], "frames"),
        measured("times off by more than 1 us, PyAV with care", wrong["pyav"], "frames"),
        measured("times off by more than 1 us, PyAV as usual", wrong["pyav as usual"], "frames"),
        none_of("avcC that is not the stream's", foreign["ours"], "1 yes, 0 no"),
        measured("avcC that is not the stream's, PyAV with care", foreign["pyav"], "1 yes, 0 no"),
        measured("avcC that is not the stream's, PyAV as usual", foreign["pyav as usual"], "1 yes, 0 no"),
    )


def _with_jitter(stream: Sequence[Item], order: Order) -> tuple[Item, ...]:
    random = order.stream("jitter")
    return tuple(
        replace(item, captured_at_mono_us=item.captured_at_mono_us + random.randrange(_JITTER_US + 1))
        if isinstance(item, EncodedFrame)
        else item
        for item in stream
    )


def _gops(stream: Sequence[Item]) -> tuple[GopWithAudio, ...]:
    """Return whole GOPs with their sound, as the recording gets them."""
    assembler, pairer = GopAssembler(frame_rate_mhz=FRAME_RATE_MHZ), AudioPairer(is_audio_expected=True)
    for item in stream:
        if isinstance(item, EncodedFrame):
            for outcome in assembler.add(item):
                assert isinstance(outcome, Gop), outcome
                pairer.add_gop(outcome)
        else:
            pairer.add_audio(item)
    for outcome in assembler.flush():
        assert isinstance(outcome, Gop), outcome
        pairer.add_gop(outcome)
    return pairer.take_all()


def _write_ours(sink: Sink, media: Media, gops: Sequence[GopWithAudio]) -> None:
    first = gops[0].gop
    origin_us = first.start_mono_us
    track = VideoTrack.of(first.frames[0], media.video)
    placer = AudioPlacer(origin_mono_us=origin_us, sample_rate_hz=media.audio.sample_rate_hz)
    sink.write(init_segment(track, AudioTrack.of(media.audio)))
    for index, paired in enumerate(gops):
        base_us, end_us = paired.gop.start_mono_us - origin_us, paired.gop.end_mono_us - origin_us
        sink.write(
            video_fragment(
                track, sequence=video_sequence(index), frames=paired.gop.frames, base_us=base_us, end_us=end_us
            )
        )
        placed = placer.place(paired.audio).blocks
        if placed:
            sink.write(audio_fragment(sequence=audio_sequence(index), blocks=placed))


def _wrong_count(film: bytes, expected_us: Sequence[int]) -> int:
    """Return how many frames, as FFmpeg reads them, are missing or stand at another time than they were captured."""
    with av.open(io.BytesIO(film), "r") as opened:
        video = opened.streams.video[0]
        assert video.time_base is not None
        found_us = [
            packet.pts * video.time_base * 1_000_000 for packet in opened.demux(video) if packet.pts is not None
        ]
    pairs = zip(found_us, expected_us, strict=False)
    wrong_count = sum(1 for found, expected in pairs if abs(found - expected) >= _WRONG_US_MIN)
    return wrong_count + abs(len(found_us) - len(expected_us))


CAMPAIGN: Final = Campaign("the fragmenter: CPU, overhead and exactness of times, beside PyAV's muxer", 20.0, run)
