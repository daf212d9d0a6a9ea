"""A bounded line between a camera's thread and whoever takes its frames, so that neither ever waits for the other.

It knows no camera: frames go in, and come out in order on a thread of its own, until it is closed.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from firmware.ports import EncodedFrame

FRAME_COUNT_MAX: Final = 300
"""About 10 s: who is later than that has stopped to take frames."""


class FrameDelivery:
    """One stream's frames on their way. What does not fit is lost from there to the next key frame, and counted."""

    def __init__(self, on_frame: Callable[[EncodedFrame], None]) -> None:
        """Begin to deliver."""
        self._on_frame = on_frame
        self._condition = threading.Condition()
        self._frames: deque[EncodedFrame] = deque()
        self._is_closed = self._is_broken = False
        self.dropped_count = 0
        self._thread = threading.Thread(target=self._run, name="frame delivery", daemon=True)
        self._thread.start()

    def put(self, frame: EncodedFrame) -> bool:
        """Take a frame; False means that it was dropped and that a key frame is needed. Neither blocks nor raises."""
        with self._condition:
            if self._is_closed:
                return True
            # What follows a frame that was dropped cannot be decoded, so it would be no frame at all.
            has_room = len(self._frames) < FRAME_COUNT_MAX
            self._is_broken = not has_room or (self._is_broken and not frame.is_key)
            if self._is_broken:
                self.dropped_count += 1
                return False
            self._frames.append(frame)
            self._condition.notify()
            return True

    def close(self) -> None:
        """End delivery; nothing is delivered after the return, unless it is a frame that closes this itself."""
        with self._condition:
            self._is_closed = True
            self._frames.clear()
            self._condition.notify()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while (frame := self._next()) is not None:
            self._on_frame(frame)

    def _next(self) -> EncodedFrame | None:
        with self._condition:
            while not self._frames and not self._is_closed:
                self._condition.wait()
            return None if self._is_closed else self._frames.popleft()
