"""A dock whose policy names a ledger: no receipt without its proof, newer ones when the camera wants them (I1, I2)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.station.app.upload_receipts import ReceiptShelf
from dockd.station.core.freeing import Free, Keep, decide
from dockd.station.core.upload_plan import Work
from dockd.station.ports import SpooledFile
from firmware.app.eraser import ReceiptOutcome
from protocol.errors import PeerError
from protocol.offload.messages import Description
from protocol.receipt import ReceiptWithProof, receipt_hash
from protocol.receipt_proof import tree_size_of
from tests.builders import BuiltShift, build_shift, make_agency, make_camera, receipts_of
from tests.dockd.docking import Docking
from tests.protocol.ledgers import Ledger, bare, with_ledger

AGENCY = with_ledger(make_agency(), Ledger())
CAMERA = make_camera(AGENCY)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def docking(tmp_path: Path) -> Iterator[Docking]:
    docking = Docking(tmp_path, AGENCY, CAMERA)
    yield docking
    docking.stop()
    assert docking.faults == []


@pytest.fixture
def shift(docking: Docking) -> BuiltShift:
    return build_shift(docking.card, agency=AGENCY, camera=CAMERA, recordings=2, chunks=1)


def proved(shift: BuiltShift, ledger: Ledger) -> tuple[ReceiptWithProof, ...]:
    """Return a shift's receipts, each with a proof against a larger tree than the one before."""
    return tuple(ledger.proved(signed, AGENCY.policy) for signed in receipts_of(shift, agency=AGENCY, camera=CAMERA))


class PickyCamera:
    """A gate that accepts no smaller tree after a larger one, and none below ``size_least``."""

    def __init__(self, docking: Docking, *, size_least: int = 0) -> None:
        self.docking, self.size_least = docking, size_least
        self.sizes: list[int] = []

    def __call__(self, brought: ReceiptWithProof) -> ReceiptOutcome:
        size = tree_size_of(brought)
        self.sizes.append(size)
        if size < self.size_least:
            return ReceiptOutcome(is_erased=False, reason="a smaller tree", is_proof_wanted=True)
        self.size_least = size
        return self.docking.erase(brought)


def add(docking: Docking, shift: BuiltShift, *receipts: ReceiptWithProof) -> None:
    for brought in receipts:
        docking.spool.add_receipt(docking.place(shift), brought)
    assert docking.bay is not None
    docking.bay.look_for_receipts()


def add_while_away(docking: Docking, shift: BuiltShift, *receipts: ReceiptWithProof) -> None:
    """Put receipts into the spool at once, as seen by the camera, which docks again."""
    docking.cable.unplug()
    docking.heard.wait("undocked")
    add(docking, shift, *receipts)
    docking.cable.plug()


def test_receipts_with_proofs_reach_the_camera_smallest_tree_first_and_free_the_spool(
    docking: Docking, shift: BuiltShift, ledger: Ledger
) -> None:
    docking.gate = camera = PickyCamera(docking)
    docking.start()
    docking.heard.wait("ready")
    add_while_away(docking, shift, *reversed(proved(shift, ledger)))
    docking.heard.wait("freed")

    assert camera.sizes == [1, 2, 3]
    assert docking.heard.named("receipt-refused") == []


def test_a_receipt_without_a_proof_is_not_brought(docking: Docking, shift: BuiltShift, ledger: Ledger) -> None:
    docking.gate = camera = PickyCamera(docking)
    first, second, chain = proved(shift, ledger)
    docking.start()
    docking.heard.wait("ready")
    add(docking, shift, first, *bare(second.signed))
    docking.heard.wait("erased")
    add(docking, shift, second, chain)
    docking.heard.wait("freed")

    assert camera.sizes == [1, 2, 3]


def test_a_camera_that_knows_a_larger_tree_gets_a_newer_proof(
    docking: Docking, shift: BuiltShift, ledger: Ledger
) -> None:
    """Another dock's proof went before: this dock's is dropped, and central is asked at once."""
    docking.gate = camera = PickyCamera(docking, size_least=10)
    receipts = proved(shift, ledger)
    docking.start()
    docking.heard.wait("ready")
    asked = len(docking.woken.named("asked"))
    add_while_away(docking, shift, *receipts)
    docking.woken.wait("asked", count=asked + 3)
    assert [each.proof for each in docking.spool.receipts(docking.place(shift))] == [None] * 3
    assert len(docking.heard.named("receipt-refused")) == 3
    ledger.grow(10)
    add(docking, shift, *proved(shift, ledger))
    docking.heard.wait("freed")

    assert camera.sizes == [1, 2, 3, 13, 13, 13]


def test_a_proof_that_the_camera_must_refuse_by_now_is_renewed_without_asking_the_camera(
    docking: Docking, shift: BuiltShift, ledger: Ledger
) -> None:
    """The chain's receipt is the oldest, and goes last: central is asked for a newer proof before it is brought."""
    docking.gate = camera = PickyCamera(docking)
    *recordings, chain = receipts_of(shift, agency=AGENCY, camera=CAMERA)
    early = ledger.proved(chain, AGENCY.policy)
    docking.start()
    docking.heard.wait("ready")
    asked = len(docking.woken.named("asked"))
    add_while_away(docking, shift, early, *(ledger.proved(signed, AGENCY.policy) for signed in recordings))
    docking.woken.wait("asked", count=asked + 1)
    docking.heard.wait("erased", count=2)
    add(docking, shift, ledger.proved(chain, AGENCY.policy))
    docking.heard.wait("freed")

    assert camera.sizes == [2, 3, 3]
    assert docking.heard.named("receipt-refused") == []


# Freeing.


def decided(shift: BuiltShift, *receipts: ReceiptWithProof) -> Free | Keep:
    return decide(
        camera=CAMERA.camera_id,
        report=shift.report,
        files=[SpooledFile(name, len(data), is_complete=True) for name, data in shift.files.items()],
        receipts=receipts,
        erased={receipt_hash(each.signed) for each in receipts},
        policy=AGENCY.policy,
    )


def test_the_spool_is_freed_only_behind_receipts_that_stand_in_the_ledger(shift: BuiltShift, ledger: Ledger) -> None:
    receipts = proved(shift, ledger)
    unwitnessed = ledger.proof(receipts[0].signed, witnesses=ledger.witnesses[:1])
    others = receipts[1].proof

    assert isinstance(decided(shift, *receipts), Free)
    for proof in (None, b"rubbish", unwitnessed, others):
        false = ReceiptWithProof(signed=receipts[0].signed, proof=proof)
        assert isinstance(decided(shift, false, *receipts[1:]), Keep)


# What comes from central.


@pytest.fixture
def shelf(docking: Docking, shift: BuiltShift) -> ReceiptShelf:
    docking.spool.open_shift(docking.place(shift))
    return ReceiptShelf(docking.spool, AGENCY.policy)


def work(docking: Docking, shift: BuiltShift) -> Work:
    description = Description(
        camera_id=CAMERA.camera_id,
        shift_id=shift.shift_id,
        shift_number=shift.number,
        name="chain",
        kind="chain",
        size_bytes=len(shift.files["chain"]),
        identity=shift.report.head_hash,
    )
    return Work(docking.place(shift), description, None, (0, False, 1, "chain"))


def test_a_receipt_is_kept_only_with_a_proof_that_holds(
    docking: Docking, shift: BuiltShift, shelf: ReceiptShelf, ledger: Ledger
) -> None:
    good = proved(shift, ledger)[-1]
    unwitnessed = ledger.proof(good.signed, witnesses=())
    for proof in (None, b"rubbish", unwitnessed):
        with pytest.raises(PeerError):
            shelf.keep(work(docking, shift), ReceiptWithProof(signed=good.signed, proof=proof))
    assert docking.spool.receipts(docking.place(shift)) == ()

    assert shelf.keep(work(docking, shift), good) == receipt_hash(good.signed)
    assert docking.spool.receipts(docking.place(shift)) == (good,)


def test_a_newer_proof_takes_the_place_of_an_older_one_and_never_the_other_way(
    docking: Docking, shift: BuiltShift, shelf: ReceiptShelf, ledger: Ledger
) -> None:
    older = proved(shift, ledger)[-1]
    ledger.grow(5)
    newer = ledger.proved(older.signed, AGENCY.policy)
    for brought in (older, newer, older, newer):
        shelf.keep(work(docking, shift), brought)

    assert docking.spool.receipts(docking.place(shift)) == (newer,)


def test_a_receipt_whose_proof_is_gone_or_does_not_hold_is_asked_for_again(
    docking: Docking, shift: BuiltShift, shelf: ReceiptShelf, ledger: Ledger
) -> None:
    good = proved(shift, ledger)[-1]
    place = docking.place(shift)
    shelf.keep(work(docking, shift), good)
    assert len(shelf.of_shift(place)[0]) == 1
    docking.spool.drop_proof(place, good)
    assert shelf.of_shift(place) == ((), {})
    docking.spool.add_receipt(place, ReceiptWithProof(signed=good.signed, proof=b"rotten"))
    assert shelf.of_shift(place) == ((), {})

    assert shelf.keep(work(docking, shift), good) is not None
    assert len(shelf.of_shift(place)[0]) == 1
