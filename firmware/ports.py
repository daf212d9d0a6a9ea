"""What the camera needs from the world, as typed ports.

Every adapter, real or simulated, fits one of these and passes its contract tests. Nothing here touches a device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One H.264 access unit in Annex B (ITU-T H.264 Annex B), without B-frames; a key frame carries SPS and PPS."""

    data: bytes
    is_key: bool
    captured_at_mono_us: int


@dataclass(frozen=True, slots=True)
class EncodedAudio:
    """One AAC-LC raw data block (ISO/IEC 14496-3) without ADTS header.

    ``captured_at_mono_us`` is the capture time of the first sample that a decoder puts out for this block,
    so encoder priming is already subtracted.
    """

    data: bytes
    captured_at_mono_us: int
    sample_count: int


@dataclass(frozen=True, slots=True)
class VideoDescription:
    """What the camera port delivers; ``name`` goes into reports."""

    name: str
    width_px: int
    height_px: int
    frame_rate_mhz: int
    """Nominal frames per 1000 s (milli-hertz): 29.97 fps is 29970."""


@dataclass(frozen=True, slots=True)
class AudioDescription:
    """What the microphone port delivers; ``decoder_config`` is the AudioSpecificConfig (ISO/IEC 14496-3)."""

    name: str
    sample_rate_hz: int
    channel_count: int
    decoder_config: bytes


class Camera(Protocol):
    """A sensor with its encoder. Frames arrive in capture order on the camera's own thread."""

    @property
    def description(self) -> VideoDescription:
        """Return what is delivered; constant from ``start`` to ``stop``."""

    def start(self, on_frame: Callable[[EncodedFrame], None]) -> None:
        """Begin delivery. ``on_frame`` must only queue: it may neither block nor raise.

        Raises:
            CameraFault: the device cannot be opened or configured.
        """

    def stop(self) -> None:
        """End delivery; no call of ``on_frame`` comes after the return. Safe to call twice."""

    def request_key_frame(self) -> None:
        """Ask for a key frame as soon as the encoder can give one."""


class Microphone(Protocol):
    """A paced sound source with its encoder: it delivers at the speed of real time, never faster."""

    @property
    def description(self) -> AudioDescription:
        """Return what is delivered; constant from ``start`` to ``stop``."""

    def start(self, on_audio: Callable[[EncodedAudio], None]) -> None:
        """Begin delivery; as ``Camera.start``."""

    def stop(self) -> None:
        """End delivery; as ``Camera.stop``."""


class Clock(Protocol):
    """Time. Monotonic time orders and measures; wall time is a claim with a source and an uncertainty."""

    @property
    def boot_id(self) -> bytes:
        """Return the 16 bytes that name this boot: monotonic times compare only within one."""

    def mono_ns(self) -> int:
        """Return nanoseconds of CLOCK_MONOTONIC."""

    def utc(self) -> "WallTime":
        """Return the best wall time known, with its source."""


@dataclass(frozen=True, slots=True)
class WallTime:
    """UTC as claimed by ``source`` (none, rtc, dock, central); ``uncertainty_ms`` is None when nobody can say."""

    unix_ms: int
    source: str
    uncertainty_ms: int | None


class Entropy(Protocol):
    """The one place secrets and ids come from."""

    def take(self, size_bytes: int) -> bytes:
        """Return ``size_bytes`` unpredictable bytes."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file on the card and its size."""

    name: str
    size_bytes: int


class Store(Protocol):
    """The card: one folder for each shift, plain files in it. Names are checked by the caller's types, never by the card.

    Nothing is durable before ``sync``, ``write_once``, ``create``, ``make_folder``, ``truncate``, ``remove`` or
    ``remove_folder`` returns. One thread writes; any thread may ask and read.

    Every call raises:
        StoreFull: nothing, or a part, of the data was written; the file's earlier bytes stand.
        StoreUncertain: what is durable is no longer known (an fsync failed); go on in a new file or restart.
    """

    def settle(self) -> None:
        """Make durable whatever the card shows: what a killed process left may stand in the system's memory only."""

    def make_folder(self, folder: str) -> None:
        """Make a folder and sync its parent; an existing one is fine."""

    def folders(self) -> tuple[str, ...]:
        """Return the names of all folders, sorted."""

    def files(self, folder: str) -> tuple[StoredFile, ...]:
        """Return the files of a folder, sorted by name."""

    def create(self, folder: str, name: str) -> None:
        """Make an empty file, durable in its folder. Refuses an existing name with FileExistsError."""

    def append(self, folder: str, name: str, data: bytes | bytearray) -> None:
        """Add bytes at the end; not yet durable."""

    def sync(self, folder: str, name: str) -> None:
        """Return when all bytes of the file would survive a power cut."""

    def write_once(self, folder: str, name: str, data: bytes) -> None:
        """Write a whole small file and return when it is durable. Refuses an existing name with FileExistsError."""

    def read(self, folder: str, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` bytes; fewer at the end of the file only."""

    def truncate(self, folder: str, name: str, size_bytes: int) -> None:
        """Cut a file and return when that is durable; it never grows.

        Raises:
            ValueError: the file is shorter.
        """

    def remove(self, folder: str, name: str) -> None:
        """Remove a file and return when that is durable; an absent one is fine."""

    def remove_folder(self, folder: str) -> None:
        """Remove an empty folder and return when that is durable; an absent one is fine."""

    def free_bytes(self) -> int:
        """Return the bytes that can still be written."""


class Line(Protocol):
    """A serial line to the dock."""

    def read(self, timeout_ms: int) -> bytes:
        """Return what has arrived, at least one byte, or nothing when ``timeout_ms`` passed.

        Raises:
            LineLost: the other end is gone or the device is; open a new one.
        """

    def write(self, data: bytes, timeout_ms: int) -> int:
        """Send and return how many bytes were taken before ``timeout_ms`` passed.

        Raises:
            LineLost: as ``read``.
        """

    def close(self) -> None:
        """Let the line go; safe to call twice."""


class Gesture(StrEnum):
    """What an officer can do to the camera, whatever buttons it has."""

    START = "double-press"
    STOP = "hold"
    MUTE = "mute"
    MARK = "mark"


class Signal(StrEnum):
    """What the camera tells the officer; light, tone and touch for each are the indicator's table."""

    STANDBY = "standby"
    RECORDING = "recording"
    RECORDING_MUTED = "recording-muted"
    MARKED = "marked"
    STOPPED = "stopped"
    IGNORED = "ignored"
    REFUSED = "refused"
    CARD_FULL = "card-full"
    FAULT = "fault"
    OFF = "off"


class Panel(Protocol):
    """The officer's controls."""

    def start(self, on_gesture: Callable[[Gesture], None]) -> None:
        """Begin to report gestures, on the panel's own thread. ``on_gesture`` only queues."""

    def stop(self) -> None:
        """End reporting; safe to call twice."""


class Indicator(Protocol):
    """Light, tone and touch."""

    def show(self, signal: Signal) -> None:
        """Give a signal at once; never blocks longer than a frame time, never raises."""
