"""What a campaign found: rows with targets, the machine they were measured on, the JSON file and the table on the terminal.

The JSON file holds {"machine": {...}, "rows": [...]}; names of rows stay the same over time, and a row lacks the keys that it has no
value for. A speed is believed as a ratio against a peer in the same run; counts and bytes are absolute.
"""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).resolve().parents[2]


class Row(BaseModel):
    """One figure. With a peer, ``target`` is what the ratio must reach; without one, what the value must."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: float | int
    unit: str
    target: float | int | None = None
    holds: bool | None = None
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the row without what it has no value for."""
        return self.model_dump(exclude_none=True)


def measured(name: str, value: float, unit: str) -> Row:
    """Return a figure that nothing is asked of."""
    return Row(name=name, value=value, unit=unit)


def at_least(name: str, value: float, unit: str, target: float) -> Row:
    """Return a figure that must not be below ``target``."""
    return Row(name=name, value=value, unit=unit, target=target, holds=value >= target)


def at_most(name: str, value: float, unit: str, target: float) -> Row:
    """Return a figure that must not be above ``target``."""
    return Row(name=name, value=value, unit=unit, target=target, holds=value <= target)


def none_of(name: str, count: int, unit: str) -> Row:
    """Return a count that must be 0."""
    return at_most(name, count, unit, 0)


def against(name: str, value: float, unit: str, *, peer: str, peer_value: float, ratio_min: float | None = None) -> Row:
    """Return a speed beside its peer's of the same run; ``ratio_min`` is what value / peer_value must reach."""
    ratio = round(value / peer_value, 3)
    holds = None if ratio_min is None else ratio >= ratio_min
    return Row(
        name=name, value=value, unit=unit, target=ratio_min, holds=holds, peer=peer, peer_value=peer_value, ratio=ratio
    )


def machine() -> dict[str, str | int]:
    """Return what a reader needs to know of the machine, and of the version that was measured."""
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("model name", "Model"))
    ]
    described = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return {
        "cpu": models[0].split(":", 1)[1].strip() if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": described.stdout.strip() or "unknown",
    }


def save(rows: Sequence[Row], path: Path) -> None:
    """Write the JSON file."""
    found = {"machine": machine(), "rows": [row.as_json() for row in rows]}
    path.write_text(json.dumps(found, indent=2) + "\n")


def show(title: str, rows: Sequence[Row], console: Console) -> None:
    """Print the table, and what does not hold below it."""
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    # Where no row has a peer, its columns would only take the room of the words.
    has_peer = any(row.peer is not None for row in rows)
    peer_headings = ("peer", "peer's", "ratio") if has_peer else ()
    for heading in ("what", "value", "unit", *peer_headings, "target", ""):
        is_text = heading in ("what", "unit", "peer", "")
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=heading != "what")
    for row in rows:
        mark = {None: "", True: "[green]holds[/green]", False: "[red]falls short[/red]"}[row.holds]
        peer = (row.peer or "", _number(row.peer_value), _number(row.ratio)) if has_peer else ()
        table.add_row(row.name, _number(row.value), row.unit, *peer, _number(row.target), mark)
    console.print(table)
    for row in rows:
        if row.holds is False:
            what = f"{_number(row.value)} {row.unit}" if row.ratio is None else f"{row.ratio} of {row.peer}"
            console.print(
                f"{row.name}: {what}, target {_number(row.target)}", style="red", highlight=False, soft_wrap=True
            )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,d}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
