"""What the person at the terminal sees while the bench runs: what the officer does, and where the footage is.

On a terminal the last line is alive; elsewhere each step is a line of its own.
"""

import time
from typing import Final

from rich.console import Console
from rich.status import Status

from hw_sim.bench.children import ChildEvent

_SIGNAL_WORDS: Final = {
    "standby": "green blink: ready",
    "recording": "two tones, red blink: recording",
    "recording-muted": "recording without sound",
    "marked": "short tone: marked",
    "stopped": "long tone: stopped",
    "refused": "refused",
    "card-full": "alarm: card full",
    "fault": "alarm: fault",
}


class Board:
    """Shows events as they come; any thread."""

    def __init__(self, console: Console) -> None:
        """Take the terminal."""
        self._console = console
        self._began_s = time.monotonic()
        self._status: Status | None = None
        self._live = ""

    def __enter__(self) -> "Board":
        """Begin to show."""
        if self._console.is_terminal:
            self._status = self._console.status("setting up")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the live line."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def step(self, words: str) -> None:
        """Show what the bench or the officer does now."""
        self._line("", words, style="bold")

    def event(self, event: ChildEvent) -> None:
        """Show what a child said, if it is worth a line."""
        fields = event.fields
        if event.name == "chunk":
            seconds, size = fields["duration_us"] / 1e6, fields["size_bytes"]
            self.live(
                f"recording {fields['recording_id'][:8]}: {seconds:.0f} s, {size / 1e6:.1f} MB sealed and durable"
            )
            return
        if event.name == "progress":
            self.live(str(fields.get("text", "")))
            return
        words = self._words(event)
        if words:
            self._line(event.child, words)

    def live(self, words: str) -> None:
        """Show something that the next thing replaces."""
        if self._status is not None:
            self._status.update(words)

    def _line(self, who: str, words: str, *, style: str = "") -> None:
        at = f"{time.monotonic() - self._began_s:7.1f} s"
        self._console.print(
            f"[dim]{at}[/dim]  [cyan]{who:9}[/cyan] {words}", style=style, highlight=False, soft_wrap=True
        )

    @staticmethod
    def _words(event: ChildEvent) -> str:
        fields = event.fields
        recording = str(fields.get("recording_id") or "")[:8]
        match event.name:
            case "signal":
                return f"signals: {_SIGNAL_WORDS.get(str(fields['signal']), str(fields['signal']))}"
            case "recording-opened":
                return f"recording {recording} begins, {fields['pre_event_ms'] / 1000:.1f} s before the press"
            case "recording-closed":
                seconds, size = fields["duration_us"] / 1e6, fields["size_bytes"]
                return f"recording {recording} closed: {seconds:.1f} s, {fields['chunk_count']} chunks, {size:,d} bytes"
            case "erased":
                return f"erased {'recording ' + recording if recording else 'the chain of the closed shift'}"
            case "says" | "chunk" | "exposed" | "standby" | "audit-saved":
                return ""
            case _:
                text = fields.get("text") or ", ".join(
                    f"{key} {value}" for key, value in fields.items() if key != "mono_ns"
                )
                return f"{event.name}: {text}" if text else event.name
