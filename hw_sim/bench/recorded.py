"""What the card and the sensor told of a recording at docking, kept for a later run that has no sensor to ask."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class SignedGap(BaseModel):
    """Frames that the camera signed as missing; times of the recording's own film."""

    model_config = ConfigDict(frozen=True)

    start_us: int
    end_us: int
    missing_frame_count: int


class Recorded(BaseModel):
    """A recording as its chain describes it, and how many frames the sensor counted in its time."""

    model_config = ConfigDict(frozen=True)

    recording_id: str
    shift_folder: str
    shift_number: int
    duration_us: int
    pre_event_ms: int
    chunk_count: int
    size_bytes: int
    frames_captured: int | None
    frame_first: int | None
    frame_last: int | None
    frames_in_chain: int | None = None
    """As its chunks declare."""
    frame_rate_mhz: int | None = None
    origin_mono_us: int = 0
    continues: str | None = None
    """The recording that this one goes on from."""
    gaps: tuple[SignedGap, ...] = ()


def save_recorded(recorded: Sequence[Recorded], path: Path) -> None:
    """Keep what the card and the sensor told, for a later run that has no sensor to ask."""
    path.write_text(json.dumps([item.model_dump() for item in recorded], indent=2))


def load_recorded(path: Path) -> tuple[Recorded, ...]:
    """Return what `save_recorded` kept; nothing when there is no such file."""
    return tuple(Recorded.model_validate(item) for item in json.loads(path.read_text())) if path.exists() else ()
