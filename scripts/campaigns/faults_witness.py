"""Power cuts at every step of a witness's state: never are two trees of one size cosigned, and known-bad variants are caught.

Each round plays requests drawn anew, true ones and forks, cuts the power before every step, and lets a dishonest log try all
that it has on whatever the disk may hold then (`hw_sim.crash_disk`, both models of names). States are counted distinct by
what the disk holds together with what had been signed by then.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Final

from hw_sim.crash_disk import digest
from hw_sim.crash_state_disk import CrashStateDisk
from scripts.campaigns.command import Campaign, Order
from scripts.campaigns.result import Row, at_least, measured, none_of
from tests.dockd.witness_judge import FORKED_AT, Ask, ForgetsFolder, ForgetsSync, Release, cuts, played, violations

STATES_MIN: Final = 10_000
_TORN: Final = 24
_ASKS: Final = 7
_LATER_S: Final = (1, 60, 3600, -3600)


@dataclass
class _Found:
    """What the cuts of one variant brought to light."""

    states: set[bytes] = field(default_factory=set)
    cut_count: int = 0
    forked: int = 0
    other: int = 0
    first: str = ""

    def judge(self, disk: CrashStateDisk, released: Sequence[Release], random: Random, *, can_stop: bool) -> None:
        """Cut before every step; where ``can_stop``, the first violation is enough."""
        for image, gone in cuts(disk, released, random, torn_count=_TORN):
            self.cut_count += 1
            state = sha256(digest(image) + repr(gone).encode()).digest()
            if state in self.states:
                continue
            self.states.add(state)
            said = violations(image, gone)
            self.forked += any("cosigned" in one for one in said)
            self.other += any("cosigned" not in one for one in said)
            self.first = self.first or "; ".join(said)
            if said and can_stop:
                return


def _drawn(random: Random) -> list[Ask]:
    """Return requests that grow the true tree, with forks of the size that was just cosigned in between."""
    asks, size = [Ask(0, FORKED_AT)], FORKED_AT
    while len(asks) < _ASKS:
        if random.random() < 0.3 and size > FORKED_AT:
            asks.append(Ask(1, size, 1))
        else:
            size = min(89, size + random.randint(0, 12))
            asks.append(Ask(0, size, random.choice(_LATER_S)))
    return asks


def run(order: Order, *, states_min: int = STATES_MIN) -> Sequence[Row]:
    """Cut until there were enough distinct states and the budget is spent."""
    random = order.stream("requests")
    ours = _Found()
    ends_at_s = time.monotonic() + order.budget_s
    rounds = 0
    while len(ours.states) < states_min or time.monotonic() < ends_at_s:
        rounds += 1
        disk = CrashStateDisk()
        ours.judge(disk, played(disk, _drawn(random)), order.stream(f"cuts/{rounds}"), can_stop=False)
        order.progress.say(f"round {rounds}: {len(ours.states)} states, {ours.forked + ours.other} violations")
        if ours.first:
            order.progress.say(f"round {rounds}: {ours.first}")
    bad = {name: _is_caught(order, name, make, is_first) for name, (make, is_first) in _KNOWN_BAD.items()}
    return [
        at_least("witness: distinct states after a cut", len(ours.states), "states", states_min),
        measured("witness: cuts", ours.cut_count, "cuts"),
        none_of("witness: two trees of one size, or two histories, cosigned", ours.forked, "states"),
        none_of("witness: does not start, or its time falls", ours.other, "states"),
        *(at_least(f"witness: known bad is caught: {name}", int(caught), "caught", 1) for name, caught in bad.items()),
    ]


def _is_caught(order: Order, name: str, make: Callable[[], CrashStateDisk], answers_first: bool) -> bool:
    random = order.stream(f"known bad/{name}")
    found = _Found()
    for _ in range(20):
        order.progress.say(f"known bad: {name}")
        disk = make()
        found.judge(disk, played(disk, _drawn(random), answers_first=answers_first), random, can_stop=True)
        if found.first:
            return True
    return False


_KNOWN_BAD: Final[dict[str, tuple[Callable[[], CrashStateDisk], bool]]] = {
    "answers before the state is durable": (CrashStateDisk, True),
    "renames without a sync of the bytes": (ForgetsSync, False),
    "answers without a sync of the folder": (ForgetsFolder, False),
}
CAMPAIGN: Final = Campaign("power cuts of a witness: never two trees of one size cosigned", 60.0, run)
