"""The simulated officer's hands and eyes: a panel that is pressed when told or by script, an indicator that remembers.

Both fit the firmware's ports `Panel` and `Indicator`. What an officer does and when belongs to whoever builds them.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from firmware.ports import Clock, Gesture, Indicator, Panel, Signal
from hw_sim.encoded import Wait


@dataclass(frozen=True, slots=True)
class ScriptedGesture:
    """One gesture and when it is made, in nanoseconds of CLOCK_MONOTONIC."""

    at_mono_ns: int
    gesture: Gesture


@dataclass(frozen=True, slots=True)
class SeenSignal:
    """One signal, and when it was shown if the indicator has a clock."""

    signal: Signal
    at_mono_ns: int | None


class SimulatedPanel:
    """Controls that are pressed by a script, on a thread of their own, and by whoever calls ``press``.

    May break: nothing yet. May not break: a gesture is reported between ``start`` and the return of ``stop`` only, on the
    caller's thread for ``press`` and on the panel's own for the script; a script's gesture is never early.
    """

    def __init__(
        self, *, script: Iterable[ScriptedGesture] = (), clock: Clock | None = None, wait: Wait | None = None
    ) -> None:
        """Take the script, which needs a clock; ``wait`` is ``threading.Event.wait`` unless time is simulated."""
        self._script = tuple(sorted(script, key=lambda scripted: scripted.at_mono_ns))
        if self._script and clock is None:
            raise ValueError("a scripted panel needs a clock to know when its gestures are due")
        self._clock = clock
        self._wait = threading.Event.wait if wait is None else wait
        self._on_gesture: Callable[[Gesture], None] | None = None
        self._stop_asked = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self, on_gesture: Callable[[Gesture], None]) -> None:
        """Begin to report gestures."""
        if self._on_gesture is not None:
            raise ValueError("the panel runs already; stop it before it is started again")
        self._on_gesture = on_gesture
        if self._script:
            self._stop_asked = threading.Event()
            self._thread = threading.Thread(target=self._play, args=[self._stop_asked], name="panel", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End reporting; safe to call twice."""
        self._stop_asked.set()
        with self._lock:
            self._on_gesture = None
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def press(self, gesture: Gesture) -> bool:
        """Make a gesture now; return whether the panel was on, so that somebody heard it."""
        with self._lock:
            if self._on_gesture is None:
                return False
            self._on_gesture(gesture)
            return True

    def _play(self, stop_asked: threading.Event) -> None:
        assert self._clock is not None
        for scripted in self._script:
            while (left_ns := scripted.at_mono_ns - self._clock.mono_ns()) > 0:
                if self._wait(stop_asked, left_ns / 1e9):
                    return
            self.press(scripted.gesture)


class SimulatedIndicator:
    """Remembers every signal, and passes it on.

    May break: nothing yet. May not break: signals are kept in the order in which they were shown; ``show`` never raises,
    whatever ``on_signal`` does.
    """

    def __init__(self, on_signal: Callable[[Signal], None] | None = None, *, clock: Clock | None = None) -> None:
        """Take who is told of each signal, on the thread that shows it, and the clock that says when."""
        self._on_signal, self._clock = on_signal, clock
        self._seen: list[SeenSignal] = []
        self._changed = threading.Condition()
        self.failure: Exception | None = None
        """The last thing that ``on_signal`` raised: kept for the test, since ``show`` may not raise it."""

    def show(self, signal: Signal) -> None:
        """Keep the signal and pass it on."""
        with self._changed:
            self._seen.append(SeenSignal(signal, None if self._clock is None else self._clock.mono_ns()))
            self._changed.notify_all()
        if self._on_signal is not None:
            try:
                self._on_signal(signal)
            except Exception as error:
                self.failure = error

    @property
    def seen(self) -> tuple[SeenSignal, ...]:
        """Return every signal so far, oldest first, with its time."""
        with self._changed:
            return tuple(self._seen)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Return every signal so far, oldest first."""
        return tuple(seen.signal for seen in self.seen)

    def wait_for(self, signal: Signal, *, count: int = 1, timeout_s: float) -> bool:
        """Wait until ``signal`` was shown ``count`` times, and say whether it was."""
        with self._changed:
            return self._changed.wait_for(
                lambda: sum(seen.signal is signal for seen in self._seen) >= count, timeout=timeout_s
            )


_: tuple[type[Panel], type[Indicator]] = (SimulatedPanel, SimulatedIndicator)
