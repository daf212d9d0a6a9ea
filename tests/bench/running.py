"""Runs the bench as a person would, and follows what it says while it runs."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
SECONDS_MAX = 240


def bench_command(*arguments: str) -> list[str]:
    """Return the command line of the bench."""
    return [sys.executable, "-m", "hw_sim.bench", *arguments]


def run_bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the bench to its end."""
    return subprocess.run(
        bench_command(*arguments), capture_output=True, text=True, cwd=REPO, timeout=SECONDS_MAX, check=False
    )


def events_of(out: Path) -> list[dict[str, Any]]:
    """Return what was said so far."""
    file = out / "events.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def wait_for(out: Path, is_wanted: Callable[[list[dict[str, Any]]], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until the events so far satisfy ``is_wanted``."""
    deadline = time.monotonic() + SECONDS_MAX
    while not is_wanted(events_of(out)):
        assert process.poll() is None, "the bench ended before it came so far"
        assert time.monotonic() < deadline, "the bench never came so far"
        time.sleep(0.05)


def count_events(events: list[dict[str, Any]], child: str, name: str) -> int:
    """Count what a child said under one name."""
    return sum(event["child"] == child and event["event"] == name for event in events)


def report_of(path: Path) -> dict[str, Any]:
    """Return the report."""
    report: dict[str, Any] = json.loads(path.read_text())
    return report
