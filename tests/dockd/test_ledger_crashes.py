"""The ledger loses power at each durable step, before it, in the middle of it and after it, and starts again (I4).

Steps are every writing call of its queue and of its files. What must hold after each cut, and at the end: every checkpoint
that was ever durable is that of a beginning of the final tree; each leaf stands in it once, in the place that it was first
seen in; whatever was proved before the cut is proved after it; and witnesses, who remember, never refuse.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from dockd.central.adapters.leaf_queue import SqliteLeafQueue
from dockd.central.core.ledger_tree import CHECKPOINT_NAME, COSIGNED_NAME
from dockd.central.errors import LedgerMismatch
from dockd.central.ledger_ports import LeafQueue
from hw_sim.crash_tile_store import CrashTileStore, PowerCut
from protocol.ledger.checkpoint import verify_checkpoint
from tests.dockd.ledgers import Desk, Witnesses, data_of, leaves, new_queue, receipt, trust, verified

QUEUE_STEPS: Final = frozenset({"put", "place"})
THRESHOLD: Final = 2
BATCH_MAX: Final = 120
ARRIVALS: Final = (1, 90, 256, 300)
"""How many leaves have come before each round; full tiles, partial ones, and rounds of several batches are among them."""
SHARES: Final = (0.0, 0.5, 1.0)


class Cut:
    """The power, for queue and files together: operation ``at`` is cut off; ``share`` of it is done."""

    def __init__(self, at: int | None, share: float, draws: Random) -> None:
        self.count = 0
        self._at = at
        self.share = share
        self.draws = draws

    def is_now(self) -> bool:
        self.count += 1
        return self._at is not None and self.count - 1 == self._at


class CutStore(CrashTileStore):
    """Files that remember every checkpoint that was ever durable among them."""

    def __init__(self, files: Mapping[str, bytes], cut: Cut, seen: list[bytes]) -> None:
        super().__init__(files, share=cut.share, draws=cut.draws)
        self._cut = cut
        self._seen = seen

    def write(self, files: Mapping[str, bytes]) -> None:
        try:
            super().write(files)
        finally:
            self._seen += [self.files[name] for name in (CHECKPOINT_NAME, COSIGNED_NAME) if name in self.files]

    def _is_cut(self) -> bool:
        return self._cut.is_now()


class CutQueue:
    """A real queue, whose transactions are there or not."""

    def __init__(self, queue: SqliteLeafQueue, cut: Cut, files: Mapping[str, bytes]) -> None:
        self._queue = queue
        self._cut = cut

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._queue, name)
        return self._step(method) if name in QUEUE_STEPS else method

    def _step(self, method: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            if not self._cut.is_now():
                return method(*args)
            if self._cut.share >= 0.5:
                method(*args)
            raise PowerCut

        return call


class Machine:
    """A ledger's disk and its witnesses, over any number of starts."""

    def __init__(
        self, folder: Path, *, store_type: type[CutStore] = CutStore, queue_type: type[CutQueue] = CutQueue
    ) -> None:
        self._store_type = store_type
        self._queue_type = queue_type
        self.queue = new_queue(folder)
        self.files: dict[str, bytes] = {}
        self.seen: list[bytes] = []
        self.witnesses = Witnesses()
        self.places: dict[bytes, int] = {}
        self.proofs: dict[int, bytes] = {}

    def live(self, cut: Cut) -> bool:
        """Start, and serve what arrives; say whether the power stayed on."""
        store = self._store_type(self.files, cut, self.seen)
        queue: LeafQueue = self._queue_type(self.queue, cut, self.files)
        try:
            desk = Desk(store, queue, witnesses=self.witnesses, threshold=THRESHOLD, batch_leaves_max=BATCH_MAX)
            for end in ARRIVALS:
                queue.put(leaves(0, end))
                desk.drain()
                for number in (0, end - 1):
                    proof = desk.proof_of(receipt(number))
                    assert proof is not None
                    self.proofs[number] = proof
        except PowerCut:
            return False
        finally:
            self.files = store.files
            self._look()
        return True

    def _look(self) -> None:
        """What a place is given to is never changed."""
        for placed in self.queue.placed(0, 10_000):
            assert self.places.setdefault(placed.leaf.about, placed.index) == placed.index

    def assert_true(self) -> None:
        """Start once more, with the power on, and hold everything that was ever said against what is there."""
        proofs = dict(self.proofs)
        assert self.live(Cut(None, 1.0, Random(0)))
        desk = Desk(CrashTileStore(self.files), self.queue, witnesses=self.witnesses, threshold=THRESHOLD)
        assert list(desk.entries()) == data_of(leaves(0, ARRIVALS[-1]))
        own = trust(0)
        for data in self.seen:
            tree = verify_checkpoint(data, own).checkpoint
            assert desk.reader.root(tree.size, desk.size) == tree.root
        for number, proof in proofs.items():
            shown = desk.shown(number)
            assert shown is not None
            assert verified(proof, number, trust(THRESHOLD)).index == shown.index == number
        assert self.witnesses.refusals == []


def steps_of(folder: Path) -> int:
    """Return how many durable steps a life without a cut has."""
    cut = Cut(None, 1.0, Random(0))
    assert Machine(folder).live(cut)
    return cut.count


@pytest.mark.parametrize("share", SHARES)
def test_a_cut_at_any_step_leaves_one_growing_tree_with_every_leaf_once(tmp_path: Path, share: float) -> None:
    count = steps_of(tmp_path / "whole")
    assert count >= 20, f"only {count} durable steps"

    for at in range(count):
        machine = Machine(tmp_path / f"{at}")
        assert not machine.live(Cut(at, share, Random(at))), "the step was not reached"
        machine.assert_true()


def test_cuts_while_it_recovers_from_cuts_do_no_harm(tmp_path: Path) -> None:
    """The same draws each time; a life lasts for a few steps, until what arrived is in the tree."""
    draws = Random("ledger")
    for run in range(12):
        machine = Machine(tmp_path / f"{run}")
        for _ in range(8):
            machine.live(Cut(draws.randrange(12), draws.choice(SHARES), draws))
        machine.assert_true()


# Known-bad variants: the campaign finds what it is there for.


class CheckpointFirst(CutStore):
    """Makes the checkpoint durable before the tiles that it speaks of."""

    held: Mapping[str, bytes] = {}

    def write(self, files: Mapping[str, bytes]) -> None:
        if CHECKPOINT_NAME not in files:
            self.held = files
            return
        super().write(files)
        super().write(self.held)


class ForgettingQueue(CutQueue):
    """Gives places in memory: after a cut, what was not in a checkpoint is placed anew, in another order."""

    def __init__(self, queue: SqliteLeafQueue, cut: Cut, files: Mapping[str, bytes]) -> None:
        super().__init__(queue, cut, files)
        data = files.get(CHECKPOINT_NAME)
        size = 0 if data is None else verify_checkpoint(data, trust(0)).checkpoint.size
        with queue._file.transaction() as connection:
            connection.exec_driver_sql(
                "UPDATE leaves SET leaf_index = NULL, number = 1000000 - number WHERE leaf_index >= ?", (size,)
            )


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        ({"store_type": CheckpointFirst}, "LedgerMismatch: .* is not there"),
        ({"queue_type": ForgettingQueue}, "AssertionError"),
    ],
)
def test_a_ledger_that_breaks_the_order_is_found(tmp_path: Path, bad: dict[str, Any], found: str) -> None:
    faults = []
    for at in range(15):
        machine = Machine(tmp_path / f"{at}", **bad)
        try:
            machine.live(Cut(at, 1.0, Random(at)))
            machine.assert_true()
        except (AssertionError, LedgerMismatch) as error:
            faults.append(f"{type(error).__name__}: {error}")

    assert any(re.match(found, fault) for fault in faults), faults
