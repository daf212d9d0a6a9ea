"""Staging under power cuts at every operation, with the known-bad variants that must be found (spec 7.6, I1)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from dockd.central.app.staging import DATA, Staging
from dockd.central.ports import StagingDisk
from hw_sim.crash_staging_disk import CrashStagingDisk, PowerCut
from protocol.offload.messages import Description
from tests.dockd.staged_files import DOCK, LIMITS, block, content, description


@dataclass
class Told:
    """What was said to docks before the power went."""

    epochs: list[int] = field(default_factory=list)
    blocks: set[int] = field(default_factory=set)


def arrive(disk: StagingDisk, file: Description, told: Told) -> None:
    """Let a file arrive in two groups, with a second opening in between."""
    staging = Staging(disk, limits=LIMITS)
    for group in ((0, 2), (1,)):
        epoch, have = staging.open(DOCK, file)
        told.epochs.append(epoch)
        told.blocks.update(index for index in range(file.block_count) if index in have)
        for index in group:
            if index not in have:
                staging.write(file.transfer, index, block(file, index))
        for indices in staging.sync().values():
            told.blocks.update(indices)


def violations(disk: StagingDisk, file: Description, told: Told) -> list[str]:
    """Start again on what the cut left, and say what was taken back or is not true."""
    staging = Staging(disk, limits=LIMITS)
    epoch, have = staging.open(DOCK, file)
    found = [f"block {index} was acknowledged and is gone" for index in told.blocks if index not in have]
    if told.epochs and epoch <= max(told.epochs):
        found.append(f"epoch {epoch} follows epoch {max(told.epochs)}")
    for index in set(range(file.block_count)) - set(have.missing()):
        if not staging.matches(file.transfer, index, block(file, index)):
            found.append(f"block {index} is said to be here, with other bytes")
    for index in have.missing():
        staging.write(file.transfer, index, block(file, index))
    staging.sync()
    staging.hand_over(file.transfer)
    if disk.read(file.transfer.hex(), DATA, 0, file.size_bytes) != content(file):
        found.append("the whole file differs")
    return found


def cut_everywhere(make_disk: Callable[..., CrashStagingDisk]) -> tuple[list[str], int]:
    """Cut the power at every operation, before and after it, in several ways; return violations and distinct states."""
    file = description()
    whole = make_disk()
    arrive(whole, file, Told())
    found: list[str] = []
    states: set[int] = set()
    for cut_at in range(whole.operation_count):
        for is_late in (False, True):
            told = Told()
            disk = make_disk(cut_at=cut_at, is_late=is_late)
            with pytest.raises(PowerCut):
                arrive(disk, file, told)
            for variant in range(3):
                tree = disk.after_cut(Random(f"{cut_at} {is_late} {variant}"))
                states.add(hash(tuple((f, n, c) for f, files in tree.items() for n, c in files.items())))
                found += violations(make_disk(tree), file, told)
    return found, len(states)


def test_a_power_cut_at_any_operation_takes_nothing_back() -> None:
    found, distinct_states = cut_everywhere(CrashStagingDisk)

    assert found == []
    assert distinct_states >= 15, distinct_states


class ForgetsData(CrashStagingDisk):
    """Known bad: blocks are acknowledged before their bytes are synced."""

    def sync(self, folder: str, name: str) -> None:
        if name != DATA:
            super().sync(folder, name)


class ForgetsJournal(CrashStagingDisk):
    """Known bad: blocks are acknowledged before it is durable which they are."""

    def sync(self, folder: str, name: str) -> None:
        if name == DATA:
            super().sync(folder, name)


def test_acknowledging_before_the_data_is_synced_is_found() -> None:
    found, _ = cut_everywhere(ForgetsData)

    assert any("with other bytes" in violation for violation in found)


def test_acknowledging_before_the_journal_is_synced_is_found() -> None:
    found, _ = cut_everywhere(ForgetsJournal)

    assert any("acknowledged and is gone" in violation for violation in found)
