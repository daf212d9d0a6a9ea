"""What the page tells, as frozen data. Times are Unix milliseconds, or microseconds of a recording's own film."""

from dataclasses import dataclass
from typing import Literal

MomentName = Literal["standby", "pre-event", "press", "mute", "unmute", "mark", "gap", "camera", "stop"]
CustodyName = Literal["docked", "verified", "offloaded", "receipted", "erased"]
PictureState = Literal["pre-event", "live", "gap"]
SoundState = Literal["none", "present", "muted", "off-by-policy", "failed"]
BandKind = Literal["standby", "recording", "docked"]
Tone = Literal["good", "gaps", "bad"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that the camera signed while it was with the officer; ``film_us`` where it has a place in the film."""

    name: MomentName
    title: str
    text: str
    at_ms: int | None
    """None: it did not happen."""
    film_us: int | None
    known_from: str


@dataclass(frozen=True, slots=True)
class Custody:
    """A step on the way from the camera to central storage and back; None as time: it did not happen, and ``text`` says why."""

    name: CustodyName
    title: str
    text: str
    at_ms: int | None
    known_from: str


@dataclass(frozen=True, slots=True)
class PictureSpan:
    """A stretch of the film, before or after the press, or without pictures."""

    start_us: int
    end_us: int
    state: PictureState


@dataclass(frozen=True, slots=True)
class SoundSpan:
    """A stretch of the film, and what its sound is."""

    start_us: int
    end_us: int
    state: SoundState


@dataclass(frozen=True, slots=True)
class Opening:
    """The vault gave out the recording's key, so that somebody could look."""

    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Life:
    """One recording, from standby to erasure."""

    recording_id: str
    number: int
    """Counts from 1, in the order of recording."""
    shift_number: int
    begins_at_ms: int
    """The time of the film's first picture."""
    standby_us: int
    """How long the camera had been on standby before the film's first picture."""
    duration_us: int
    press_us: int
    size_bytes: int
    chunk_count: int
    assurance: int
    picture: tuple[PictureSpan, ...]
    sound: tuple[SoundSpan, ...]
    moments: tuple[Moment, ...]
    more_moment_count: int
    """Moments that are in the chain and not named here."""
    custody: tuple[Custody, ...]
    openings: tuple[Opening, ...]
    frames: str
    """How many of the sensor's frames are in the film, in words."""
    mp4: str | None

    @property
    def short_id(self) -> str:
        """Return as much of the id as people compare."""
        return self.recording_id[:8]


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the day; ``number`` names a recording."""

    kind: BandKind
    start_ms: int
    end_ms: int
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The whole run."""

    word: str
    """The verdict, in a word or a few."""
    tone: Tone
    sentence: str
    assurance: int
    problems: tuple[str, ...]
    findings: tuple[str, ...]
    lives: tuple[Life, ...]
    untold: tuple[str, ...]
    """Recordings that were made and of which no chain is at hand."""
    day: tuple[Band, ...]
    camera: str
    clock: str
    """What the camera's times are worth."""
    parts: tuple[tuple[str, str], ...]
    """What the run was made with: name and value."""
    sealed: str
    root_fingerprint: str
