"""What the camera does with receipts: kept first, logged, then erased; the chain last, and each thing once (I2)."""

import pytest

from firmware.app.checkpoints import FOLDER
from firmware.app.eraser import ReceiptOutcome
from hw_sim.crash_store import CrashStore, Faults
from protocol.layout import CHAIN_NAME, RECEIPT_SUFFIX, receipt_name
from protocol.receipt import RecordingSubject, receipt_hash
from protocol.verify.shift import recording_subject
from tests.builders import make_receipt
from tests.firmware.crash_judge import Card
from tests.firmware.crash_world import AGENCY, CAMERA, Life, receipts_for
from tests.firmware.days import Day


@pytest.fixture
def day() -> Day:
    return Day()


def test_a_receipted_recording_is_erased_and_nothing_else(day: Day) -> None:
    first, second = (view.recording_id for view in day.report.recordings)
    outcome = day.take(day.of_first)

    assert outcome == ReceiptOutcome(True, "erased")
    assert day.recordings == {second}
    assert day.erased == [(day.shift_id, first)]
    assert CHAIN_NAME in day.names


def test_the_receipt_stays_on_the_card_beside_the_chain(day: Day) -> None:
    day.take(day.of_first)
    (name,) = [name for name in day.names if name.endswith(RECEIPT_SUFFIX)]

    assert day.life.store.read(day.folder, name, 0, 1 << 20) == day.of_first


def test_the_order_is_receipt_entry_files(day: Day) -> None:
    before = day.life.store.step
    day.take(day.of_first)
    steps = [name.split()[0] + " " + name.rsplit(".", 1)[-1][-7:] for name, _ in day.life.store.steps[before:]]

    wanted = ["rename receipt", "unlink media", "unlink keybox"]
    assert [step for step in steps if step in wanted] == wanted
    entry = next(index for index, step in enumerate(steps) if step.startswith("fdatasync") and step.endswith("chain"))
    assert steps.index("rename receipt") < entry < steps.index("unlink media")


@pytest.mark.parametrize("order", ["chain first", "chain last", "chain between"])
def test_the_chain_goes_last_whenever_its_receipt_comes(day: Day, order: str) -> None:
    signed = {
        "chain first": (day.of_chain, day.of_first, day.of_second),
        "chain last": (day.of_first, day.of_second, day.of_chain),
        "chain between": (day.of_second, day.of_chain, day.of_first),
    }[order]
    outcomes = [day.take(each).is_erased for each in signed]

    assert outcomes == [each != day.of_chain or order == "chain last" for each in signed]
    assert day.folder not in day.life.store.folders()
    assert day.erased[-1] == (day.shift_id, None)
    assert len(day.erased) == 3


def test_an_early_receipt_for_the_chain_outlives_a_restart(day: Day) -> None:
    day.take(day.of_chain)
    day.take(day.of_first)
    day.restart()
    day.take(day.of_second)

    assert day.folder not in day.life.store.folders()


def test_a_repeated_receipt_is_answered_the_same_and_logged_once(day: Day) -> None:
    for signed in (day.of_first, day.of_second, day.of_chain):
        first = day.take(signed)
        again = day.take(signed)

        assert (first.is_erased, again.is_erased) == (True, True)
    assert len(day.erased) == 3


@pytest.mark.parametrize("docks_between", [0, 1, 2])
def test_a_receipt_repeated_after_restarts_and_later_shifts_is_answered_the_same(day: Day, docks_between: int) -> None:
    """spec/06-dock-link.md, 6.5: one whose answer was lost is brought again and answered the same."""
    for signed in (day.of_first, day.of_second, day.of_chain):
        day.take(signed)
    for _ in range(docks_between):
        day.life.dock()
    day.restart()

    assert day.take(day.of_chain).is_erased
    assert day.take(day.of_first).is_erased
    assert len(day.erased) == 3


def test_no_restart_logs_an_erasure_again(day: Day) -> None:
    day.take(day.of_first)
    for number in range(3):
        day.life.dock()
        day.restart(f"life {number}")
        day.take(day.of_first)

    assert len(day.erased) == 1


def test_a_receipt_for_the_open_shift_erases_nothing_and_is_not_kept(day: Day) -> None:
    day.life.record(1)
    folder = day.life.log.folder
    before = day.life.store.files(folder)
    report = Card.of(day.life.store.disk.live()).reports[folder]
    signed = receipts_for(report)[1]

    assert not day.take(signed).is_erased
    assert day.life.store.files(folder) == before


def test_a_refused_receipt_leaves_no_trace(day: Day) -> None:
    before = day.life.store.disk.live()
    lie = make_receipt(
        _subject(day).model_copy(update={"chunk_count": 1}), report=day.report, agency=AGENCY, camera=CAMERA
    )

    assert not day.take(lie).is_erased
    assert not day.take(b"rubbish").is_erased
    assert day.life.store.disk.live() == before


def _subject(day: Day) -> RecordingSubject:
    subject = recording_subject(day.report.recordings[0])
    assert subject is not None
    return subject


def test_a_receipt_for_a_shift_never_seen_is_refused(day: Day) -> None:
    signed = make_receipt(_subject(day), report=day.report, agency=AGENCY, camera=CAMERA, shift_id=bytes(16))
    outcome = day.take(signed)

    assert not outcome.is_erased
    assert "does not have" in outcome.reason


def test_a_receipt_that_cannot_be_kept_erases_nothing() -> None:
    writes = Day().life.store.write_count
    day = Day(Faults(full_at_write=writes))
    outcome = day.take(day.of_first)

    assert not outcome.is_erased
    assert "cannot be kept" in outcome.reason
    assert len(day.recordings) == 2
    assert day.erased == []
    day.life.store._is_full = False
    assert day.take(day.of_first).is_erased


def test_a_kept_receipt_that_rotted_is_written_anew(day: Day) -> None:
    """I2: what lets it erase must be durable on the card, not something of its name."""
    name = receipt_name(receipt_hash(day.of_first))
    day.life.store.write_once(day.folder, name, b"rotten")
    day.take(day.of_first)

    assert day.life.store.read(day.folder, name, 0, 1 << 20) == day.of_first


def test_a_shift_without_recordings_goes_behind_its_chain_s_receipt_alone() -> None:
    life = Life(CrashStore(), "first life")
    life.start()
    shift_id = life.dock()
    (signed,) = receipts_for(life.report(shift_id))
    life.receive(signed)

    assert life.store.folders() == (FOLDER, life.log.folder)


def test_what_a_cut_left_undone_is_done_at_the_next_start(day: Day) -> None:
    before = day.life.store.step
    day.take(day.of_first)
    after = day.life.store.step
    unlink = next(step for step in range(before, after) if day.life.store.steps[step][0].startswith("unlink"))
    day.life = Life(CrashStore.of_killed(day.life.store.disk_before(unlink)), "second life", ledger=day.life.ledger)
    assert len(day.recordings) == 2
    day.life.start()

    assert len(day.recordings) == 1
    assert len(day.erased) == 1


def test_what_is_erased_is_told(day: Day) -> None:
    told: list[tuple[str, object]] = []
    day.life.eraser._say = lambda name, fields: told.append((name, fields["recording_id"]))
    for signed in (day.of_chain, day.of_first, day.of_second, day.of_second):
        day.take(signed)
    first, second = (view.recording_id.hex() for view in day.report.recordings)

    assert told == [("erased", first), ("erased", second), ("erased", None)]


def test_a_chain_is_verified_once_however_many_receipts_are_about_it(day: Day) -> None:
    day.life.report(day.shift_id)
    kept = day.life.log.report(day.shift_id)
    day.take(day.of_first)

    assert day.life.log.report(day.shift_id) is kept
