"""The card fills up at every write of a camera's day, or a sync fails: what was durable stands.

Power cuts at every step, kills and known-bad variants are the campaign of `./scripts/faults store`; CI runs it in
`tests/campaigns/test_faults_store.py`.
"""

from dataclasses import replace
from functools import cache
from random import Random
from typing import Final

from hw_sim.crash_disk import Disk, Model
from hw_sim.crash_store import CrashStore, Faults
from tests.firmware.crash_judge import Card, KeyWatch, damaged, lost
from tests.firmware.crash_stories import DAY, Played
from tests.firmware.crash_world import Life

FAILED_SYNC_AT_EVERY: Final = 2


@cache
def a_day() -> Played:
    return Played(DAY)


def _live_until_it_fails(faults: Faults) -> Played:
    return Played(replace(DAY, faults=faults), is_restarted=False)


def _judge_restart(first: Played, disk: Disk, words: str) -> list[str]:
    """Start again over what the first life left, and record."""
    store = CrashStore.of_killed(disk)
    second = Life(store, "second life")
    second.start()
    second.record(1)
    second.dock()
    card = Card.of(store.disk.live())
    wrong = [*lost(card, [*first.promises, *second.promises]), *damaged(card, open_folder=second.log.folder)]
    wrong += KeyWatch().watch([*first.store.appended, *store.appended])
    return [f"{sentence} [{words}]" for sentence in wrong]


def test_a_card_that_is_full_at_any_write_loses_nothing() -> None:
    wrong = []
    for write in range(a_day().store.write_count):
        first = _live_until_it_fails(Faults(full_at_write=write))
        wrong += _judge_restart(first, first.store.disk, f"full at write {write}")

    assert wrong == []


def test_a_card_on_which_any_sync_fails_once_loses_nothing_that_was_durable() -> None:
    """After a failed sync the system shows bytes that no later sync writes: they count for nothing."""
    wrong = []
    for sync in range(0, a_day().store.sync_count, FAILED_SYNC_AT_EVERY):
        first = _live_until_it_fails(Faults(fail_at_sync=sync))
        wrong += _judge_restart(first, first.store.disk, f"sync {sync} failed")
        for image in first.store.after_cut(first.store.step, Model.WEAKEST, Random(sync), torn_count=1):
            wrong += _judge_restart(first, Disk.holding(image), f"sync {sync} failed, then cut")

    assert wrong == []
