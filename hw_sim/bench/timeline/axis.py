"""Where things stand on a time axis, in percent of its width; and times to read. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_LEAD_SHARE_MAX: Final = 0.18
_DATES_END_MS: Final = 253_402_300_800_000
"""The year 10000; what a camera claims beyond is shown as a number."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Axis:
    """The axis of one recording: a stretch of standby before the film, then the film."""

    lead_us: int
    duration_us: int
    is_torn: bool
    """There was more standby than the axis shows."""

    @classmethod
    def of(cls, *, standby_us: int, duration_us: int) -> "Axis":
        """Return the axis of a film; long standby is cut off."""
        lead_us = min(standby_us, int(duration_us * _LEAD_SHARE_MAX))
        return cls(lead_us, duration_us, is_torn=standby_us > lead_us)

    def at(self, film_us: int) -> float:
        """Return the place of a moment of the film."""
        return 100 * share(self.lead_us + film_us, self.lead_us + self.duration_us)


def share(part: int, whole: int) -> float:
    """Return part / whole between 0 and 1; 0 of nothing."""
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


def ticks_us(duration_us: int, *, count_max: int) -> tuple[int, ...]:
    """Return round times from 0 on, at most ``count_max``."""
    whole_s = duration_us // 1_000_000
    step_s = next((step for step in _STEPS_S if whole_s // step < count_max), whole_s // count_max + 1)
    return tuple(range(0, duration_us + 1, step_s * 1_000_000))[:count_max]


def rows_of(places: Sequence[float], *, gap: float) -> tuple[int, ...]:
    """Return a row for each mark, in order, so that marks of one row stand at least ``gap`` percent apart."""
    last: list[float] = []
    rows = []
    for place in places:
        row = next((number for number, before in enumerate(last) if place - before >= gap), len(last))
        last[row : row + 1] = [place]
        rows.append(row)
    return tuple(rows)


def film_time(film_us: int, *, is_exact: bool = True) -> str:
    """Return a place in a film as a player shows it, 1:02:03.4."""
    tenths = (film_us + 50_000) // 100_000 if is_exact else film_us // 1_000_000 * 10
    whole, tenth = divmod(tenths, 10)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    text = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return f"{text}.{tenth}" if is_exact else text


def clock(at_ms: int, *, is_exact: bool = True) -> str:
    """Return the time of day in UTC."""
    if not 0 <= at_ms < _DATES_END_MS:
        return f"{at_ms} ms"
    at = _EPOCH + timedelta(milliseconds=at_ms)
    return f"{at:%H:%M:%S}.{at_ms % 1000:03d}" if is_exact else f"{at:%H:%M:%S}"


def day(at_ms: int) -> str:
    """Return the date in UTC, in words."""
    if not 0 <= at_ms < _DATES_END_MS:
        return "a day that no calendar has"
    at = _EPOCH + timedelta(milliseconds=at_ms)
    return f"{at.day} {at:%B %Y}"


def machine_time(at_ms: int) -> str | None:
    """Return a time for machines; None where there is no such date."""
    if not 0 <= at_ms < _DATES_END_MS:
        return None
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
