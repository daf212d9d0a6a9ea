"""A simulated image sensor with its queue of buffers. It follows its own clock, whether or not anybody takes a frame.

Like a camera's request queue, it has a fixed number of buffers. A finished frame waits in one until it is taken, and
the buffer is free again only when the consumer gives it back. While none is free the sensor goes on exposing and the
**newest** frames are lost, the ones that wait are kept; every loss is counted. Time comes in as an argument.
"""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from hw_sim.scene import Scene

BUFFER_COUNT_DEFAULT: Final = 12


@dataclass(frozen=True, slots=True)
class SensorCounters:
    """What a sensor did since it was made: ``exposed`` = ``taken`` + ``waiting`` + ``dropped`` + ``discarded``."""

    frames_exposed: int
    frames_taken: int
    frames_waiting: int
    frames_dropped: int
    """Lost because no buffer was free."""
    frames_discarded: int
    """Waited when the sensor was stopped."""


class SimulatedSensor:
    """Exposes the frames of ``scene`` while it streams; numbers go on counting while it does not. Any thread may ask.

    May break: frames, the newest ones, when the consumer holds or leaves all buffers. May not break: the exposure time,
    number or order of a frame that is taken.
    """

    def __init__(self, scene: Scene, *, buffer_count: int = BUFFER_COUNT_DEFAULT) -> None:
        """Make a sensor that does not stream yet."""
        if buffer_count < 1:
            raise ValueError(f"buffer_count is {buffer_count}; a sensor needs at least 1 buffer")
        self._scene = scene
        self._buffer_count = buffer_count
        self._lock = threading.Lock()
        self._is_streaming = False
        self._next_number = 0
        self._waiting: deque[int] = deque()
        self._held_count = 0
        self._taken_count = self._discarded_count = 0
        self._streamed: list[range] = []
        self._dropped: list[range] = []

    def start(self, now_mono_ns: int) -> None:
        """Begin to stream: the first frame is the first that is exposed at or after ``now_mono_ns``."""
        with self._lock:
            if self._is_streaming:
                raise ValueError("the sensor streams already; stop it before it is started again")
            # A clock that stands still between stop and start must not expose one frame twice.
            self._next_number = max(self._next_number, self._scene.first_frame_from(now_mono_ns))
            self._streamed.append(range(self._next_number, self._next_number))
            self._held_count = 0
            self._is_streaming = True

    def stop(self, now_mono_ns: int) -> None:
        """End the stream; frames that still wait are discarded and counted. Safe to call twice."""
        with self._lock:
            if not self._is_streaming:
                return
            self._expose_until(now_mono_ns)
            self._discarded_count += len(self._waiting)
            self._waiting.clear()
            self._is_streaming = False

    def take(self, now_mono_ns: int) -> int | None:
        """Return the number of the oldest finished frame, whose buffer is then held; None where none is finished."""
        with self._lock:
            self._expose_until(now_mono_ns)
            if not self._waiting:
                return None
            self._held_count += 1
            self._taken_count += 1
            return self._waiting.popleft()

    def give_back(self, now_mono_ns: int) -> None:
        """Return the buffer of a taken frame to the queue."""
        with self._lock:
            self._expose_until(now_mono_ns)
            if self._held_count:
                self._held_count -= 1

    def next_exposure_mono_ns(self) -> int:
        """Return when the next frame that nobody has asked about is exposed."""
        with self._lock:
            return self._scene.exposed_at_mono_ns(self._next_number)

    def counters(self, now_mono_ns: int) -> SensorCounters:
        """Return the counts as of ``now_mono_ns``."""
        with self._lock:
            self._expose_until(now_mono_ns)
            return SensorCounters(
                frames_exposed=sum(len(span) for span in self._streamed),
                frames_taken=self._taken_count,
                frames_waiting=len(self._waiting),
                frames_dropped=sum(len(span) for span in self._dropped),
                frames_discarded=self._discarded_count,
            )

    def frames_exposed_between(self, begin_mono_ns: int, end_mono_ns: int) -> tuple[range, ...]:
        """Return the numbers exposed at or after ``begin_mono_ns`` and before ``end_mono_ns``, dropped ones included.

        One range per uninterrupted stream, in order. ``end_mono_ns`` may not lie in the future.
        """
        with self._lock:
            self._expose_until(end_mono_ns)
            return self._within(self._streamed, begin_mono_ns, end_mono_ns)

    def frames_dropped_between(self, begin_mono_ns: int, end_mono_ns: int) -> tuple[range, ...]:
        """Return those of ``frames_exposed_between`` that were lost because no buffer was free."""
        with self._lock:
            self._expose_until(end_mono_ns)
            return self._within(self._dropped, begin_mono_ns, end_mono_ns)

    def _within(self, spans: list[range], begin_mono_ns: int, end_mono_ns: int) -> tuple[range, ...]:
        first = self._scene.first_frame_from(begin_mono_ns)
        after = self._scene.first_frame_from(end_mono_ns)
        cut = (range(max(span.start, first), min(span.stop, after)) for span in spans)
        return tuple(span for span in cut if span)

    def _expose_until(self, now_mono_ns: int) -> None:
        """Let everything happen that happened up to now. Buffers only come free in calls, so this is exact."""
        if not self._is_streaming:
            return
        begin = self._next_number
        after = max(begin, self._scene.first_frame_from(now_mono_ns + 1))
        free_count = self._buffer_count - self._held_count - len(self._waiting)
        kept_until = min(after, begin + free_count)
        self._waiting.extend(range(begin, kept_until))
        if kept_until < after:
            joins = self._dropped and self._dropped[-1].stop == kept_until
            since = self._dropped.pop().start if joins else kept_until
            self._dropped.append(range(since, after))
        self._streamed[-1] = range(self._streamed[-1].start, after)
        self._next_number = after
