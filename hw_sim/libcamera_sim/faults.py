"""Faults of the simulated camera, by script: what happens, from which frame on, for how long. Values; nothing here waits.

Frames are named by their number in the scene, which is the number that their pixels show.
"""

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hw_sim.scene import Scene

_TEXT: Final = re.compile(r"(?P<kind>[a-z-]+)@(?P<frame>\d+)(?:x(?P<count>\d+))?(?::(?P<ms>\d+)ms)?")


class FaultKind(StrEnum):
    """What can be made to happen."""

    DROPPED_FRAMES = "dropped-frames"
    """``frame_count`` frames are exposed and never arrive."""
    STALLED_SENSOR = "stalled-sensor"
    """Nothing arrives any more, until the camera is started again or ``duration_ms`` have passed."""
    LATE_BUFFER = "late-buffer"
    """``frame_count`` frames arrive ``duration_ms`` after their exposure, and what follows waits for them."""
    CAMERA_GONE = "camera-gone"
    """For ``duration_ms`` (without: for good) the camera is not there; who had it must open it again."""
    ENCODER_ERROR = "encoder-error"
    """``frame_count`` frames cannot be mapped for reading and writing, so encoding them fails."""
    HANGING_CLOSE = "hanging-close"
    """The next stop of the camera takes ``duration_ms`` (without: for ever)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the script."""

    kind: FaultKind
    first_frame: int
    frame_count: int = 1
    duration_ms: int | None = None

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.kind is FaultKind.LATE_BUFFER and self.duration_ms is None:
            raise ValueError("a late buffer needs to be told how late: duration_ms")
        if self.first_frame < 0 or self.frame_count < 1:
            raise ValueError(f"frames {self.first_frame} and on, {self.frame_count} of them: there are no such frames")

    def covers(self, number: int) -> bool:
        """Say whether frame ``number`` is one of its frames."""
        return self.first_frame <= number < self.first_frame + self.frame_count


def parse_fault(text: str) -> Fault:
    """Return the fault that ``KIND@FRAME``, ``KIND@FRAMExCOUNT`` or ``KIND@FRAME:MILLISECONDSms`` names.

    Raises:
        ValueError: it names none.
    """
    match = _TEXT.fullmatch(text)
    if match is None or match["kind"] not in list(FaultKind):
        raise ValueError(
            f"{text!r} is no fault of the camera; expected KIND@FRAME, KIND@FRAMExCOUNT or KIND@FRAME:MILLISECONDSms "
            f"with one of {', '.join(FaultKind)}, for example late-buffer@90:400ms"
        )
    duration_ms = None if match["ms"] is None else int(match["ms"])
    return Fault(FaultKind(match["kind"]), int(match["frame"]), int(match["count"] or 1), duration_ms)


class FaultScript:
    """The faults of one camera; more may be added while it runs. Any thread may ask."""

    def __init__(self, scene: Scene, faults: Iterable[Fault] = ()) -> None:
        """Take what is known beforehand."""
        self._scene = scene
        self._lock = threading.Lock()
        self._faults = list(faults)

    def add(self, fault: Fault) -> None:
        """Take one more."""
        with self._lock:
            self._faults.append(fault)

    def is_lost(self, number: int, *, run_begin: int) -> bool:
        """Say whether a frame never arrives; ``run_begin`` is the first frame since the camera was started."""
        now_ns = self._scene.exposed_at_mono_ns(number)
        return (
            any(fault.covers(number) for fault in self._of(FaultKind.DROPPED_FRAMES))
            or any(
                run_begin <= fault.first_frame <= number and self._lasts(fault, now_ns)
                for fault in self._of(FaultKind.STALLED_SENSOR)
            )
            or any(run_begin <= fault.first_frame <= number for fault in self._of(FaultKind.CAMERA_GONE))
        )

    def lateness_ns(self, number: int) -> int:
        """Return how long after its exposure a frame arrives."""
        late = (fault.duration_ms or 0 for fault in self._of(FaultKind.LATE_BUFFER) if fault.covers(number))
        return max(late, default=0) * 1_000_000

    def fails_encoding(self, number: int) -> bool:
        """Say whether a frame cannot be encoded."""
        return any(fault.covers(number) for fault in self._of(FaultKind.ENCODER_ERROR))

    def is_gone(self, now_mono_ns: int) -> bool:
        """Say whether the camera is not there."""
        return any(self._lasts(fault, now_mono_ns) for fault in self._of(FaultKind.CAMERA_GONE))

    def take_hang(self, now_mono_ns: int) -> Fault | None:
        """Return the hang that a stop of the camera runs into now; each is run into once."""
        with self._lock:
            for fault in self._faults:
                if fault.kind is FaultKind.HANGING_CLOSE and self._begins_ns(fault) <= now_mono_ns:
                    self._faults.remove(fault)
                    return fault
        return None

    def _of(self, kind: FaultKind) -> list[Fault]:
        with self._lock:
            return [fault for fault in self._faults if fault.kind is kind]

    def _begins_ns(self, fault: Fault) -> int:
        return self._scene.exposed_at_mono_ns(fault.first_frame)

    def _lasts(self, fault: Fault, now_mono_ns: int) -> bool:
        begins_ns = self._begins_ns(fault)
        ends_ns = None if fault.duration_ms is None else begins_ns + fault.duration_ms * 1_000_000
        return begins_ns <= now_mono_ns and (ends_ns is None or now_mono_ns < ends_ns)
