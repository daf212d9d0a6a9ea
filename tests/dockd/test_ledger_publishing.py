"""Publication: a checkpoint is shown to witnesses, and proofs are made against it once enough of them have cosigned."""

from pathlib import Path

from hw_sim.crash_tile_store import CrashTileStore
from protocol.ledger.checkpoint import parse_signed_checkpoint
from tests.dockd.ledgers import (
    WITNESS_KEYS,
    Desk,
    Witnesses,
    desk_in_memory,
    leaves,
    new_queue,
    receipt,
    trust,
    verified,
)


def test_without_enough_witnesses_nothing_is_published_and_the_alarm_says_how_many(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path, threshold=2)
    desk.witnesses.away = {key.public_key for key in WITNESS_KEYS[1:]}
    desk.queue.put(leaves(0, 5))
    desk.turn()

    assert desk.proof_of(receipt(1)) is None
    assert desk.events[-1] == ("unwitnessed", {"size": 5, "cosignatures": 1, "threshold": 2})


def test_a_published_checkpoint_carries_the_cosignatures(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path, threshold=2)
    desk.witnesses.away = {WITNESS_KEYS[0].public_key}
    desk.queue.put(leaves(0, 5))
    desk.turn()

    shown = desk.shown(4)
    assert shown is not None
    assert {cosignature.witness_key for cosignature in shown.checkpoint.cosignatures} == {
        key.public_key for key in WITNESS_KEYS[1:]
    }
    signed = desk.store.read("checkpoint")
    assert signed is not None
    assert len(parse_signed_checkpoint(signed).note.signatures) == 1


def test_witnesses_follow_a_ledger_that_grows_and_one_that_was_away_catches_up(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path, threshold=2)
    for end in (5, 260, 261, 900):
        desk.witnesses.away = {WITNESS_KEYS[end % 3].public_key}
        desk.queue.put(leaves(0, end))
        desk.turn()
        assert desk.shown(end - 1) is not None
    assert desk.witnesses.refusals == []


def test_after_a_failure_witnesses_are_asked_again_later_and_later_and_then_it_is_published(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path, threshold=3)
    desk.witnesses.away = {WITNESS_KEYS[0].public_key}
    desk.queue.put(leaves(0, 5))
    asked = []
    for now_ms in range(0, 10_000, 100):
        desk.now_ms = now_ms
        before = desk.witnesses.asked_count
        desk.turn()
        asked += [now_ms] * (desk.witnesses.asked_count - before)
    desk.witnesses.away.clear()
    desk.now_ms = 20_000
    desk.turn()

    assert asked == [0, 500, 1500, 3500, 7500]
    assert desk.shown(0) is not None


def test_leaves_are_taken_while_no_witness_answers(tmp_path: Path) -> None:
    desk = desk_in_memory(tmp_path, threshold=1)
    desk.witnesses.away = {key.public_key for key in WITNESS_KEYS}
    for end in (5, 6, 7):
        desk.queue.put(leaves(0, end))
        desk.turn()

    assert desk.size == 7


def test_a_line_that_does_not_hold_is_left_out_and_counts_for_nothing(tmp_path: Path) -> None:
    class Lying(Witnesses):
        def collect(self, checkpoint, prove):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            good = super().collect(checkpoint, prove)
            bad = good[0].signature[:-1] + bytes([good[0].signature[-1] ^ 1])
            return (type(good[0])(good[0].name, good[0].key_id, bad), *good[1:])

    desk = Desk(CrashTileStore(), new_queue(tmp_path), witnesses=Lying(), threshold=2)
    desk.queue.put(leaves(0, 5))
    desk.turn()

    shown = desk.shown(4)
    assert shown is not None
    assert len(shown.checkpoint.cosignatures) == 2
    assert "cosignature-refused" in [name for name, _ in desk.events]


def test_a_policy_that_asks_for_more_witnesses_takes_the_published_checkpoint_back_until_they_have_cosigned(
    tmp_path: Path,
) -> None:
    desk = desk_in_memory(tmp_path)
    desk.queue.put(leaves(0, 5))
    desk.turn()

    strict = Desk(desk.store, desk.queue, threshold=2)
    before = strict.proof_of(receipt(1))
    strict.turn()

    assert before is None
    assert strict.shown(1) is not None
    assert verified(strict.proof_of(receipt(1)) or b"", 1, trust(2)).index == 1
