"""Central gives out a receipt under a policy with a ledger only with its proof, and loses none that waits for one (I2)."""

from pathlib import Path

import pytest

from dockd.central.ports import ReceiptRow, ShiftKey
from protocol.layout import CHAIN_NAME, PROOF_SUFFIX, RECEIPT_SUFFIX
from protocol.receipt import verify_receipt
from protocol.receipt_proof import shown_in
from tests.builders import Agency, BuiltShift, Camera, build_shift, make_agency, make_camera
from tests.dockd.evidence import Central, Offer, again, new_central, offers_of
from tests.protocol.ledgers import Ledger, with_ledger


class LogInMemory:
    """A log that sequences what it is asked about, and has its checkpoints cosigned when it is told to."""

    def __init__(self, agency: Agency) -> None:
        self.ledger, self.policy, self.cosigned_size = Ledger(), agency.policy, 0

    def proof_of(self, row: ReceiptRow) -> bytes | None:
        self.ledger.add(row.signed, self.policy)
        index, _ = self.ledger.salts[row.receipt_hash]
        return None if index >= self.cosigned_size else self.ledger.proof(row.signed, size=self.cosigned_size)

    def publish(self) -> None:
        self.cosigned_size = self.ledger.size


@pytest.fixture
def agency() -> Agency:
    return with_ledger(make_agency(), Ledger())


@pytest.fixture
def camera(agency: Agency) -> Camera:
    return make_camera(agency)


@pytest.fixture
def shift(tmp_path: Path, agency: Agency, camera: Camera) -> BuiltShift:
    return build_shift(tmp_path / "card", agency=agency, camera=camera)


@pytest.fixture
def offers(shift: BuiltShift, camera: Camera) -> tuple[Offer, ...]:
    return offers_of(shift, camera)


@pytest.fixture
def log(agency: Agency) -> LogInMemory:
    return LogInMemory(agency)


@pytest.fixture
def central(tmp_path: Path, agency: Agency, camera: Camera, log: LogInMemory) -> Central:
    made = new_central(tmp_path / "central", agency, proof_of=log.proof_of)
    made.enrol(camera)
    return made


def test_a_receipt_that_stands_in_no_cosigned_checkpoint_is_held_with_the_reason(
    central: Central, offers: tuple[Offer, ...]
) -> None:
    kept = central.keep_all(offers)[0]

    assert kept.receipts == ()
    assert kept.held_reason == (
        "the receipt waits for the ledger: it stands in no checkpoint yet that 2 witnesses cosigned"
    )
    assert ("held", "waits for the ledger") in [
        (name, str(fields["reason"])[12:32]) for name, fields in central.events if name == "held"
    ]


def test_it_comes_with_its_proof_when_the_witnesses_have_cosigned(
    central: Central, offers: tuple[Offer, ...], log: LogInMemory, agency: Agency
) -> None:
    central.keep_all(offers)
    signed = {row.signed for row in log_rows(central, offers)}
    log.publish()
    shown = [central.keeper.receipts_for(offer.description) for offer in offers]

    assert {brought.signed for kept in shown if kept is not None for brought in kept.receipts} == signed
    for kept in shown:
        assert kept is not None
        assert kept.held_reason is None
        for brought in kept.receipts:
            assert shown_in(brought, verify_receipt(brought.signed, agency.policy), agency.policy) is not None


def test_what_waits_outlives_a_restart_of_central(
    central: Central, offers: tuple[Offer, ...], log: LogInMemory
) -> None:
    central.keep_all(offers)
    waiting = {row.signed for row in log_rows(central, offers)}
    restarted = again(central)
    log.publish()
    shown = [restarted.keeper.receipts_for(offer.description) for offer in offers]

    assert {brought.signed for kept in shown if kept is not None for brought in kept.receipts} == waiting


def test_the_receipt_stays_and_the_proof_is_made_anew_against_the_newest_checkpoint(
    central: Central, offers: tuple[Offer, ...], log: LogInMemory
) -> None:
    central.keep_all(offers)
    log.publish()
    before = central.keeper.receipts_for(offers[0].description)
    log.ledger.grow(10)
    log.publish()
    after = central.keeper.receipts_for(offers[0].description)

    assert before is not None
    assert after is not None
    assert before.receipts[0].signed == after.receipts[0].signed
    assert before.receipts[0].proof != after.receipts[0].proof


def test_the_newest_proof_stands_beside_the_receipt_so_that_the_folder_verifies_by_itself(
    central: Central, offers: tuple[Offer, ...], log: LogInMemory, shift: BuiltShift, camera: Camera
) -> None:
    central.keep_all(offers)
    log.publish()
    kept = central.keeper.receipts_for(next(o for o in offers if o.description.name == CHAIN_NAME).description)
    folder = central.objects / f"objects/{camera.camera_id.hex()}/{shift.folder}"

    assert kept is not None
    (proof,) = folder.glob(f"*{PROOF_SUFFIX}")
    assert proof.read_bytes() == kept.receipts[0].proof
    assert proof.with_suffix(RECEIPT_SUFFIX).read_bytes() == kept.receipts[0].signed


def test_a_policy_without_a_ledger_asks_for_no_proof(tmp_path: Path) -> None:
    agency = make_agency()
    camera = make_camera(agency)
    shift = build_shift(tmp_path / "other", agency=agency, camera=camera, recordings=1)

    def refuse(row: ReceiptRow) -> bytes | None:
        raise AssertionError("nobody is to ask")

    central = new_central(tmp_path / "unledgered", agency, proof_of=refuse)
    central.enrol(camera)
    kept = central.keep_all(offers_of(shift, camera))

    assert all(each.held_reason is None for each in kept)
    assert all(brought.proof is None for each in kept for brought in each.receipts)


def log_rows(central: Central, offers: tuple[Offer, ...]) -> tuple[ReceiptRow, ...]:
    """Return every receipt that central has signed for a shift."""
    return tuple(
        row
        for key in {(o.description.camera_id, o.description.shift_id) for o in offers}
        for row in central.real_catalogue.receipts(ShiftKey(*key))
    )
