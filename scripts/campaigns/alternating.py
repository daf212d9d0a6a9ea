"""Ours and its peers, one after the other and over again, so that a machine that is busy for a while is busy for all of them."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Final

from scripts.campaigns.command import Order

ROUNDS_MIN: Final = 5


def medians(runs: Mapping[str, Callable[[], float]], order: Order, *, share: float = 1.0) -> dict[str, float]:
    """Run each in turn, at least five times over and until ``share`` of the budget is spent; return each one's median.

    A run returns its own figure (a speed, a time), so that what it prepares is not counted. Whoever comes first in a round changes
    from round to round.
    """
    found: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    ends_at_s = time.monotonic() + order.budget_s * share
    round_number = 0
    while round_number < ROUNDS_MIN or time.monotonic() < ends_at_s:
        for name in names:
            order.progress.say(f"round {round_number + 1}: {name}")
            found[name].append(runs[name]())
        names = names[1:] + names[:1]
        round_number += 1
    return {name: median(values) for name, values in found.items()}
