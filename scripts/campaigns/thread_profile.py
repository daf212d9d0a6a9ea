"""A profile of each thread of a program, by the CPU time that it took: waiting costs nothing here.

python -m scripts.campaigns.thread_profile FILE MODULE ARGUMENT...    runs MODULE, and writes the profile into FILE as JSON
"""

import cProfile
import json
import os
import pstats
import runpy
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What a function took by itself, in all its calls of one thread, without those that it called."""

    thread: str
    function: str
    call_count: int
    cpu_s: float


@contextmanager
def profiled_threads() -> Iterator[list[Cost]]:
    """Profile each thread that starts and ends within, and this one; the list is filled at the end."""
    costs: list[Cost] = []
    lock = threading.Lock()
    original = threading.Thread.run

    @contextmanager
    def profiled(name: str) -> Iterator[None]:
        profile = cProfile.Profile(time.thread_time)
        profile.enable()
        try:
            yield
        finally:
            profile.disable()
            with lock:
                costs.extend(_costs(name, profile))

    def run(self: threading.Thread) -> None:
        with profiled(self.name):
            original(self)

    threading.Thread.run = run  # type: ignore[method-assign]  # the one place that every thread passes
    try:
        with profiled("main"):
            yield costs
    finally:
        threading.Thread.run = original  # type: ignore[method-assign]


def read_costs(file: Path) -> list[Cost]:
    """Return what another process wrote."""
    return [Cost(**fields) for fields in json.loads(file.read_text())]


def _costs(thread: str, profile: cProfile.Profile) -> list[Cost]:
    found = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # typeshed leaves it out
    return [
        Cost(thread, name if line == 0 else f"{os.path.basename(path)}:{line} {name}", count, cpu_s)
        for (path, line, name), (count, _, cpu_s, _, _) in found.items()
    ]


def _main() -> None:
    file, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    costs: list[Cost] = []
    try:
        with profiled_threads() as costs:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        file.write_text(json.dumps([asdict(cost) for cost in costs]))


if __name__ == "__main__":
    _main()
