"""What the camera does with receipts and proofs where its policy names a ledger, with a witness (I2; spec/04-trust.md, 4.5)."""

import pytest

from firmware.app.checkpoints import FOLDER
from hw_sim.crash_store import Faults
from protocol.layout import PROOF_SUFFIX, proof_name, receipt_name
from protocol.receipt import receipt_hash
from tests.firmware.crash_world import AGENCY
from tests.firmware.days import Day
from tests.protocol.ledgers import Ledger


@pytest.fixture
def day() -> Day:
    return Day()


def test_the_order_is_proof_receipt_checkpoint_entry_files(day: Day) -> None:
    before = day.life.store.step
    day.take(day.of_first)
    steps = [name for name, _ in day.life.store.steps[before:]]
    order = [
        next(at for at, step in enumerate(steps) if step.startswith(verb) and step.endswith(what))
        for verb, what in (
            ("rename", "tlog-proof"),
            ("rename", "receipt"),
            ("rename", "checkpoint"),
            ("fdatasync", "chain"),
            ("unlink", "media"),
        )
    ]

    assert order == sorted(order)


def test_a_receipt_without_a_proof_erases_nothing_and_leaves_no_trace(day: Day) -> None:
    before = day.life.store.disk.live()
    outcome = day.bring(day.of_first, None)

    assert not outcome.is_erased
    assert outcome.is_proof_wanted
    assert day.life.store.disk.live() == before


def test_the_largest_checkpoint_is_remembered_and_never_lowered(day: Day) -> None:
    """Another dock's older proof comes later: it is refused, and a newer one for the same receipt is not."""
    day.life.ledger.grow(5)
    day.take(day.of_first)
    smaller = day.bring(day.of_second, day.proof(day.of_second, size=3))
    day.restart()
    smaller_again = day.bring(day.of_second, day.proof(day.of_second, size=3))

    for outcome in (smaller, smaller_again):
        assert not outcome.is_erased
        assert outcome.is_proof_wanted
        assert "tree of 3 leaves, and this camera has accepted one of 8" in outcome.reason
    assert day.bring(day.of_second, day.proof(day.of_second)).is_erased


def test_what_is_remembered_outlives_the_shifts_that_it_was_accepted_for(day: Day) -> None:
    day.life.ledger.grow(5)
    for signed in (day.of_first, day.of_second, day.of_chain):
        day.take(signed)
    assert day.folder not in day.life.store.folders()
    day.restart()
    largest = day.life.eraser._checkpoints.largest()

    assert largest == day.life.ledger.checkpoint()
    assert len(day.life.store.files(FOLDER)) == 1


def test_a_fork_of_the_ledger_is_refused(day: Day) -> None:
    day.take(day.of_first)
    fork = Ledger(witness_count=1)
    fork.grow(2)
    fork.add(day.of_second, AGENCY.policy)
    assert fork.size == day.life.ledger.size
    outcome = day.bring(day.of_second, fork.proof(day.of_second))

    assert not outcome.is_erased
    assert "forked" in outcome.reason


def test_an_early_receipt_whose_proof_has_grown_old_waits_for_a_newer_one(day: Day) -> None:
    day.take(day.of_chain)
    day.life.ledger.grow(5)
    day.take(day.of_first)
    day.take(day.of_second)
    assert day.folder in day.life.store.folders()
    day.restart()
    assert day.folder in day.life.store.folders()

    assert day.take(day.of_chain).is_erased
    assert day.folder not in day.life.store.folders()


def test_the_newest_proof_stands_beside_its_receipt(day: Day) -> None:
    day.take(day.of_chain)
    day.life.ledger.grow(5)
    day.take(day.of_chain)
    name = proof_name(receipt_name(receipt_hash(day.of_chain)))

    assert [each for each in day.names if each.endswith(PROOF_SUFFIX)] == [name]
    assert day.life.store.read(day.folder, name, 0, 1 << 20) == day.proof(day.of_chain)


def test_the_next_shift_opens_with_the_largest_checkpoint_accepted(day: Day) -> None:
    day.life.ledger.grow(5)
    day.take(day.of_first)
    opened = day.life.report(day.life.dock()).opened
    assert opened is not None
    assert opened.checkpoint is None, "it opened before the receipt came"
    opened = day.life.report(day.life.dock()).opened

    assert opened is not None
    assert opened.checkpoint == day.life.ledger.cosigned().encoded()


def test_a_checkpoint_that_rotted_on_the_card_still_counts_by_its_size(day: Day) -> None:
    day.life.ledger.grow(5)
    day.take(day.of_first)
    (file,) = day.life.store.files(FOLDER)
    day.life.store.truncate(FOLDER, file.name, file.size_bytes // 2)
    day.restart()
    outcome = day.bring(day.of_second, day.proof(day.of_second, size=3))

    assert not outcome.is_erased
    assert not day.take(day.of_second).is_erased
    day.life.ledger.grow(1)
    assert day.take(day.of_second).is_erased


def test_a_card_without_room_for_the_checkpoint_erases_nothing() -> None:
    probe = Day()
    writes = probe.life.store.write_count
    probe.take(probe.of_first)
    names = [name for name, _ in probe.life.store.steps if name.startswith(("write", "append"))]
    offset = next(index for index, name in enumerate(names[writes:]) if "checkpoint" in name)
    day = Day(Faults(full_at_write=writes + offset))
    outcome = day.take(day.of_first)

    assert not outcome.is_erased
    assert "cannot be kept" in outcome.reason
    assert day.erased == []
    assert len(day.recordings) == 2
    day.restart()
    assert day.take(day.of_first).is_erased


def test_a_kept_receipt_from_before_the_policy_named_a_ledger_erases_nothing(day: Day) -> None:
    """The receipt stands on the card, as an older policy let it be kept; the new one asks for more."""
    day.life.store.write_once(day.folder, receipt_name(receipt_hash(day.of_first)), day.of_first)
    day.restart()

    assert len(day.recordings) == 2
    assert day.take(day.of_first).is_erased
