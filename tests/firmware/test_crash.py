"""The power goes, the card fills up or the process is killed at every step of a camera's day, and in the recovery after it.

Each state is what the disk may hold by model A or B (`hw_sim.crash_disk`), counted distinct. CI takes a sample of the torn
states and of the cuts within recovery; SEALCAM_CRASH_BUDGET_S=600 goes on with fresh samples for that long.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from random import Random
from typing import Final, cast

import pytest

from firmware.app.eraser import Eraser
from firmware.app.shift_log import ChainFull, ShiftLog
from firmware.core.gate import Permission, Refusal
from firmware.core.shift_chain import ChainEnd
from firmware.errors import StoreFull, StoreUncertain
from firmware.ports import Store
from hw_sim.crash_disk import Disk, Image, Model, digest
from hw_sim.crash_store import Appended, CrashStore, Faults
from protocol.entries import Body, Erased
from protocol.layout import CHAIN_NAME
from protocol.receipt import ReceiptWithProof, receipt_hash
from protocol.units import CHAIN_SIZE_BYTES_MAX
from tests.firmware.crash_judge import Card, KeyWatch, damaged, lost
from tests.firmware.crash_world import DayCutShort, Life, Parts, Promise, live_a_day

BUDGET_S: Final = float(os.environ.get("SEALCAM_CRASH_BUDGET_S", "0"))
IS_LONG: Final = BUDGET_S > 0
TORN_COUNT: Final = 3
SECOND_CUTS_ONE_IN: Final = 16
LIVED_ON_ONE_IN: Final = 8
KILLED_AT_EVERY: Final = 1 if IS_LONG else 4
FAILED_SYNC_AT_EVERY: Final = 1 if IS_LONG else 2


@cache
def a_day() -> Life:
    life = Life(CrashStore(), "first life")
    live_a_day(life)
    return life


class Campaign:
    """Cuts a day, recovers, judges; collects violations and counts distinct states.

    With ``sought`` it ends at the first violation that begins so.
    """

    def __init__(self, day: Life, parts: Parts | None = None, *, seed: int = 1, sought: str | None = None) -> None:
        self.day, self.parts, self.random, self.sought = day, parts or Parts(), Random(seed), sought
        self.violations: list[str] = []
        self.states: set[bytes] = set()
        self.second_states: set[bytes] = set()

    def cut_everywhere(self) -> "Campaign":
        """Cut the power before each step and after the last, by both models."""
        for step in self._steps():
            for model in Model:
                for image in self.day.store.after_cut(step, model, self.random, torn_count=TORN_COUNT):
                    self._judge_cut(image, step, model)
            if self.has_found:
                break
        return self

    def kill_everywhere(self) -> "Campaign":
        """Kill the process at the steps; the system runs on, and the power goes in the recovery."""
        for step in self._steps()[::KILLED_AT_EVERY]:
            store = self.parts.make_store()
            store.disk = self.day.store.disk_before(step)
            self._note(f"killed before {self._words(step)}", self._recover(store, "second life", step)[1])
            self._cut_again(store, step)
            if self.has_found:
                break
        return self

    @property
    def has_found(self) -> bool:
        """Say whether what is sought was found."""
        return self.sought is not None and any(sentence.startswith(self.sought) for sentence in self.violations)

    def _steps(self) -> list[int]:
        """Return every step; in any order where one violation is enough."""
        steps = list(range(self.day.store.step + 1))
        if self.sought is not None:
            self.random.shuffle(steps)
        return steps

    def _judge_cut(self, image: Image, step: int, model: Model) -> None:
        promises = self._promises(step)
        key = digest(image) + len(promises).to_bytes(4, "big")
        if key in self.states:
            return
        self.states.add(key)
        words = f"cut before {self._words(step)}, model {model}"
        self._note(words, lost(Card.of(image), promises))
        store = CrashStore(image)
        life, wrong = self._recover(store, "second life", step)
        self._note(words, wrong)
        if life is not None and self.random.randrange(LIVED_ON_ONE_IN) == 0:
            self._note(f"{words}, lived on", self._live_on(life))
        if self.sought is None and self.random.randrange(SECOND_CUTS_ONE_IN) == 0:
            self._cut_again(store, step)

    def _cut_again(self, store: CrashStore, first_step: int) -> None:
        """Cut the power at each step of a recovery that went through."""
        for step in range(store.step + 1):
            for model in Model:
                for image in store.after_cut(step, model, self.random, torn_count=1):
                    key = digest(image) + len(self._promises(first_step)).to_bytes(4, "big")
                    if key not in self.second_states:
                        self.second_states.add(key)
                        words = f"cut before {self._words(first_step)}, again in the recovery at step {step}"
                        self._note(words, lost(Card.of(image), self._promises(first_step)))
                        again = CrashStore(image)
                        self._note(words, self._recover(again, "third life", first_step, before=store.appended)[1])

    def _recover(
        self, store: CrashStore, name: str, step: int, *, before: list[Appended] | None = None
    ) -> tuple[Life | None, list[str]]:
        life = Life(store, name, self.parts)
        try:
            life.start()
        except Exception as error:
            return None, [f"I7: recovery ends with {type(error).__name__}: {error}"]
        card = Card.of(store.disk.live())
        wrong = [*lost(card, self._promises(step)), *damaged(card, open_folder=life.log.folder)]
        first = [item for item in self.day.store.appended if item.step < step]
        return life, wrong + list(KeyWatch().watch([*first, *(before or []), *store.appended]))

    def _live_on(self, life: Life) -> Iterator[str]:
        life.record(1)
        life.dock()
        card = Card.of(life.store.disk.live())
        yield from lost(card, life.promises)
        yield from damaged(card, open_folder=life.log.folder)

    def _promises(self, step: int) -> list[Promise]:
        return [promise for promise in self.day.promises if promise.step <= step]

    def _words(self, step: int) -> str:
        steps = self.day.store.steps
        return f"step {step} ({steps[step][0]})" if step < len(steps) else "nothing: all is done"

    def _note(self, words: str, wrong: Iterator[str] | list[str]) -> None:
        self.violations += [f"{sentence} [{words}]" for sentence in wrong]


def test_nothing_durable_is_lost_wherever_the_power_goes(record_property: Callable[[str, object], None]) -> None:
    """I1, I2, I7 and the law of keys, after a cut at every step, and after a second one in the recovery."""
    ends_at = time.monotonic() + BUDGET_S
    state_count = second_count = 0
    seed = 1
    while seed == 1 or time.monotonic() < ends_at:
        campaign = Campaign(a_day(), seed=seed).cut_everywhere()
        assert campaign.violations == []
        state_count, second_count = state_count + len(campaign.states), second_count + len(campaign.second_states)
        seed += 1
    record_property("distinct_states", state_count)
    record_property("distinct_states_in_recovery", second_count)
    print(f"{a_day().store.step} steps, {state_count} distinct states, {second_count} within recovery")

    assert state_count > 350
    assert second_count > 200


def test_nothing_durable_is_lost_when_the_process_is_killed_and_the_power_goes_later() -> None:
    """What a killed process left in memory only may not be taken for durable (I1, I2)."""
    campaign = Campaign(a_day()).kill_everywhere()

    assert campaign.violations == []
    assert len(campaign.second_states) > 250


def test_every_kind_of_durable_step_is_cut() -> None:
    recovery = {name.split()[0] for step in range(0, a_day().store.step, 7) for name in _recovery_steps(step)}

    assert {name.split()[0] for name, _ in a_day().store.steps} == {
        "mkdir", "create", "append", "write", "fdatasync", "rename", "unlink", "rmdir", "fsync",
    }  # fmt: skip
    assert {"truncate", "unlink", "rmdir", "append", "fsync"} <= recovery


def _recovery_steps(step: int) -> list[str]:
    names = []
    for image in a_day().store.after_cut(step, Model.WEAKEST, Random(step)):
        store = CrashStore(image)
        Life(store, "second life").start()
        names += [name for name, _ in store.steps]
    return names


def _live_until_it_fails(faults: Faults) -> Life:
    life = Life(CrashStore(faults=faults), "first life")
    try:
        live_a_day(life)
    except (StoreFull, StoreUncertain, DayCutShort):
        return life
    return life


def _judge_restart(first: Life, disk: Disk, words: str) -> list[str]:
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


# Known-bad variants: each must be caught, by the invariant that it breaks.


class NoFolderSync(CrashStore):
    """Files are synced, the folders that name them are not."""

    def _sync_folder(self, folder: str | None) -> None:
        pass


class NoSettling(CrashStore):
    """Takes what a killed process left in memory for durable."""

    def settle(self) -> None:
        pass


class _Wrapped:
    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class EntryBeforeMedia(_Wrapped):
    """A chunk's bytes are written when its entry is durable."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._held: list[tuple[str, str, bytes]] = []

    def append(self, folder: str, name: str, data: bytes | bytearray) -> None:
        if name.endswith(".media"):
            self._held.append((folder, name, bytes(data)))
        else:
            self._store.append(folder, name, data)

    def sync(self, folder: str, name: str) -> None:
        if name != CHAIN_NAME:
            return
        self._store.sync(folder, name)
        for folder_held, name_held, data in self._held:
            self._store.append(folder_held, name_held, data)
            self._store.sync(folder_held, name_held)
        self._held.clear()


class ConfirmBeforeSync(_Wrapped):
    """An entry counts as durable when it is appended; the sync comes with the next one."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._late: tuple[str, str] | None = None

    def sync(self, folder: str, name: str) -> None:
        late, self._late = self._late, (folder, name)
        if late is not None and late[0] in self._store.folders():
            self._store.sync(*late)


class EraseFirst(Eraser):
    """The files go, then the entry says so."""

    def _erase(self, folder: str, permission: Permission, signed: bytes) -> None:
        shift_id, recording_id = permission.receipt.shift_id, permission.recording_id
        for name in self._names_of(folder, recording_id) if recording_id is not None else ():
            self._store.remove(folder, name)
        if recording_id is None:
            self._remove_all(folder)
        self._log.append(
            Erased(
                at=self._log.moment(), shift_id=shift_id, recording_id=recording_id, receipt_hash=receipt_hash(signed)
            )
        )


class ReceiptNotKept(Eraser):
    """The receipt is believed, and not made durable."""

    def _keep(self, folder: str, brought: ReceiptWithProof, decision: Permission | Refusal) -> None:
        pass


class ProofNotKept(Eraser):
    """The proof is believed, and not made durable."""

    def _keep(self, folder: str, brought: ReceiptWithProof, decision: Permission | Refusal) -> None:
        super()._keep(folder, ReceiptWithProof(signed=brought.signed, proof=None), decision)


class CheckpointForgotten(Eraser):
    """What was accepted of the ledger is not made durable."""

    def _accept(self, decision: Permission | Refusal) -> None:
        pass


class KeyTwice(ShiftLog):
    """An entry that had no room is dropped, and its key signs the next one."""

    def append(self, body: Body) -> ChainEnd:
        assert self._chain is not None
        size_bytes = len(self._store.read(self.folder, CHAIN_NAME, 0, CHAIN_SIZE_BYTES_MAX))
        try:
            return super().append(body)
        except ChainFull as error:
            self._chain._pending = None
            self._store.truncate(self.folder, CHAIN_NAME, size_bytes)
            raise StoreFull(str(error)) from error


@pytest.mark.parametrize(
    ("parts", "invariant"),
    [
        (Parts(make_store=NoFolderSync), "I1"),
        (Parts(wrap=lambda store: cast(Store, EntryBeforeMedia(store))), "I1"),
        (Parts(wrap=lambda store: cast(Store, ConfirmBeforeSync(store))), "I1"),
        (Parts(make_eraser=EraseFirst), "I2"),
        (Parts(make_eraser=ReceiptNotKept), "I2"),
        (Parts(make_eraser=ProofNotKept), "I2"),
        (Parts(make_eraser=CheckpointForgotten), "I2"),
    ],
    ids=[
        "no-folder-sync",
        "entry-before-media",
        "confirm-before-sync",
        "erase-first",
        "receipt-not-kept",
        "proof-not-kept",
        "checkpoint-forgotten",
    ],
)
def test_a_bad_variant_is_caught_and_the_invariant_named(parts: Parts, invariant: str) -> None:
    life = Life(parts.make_store(), "first life", parts)
    live_a_day(life)

    assert Campaign(life, parts, sought=invariant).cut_everywhere().has_found


def test_taking_over_from_a_killed_process_without_settling_is_caught() -> None:
    parts = Parts(make_store=NoSettling)
    life = Life(parts.make_store(), "first life", parts)
    live_a_day(life)

    assert Campaign(life, parts, sought="I").kill_everywhere().has_found


def test_a_one_time_key_that_signs_twice_is_caught() -> None:
    found: list[str] = []
    for write in range(a_day().store.write_count):
        life = Life(CrashStore(faults=Faults(full_at_write=write)), "first life", Parts(make_log=KeyTwice))
        with suppress(StoreFull, DayCutShort, AssertionError):
            live_a_day(life)
        with suppress(AssertionError):
            life.log.event("press-refused")
        found += KeyWatch().watch(life.store.appended)
        if found:
            break

    assert found[0].startswith("keys: the one-time key")
