"""What becomes of files at central: stored, receipted, held or quarantined, and never anything else."""

from pathlib import Path

import pytest

from dockd.central.errors import StagedGone, StoreFault
from dockd.central.ports import IntakeRefused, ShiftKey
from protocol.__main__ import verify_folder
from protocol.layout import CHAIN_NAME
from protocol.receipt import ChainSubject, RecordingSubject, verify_receipt
from protocol.verify.shift import receipt_contradiction
from tests.builders import Agency, BuiltShift, Camera, build_shift, make_agency, make_camera
from tests.dockd.evidence import Central, Offer, again, chain_of, flipped, new_central, offers_of, part_of


@pytest.fixture
def agency() -> Agency:
    return make_agency()


@pytest.fixture
def camera(agency: Agency) -> Camera:
    return make_camera(agency)


@pytest.fixture
def shift(tmp_path: Path, agency: Agency, camera: Camera) -> BuiltShift:
    return build_shift(tmp_path / "card", agency=agency, camera=camera, media_files=2)


@pytest.fixture
def offers(shift: BuiltShift, camera: Camera) -> tuple[Offer, ...]:
    return offers_of(shift, camera)


@pytest.fixture
def central(tmp_path: Path, agency: Agency, camera: Camera) -> Central:
    made = new_central(tmp_path / "central", agency)
    made.enrol(camera)
    return made


def test_a_whole_shift_is_stored_and_every_receipt_is_true_of_its_chain(
    central: Central, offers: tuple[Offer, ...], shift: BuiltShift, agency: Agency
) -> None:
    central.keep_all(offers)

    receipts = [row.signed for row in central.catalogue.receipts(key_of(offers))]
    subjects = []
    for signed in receipts:
        receipt = verify_receipt(signed, agency.policy)
        assert receipt_contradiction(receipt, shift.report) is None
        assert receipt.key_box_opened == isinstance(receipt.subject, RecordingSubject)
        subjects.append(type(receipt.subject))
    assert sorted(subjects, key=str) == [ChainSubject, RecordingSubject, RecordingSubject]


def test_the_folder_of_a_shift_verifies_by_itself(
    central: Central, offers: tuple[Offer, ...], shift: BuiltShift, camera: Camera, agency: Agency
) -> None:
    central.keep_all(offers)

    folder = central.objects / f"objects/{camera.camera_id.hex()}/{shift.folder}"
    verdict = verify_folder(folder, agency.root_fingerprint, policy_file=None, enrolment_file=None)
    assert (verdict.verdict, verdict.assurance, verdict.receipt_count) == ("authentic", 2, 3)
    media = {name: data for name, data in shift.files.items() if not name.endswith(".keybox")}
    assert {name: (folder / name).read_bytes() for name in media} == media


def test_key_boxes_stand_apart_from_what_may_be_locked(
    central: Central, offers: tuple[Offer, ...], shift: BuiltShift
) -> None:
    central.keep_all(offers)

    assert not [name for name in central.objects_below("objects") if name.endswith(".keybox")]
    boxes = {name.rsplit("/", 1)[-1]: data for name, data in central.objects_below("keyboxes").items()}
    assert boxes == {name: data for name, data in shift.files.items() if name.endswith(".keybox")}


def test_a_recording_is_receipted_with_its_last_file_and_not_before(
    central: Central, offers: tuple[Offer, ...]
) -> None:
    first = part_of(offers, "key-box").description.name.split(".")[0]
    own = [offer for offer in offers if offer.description.name.startswith(first)]
    central.keep(chain_of(offers))

    kept = [central.keep(offer) for offer in own]

    assert [len(each.receipts) for each in kept] == [0, 0, 1]
    assert all(each.held_reason is None for each in kept)
    assert central.keeper.receipts_for(own[0].description) == kept[-1]


def test_a_receipt_asked_for_again_has_the_same_bytes_also_after_a_restart(
    central: Central, offers: tuple[Offer, ...]
) -> None:
    central.keep_all(offers)
    first = [central.keeper.receipts_for(offer.description) for offer in offers]

    again_first = [central.keeper.receipts_for(offer.description) for offer in offers]
    after = [again(central).keeper.receipts_for(offer.description) for offer in offers]

    assert first == again_first == after
    assert all(kept is not None and len(kept.receipts) == 1 for kept in first)


def test_a_file_sent_again_changes_nothing_and_leaves_no_staging(central: Central, offers: tuple[Offer, ...]) -> None:
    central.keep_all(offers)
    before, receipts = central.objects_below(""), central.catalogue.receipts(key_of(offers))

    kept = central.keep_all(offers)

    assert all(len(each.receipts) == 1 for each in kept)
    assert central.objects_below("") == before
    assert central.catalogue.receipts(key_of(offers)) == receipts
    assert central.event_names().count("quarantined") == 0


def test_media_before_the_chain_are_refused_and_stay_staged(central: Central, offers: tuple[Offer, ...]) -> None:
    media = part_of(offers, "media")
    staged = central.stage(media)

    with pytest.raises(IntakeRefused, match="send the chain first"):
        central.keeper.keep(media.description, staged)

    assert staged.read_bytes() == media.data
    assert central.keeper.receipts_for(media.description) is None


def test_a_file_of_another_size_than_described_is_refused(central: Central, offers: tuple[Offer, ...]) -> None:
    short = Offer(chain_of(offers).description, chain_of(offers).data[:-1])

    with pytest.raises(IntakeRefused, match="bytes"):
        central.keep(short)


def test_a_true_file_under_a_false_identity_is_refused(central: Central, offers: tuple[Offer, ...]) -> None:
    with pytest.raises(IntakeRefused, match="identity"):
        central.keep(chain_of(offers).described(identity=bytes(32)))

    assert central.objects_below("objects") == {}


def test_no_receipt_while_the_vault_is_away_and_the_same_question_later_brings_it(
    central: Central, offers: tuple[Offer, ...]
) -> None:
    central.vault.is_away = True

    kept = central.keep_all(offers)
    central.vault.is_away = False
    later = central.keeper.receipts_for(offers[-1].description)

    assert kept[-1].receipts == ()
    assert "the vault cannot be asked" in str(kept[-1].held_reason)
    assert "held" in central.event_names()
    assert later is not None
    assert (len(later.receipts), later.held_reason) == (1, None)


def test_no_receipt_from_a_vault_with_the_wrong_key(
    tmp_path: Path, agency: Agency, camera: Camera, offers: tuple[Offer, ...]
) -> None:
    central = new_central(tmp_path / "wrong", agency, vault_name="somebody else")
    central.enrol(camera)

    kept = central.keep_all(offers)

    assert "the vault cannot open the key box" in str(kept[-1].held_reason)
    assert [row.recording_id for row in central.catalogue.receipts(key_of(offers))] == [None]


def test_the_vault_is_not_asked_again_about_a_receipted_recording(central: Central, offers: tuple[Offer, ...]) -> None:
    central.keep_all(offers)
    asked = central.vault.check_count

    for offer in offers:
        central.keeper.receipts_for(offer.description)

    assert (asked, central.vault.check_count) == (2, 2)


def test_a_camera_that_is_not_enrolled_is_stored_and_receipted_once_it_is(
    tmp_path: Path, agency: Agency, camera: Camera, offers: tuple[Offer, ...]
) -> None:
    central = new_central(tmp_path / "fresh", agency)
    before = central.keep_all(offers)
    central.enrol(camera)

    after = [central.keeper.receipts_for(offer.description) for offer in offers]

    assert all(kept.receipts == () for kept in before)
    assert "not enrolled" in str(before[0].held_reason)
    assert all(kept is not None and len(kept.receipts) == 1 for kept in after)


def test_a_revoked_camera_is_stored_and_not_receipted(
    tmp_path: Path, agency: Agency, camera: Camera, offers: tuple[Offer, ...]
) -> None:
    central = new_central(tmp_path / "fresh", agency.with_policy(revoked_cameras=(camera.camera_id,)))
    central.enrol(camera)

    kept = central.keep_all(offers)

    assert all(each.receipts == () for each in kept)
    assert "revokes the camera" in str(kept[-1].held_reason)
    assert len(central.objects_below("objects")) == 5  # the chain and four media files


def test_a_recording_without_a_chunk_is_receipted_with_its_key_box(
    tmp_path: Path, central: Central, agency: Agency, camera: Camera
) -> None:
    shift = build_shift(tmp_path / "short", agency=agency, camera=camera, recordings=1, chunks=0, media_files=0)

    kept = central.keep_all(offers_of(shift, camera))

    assert [len(each.receipts) for each in kept] == [1, 1]


def test_no_receipt_when_an_earlier_file_of_the_recording_was_lost(
    central: Central, offers: tuple[Offer, ...], camera: Camera, shift: BuiltShift
) -> None:
    """I3: what is in the catalogue and not on the disk is not stored."""
    box = part_of(offers, "key-box")
    first = box.description.name.split(".")[0]
    own = [offer for offer in offers if offer.description.name.startswith(first)]
    central.keep(chain_of(offers))
    central.keep(own[0])
    central.keep(own[1])
    (central.objects / f"objects/{camera.camera_id.hex()}/{shift.folder}/{own[1].description.name}").unlink()

    kept = central.keep(own[2])

    assert kept.receipts == ()
    assert "is not there any more" in str(kept.held_reason)
    assert central.keeper.receipts_for(own[1].description) is None
    assert len(central.keep(own[1]).receipts) == 1


def test_a_stored_file_that_changed_is_mended_by_the_true_one(
    central: Central, offers: tuple[Offer, ...], camera: Camera, shift: BuiltShift
) -> None:
    central.keep_all(offers)
    media = part_of(offers, "media")
    path = central.objects / f"objects/{camera.camera_id.hex()}/{shift.folder}/{media.description.name}"
    path.write_bytes(flipped(media.data))

    kept = central.keep(media)

    assert len(kept.receipts) == 1
    assert path.read_bytes() == media.data
    assert flipped(media.data) in central.objects_below("quarantine").values()


def test_a_stored_chain_that_changed_stops_the_intake_of_its_shift(
    central: Central, offers: tuple[Offer, ...], camera: Camera, shift: BuiltShift
) -> None:
    central.keep(chain_of(offers))
    path = central.objects / f"objects/{camera.camera_id.hex()}/{shift.folder}/{CHAIN_NAME}"
    path.write_bytes(flipped(path.read_bytes(), 700))

    with pytest.raises(StoreFault, match="not the one that was stored"):
        again(central).keep(part_of(offers, "media"))


def test_a_staged_file_that_is_gone_and_was_never_kept_is_a_fault(central: Central, offers: tuple[Offer, ...]) -> None:
    with pytest.raises(StagedGone):
        central.keeper.keep(chain_of(offers).description, central.objects / "staging" / "gone")


def key_of(offers: tuple[Offer, ...]) -> ShiftKey:
    return ShiftKey(offers[0].description.camera_id, offers[0].description.shift_id)
