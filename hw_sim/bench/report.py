"""What one run of the bench found: the JSON object of `--report`, the table on the terminal, and the sentence of verdict."""

import shlex
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


class RecordingRow(BaseModel):
    """One recording from lens to verdict."""

    model_config = ConfigDict(frozen=True)

    recording_id: str
    shift_number: int
    live_s: float
    pre_event_s: float
    chunks: int
    bytes: int
    frames_captured: int | None
    """As the sensor counted; None where a later run could not ask it."""
    frames_in_chain: int | None = None
    """As the camera signed."""
    frames_decoded: int = 0
    frames_missing: int = 0
    """Not in the pixels, and in no signed gap."""
    frames_declared_missing: int = 0
    """Not in the pixels, and in a signed gap."""
    continues: str | None = None
    av_offset_ms: float | None = None
    is_receipted: bool = False
    is_erased: bool = False
    mp4: str | None = None


class Report(BaseModel):
    """The whole run. Paths are relative to the folder of `--out`."""

    model_config = ConfigDict(frozen=True)

    is_good: bool
    verdict: str
    assurance: int
    sentence: str
    problems: tuple[str, ...]
    findings: tuple[str, ...]
    recordings: tuple[RecordingRow, ...]
    frames_captured: int
    frames_decoded: int
    frames_missing: int
    frames_declared_missing: int = 0
    camera_silence_s: float | None = None
    """The longest time without a picture while the camera recorded; None where no frame is declared missing."""
    av_offset_ms_max: float | None
    pre_event_s: float
    pre_event_wanted_s: int
    chunks: int
    bytes: int
    receipts: int
    erased_after_receipt: bool
    seconds_from_docked_to_ready: float | None
    seconds_from_docked_to_receipted: float | None
    camera: str
    video: str | None
    broker: str
    broker_client_auth: str
    ledger: str | None = None
    """The ledger's origin, where the agency keeps one."""
    witnesses: int = 0
    """How many of them must have cosigned before a camera erases."""
    seed: int
    fault: str | None
    sealed: str
    mp4: tuple[str, ...]
    events: str
    timeline: str | None = None
    root_fingerprint: str

    def save(self, path: Path) -> None:
        """Write the JSON object."""
        path.write_text(self.model_dump_json(indent=2) + "\n")

    def show(self, console: Console, out: Path) -> None:
        """Print the table, what is wrong, the paths, and the sentence."""
        console.print(self._table())
        lines = [(f"  ✗ {problem}", "red") for problem in self.problems]
        lines += [(f"  · {finding}", "dim") for finding in self.findings]
        if self.camera_silence_s is not None:
            lines.append(
                (f"  · while it recorded, the camera had no picture for {self.camera_silence_s} s at most", "dim")
            )
        lines += [("", ""), (f"sealed evidence      {out / self.sealed}", "")]
        lines += [(f"video                {out / name}", "") for name in self.mp4]
        lines += [(f"timeline             {out / self.timeline}", "")] if self.timeline is not None else []
        lines += [
            (f"what was said        {out / self.events}", ""),
            (
                f"verify it yourself   ./scripts/verify {shlex.quote(str(out / self.sealed))} --root {self.root_fingerprint}",
                "",
            ),
            ("", ""),
        ]
        for line, style in lines:
            console.print(line, style=style, highlight=False, soft_wrap=True, markup=False)
        console.print(
            self.sentence, style="bold green" if self.is_good else "bold red", highlight=False, soft_wrap=True
        )

    def _table(self) -> Table:
        table = Table(title="From lens to verdict", box=SIMPLE_HEAD, pad_edge=False)
        for heading in ("recording", "before + live", "MB", "frames", "missing", "sound", "receipt", "card"):
            table.add_column(heading, justify="left" if heading == "recording" else "right", no_wrap=True)
        for row in self.recordings:
            taken = row.frames_in_chain if row.frames_captured is None else row.frames_captured
            captured = "?" if taken is None else str(taken)
            table.add_row(
                row.recording_id[:8],
                f"{row.pre_event_s:.1f} + {row.live_s:.1f} s",
                f"{row.bytes / 1e6:.1f}",
                f"{row.frames_decoded}/{captured}" if row.mp4 else f"?/{captured}",
                _missing(row),
                "-" if row.av_offset_ms is None else f"{row.av_offset_ms:.1f} ms",
                "yes" if row.is_receipted else "no",
                "erased" if row.is_erased else "holds it",
            )
        return table


def _missing(row: RecordingRow) -> str:
    if row.mp4 is None:
        return "?"
    return (
        f"{row.frames_missing} + {row.frames_declared_missing} signed"
        if row.frames_declared_missing
        else str(row.frames_missing)
    )
