"""Streams, sensor modes and the configuration that picamera2 asks for and has validated."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from hw_sim.counter import HEIGHT_PX_MIN, WIDTH_PX_MIN
from hw_sim.libcamera_sim.geometry import ColorSpace, Orientation, PixelFormat, Size

PICTURE_FORMAT: Final = PixelFormat("YUV420")
"""The one format in which the simulated camera draws."""
RAW_FORMAT: Final = PixelFormat("SRGGB10_CSI2P")
RAW_BIT_DEPTH: Final = 10
PIXEL_ARRAY: Final = Size(4608, 2592)
_LUMA_ALIGNMENT_BYTES: Final = 64
"""As on a Raspberry Pi, so that a reader that forgets the padding at the end of rows is found out."""


class SensorMode(NamedTuple):
    """A size in which the sensor can be read."""

    width_px: int
    height_px: int


SENSOR_MODES: Final = (SensorMode(1536, 864), SensorMode(2304, 1296), SensorMode(4608, 2592))


class StreamRole(Enum):
    """What a stream is for."""

    Raw = 0
    StillCapture = 1
    VideoRecording = 2
    Viewfinder = 3


class StreamFormats:
    """Formats and the sizes of each."""

    def __init__(self, sizes: Mapping[PixelFormat, tuple[Size, ...]]) -> None:
        """Take the table."""
        self._sizes = dict(sizes)

    @property
    def pixel_formats(self) -> list[PixelFormat]:
        """Return the formats."""
        return list(self._sizes)

    def sizes(self, pixel_format: PixelFormat) -> list[Size]:
        """Return the sizes of one."""
        return list(self._sizes[pixel_format])


class Stream:
    """A flow of frames; ``configuration`` is what it was configured to."""

    def __init__(self, configuration: "StreamConfiguration") -> None:
        """Flow as configured."""
        self.configuration = configuration


class StreamConfiguration:
    """What one stream is asked to be; ``Camera.configure`` gives it its stream."""

    def __init__(self, role: StreamRole) -> None:
        """Begin with what a stream of this role is by default."""
        self.is_raw = role is StreamRole.Raw
        self.pixel_format = RAW_FORMAT if self.is_raw else PICTURE_FORMAT
        self.size = Size(PIXEL_ARRAY.width, PIXEL_ARRAY.height) if self.is_raw else Size(800, 600)
        self.stride = 0
        self.frame_size = 0
        self.buffer_count = 4
        self.color_space: ColorSpace | None = None
        self.stream: Stream | None = None
        modes = tuple(Size(*mode) for mode in SENSOR_MODES)
        self.formats = StreamFormats({RAW_FORMAT: modes} if self.is_raw else {PICTURE_FORMAT: (PIXEL_ARRAY,)})

    def adjust(self, mode: SensorMode | None) -> bool:
        """Become what the camera can do, with strides and sizes in bytes; say whether that changed anything."""
        before = (self.pixel_format, self.size, self.buffer_count)
        if self.is_raw:
            self.pixel_format, self.size = RAW_FORMAT, Size(*(mode or SENSOR_MODES[0]))
            stride_bytes = _aligned(self.size.width * RAW_BIT_DEPTH // 8, _LUMA_ALIGNMENT_BYTES)
            self.stride, self.frame_size = stride_bytes, stride_bytes * self.size.height
        else:
            self.pixel_format = PICTURE_FORMAT
            self.size = Size(
                min(max(self.size.width, WIDTH_PX_MIN), PIXEL_ARRAY.width) // 2 * 2,
                min(max(self.size.height, HEIGHT_PX_MIN), PIXEL_ARRAY.height) // 2 * 2,
            )
            self.stride = max(_aligned(self.size.width, _LUMA_ALIGNMENT_BYTES), self.stride)
            self.frame_size = self.stride * self.size.height * 3 // 2
        self.buffer_count = max(1, self.buffer_count)
        return before != (self.pixel_format, self.size, self.buffer_count)


@dataclass
class SensorConfiguration:
    """How the sensor is to be read."""

    bit_depth: int = 0
    output_size: Size | None = None


class ConfigurationStatus(Enum):
    """What validation found."""

    Valid = 0
    Adjusted = 1
    Invalid = 2


class CameraConfiguration:
    """The streams that are asked for together."""

    Status = ConfigurationStatus

    def __init__(self, streams: list[StreamConfiguration]) -> None:
        """Take the streams, in the order of their roles."""
        self._streams = streams
        self.orientation = Orientation.Rotate0
        self.sensor_config: SensorConfiguration | None = None

    def at(self, index: int) -> StreamConfiguration:
        """Return one stream's."""
        return self._streams[index]

    def __iter__(self) -> Iterator[StreamConfiguration]:
        """Give all of them."""
        return iter(self._streams)

    def __len__(self) -> int:
        """Count them."""
        return len(self._streams)

    def validate(self) -> ConfigurationStatus:
        """Adjust what cannot be; a sensor mode that is not there is refused."""
        mode = None
        wanted = self.sensor_config
        if wanted is not None and wanted.output_size is not None:
            mode = SensorMode(wanted.output_size.width, wanted.output_size.height)
            if mode not in SENSOR_MODES or wanted.bit_depth != RAW_BIT_DEPTH:
                return ConfigurationStatus.Invalid
        is_adjusted = [stream.adjust(mode) for stream in self._streams]
        return ConfigurationStatus.Adjusted if any(is_adjusted) else ConfigurationStatus.Valid


def _aligned(size: int, step: int) -> int:
    return -(-size // step) * step
