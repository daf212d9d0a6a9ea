"""A witness under power cuts at every step of its state, with the known-bad variants that must be found (I4)."""

from random import Random

from hw_sim.crash_disk import digest
from hw_sim.crash_state_disk import CrashStateDisk
from tests.dockd.witness_judge import USUAL, ForgetsFolder, ForgetsSync, cuts, played, violations
from tests.dockd.witnesses import World, request_bytes


def cut_everywhere(disk: CrashStateDisk, *, answers_first: bool = False) -> tuple[set[str], int]:
    """Return the violations and how many distinct states there were."""
    released = played(disk, USUAL, answers_first=answers_first)
    assert [one.size for one in released] == [40, 50, 60, 60, 70]
    found: set[str] = set()
    states: set[bytes] = set()
    for image, gone in cuts(disk, released, Random(4)):
        states.add(digest(image))
        found |= set(violations(image, gone))
    return found, len(states)


def test_no_power_cut_makes_a_witness_sign_two_histories() -> None:
    found, distinct_states = cut_everywhere(CrashStateDisk())

    assert found == set()
    assert distinct_states >= 40, distinct_states


def test_answering_before_the_state_is_durable_is_found() -> None:
    found, _ = cut_everywhere(CrashStateDisk(), answers_first=True)

    assert "two trees of 50 leaves are cosigned" in found
    assert "two histories are cosigned" in found


def test_a_missing_sync_of_the_bytes_is_found() -> None:
    found, _ = cut_everywhere(ForgetsSync())

    assert any("does not start" in violation for violation in found)


def test_a_missing_sync_of_the_folder_is_found() -> None:
    found, _ = cut_everywhere(ForgetsFolder())

    assert "two trees of 50 leaves are cosigned" in found


def test_at_the_answer_the_state_is_durable() -> None:
    disk = CrashStateDisk()
    witness = World(disk=disk).start()

    assert witness.add_checkpoint(request_bytes(0, 40)).status == 200

    assert not any(names.pending for names in disk.disk.names.values())
    assert not any(inode.pending for inode in disk.disk.inodes.values())
