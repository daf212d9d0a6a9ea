"""Counts the frames of a recording from its pixels: which numbers are there, when, and whether the sound is in step.

It believes nothing but the decoded picture and sound: it imports no part of the camera, the dock or the format. Runs
as ``scripts/count_frames``. Decoding is in ``watching``, the counters in ``counter`` and ``sound``.
"""

import argparse
import json
import sys
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

from hw_sim.sound import BURST_MS, EDGE_MS, TONES_HZ, burst_period_frames
from hw_sim.watching import HeardBurst, SeenFrame, UnusableFile, Watched, watch

AV_OFFSET_LIMIT_MS: Final = 40.0
PTS_DEVIATION_LIMIT_US: Final = 1000.0

_EXAMPLE: Final = """\
exit code: 0 all there and in step; 1 something is missing or out of step; 2 a file cannot be used.

example:
  scripts/count_frames o/mp4/*.mp4
  scripts/count_frames --json --fps 29.97 o/mp4/first.mp4
"""


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted in one file. Times are the file's own."""

    file: str
    fps: float
    frames_decoded: int
    first: int
    last: int
    frames_missing: int
    """Numbers absent between first and last; a frame that cannot be read counts as missing wherever it stands."""
    absent: tuple[tuple[int, int], ...]
    """The numbers absent between first and last, as first and last of each run."""
    frames_unreadable: int
    """Frames of the file that do not decode, or in which the counter cannot be read."""
    frames_duplicated: int
    frames_out_of_order: int
    pts_deviation_us_max: float
    """Largest distance of a frame's time from that of its number, both counted from the first readable frame."""
    audio_spans_s: tuple[tuple[float, float], ...]
    bursts_expected: int
    """Bursts whose frame lies in the film and which lie wholly within a stretch of sound."""
    bursts_heard: int
    bursts_missing: int
    av_offset_ms_max: float | None
    """Largest distance of a burst's beginning from the time of the frame it belongs to; None without a burst."""

    def complaints(self, *, av_offset_limit_ms: float = AV_OFFSET_LIMIT_MS) -> tuple[str, ...]:
        """Say in words what is missing or out of step; empty where nothing is."""
        counts = (
            (self.frames_missing, "frames missing"),
            (self.frames_duplicated, "frames twice"),
            (self.frames_out_of_order, "frames out of order"),
            (self.bursts_missing, "tone bursts missing"),
        )
        said = [f"{what}: {count}" for count, what in counts if count]
        if self.pts_deviation_us_max > PTS_DEVIATION_LIMIT_US:
            said.append(f"a frame {self.pts_deviation_us_max:.0f} us off its time (limit {PTS_DEVIATION_LIMIT_US:.0f})")
        if self.av_offset_ms_max is not None and self.av_offset_ms_max > av_offset_limit_ms:
            said.append(f"sound {self.av_offset_ms_max:.1f} ms off the picture (limit {av_offset_limit_ms:g})")
        return tuple(said)


def count(path: Path, *, frame_rate_mhz: int | None = None) -> Count:
    """Count ``path``; without a frame rate it is taken from the counters and the time stamps.

    Raises:
        UnusableFile: the file cannot be decoded, or carries no counter.
    """
    watched = watch(path)
    frames = [(frame.pts_us, frame.number) for frame in watched.frames if frame.number is not None]
    if not frames:
        raise UnusableFile(
            f"{path}: none of its {len(watched.frames)} frames carries a readable counter; "
            "expected a recording of the simulated sensor, not cropped or scaled"
        )
    times_us: dict[int, float] = {}
    for pts_us, number in frames:
        times_us.setdefault(number, pts_us)
    rate_mhz = frame_rate_mhz or _inferred_rate_mhz(path, times_us)
    timeline = _Timeline(frames[0][1], frames[0][0], rate_mhz)
    heard = {timeline.burst_near(burst) for burst in watched.bursts}
    expected = _expected_bursts(watched, timeline, min(times_us), max(times_us))
    offsets_us = [_offset_us(burst, timeline, times_us) for burst in watched.bursts]
    return Count(
        file=str(path),
        fps=rate_mhz / 1000,
        frames_decoded=watched.frames_decoded,
        first=min(times_us),
        last=max(times_us),
        frames_missing=_missing_count(watched.frames),
        absent=_absent(times_us),
        frames_unreadable=len(watched.frames) - len(frames),
        frames_duplicated=len(frames) - len(times_us),
        frames_out_of_order=_out_of_order_count([number for _, number in frames]),
        pts_deviation_us_max=round(max(abs(at - timeline.time_us(number)) for at, number in frames), 1),
        audio_spans_s=tuple((round(a / 1e6, 6), round(b / 1e6, 6)) for a, b in watched.audio_spans_us),
        bursts_expected=len(expected),
        bursts_heard=len(watched.bursts),
        bursts_missing=len(expected - heard),
        av_offset_ms_max=round(max(offsets_us) / 1000, 3) if offsets_us else None,
    )


@dataclass(frozen=True, slots=True)
class _Timeline:
    """When each number should be shown, counted from one frame that was."""

    anchor_number: int
    anchor_us: float
    rate_mhz: int

    def time_us(self, number: int) -> float:
        return self.anchor_us + (number - self.anchor_number) * 1e9 / self.rate_mhz

    def burst_near(self, burst: HeardBurst) -> int:
        """Return which burst of the scene has this tone and is due nearest to when it was heard."""
        number = self.anchor_number + (burst.onset_us - self.anchor_us) * self.rate_mhz / 1e9
        rounds = (number / burst_period_frames(self.rate_mhz) - burst.tone_index) / len(TONES_HZ)
        return burst.tone_index + len(TONES_HZ) * round(rounds)


def _offset_us(burst: HeardBurst, timeline: _Timeline, times_us: dict[int, float]) -> float:
    """Return the distance from the frame of the same number, or from its due time where that frame is not there."""
    number = timeline.burst_near(burst) * burst_period_frames(timeline.rate_mhz)
    return abs(burst.onset_us - times_us.get(number, timeline.time_us(number)))


def _expected_bursts(watched: Watched, timeline: _Timeline, first: int, last: int) -> set[int]:
    period = burst_period_frames(timeline.rate_mhz)
    # Twice the edge: the finder leaves out what begins within one, and a measured beginning has an error.
    before_us, after_us = 2 * EDGE_MS * 1000, (BURST_MS + EDGE_MS) * 1000
    spans = sorted((begin + before_us, end - after_us) for begin, end in watched.audio_spans_us)
    begins = [begin for begin, _ in spans]
    expected = set()
    for burst in range(-(-first // period), last // period + 1):
        due_us = timeline.time_us(burst * period)
        span = bisect_left(begins, due_us) - 1
        if span >= 0 and due_us <= spans[span][1]:
            expected.add(burst)
    return expected


def _inferred_rate_mhz(path: Path, times_us: dict[int, float]) -> int:
    """Return the rate in whole mHz: the median over pairs half a film apart, so that a few wrong times do not count."""
    numbers = sorted(times_us)
    half = len(numbers) // 2
    pairs = [(numbers[index], numbers[index + half]) for index in range(len(numbers) - half)] if half else []
    rates = [(b - a) * 1e9 / (times_us[b] - times_us[a]) for a, b in pairs if times_us[b] > times_us[a]]
    if not rates:
        raise UnusableFile(f"{path}: too few frames to tell the frame rate; say it with --fps")
    return max(1, round(median(rates)))


def _absent(times_us: Iterable[int]) -> tuple[tuple[int, int], ...]:
    return tuple((before + 1, after - 1) for before, after in pairwise(sorted(times_us)) if after - before > 1)


def _missing_count(frames: Sequence[SeenFrame]) -> int:
    readable = [index for index, frame in enumerate(frames) if frame.number is not None]
    numbers = {frame.number for frame in frames if frame.number is not None}
    absent_count = max(numbers) - min(numbers) + 1 - len(numbers)
    inside_count = readable[-1] - readable[0] + 1 - len(readable)
    return max(absent_count, inside_count) + len(frames) - (readable[-1] - readable[0] + 1)


def _out_of_order_count(numbers: Sequence[int]) -> int:
    highest, count_ = -1, 0
    for number in numbers:
        count_ += number < highest
        highest = max(highest, number)
    return count_


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    counts: list[Count] = []
    errors: list[dict[str, str]] = []
    for path in options.files:
        try:
            counts.append(count(path, frame_rate_mhz=options.fps))
        except UnusableFile as error:
            errors.append({"file": str(path), "error": str(error)})
    complaints = {each.file: each.complaints(av_offset_limit_ms=options.av_offset_limit_ms) for each in counts}
    if options.json:
        print(json.dumps(_as_json(counts, complaints, errors), indent=2))
    elif counts:
        _print_table(counts, complaints)
    for fault in errors:
        print(f"count_frames: {fault['error']}", file=sys.stderr)
    if errors:
        return 2
    return 1 if any(complaints.values()) else 0


def _as_json(
    counts: Sequence[Count], complaints: dict[str, tuple[str, ...]], errors: Sequence[dict[str, str]]
) -> dict[str, object]:
    offsets_ms = [each.av_offset_ms_max for each in counts if each.av_offset_ms_max is not None]
    return {
        "frames_decoded": sum(each.frames_decoded for each in counts),
        "frames_missing": sum(each.frames_missing for each in counts),
        "av_offset_ms_max": max(offsets_ms, default=None),
        "files": [{**asdict(each), "complaints": complaints[each.file]} for each in counts],
        "errors": list(errors),
    }


def _print_table(counts: Sequence[Count], complaints: dict[str, tuple[str, ...]]) -> None:
    for each in counts:
        offset = "no sound" if each.av_offset_ms_max is None else f"{each.av_offset_ms_max:.1f} ms"
        spans = ", ".join(f"{begin:.2f}-{end:.2f} s" for begin, end in each.audio_spans_s) or "none"
        print(each.file)
        print(f"  frames     {each.frames_decoded} decoded, numbers {each.first} to {each.last} at {each.fps:g} fps")
        print(f"  missing    {each.frames_missing} ({each.frames_unreadable} unreadable)")
        print(f"  order      {each.frames_duplicated} twice, {each.frames_out_of_order} out of order")
        print(f"  time       at most {each.pts_deviation_us_max:.1f} us off the counter")
        print(f"  sound      {spans}")
        print(f"  bursts     {each.bursts_heard} heard, {each.bursts_expected} expected, largest offset {offset}")
        print(f"  result     {'; '.join(complaints[each.file]) or 'all there and in step'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="count_frames",
        description="Count the frames of recordings of the simulated sensor from their pixels, and check the sound.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.mp4")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--fps", type=_rate_mhz, metavar="FPS", help="frame rate of the sensor; taken from counters and times if absent"
    )
    parser.add_argument(
        "--av-offset-limit-ms",
        type=float,
        default=AV_OFFSET_LIMIT_MS,
        metavar="MS",
        help="how far sound and picture may be apart (default %(default)g)",
    )
    return parser


def _rate_mhz(text: str) -> int:
    try:
        rate_mhz = round(float(text) * 1000)
    except (ValueError, OverflowError):
        rate_mhz = 0
    if rate_mhz < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no frame rate; expected a number such as 30 or 29.97")
    return rate_mhz


if __name__ == "__main__":
    sys.exit(main())
