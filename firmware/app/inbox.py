"""What waits for the recorder's loop: frames, sound, gestures and calls, in the order in which they came.

Nobody who puts something in waits for the card. Frames and sound are bounded, and dropped where the card stands still: what
was dropped is missing in their times, and signed as a gap. Gestures and calls are few and are never dropped.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from firmware.ports import EncodedAudio, EncodedFrame, Gesture

MEDIA_COUNT_MAX: Final = 8192
"""Frames and sound of more than a minute: a card that stands still that long has failed."""
MEDIA_SIZE_BYTES_MAX: Final = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class GestureAt:
    """What the officer did, and when."""

    gesture: Gesture
    mono_us: int


@dataclass(slots=True)
class Call:
    """Something that another thread wants done on the loop's; ``ended`` is set when it is done, or never will be."""

    work: Callable[[], None]
    ended: threading.Event = field(default_factory=threading.Event)
    is_done: bool = False


Item = EncodedFrame | EncodedAudio | GestureAt | Call


class Inbox:
    """A queue that any thread fills and one thread empties. Nothing goes in before `open` and after `close`."""

    def __init__(
        self, *, media_count_max: int = MEDIA_COUNT_MAX, media_size_bytes_max: int = MEDIA_SIZE_BYTES_MAX
    ) -> None:
        """Begin closed."""
        self._media_count_max, self._media_size_bytes_max = media_count_max, media_size_bytes_max
        self._items: deque[Item] = deque()
        self._media_count = self._media_size_bytes = 0
        self._is_open = False
        self._is_key_frame_awaited = False
        self._changed = threading.Condition()

    @property
    def needs_key_frame(self) -> bool:
        """Say whether frames are being dropped until one comes that leans on none of those dropped."""
        return self._is_key_frame_awaited

    def open(self) -> None:
        """Begin to take what comes."""
        with self._changed:
            self._is_open = True

    def close(self) -> None:
        """Take nothing more; calls that wait end without being done."""
        with self._changed:
            self._is_open = False
            left = tuple(self._items)
            self._items.clear()
            self._media_count = self._media_size_bytes = 0
            self._changed.notify_all()
        for item in left:
            if isinstance(item, Call):
                item.ended.set()

    def put_media(self, item: EncodedFrame | EncodedAudio) -> None:
        """Take a frame or sound, or drop it; neither blocks nor raises."""
        with self._changed:
            if not self._is_open or not self._has_room_for(item):
                return
            self._items.append(item)
            self._media_count += 1
            self._media_size_bytes += len(item.data)
            self._changed.notify()

    def put(self, item: GestureAt | Call) -> bool:
        """Take a gesture or a call; return False where nobody will see to it any more."""
        with self._changed:
            if self._is_open:
                self._items.append(item)
                self._changed.notify()
            return self._is_open

    def get(self, timeout_s: float) -> Item | None:
        """Return the oldest item, or None when none came in ``timeout_s``."""
        with self._changed:
            if not self._items and timeout_s > 0:
                self._changed.wait_for(lambda: bool(self._items) or not self._is_open, timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            if isinstance(item, EncodedFrame | EncodedAudio):
                self._media_count -= 1
                self._media_size_bytes -= len(item.data)
            return item

    def _has_room_for(self, item: EncodedFrame | EncodedAudio) -> bool:
        has_room = (
            self._media_count < self._media_count_max
            and self._media_size_bytes + len(item.data) <= self._media_size_bytes_max
        )
        if isinstance(item, EncodedFrame):
            # A frame that leans on a dropped one would only decode to rubbish: all are dropped up to the next key frame.
            has_room = has_room and (item.is_key or not self._is_key_frame_awaited)
            self._is_key_frame_awaited = not has_room
        return has_room
