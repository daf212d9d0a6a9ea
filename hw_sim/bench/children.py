"""The bench's child processes: each says what happens in JSON lines, which arrive here as events.

A child is tied to the bench (`hw_sim.bench.child`); what it writes to standard error goes into its log file.
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hw_sim.bench.child import tied_to_parent
from hw_sim.bench.errors import BenchError

STOP_SECONDS_MAX: Final = 15.0
_LAST_LOG_LINES: Final = 6


@dataclass(frozen=True, slots=True)
class ChildEvent:
    """Something that a child said, and when the bench heard it."""

    child: str
    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    heard_at_mono_ns: int = 0


OnEvent = Callable[[ChildEvent], None]


class Child:
    """One program of Sealcam, running."""

    def __init__(self, name: str, command: Sequence[str], *, log_file: Path, on_event: OnEvent) -> None:
        """Take what to start; nothing runs before `start`."""
        self.name = name
        self._command, self._log_file, self._on_event = list(command), log_file, on_event
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Say whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """Return the process id."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    def start(self) -> None:
        """Start the program; main thread only. It is not waited for."""
        assert not self.is_running, f"{self.name} runs already"
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                tied_to_parent(self._command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        self._reader = threading.Thread(
            target=self._read, args=[self._process], name=f"{self.name}-events", daemon=True
        )
        self._reader.start()

    def send(self, message: dict[str, Any]) -> None:
        """Send one JSON line to the child's standard input.

        Raises:
            BenchError: the child is gone; the message has the last lines of its log.
        """
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self.gone() from None

    def stop(self) -> int | None:
        """End the program as an operator would, a deaf one by force; return its exit code. Safe to call twice."""
        if self._process is None:
            return None
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        return self._ended()

    def wait(self) -> int | None:
        """Wait until the program ends by itself; a deaf one is ended by force."""
        return self._ended() if self._process is not None else None

    def kill(self) -> None:
        """End it as a power cut would. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._ended()

    def gone(self) -> BenchError:
        """Return the fault to raise when the child ended and should not have."""
        code = None if self._process is None else self._process.poll()
        return BenchError(
            f"{self.name} ended with exit code {code}, and said: {self.last_words()}",
            expected="it to run until the bench ends it",
            next_step=f"look at {self._log_file}",
        )

    def last_words(self) -> str:
        """Return the last lines of the child's log."""
        lines = self._log_file.read_text(errors="replace").splitlines() if self._log_file.exists() else []
        return " / ".join(lines[-_LAST_LOG_LINES:]) or "nothing"

    def _ended(self) -> int | None:
        assert self._process is not None
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader is not None:
            self._reader.join(STOP_SECONDS_MAX)
        return self._process.returncode

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                fields = json.loads(line)
                name = str(fields.pop("event"))
            except (ValueError, KeyError, AttributeError, TypeError):
                name, fields = "says", {"text": line.decode(errors="replace").rstrip()}
            self._on_event(ChildEvent(self.name, name, fields, time.monotonic_ns()))


class EventLog:
    """All events of all children in the order in which they were heard, to wait on."""

    def __init__(self, *, file: Path, on_event: OnEvent) -> None:
        """Keep every event in ``file`` as well, and hand it to ``on_event``, which shows it."""
        self._file = file.open("a", encoding="utf-8")
        self._on_event = on_event
        self._condition = threading.Condition()
        self._events: list[ChildEvent] = []

    def add(self, event: ChildEvent) -> None:
        """Take an event; any thread."""
        with self._condition:
            self._events.append(event)
            line = {"mono_ns": event.heard_at_mono_ns, "child": event.child, "event": event.name, **event.fields}
            self._file.write(json.dumps(line, default=str) + "\n")
            self._file.flush()
            self._condition.notify_all()
        self._on_event(event)

    def all(self) -> tuple[ChildEvent, ...]:
        """Return everything heard so far."""
        with self._condition:
            return tuple(self._events)

    def wait_for(
        self, wanted: Callable[[ChildEvent], bool], *, seconds: float, since: int = 0, alive: Sequence[Child] = ()
    ) -> ChildEvent | None:
        """Return the first event from number ``since`` on that is ``wanted``; None when ``seconds`` have passed.

        Raises:
            BenchError: a child of ``alive`` ended meanwhile.
        """
        deadline = time.monotonic() + seconds
        position = since
        while True:
            with self._condition:
                while position < len(self._events):
                    if wanted(self._events[position]):
                        return self._events[position]
                    position += 1
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._condition.wait(min(left, 0.5))
            for child in alive:
                if not child.is_running:
                    raise child.gone()

    @property
    def count(self) -> int:
        """Return how many events were heard, to wait for later ones only."""
        with self._condition:
            return len(self._events)
