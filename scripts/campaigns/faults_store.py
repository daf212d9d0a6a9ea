"""`./scripts/faults store`: power cuts on the camera's card, at every step of many stories and in the recoveries after them.

The stories are told, cut and judged in `tests.firmware.crash_campaign`, several at a time, each in a process; here they are
chosen, and what they found is added up. Each is cut only from where it differs from those before it.
"""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain
from multiprocessing import get_context
from typing import Final

from hw_sim.crash_store import Faults
from scripts.campaigns.command import Campaign, CannotRun, Order
from scripts.campaigns.result import Row, at_least, measured, none_of
from tests.firmware.crash_campaign import Found, cut_story
from tests.firmware.crash_memory import remember
from tests.firmware.crash_sites import UNKNOWN, sites_in
from tests.firmware.crash_stories import DAY, Story
from tests.firmware.crash_variants import VARIANTS, Variant

KINDS: Final = ("mkdir", "create", "append", "write", "fdatasync", "rename", "unlink", "rmdir", "fsync", "truncate")
STATES_MIN: Final = 5_000
"""Reached whatever the budget."""
FULL_BUDGET_S: Final = 150.0
FULL_STATES_MIN: Final = 50_000
"""Reached with `FULL_BUDGET_S` or more, however slow the machine is."""
_VIOLATIONS_SHOWN_MAX: Final = 5
_VIOLATIONS_MAX: Final = 200
"""More of them say nothing new: the run ends."""
ALWAYS_TOLD: Final = (
    DAY,
    Story.of("record 1, dock, early, rot, receipts late, off"),
    # No room for the key box, for the first chunk's media, for the second's.
    *(Story.of("record 1", Faults(full_at_write=number)) for number in (2, 4, 8)),
    *(Story.of("record 1", Faults(fail_at_sync=number)) for number in (3, 8)),
)
"""Stories that together make every call that changes the card."""


def run(order: Order) -> tuple[Row, ...]:
    """Cut until the budget is spent and enough states are reached; look for the known-bad variants too."""
    states_min = FULL_STATES_MIN if order.budget_s >= FULL_BUDGET_S else STATES_MIN
    with _pool() as pool:
        caught = catch(VARIANTS, order, pool)
        found, story_count = cut_stories(order, pool, states_min=states_min)
    for sentence in unlike(found.violations)[:_VIOLATIONS_SHOWN_MAX]:
        print(f"violated, seed {order.seed}: {sentence}")
    return (measured("stories", story_count, "stories"), *state_rows(found, states_min), *site_rows(found), *caught)


def unlike(violations: Sequence[str]) -> list[str]:
    """Return the first of those that say the same of another step."""
    first: dict[str, str] = {}
    for sentence in violations:
        first.setdefault(sentence.split(" [", 1)[0], sentence)
    return list(first.values())


def drawn(order: Order) -> Iterator[Story]:
    """Give stories without end."""
    random = order.stream("stories")
    while True:
        yield Story.drawn(random)


def cut_stories(order: Order, pool: Executor, *, states_min: int) -> tuple[Found, int]:
    """Cut the stories that are always told, and drawn ones; return what was found, and in how many."""
    stories = chain(ALWAYS_TOLD, drawn(order))
    found = Found()
    told: list[Story] = []
    running: set[Future[Found]] = set()
    ends_at_s = time.monotonic() + order.budget_s

    def is_enough() -> bool:
        is_done = time.monotonic() >= ends_at_s and len(found.all_states) >= states_min
        return (len(told) >= len(ALWAYS_TOLD) and is_done) or len(found.violations) > _VIOLATIONS_MAX

    while not is_enough() or running:
        while not is_enough() and len(running) < 2 * _worker_count():
            story = next(stories)
            if story not in told:
                shared_acts = max((story.shared_acts(other) for other in told), default=0)
                running.add(pool.submit(cut_story, story, shared_acts, f"{order.seed}/{len(told)}"))
                told.append(story)
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            found.add(future.result())
        said = f"{len(told)} stories, {len(found.all_states):,} distinct states, {len(found.violations)} violations"
        order.progress.say(said)
    return found, len(told)


def catch(variants: Sequence[Variant], order: Order, pool: Executor) -> tuple[Row, ...]:
    """Return a row for each known-bad variant: it must be caught, by the invariant that it breaks."""
    rows = []
    looking = [pool.submit(variant.caught, f"{order.seed}/{variant.name}") for variant in variants]
    for variant, future in zip(variants, looking, strict=True):
        order.progress.say(f"known-bad: {variant.name}")
        is_caught = future.result() is not None
        rows.append(at_least(f"known-bad: {variant.name}, caught by {variant.invariant}", int(is_caught), "caught", 1))
    return tuple(rows)


def state_rows(found: Found, states_min: int) -> tuple[Row, ...]:
    """Return how many states were judged, which is which, and how many were wrong."""
    return (
        at_least("distinct states", len(found.all_states), "states", states_min),
        measured("distinct states after a power cut", len(found.states), "states"),
        measured("distinct states after another cut, in the recovery", len(found.second_states), "states"),
        none_of("violations", len(found.violations), "violations"),
    )


def site_rows(found: Found) -> tuple[Row, ...]:
    """Return at how many steps the power was cut: by kind of step, and by call in the firmware's source."""
    by_kind, by_site = found.points_by(0), found.points_by(1)
    sites = sorted(set(sites_in().values()))
    return (
        measured("crash points", found.points.total(), "steps"),
        *(at_least(f"crash points: {kind}", by_kind[kind], "steps", 1) for kind in KINDS),
        *(at_least(f"crash points in {site}", by_site[site], "steps", 1) for site in sites),
        none_of("call sites that no cut reached", sum(not by_site[site] for site in sites), f"of {len(sites)}"),
        none_of(f"crash points in {UNKNOWN}", by_site[UNKNOWN], "steps"),
    )


def _worker_count() -> int:
    return len(os.sched_getaffinity(0))


@contextmanager
def _pool() -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: progress is shown by a thread.
    pool = ProcessPoolExecutor(_worker_count(), mp_context=get_context("spawn"), initializer=remember)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise CannotRun(
            f"a process that cuts stories was ended from outside ({error})",
            expected="all of them until the end",
            next_step="look whether the memory ran out (dmesg); taskset -c 0 runs one process instead of one a core",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


CAMPAIGN: Final = Campaign("power cuts on the camera's card, at every step and in the recovery", FULL_BUDGET_S, run)
