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

_TROUBLES: Final = frozenset(
    {
        "trouble",
        "held",
        "quarantined",
        "fault",
        "broker-disconnected",
        "staging-full",
        "offload",
        "reading-again",
        "press-refused",
        "video-damaged",
    }
)
"""What is shown although no line of `Board` is written for it."""


class Board:
    """Shows events as they come; any thread."""

    def __init__(self, console: Console) -> None:
        """Take the terminal."""
        self._console = console
        self._began_s = time.monotonic()
        self._status: Status | None = None
        self._live = ""
        self._said: set[tuple[str, str]] = set()

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
        is_repeated = event.name in _TROUBLES and (event.child, words) in self._said
        if words and not is_repeated:
            self._said.add((event.child, words))
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
        """Return an event in words; nothing for what another event says better."""
        fields = event.fields
        recording = str(fields.get("recording_id") or fields.get("recording") or "")[:8]
        subject = f"recording {recording}" if recording else "the shift's chain"
        match event.child, event.name:
            case _, "signal":
                return f"signals: {_SIGNAL_WORDS.get(str(fields['signal']), str(fields['signal']))}"
            case _, "recording-opened":
                return f"{subject} begins, {fields['pre_event_ms'] / 1000:.1f} s before the press"
            case _, "recording-closed":
                seconds, size = fields["duration_us"] / 1e6, fields["size_bytes"]
                return f"{subject} closed: {seconds:.1f} s, {fields['chunk_count']} chunks, {size:,d} bytes"
            case "camera", "dock-proved":
                return "the dock has proved itself; the shift is closed, and the next one opened"
            case "camera", "erased":
                return f"erased {subject}, behind a receipt that it verified"
            case "dock", "docked":
                return f"camera {fields.get('camera')} has proved itself"
            case "dock", "shift-verified":
                size, count = fields["size_bytes"], fields["finding_count"]
                return f"shift verified while it arrived: {fields['recording_count']} recordings, {size:,d} bytes, {count} findings"
            case "dock", "ready":
                return "everything of this camera is verified and durable here: ready for the next officer"
            case "dock", "receipted":
                return f"central's receipt for {subject} has arrived and holds"
            case "central", "receipted":
                return f"{subject}: verified again, stored, {'key box opened by the vault, ' if recording else ''}receipt signed"
            case "central", "broker-connected":
                return "connected to the broker"
            case "vault", "vault-ready":
                return "holds the key that opens footage"
            case "vault", "vault-opened" if fields.get("request") == "open":
                return f"opened {subject}, since: {fields.get('reason')}"
        text = fields.get("text") or fields.get("reason")
        return f"{event.name}: {text}" if event.name in _TROUBLES and text else ""
