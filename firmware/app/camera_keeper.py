"""A camera that is started again when it gives no frames; to the recorder it is the camera.

It has a thread of its own, since stopping and starting a camera takes time in which the recorder must answer the officer.
When to do what is `firmware.core.frame_watchdog`.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from firmware.core.frame_watchdog import FRAME_WAIT_NS, Action, CameraStuck, FrameWatchdog
from firmware.errors import CameraFault
from firmware.ports import Camera, Clock, EncodedFrame, VideoDescription


class CameraChange(StrEnum):
    """What becomes of the flow of frames."""

    LOST = "camera-lost"
    """No frames come; the camera is being started again, as often as it takes."""
    RESTART_FAILED = "camera-restart-failed"
    BACK = "camera-back"
    STUCK = "camera-stuck"
    """It does not close, so it cannot be opened again: only a new process helps."""


@dataclass(frozen=True, slots=True)
class CameraNews:
    """A change, how long no frame had come, and the fault if there is one."""

    change: CameraChange
    silence_ms: int
    fault: CameraFault | None = None


class CameraKeeper:
    """Fits the camera's port around another camera."""

    def __init__(
        self,
        *,
        camera: Camera,
        clock: Clock,
        on_news: Callable[[CameraNews], None],
        frame_wait_ns: int = FRAME_WAIT_NS,
    ) -> None:
        """Keep ``camera``; ``on_news`` is called on the keeper's thread and only queues. It may not stop the keeper."""
        self._camera, self._clock, self._on_news = camera, clock, on_news
        self._watchdog = FrameWatchdog(frame_wait_ns=frame_wait_ns)
        self._on_frame: Callable[[EncodedFrame], None] = lambda frame: None
        self._changed = threading.Condition()
        self._due: deque[Action] = deque()
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._fault: CameraFault | None = None

    @property
    def description(self) -> VideoDescription:
        """Return the camera's own."""
        return self._camera.description

    def start(self, on_frame: Callable[[EncodedFrame], None]) -> None:
        """Start the camera and watch it from here on.

        Raises:
            CameraFault: it could not be started; it is not tried again before the next call.
        """
        self._on_frame = on_frame
        self._camera.start(self._take)
        with self._changed:
            self._is_stopping = False
            self._due.extend(self._watchdog.started(self._clock.mono_ns()))
        self._thread = threading.Thread(target=self._run, name="camera keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the camera, and do not start it again. Safe to call twice."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._camera.stop()
        with self._changed:
            self._due.clear()
            self._watchdog.stopped()

    def request_key_frame(self) -> None:
        """Ask the camera."""
        self._camera.request_key_frame()

    def _take(self, frame: EncodedFrame) -> None:
        with self._changed:
            actions = self._watchdog.frame(self._clock.mono_ns())
            if actions:
                self._due.extend(actions)
                self._changed.notify()
        self._on_frame(frame)

    def _run(self) -> None:
        while (action := self._next()) is not None:
            self._do(action)

    def _next(self) -> Action | None:
        """Wait for what is to be done next; None when the keeper is stopped."""
        with self._changed:
            while not self._is_stopping:
                self._due.extend(self._watchdog.on_time(self._clock.mono_ns()))
                if self._due:
                    return self._due.popleft()
                deadline_ns = self._watchdog.next_deadline()
                self._changed.wait(None if deadline_ns is None else (deadline_ns - self._clock.mono_ns()) / 1e9)
        return None

    def _do(self, action: Action) -> None:
        match action:
            case Action.SAY_LOST:
                self._tell(CameraChange.LOST)
            case Action.RESTART:
                self._restart()
            case Action.SAY_BACK:
                self._tell(CameraChange.BACK)
            case Action.GIVE_UP:
                self._tell(CameraChange.STUCK, self._fault)

    def _restart(self) -> None:
        self._camera.stop()
        try:
            self._camera.start(self._take)
        except CameraFault as error:
            self._fault = error
        else:
            self._fault = None
        with self._changed:
            now_ns = self._clock.mono_ns()
            if self._fault is None:
                self._due.extend(self._watchdog.restarted(now_ns))
            else:
                is_stuck = isinstance(self._fault, CameraStuck)
                self._due.extend(self._watchdog.restart_failed(now_ns, is_stuck=is_stuck))
        if self._fault is not None:
            self._tell(CameraChange.RESTART_FAILED, self._fault)

    def _tell(self, change: CameraChange, fault: CameraFault | None = None) -> None:
        self._on_news(CameraNews(change, self._watchdog.silence_ms, fault))


_: type[Camera] = CameraKeeper
