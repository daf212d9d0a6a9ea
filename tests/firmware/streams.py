"""Streams as strings: ``"IPPP.IPPP"`` is two GOPs of frames, ``-`` a frame that never arrived, ``.`` only for the eye.

``shape`` writes what an assembler gave back in the same letters, with ``x`` for every frame that was dropped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from firmware.core.gop import Gop, GopAssembler, GopLimits, Lost
from firmware.ports import EncodedAudio, EncodedFrame

FRAME_RATE_MHZ = 30_000
START_US = 5_000_000
SPS = bytes.fromhex("6742c01e")
PPS = bytes.fromhex("68ce3c80")
START_CODE = b"\x00\x00\x00\x01"


def tick_us(tick: int) -> int:
    """Return the capture time of the frame at ``tick``."""
    return START_US + tick * 1_000_000 // 30


def key_frame(captured_at_mono_us: int, size_bytes: int = 40) -> EncodedFrame:
    head = START_CODE + SPS + START_CODE + PPS + START_CODE + b"\x65"
    return EncodedFrame(head.ljust(size_bytes, b"\xaa"), True, captured_at_mono_us)


def delta_frame(captured_at_mono_us: int, size_bytes: int = 10) -> EncodedFrame:
    return EncodedFrame((START_CODE + b"\x41").ljust(size_bytes, b"\xbb"), False, captured_at_mono_us)


@dataclass(frozen=True)
class Stream:
    """Frames that can be tampered with, each way giving a new stream."""

    frames: tuple[EncodedFrame, ...]

    def drop(self, index: int) -> "Stream":
        return Stream(self.frames[:index] + self.frames[index + 1 :])

    def at(self, index: int, captured_at_mono_us: int) -> "Stream":
        """Give one frame another time."""
        changed = replace(self.frames[index], captured_at_mono_us=captured_at_mono_us)
        return Stream((*self.frames[:index], changed, *self.frames[index + 1 :]))

    def later(self, index: int, by_us: int) -> "Stream":
        """Move all frames from ``index`` on."""
        moved = (replace(each, captured_at_mono_us=each.captured_at_mono_us + by_us) for each in self.frames[index:])
        return Stream((*self.frames[:index], *moved))


def stream(pattern: str) -> Stream:
    makers = {"I": key_frame, "P": delta_frame}
    ticks = enumerate(pattern.replace(".", ""))
    return Stream(tuple(makers[letter](tick_us(tick)) for tick, letter in ticks if letter != "-"))


def assemble(frames: Stream, *, limits: GopLimits | None = None, flush: bool = True) -> list[Gop | Lost]:
    assembler = GopAssembler(frame_rate_mhz=FRAME_RATE_MHZ, limits=limits)
    results = [result for frame in frames.frames for result in assembler.add(frame)]
    return [*results, *assembler.flush()] if flush else results


def shape(results: Iterable[Gop | Lost]) -> str:
    return ".".join(_gop_shape(each) if isinstance(each, Gop) else "x" * each.frame_count for each in results)


def _gop_shape(gop: Gop) -> str:
    missing_after = {gap.start_us: gap.missing_frame_count for gap in gop.gaps}
    return "".join(
        ("I" if frame.is_key else "P") + "-" * missing_after.get(frame.captured_at_mono_us, 0) for frame in gop.frames
    )


def gops(pattern: str) -> list[Gop]:
    return [each for each in assemble(stream(pattern)) if isinstance(each, Gop)]


def second_gops(count: int, *, first_s: int = 0, size_bytes: int = 40) -> list[Gop]:
    """Return GOPs of one key frame and one second each; the first starts ``first_s`` after START_US."""
    starts_us = [START_US + second * 1_000_000 for second in range(first_s, first_s + count)]
    return [Gop((key_frame(start_us, size_bytes),), start_us + 1_000_000) for start_us in starts_us]


def blocks(count: int, *, start_us: int = START_US, rate_hz: int = 48_000, size_bytes: int = 4) -> list[EncodedAudio]:
    """Return contiguous audio blocks of 1024 samples; each holds its own number."""
    return [
        EncodedAudio(index.to_bytes(size_bytes, "big"), start_us + index * 1024 * 1_000_000 // rate_hz, 1024)
        for index in range(count)
    ]


def numbers(audio: Sequence[EncodedAudio]) -> list[int]:
    """Return which blocks of ``blocks`` these are."""
    return [int.from_bytes(block.data, "big") for block in audio]
