"""Where the firmware makes its card durable: the call sites of the `Store` port in its source, and who called at a step.

A site is named by its module, function and arguments, and not by its line, so that the name stays while code above it changes.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Any, Final, cast

from firmware.ports import Store
from hw_sim.crash_store import CrashStore

FIRMWARE: Final = Path(__file__).resolve().parents[2] / "firmware"
_READING: Final = frozenset({"folders", "files", "read", "free_bytes"})
DURABLE_CALLS: Final = frozenset(name for name in vars(Store) if not name.startswith("_")) - _READING
"""Every call of the port that changes the card: a new one is among them by itself."""
_HOLDERS: Final = frozenset({"store", "card"})
UNKNOWN: Final = "a call that is none of the source's"


@cache
def sites_in(folder: Path = FIRMWARE) -> dict[tuple[str, int], str]:
    """Return the name of the site for each file and line that a durable call stands on."""
    found: dict[tuple[str, int], str] = {}
    for file in sorted(folder.rglob("*.py")):
        if "adapters" in file.relative_to(folder).parts:
            continue  # They are the card.
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                for call in _durable_calls(function):
                    name = f"{file.stem}.{function.name}: {ast.unparse(call).split('.', 1)[1].removeprefix('_store.')}"
                    assert name not in found.values(), f"{name} stands twice: give the two different arguments"
                    found |= {(str(file), line): name for line in range(call.lineno, (call.end_lineno or 0) + 1)}
    return found


def _durable_calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DURABLE_CALLS:
            holder = node.func.value
            name = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", "")
            if name.strip("_") in _HOLDERS:
                yield node


class _Watched:
    """A card that writes down, for every step, which call in the firmware asked for it."""

    def __init__(self, store: CrashStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._store, name)
        if name not in DURABLE_CALLS:
            return asked

        @wraps(asked)
        def call(*arguments: Any) -> Any:
            first, site = self._store.step, _caller()
            try:
                return asked(*arguments)
            finally:
                self._store.asked_by |= dict.fromkeys(range(first, self._store.step), site)

        return call


def watched(store: CrashStore) -> Store:
    """Return a card that fills ``store.asked_by``."""
    return cast(Store, _Watched(store))


def _caller() -> str:
    """Return the site of the innermost call that the firmware made."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        if frame.f_code.co_filename.startswith(str(FIRMWARE)):
            return sites_in().get((frame.f_code.co_filename, frame.f_lineno), UNKNOWN)
        frame = frame.f_back
    return UNKNOWN
