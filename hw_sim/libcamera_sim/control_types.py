"""What a control or property of libcamera is, and what values it may have."""

from dataclasses import dataclass
from enum import Enum


class ControlType(Enum):
    """The type of a control's values."""

    Null = 0
    Bool = 1
    Byte = 2
    Integer32 = 3
    Integer64 = 4
    Float = 5
    String = 6
    Rectangle = 7
    Size = 8


@dataclass(frozen=True)
class ControlId:
    """A control or property by number and name."""

    id: int
    name: str
    type: ControlType
    vendor: str = "libcamera"


@dataclass(frozen=True)
class ControlInfo:
    """Bounds and default of a control."""

    min: object
    max: object
    default: object
