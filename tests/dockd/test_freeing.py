"""Invariant I1 at the dock: no media go before central's receipts and the camera's own erasure cover all of a shift."""

from pathlib import Path

import pytest

from dockd.station.core.freeing import Free, Keep, decide, recording_of
from dockd.station.ports import SpooledFile
from protocol.layout import CHAIN_NAME
from protocol.receipt import receipt_hash
from protocol.verify.chain import verify_chain
from protocol.verify.shift import recording_subject
from tests.builders import Agency, BuiltShift, build_shift, make_agency, make_camera, make_receipt, receipts_of
from tests.protocol.ledgers import bare

AGENCY = make_agency()
CAMERA = make_camera(AGENCY)


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> BuiltShift:
    return build_shift(tmp_path_factory.mktemp("card"), agency=AGENCY, camera=CAMERA, recordings=2, media_files=2)


def files(shift: BuiltShift, *, incomplete: str = "") -> list[SpooledFile]:
    return [SpooledFile(name, len(data), name != incomplete) for name, data in shift.files.items()]


def decided(
    shift: BuiltShift,
    receipts: tuple[bytes, ...],
    *,
    erased: tuple[bytes, ...] | None = None,
    agency: Agency = AGENCY,
    camera: bytes = CAMERA.camera_id,
    incomplete: str = "",
) -> Free | Keep:
    return decide(
        camera=camera,
        report=shift.report,
        files=files(shift, incomplete=incomplete),
        receipts=bare(*receipts),
        erased={receipt_hash(signed) for signed in (receipts if erased is None else erased)},
        policy=agency.policy,
    )


def test_media_go_when_every_receipt_is_here_and_the_camera_erased_behind_each(shift: BuiltShift) -> None:
    decision = decided(shift, receipts_of(shift, agency=AGENCY, camera=CAMERA))

    assert isinstance(decision, Free)
    assert sorted(decision.names) == sorted(name for name in shift.files if name.endswith(".media"))


@pytest.mark.parametrize("missing", range(3))
def test_one_missing_receipt_keeps_everything(shift: BuiltShift, missing: int) -> None:
    receipts = receipts_of(shift, agency=AGENCY, camera=CAMERA)
    kept = tuple(signed for index, signed in enumerate(receipts) if index != missing)

    assert decided(shift, kept) == Keep("1 of 3 receipts are missing, or the camera has not erased behind them")


@pytest.mark.parametrize("missing", range(3))
def test_one_receipt_behind_which_the_camera_did_not_erase_keeps_everything(shift: BuiltShift, missing: int) -> None:
    receipts = receipts_of(shift, agency=AGENCY, camera=CAMERA)
    erased = tuple(signed for index, signed in enumerate(receipts) if index != missing)

    assert isinstance(decided(shift, receipts, erased=erased), Keep)


def test_a_receipt_by_another_agency_is_none(shift: BuiltShift) -> None:
    foreign = receipts_of(shift, agency=make_agency("elsewhere"), camera=CAMERA)

    assert isinstance(decided(shift, foreign), Keep)


def test_a_receipt_below_the_policys_level_is_none(shift: BuiltShift) -> None:
    strict = AGENCY.with_policy(erase_level="locked")
    stored = receipts_of(shift, agency=AGENCY, camera=CAMERA)
    locked = receipts_of(shift, agency=AGENCY, camera=CAMERA, level="locked")

    assert isinstance(decided(shift, stored, agency=strict), Keep)
    assert isinstance(decided(shift, locked, agency=strict), Free)


@pytest.mark.parametrize(
    "changes",
    [
        {"head_sequence": 3},
        {"head_hash": bytes(32)},
        {"shift_id": bytes(16)},
        {"camera_id": bytes(16)},
        {"key_box_opened": False},
    ],
)
def test_a_receipt_that_is_not_true_of_the_chain_is_none(shift: BuiltShift, changes: dict[str, object]) -> None:
    receipts = receipts_of(shift, agency=AGENCY, camera=CAMERA)
    subject = recording_subject(shift.report.recordings[0])
    assert subject is not None
    false = make_receipt(subject, report=shift.report, agency=AGENCY, camera=CAMERA, **changes)  # type: ignore[arg-type]

    assert isinstance(decided(shift, (false, *receipts[1:])), Keep)


def test_a_shift_with_findings_in_its_chain_is_kept(shift: BuiltShift) -> None:
    # A body that no receipt speaks of: head, size and recordings of the chain stay what the receipts say.
    hurt = shift.files[CHAIN_NAME].replace(b"standby", b"stand-B", 1)
    report = verify_chain(hurt)
    assert report is not None
    assert report.head_hash == shift.report.head_hash
    decision = decide(
        camera=CAMERA.camera_id,
        report=report,
        files=files(shift),
        receipts=bare(*receipts_of(shift, agency=AGENCY, camera=CAMERA)),
        erased={receipt_hash(signed) for signed in receipts_of(shift, agency=AGENCY, camera=CAMERA)},
        policy=AGENCY.policy,
    )

    assert isinstance(decision, Keep)
    assert "findings" in decision.reason


def test_a_shift_without_its_chain_is_kept(shift: BuiltShift) -> None:
    receipts = receipts_of(shift, agency=AGENCY, camera=CAMERA)
    decision = decide(
        camera=CAMERA.camera_id,
        report=None,
        files=files(shift),
        receipts=bare(*receipts),
        erased={receipt_hash(signed) for signed in receipts},
        policy=AGENCY.policy,
    )

    assert isinstance(decision, Keep)


def test_media_that_are_not_complete_keep_everything(shift: BuiltShift) -> None:
    receipts = receipts_of(shift, agency=AGENCY, camera=CAMERA)
    name = next(name for name in shift.files if name.endswith(".media"))

    assert isinstance(decided(shift, receipts, incomplete=name), Keep)


def test_a_shift_under_another_cameras_name_is_kept(shift: BuiltShift) -> None:
    receipts = receipts_of(shift, agency=AGENCY, camera=CAMERA)

    assert decided(shift, receipts, camera=bytes(16)) == Keep("the chain is of another camera")


def test_media_that_no_recording_of_the_chain_has_keep_everything(shift: BuiltShift) -> None:
    receipts = receipts_of(shift, agency=AGENCY, camera=CAMERA)
    stray = SpooledFile(f"{'a' * 32}.0000.media", 5, is_complete=True)
    decision = decide(
        camera=CAMERA.camera_id,
        report=shift.report,
        files=[*files(shift), stray],
        receipts=bare(*receipts),
        erased={receipt_hash(signed) for signed in receipts},
        policy=AGENCY.policy,
    )

    assert isinstance(decision, Keep)


def test_a_receipt_names_its_recording(shift: BuiltShift, tmp_path: Path) -> None:
    *recordings, chain = receipts_of(shift, agency=AGENCY, camera=CAMERA)

    assert [recording_of(signed, AGENCY.policy) for signed in recordings] == [
        recording.recording_id for recording in shift.recordings
    ]
    assert recording_of(chain, AGENCY.policy) is None
    assert recording_of(b"nothing", AGENCY.policy) is None
