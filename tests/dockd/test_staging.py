"""Staging on the real and the simulated disk: what is here, what makes room, what is set aside (spec 7.6)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.central.adapters.staging_disk import PosixStagingDisk
from dockd.central.app.staging import DATA, Staging, StagingLimits
from dockd.central.core.staging_journal import What, encode_record, read_journal
from dockd.central.errors import StagingFault, StagingFull, StagingUncertain
from dockd.central.ports import StagingDisk
from hw_sim.crash_staging_disk import CrashStagingDisk
from protocol.offload.messages import Description
from tests.dockd.staged_files import DOCK, LIMITS, MIB, block, content, description, fill


@pytest.fixture(params=["real", "simulated"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StagingDisk]:
    if request.param == "simulated":
        yield CrashStagingDisk()
        return
    real = PosixStagingDisk(tmp_path / "staging")
    yield real
    real.close()


def test_the_disk_gives_back_what_was_written(disk: StagingDisk) -> None:
    disk.make_folder("a")
    disk.make_folder("a")
    disk.write_once("a", "small", b"one")
    disk.write_once("a", "small", b"two")
    disk.create("a", "large", 5000)
    disk.write("a", "large", 4090, memoryview(b"x" * 20))
    disk.sync("a", "large")

    assert disk.folders() == ("a",)
    assert disk.files("a") == ("large", "small")
    assert disk.read("a", "small", 0, 100) == b"two"
    assert disk.read("a", "large", 4088, 24) == b"\0\0" + b"x" * 20 + b"\0\0"
    assert disk.size_bytes("a", "large") == 5000
    assert disk.size_bytes("a", "none") is None
    assert disk.files("none") == ()


def test_the_disk_renames_and_removes_folders(disk: StagingDisk) -> None:
    for name in ("a", "b"):
        disk.make_folder(name)
        disk.create(name, "file", 10)
        disk.write(name, "file", 0, name.encode())

    disk.rename_folder("a", "c")
    disk.remove_folder("b")
    disk.remove_folder("never there")
    disk.release("c")

    assert disk.folders() == ("c",)
    assert disk.read("c", "file", 0, 1) == b"a"


def test_blocks_are_here_only_after_sync(disk: StagingDisk) -> None:
    staging, file = Staging(disk, limits=LIMITS), description()
    staging.open(DOCK, file)
    staging.write(file.transfer, 1, block(file, 1))
    _, before = staging.open(DOCK, file)

    durable = staging.sync()
    _, after = staging.open(DOCK, file)

    assert list(before.missing()) == [0, 1, 2]
    assert durable == {file.transfer: (1,)}
    assert list(after.missing()) == [0, 2]
    assert staging.sync() == {}


def test_a_transfer_is_taken_up_after_a_restart_with_a_higher_epoch(disk: StagingDisk) -> None:
    file = description()
    first = Staging(disk, limits=LIMITS)
    epoch, _ = first.open(DOCK, file)
    first.write(file.transfer, 2, block(file, 2))
    first.sync()

    epoch_again, have = Staging(disk, limits=LIMITS).open("dock-b", file)

    assert epoch_again == epoch + 1
    assert list(have.missing()) == [0, 1]


def test_a_whole_file_is_handed_over_and_forgotten_when_kept(disk: StagingDisk) -> None:
    staging, file = Staging(disk, limits=LIMITS), description()
    fill(staging, file)

    staging.hand_over(file.transfer)
    whole = disk.read(file.transfer.hex(), DATA, 0, file.size_bytes)
    staging.remove(file.transfer)

    assert whole == content(file)
    assert disk.folders() == ()
    assert list(staging.open(DOCK, file)[1].missing()) == [0, 1, 2]


def test_other_bytes_for_a_filled_place_are_both_kept_and_set_aside(disk: StagingDisk) -> None:
    staging, file = Staging(disk, limits=LIMITS), description()
    fill(staging, file)
    other = bytes(MIB)

    assert staging.matches(file.transfer, 0, block(file, 0))
    assert not staging.matches(file.transfer, 0, other)
    staging.keep_conflict(file.transfer, 0, other)
    staging.remove(file.transfer)

    (aside,) = disk.folders()
    assert aside.startswith("aside-")
    assert disk.read(aside, "conflict-00000-00", 0, MIB) == other
    assert disk.read(aside, DATA, 0, MIB) == block(file, 0)


def test_a_file_that_is_refused_once_is_judged_again_without_sending_a_byte(disk: StagingDisk) -> None:
    staging, file = Staging(disk, limits=LIMITS), description()
    fill(staging, file)

    assert staging.refuse(file.transfer) is False
    _, have = Staging(disk, limits=LIMITS).open(DOCK, file)

    assert have.is_full


def test_a_file_that_is_refused_twice_is_set_aside_and_comes_anew(disk: StagingDisk) -> None:
    staging, file = Staging(disk, limits=LIMITS), description()
    fill(staging, file)
    staging.refuse(file.transfer)
    staging.open(DOCK, file)

    assert staging.refuse(file.transfer) is True
    _, have = staging.open(DOCK, file)

    assert len(have) == 0
    assert [name for name in disk.folders() if name.startswith("aside-")] == [f"aside-{file.transfer.hex()}-0"]


def test_what_is_set_aside_is_bounded(disk: StagingDisk) -> None:
    staging = Staging(disk, limits=StagingLimits(free_bytes_min=0, aside_bytes_max=4 * MIB))
    for number in range(3):
        file = description(number)
        fill(staging, file)
        staging.keep_conflict(file.transfer, 0, b"other")
        staging.refuse(file.transfer)

    assert len(disk.folders()) == 1


def test_the_transfer_that_was_let_go_first_makes_room(disk: StagingDisk) -> None:
    staging = Staging(disk, limits=StagingLimits(transfers_max=2, free_bytes_min=0))
    for number in (0, 1):
        fill(staging, description(number))
    staging.close(description(1).transfer)
    staging.close(description(0).transfer)

    fill(staging, description(2))

    assert disk.folders() == tuple(sorted(description(number).transfer.hex() for number in (0, 2)))


def test_open_transfers_are_never_dropped_to_make_room(disk: StagingDisk) -> None:
    staging = Staging(disk, limits=StagingLimits(transfers_max=1, free_bytes_min=0))
    fill(staging, description(0))

    with pytest.raises(StagingFull, match="1 transfers are open"):
        staging.open(DOCK, description(1))


def test_one_dock_cannot_fill_the_part_of_another(disk: StagingDisk) -> None:
    staging = Staging(disk, limits=StagingLimits(dock_bytes_max=4 * MIB, free_bytes_min=0))
    fill(staging, description(0), dock="dock-b")
    staging.close(description(0).transfer)
    fill(staging, description(1))

    with pytest.raises(StagingFull, match="dock-a has"):
        fill(staging, description(2))

    assert description(0).transfer.hex() in disk.folders()


def test_a_full_disk_is_said_before_a_byte_is_sent(disk: StagingDisk) -> None:
    staging = Staging(disk, limits=StagingLimits(free_bytes_min=1 << 60))

    with pytest.raises(StagingFull, match="bytes free") as caught:
        staging.open(DOCK, description())

    assert "free space" in caught.value.diagnosis()
    assert disk.folders() == ()


def test_garbage_in_the_folder_is_cleared_away(disk: StagingDisk) -> None:
    file = description()
    fill(Staging(disk, limits=LIMITS), file)
    disk.make_folder("00" * 16)
    disk.write_once("00" * 16, "description", b"\xff garbage")
    disk.make_folder("half made")

    staging = Staging(disk, limits=LIMITS)

    assert disk.folders() == (file.transfer.hex(),)
    assert staging.open(DOCK, file)[1].is_full


def test_an_empty_file_is_here_at_once(disk: StagingDisk) -> None:
    staging, file = Staging(disk, limits=LIMITS), description(size_bytes=0)
    _, have = staging.open(DOCK, file)

    staging.hand_over(file.transfer)

    assert have.is_full
    assert Staging(disk, limits=LIMITS).open(DOCK, file)[0] == 2


def test_a_journal_counts_up_to_the_first_torn_record() -> None:
    transfer = bytes(16)
    records = [encode_record(transfer, What.EPOCH, 7)] + [encode_record(transfer, What.BLOCK, n) for n in (4, 5)]
    torn = records[0] + records[1] + records[2][:4] + bytes(30)

    state = read_journal(transfer, torn)

    assert (state.epoch, state.blocks, state.size_bytes) == (7, [4], 18)
    assert read_journal(bytes([1]) * 16, torn).epoch == 0


def test_two_workers_cannot_share_a_folder(tmp_path: Path) -> None:
    first = PosixStagingDisk(tmp_path)

    with pytest.raises(StagingFault, match="another process"):
        PosixStagingDisk(tmp_path)

    first.close()
    PosixStagingDisk(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StagingFault, match=r"staging folder .* cannot be used"):
        PosixStagingDisk(tmp_path / "file" / "staging")


def stand_in(disk: PosixStagingDisk, file: Description, device: str) -> None:
    """Let another device stand where the staged data is."""
    os.dup2(os.open(device, os.O_RDWR), disk._descriptor(file.transfer.hex(), DATA))


def test_a_disk_that_fills_up_in_the_middle_keeps_what_is_here(tmp_path: Path) -> None:
    real = PosixStagingDisk(tmp_path)
    staging, file = Staging(real, limits=LIMITS), description()
    staging.open(DOCK, file)
    staging.write(file.transfer, 1, block(file, 1))
    staging.sync()
    stand_in(real, file, "/dev/full")

    with pytest.raises(StagingFull, match="staging disk is full"):
        staging.write(file.transfer, 0, block(file, 0))

    staging.close(file.transfer)
    assert list(staging.open(DOCK, file)[1].missing()) == [0, 2]
    real.close()


def test_a_failed_sync_ends_the_worker_and_nothing_is_called_durable(tmp_path: Path) -> None:
    real = PosixStagingDisk(tmp_path)
    staging, file = Staging(real, limits=LIMITS), description()
    staging.open(DOCK, file)
    staging.write(file.transfer, 0, block(file, 0))
    stand_in(real, file, "/dev/null")  # which cannot be synced

    with pytest.raises(StagingUncertain, match="syncing"):
        staging.sync()

    real.close()
    again = PosixStagingDisk(tmp_path)
    assert len(Staging(again, limits=LIMITS).open(DOCK, file)[1]) == 0
    again.close()


def test_a_failed_write_ends_the_worker(tmp_path: Path) -> None:
    real = PosixStagingDisk(tmp_path)
    staging, file = Staging(real, limits=LIMITS), description()
    staging.open(DOCK, file)
    # A descriptor that cannot be written stands for a disk that cannot.
    os.dup2(os.open(os.devnull, os.O_RDONLY), real._descriptor(file.transfer.hex(), DATA))

    with pytest.raises(StagingUncertain, match="writing"):
        staging.write(file.transfer, 0, block(file, 0))

    real.close()
