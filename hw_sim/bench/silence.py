"""What the camera signed about frames that are not there, held against the frames that are not in the pixels. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hw_sim.bench.recorded import Recorded


@dataclass(frozen=True, slots=True)
class Declared:
    """How many of the frames that the pixels lack stand in signed gaps, and where a gap says something else than the pixels."""

    frame_count: int
    problems: tuple[str, ...] = ()


def declared_of(
    recorded: Recorded, *, absent: Sequence[tuple[int, int]], first_number: int, frame_rate_mhz: int
) -> Declared:
    """Compare a recording's signed gaps with the numbers that are absent, given as first and last of each run."""
    count, problems = 0, []
    for gap in recorded.gaps:
        # A gap's ends are times of frames, or such times reckoned by the rate: half a frame is more than any rounding.
        begin, end = (first_number + round(at_us * frame_rate_mhz / 1e9) for at_us in (gap.start_us, gap.end_us))
        found = sum(max(0, min(last + 1, end) - max(first, begin)) for first, last in absent)
        count += found
        if found != gap.missing_frame_count:
            problems.append(
                f"the signed gap at {gap.start_us / 1e6:.3f} s declares {gap.missing_frame_count} frames, "
                f"and the pixels lack {found} there"
            )
    return Declared(count, tuple(problems))


def silence_s(recorded: Sequence[Recorded], *, frame_rate_mhz: int) -> float | None:
    """Return the longest time from one frame to the next where frames are declared missing or a recording goes on in another.

    None where there is no such place.
    """
    frame_us = 1e9 / frame_rate_mhz
    silences_us = [(gap.missing_frame_count + 1) * frame_us for item in recorded for gap in item.gaps]
    by_id = {item.recording_id: item for item in recorded}
    for item in recorded:
        before = None if item.continues is None else by_id.get(item.continues)
        if before is not None:
            # A recording ends one frame after its last.
            silences_us.append(item.origin_mono_us - before.origin_mono_us - before.duration_us + frame_us)
    return round(max(silences_us) / 1e6, 3) if silences_us else None


def goes_on(recorded: Sequence[Recorded]) -> bool:
    """Say whether each recording that goes on from another names the one before it."""
    return all(after.continues in (None, before.recording_id) for before, after in pairwise(recorded))
