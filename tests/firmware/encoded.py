"""Real H.264 and AAC for the tests, from PyAV's encoders, as the camera's ports would deliver them."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from random import Random

import av
import numpy as np
from numpy.typing import NDArray

from firmware.core.gop import Gop, GopAssembler
from firmware.ports import AudioDescription, EncodedAudio, EncodedFrame, VideoDescription

FRAME_RATE = 30
VIDEO = VideoDescription("libx264", 320, 240, FRAME_RATE * 1000)
RATE_HZ = 48_000
START_US = 7_000_003
Samples = NDArray[np.float32]


@cache
def video(profile: str = "high", frame_count: int = 75, size_px: tuple[int, int] = (320, 240)) -> list[EncodedFrame]:
    """Return a moving picture with a key frame every 30 frames, captured at 30 Hz with 3 ms of jitter."""
    width_px, height_px = size_px
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width_px, height_px, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(FRAME_RATE), Fraction(1, FRAME_RATE)
    encoder.gop_size, encoder.thread_count = 30, 1
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "profile": profile,
        "sc_threshold": "0",
        "crf": "30",
    }
    random = Random(1)
    # The first frame defines the origin: it keeps its time.
    times_us = [START_US + i * 1_000_000 // FRAME_RATE + (random.randint(-3000, 3000) if i else 0) for i in range(100)]
    rows, columns = np.mgrid[0:height_px, 0:width_px]
    packets = []
    for index in range(frame_count):
        gray = ((rows + 2 * columns + 7 * index) % 256).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(np.stack([gray] * 3, axis=2), format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [
        EncodedFrame(bytes(packet), packet.is_keyframe, time_us)
        for packet, time_us in zip(packets, times_us, strict=False)
    ]


@cache
def video_gops(profile: str = "high", frame_count: int = 75) -> list[Gop]:
    assembler = GopAssembler(frame_rate_mhz=VIDEO.frame_rate_mhz)
    results = [result for frame in video(profile, frame_count) for result in assembler.add(frame)]
    return [each for each in (*results, *assembler.flush()) if isinstance(each, Gop)]


@cache
def noise(sample_count: int = RATE_HZ * 5 // 2) -> Samples:
    """Return sound that is like itself at no shift but zero: band-limited noise."""
    white = np.random.default_rng(1).standard_normal(sample_count)
    smooth = np.convolve(white, np.hanning(32), mode="same")
    return np.asarray(0.3 * smooth / np.abs(smooth).max(), np.float32)


@cache
def audio(start_us: int = START_US) -> tuple[list[EncodedAudio], AudioDescription]:
    """Return ``noise`` in AAC, its first sample captured at ``start_us``; the encoder's priming is subtracted."""
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.format, encoder.layout = RATE_HZ, "fltp", "mono"
    encoder.bit_rate, encoder.time_base = 128_000, Fraction(1, RATE_HZ)
    sound = noise()
    packets = []
    for position in range(0, len(sound), 1024):
        frame = av.AudioFrame.from_ndarray(sound[None, position : position + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, position, Fraction(1, RATE_HZ)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    blocks = [EncodedAudio(bytes(each), start_us + round((each.pts or 0) * 1e6 / RATE_HZ), 1024) for each in packets]
    return blocks, AudioDescription("aac", RATE_HZ, 1, bytes(encoder.extradata or b""))


def lag_samples(heard: Samples, reference: Samples) -> int:
    """Return by how many samples ``heard`` is later than ``reference`` (both of the same length)."""
    size = 2 * len(heard)
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size))
    shift = int(np.argmax(np.fft.irfft(spectrum, size)))
    return shift if shift < size // 2 else shift - size


def decode_annexb(frames: Sequence[EncodedFrame]) -> list[NDArray[np.uint8]]:
    """Decode the stream as the encoder delivered it."""
    decoder = av.CodecContext.create("h264", "r")
    pictures = [picture for each in frames for picture in decoder.decode(av.Packet(each.data))]
    return [np.asarray(picture.to_ndarray(), np.uint8) for picture in (*pictures, *decoder.decode(None))]
