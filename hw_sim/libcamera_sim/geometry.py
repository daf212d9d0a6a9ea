"""Values of libcamera's Python binding without behaviour: sizes, rectangles, transforms, colour spaces, pixel formats.

Names and spelling are libcamera's own, since picamera2 asks for them by name. picamera2 hangs methods of its own on some of
these classes after it has used their instances as keys, so those compare by identity here, as they do in the binding.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Union


@dataclass(unsafe_hash=True)
class Size:
    """Width and height in pixels."""

    width: int = 0
    height: int = 0

    def __str__(self) -> str:
        """Return it as libcamera writes it."""
        return f"{self.width}x{self.height}"


@dataclass(unsafe_hash=True)
class Rectangle:
    """A part of the pixel array."""

    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


class Orientation(Enum):
    """How the picture lies, after EXIF."""

    Rotate0 = 1
    Rotate0Mirror = 2
    Rotate180 = 3
    Rotate180Mirror = 4
    Rotate90Mirror = 5
    Rotate270 = 6
    Rotate270Mirror = 7
    Rotate90 = 8


class Transform:
    """Flips and transposition."""

    def __init__(
        self,
        other: Union["Transform", None] = None,
        *,
        hflip: bool = False,
        vflip: bool = False,
        transpose: bool = False,
    ) -> None:
        """Copy ``other``, or take the three."""
        self.hflip: bool = bool(hflip) if other is None else other.hflip
        self.vflip: bool = bool(vflip) if other is None else other.vflip
        self.transpose: bool = bool(transpose) if other is None else other.transpose

    def __str__(self) -> str:
        """Say which of the three are set."""
        return f"<libcamera.Transform hflip={self.hflip:d} vflip={self.vflip:d} transpose={self.transpose:d}>"


class ColorSpace:
    """Primaries, transfer function, encoding and range."""

    class Primaries(Enum):
        """Which colours."""

        Raw = 0
        Smpte170m = 1
        Rec709 = 2

    class TransferFunction(Enum):
        """Which curve."""

        Linear = 0
        Srgb = 1
        Rec709 = 2

    class YcbcrEncoding(Enum):
        """Which matrix."""

        Null = 0
        Rec601 = 1
        Rec709 = 2

    class Range(Enum):
        """Which values are black and white."""

        Full = 0
        Limited = 1

    def __init__(
        self,
        primaries: Union[Primaries, "ColorSpace"],
        transfer_function: TransferFunction = TransferFunction.Linear,
        ycbcr_encoding: YcbcrEncoding = YcbcrEncoding.Null,
        range_of_values: Range = Range.Full,
    ) -> None:
        """Copy another, or take the four."""
        self.primaries: ColorSpace.Primaries
        self.transferFunction: ColorSpace.TransferFunction
        self.ycbcrEncoding: ColorSpace.YcbcrEncoding
        self.range: ColorSpace.Range
        if isinstance(primaries, ColorSpace):
            self.primaries, self.transferFunction = primaries.primaries, primaries.transferFunction
            self.ycbcrEncoding, self.range = primaries.ycbcrEncoding, primaries.range
        else:
            self.primaries, self.transferFunction = primaries, transfer_function
            self.ycbcrEncoding, self.range = ycbcr_encoding, range_of_values

    def __str__(self) -> str:
        """Name primaries and curve."""
        return f"<libcamera.ColorSpace {self.primaries.name}/{self.transferFunction.name}>"

    @classmethod
    def Raw(cls) -> "ColorSpace":
        """Return that of a sensor's own values."""
        return cls(cls.Primaries.Raw)

    @classmethod
    def Sycc(cls) -> "ColorSpace":
        """Return that of JPEG files."""
        return cls(cls.Primaries.Rec709, cls.TransferFunction.Srgb, cls.YcbcrEncoding.Rec601)

    @classmethod
    def Smpte170m(cls) -> "ColorSpace":
        """Return that of video below high definition."""
        return cls(cls.Primaries.Smpte170m, cls.TransferFunction.Rec709, cls.YcbcrEncoding.Rec601, cls.Range.Limited)

    @classmethod
    def Rec709(cls) -> "ColorSpace":
        """Return that of high-definition video."""
        return cls(cls.Primaries.Rec709, cls.TransferFunction.Rec709, cls.YcbcrEncoding.Rec709, cls.Range.Limited)


@dataclass(frozen=True)
class PixelFormat:
    """A format by its name."""

    name: str = ""

    def __str__(self) -> str:
        """Return the name."""
        return self.name
