"""Receipts: signed by central for one thing, and true of one chain only."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.canonical import decode, digest, encode
from protocol.cose import sign_attached
from protocol.errors import BadSignature, PeerError
from protocol.keys import key_id
from protocol.receipt import ChainSubject, RecordingSubject, receipt_hash, verify_receipt
from protocol.verify.chain import ChainReport, verify_chain
from protocol.verify.shift import receipt_contradiction, recording_subject
from tests.protocol.shifts import DEVICE, Device, Shift, entry_key, make_shift, records, secret, withheld
from tests.protocol.trust import AGENCY, make_agency


def report_of(shift: Shift) -> ChainReport:
    report = verify_chain(shift.chain, camera_key=shift.device.public_key)
    assert report is not None
    return report


SHIFT = make_shift("O[cCc]e[c]Z")
REPORT = report_of(SHIFT)
RECEIPT, SECOND, WHOLE = AGENCY.receipts(REPORT)


def subject_of(report: ChainReport, index: int = 0) -> RecordingSubject:
    subject = recording_subject(report.recordings[index])
    assert subject is not None
    return subject


@pytest.mark.parametrize("signed", [RECEIPT, SECOND, WHOLE])
def test_centrals_receipt_holds_and_is_true_of_its_chain(signed: bytes) -> None:
    receipt = verify_receipt(signed, AGENCY.policy)

    assert receipt_contradiction(receipt, REPORT) is None


def test_a_receipt_says_of_a_recording_what_its_chain_says() -> None:
    subject = verify_receipt(RECEIPT, AGENCY.policy).subject

    assert isinstance(subject, RecordingSubject)
    assert subject.chunk_count == 3
    assert [(file.number, file.size_bytes) for file in subject.media] == [
        (number, len(SHIFT.media[f"{SHIFT.recording_ids[0].hex()}.{number:04d}.media"])) for number in (0, 1)
    ]
    assert subject.ending_head_hash == SHIFT.entries[5].head_hash


@settings(max_examples=150)
@given(st.data())
def test_every_flipped_byte_of_a_receipt_is_refused(data: st.DataObject) -> None:
    damaged = bytearray(RECEIPT)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(PeerError):
        verify_receipt(bytes(damaged), AGENCY.policy)


def test_a_receipt_of_another_agency_is_refused() -> None:
    with pytest.raises(BadSignature, match="which the policy does not"):
        verify_receipt(make_agency("other").receipt(REPORT, subject_of(REPORT)), AGENCY.policy)


def test_a_receipt_that_names_central_and_is_signed_by_another_is_refused() -> None:
    payload = decode(RECEIPT)[2]

    with pytest.raises(BadSignature, match="does not fit"):
        verify_receipt(sign_attached(entry_key("attacker"), "sealcam/1 receipt", payload), AGENCY.policy)


def test_what_central_signed_for_another_purpose_is_no_receipt() -> None:
    with pytest.raises(BadSignature, match="does not fit"):
        verify_receipt(sign_attached(AGENCY.central, "sealcam/1 enrolment", decode(RECEIPT)[2]), AGENCY.policy)


def test_a_dock_key_of_the_policy_does_not_make_receipts() -> None:
    dock = entry_key("agency/dock")
    value = decode(decode(RECEIPT)[2]) | {"central_key_id": key_id(dock.public_key)}

    with pytest.raises(BadSignature, match="which the policy does not"):
        verify_receipt(sign_attached(dock, "sealcam/1 receipt", encode(value)), AGENCY.policy)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"level": "seen"}, "level"),
        ({"head_hash": bytes(31)}, "head_hash"),
        ({"subject": ["recording", bytes(16)]}, "subject"),
        ({"subject": ["chain", 0]}, "subject"),
        ({"subject": ["vault", 1]}, "subject"),
        ({"key_box_opened": 1}, "key_box_opened"),
        ({"more": 1}, "more"),
    ],
)
def test_a_receipt_of_another_form_is_refused(change: dict[str, object], why: str) -> None:
    payload = encode(decode(decode(RECEIPT)[2]) | change)

    with pytest.raises(PeerError, match=why):
        verify_receipt(sign_attached(AGENCY.central, "sealcam/1 receipt", payload), AGENCY.policy)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"shift_id": secret("other", 16)}, "it is about shift"),
        ({"camera_id": Device("other").camera_id}, "it is about camera"),
        ({"head_sequence": REPORT.head_sequence - 1}, "its head is entry"),
        ({"head_hash": SHIFT.entries[-2].head_hash}, "its head is entry"),
    ],
)
def test_a_receipt_about_another_thing_contradicts_the_chain(changes: dict[str, Any], why: str) -> None:
    signed = AGENCY.receipt(REPORT, subject_of(REPORT), **changes)

    assert str(receipt_contradiction(verify_receipt(signed, AGENCY.policy), REPORT)).startswith(why)


Lie = Callable[[RecordingSubject], dict[str, object]]


@pytest.mark.parametrize(
    "lie",
    [
        lambda s: {"chunk_count": s.chunk_count + 1},
        lambda s: {"media": s.media[:1]},
        lambda s: {"media": (s.media[0].model_copy(update={"size_bytes": 1}), s.media[1])},
        lambda s: {"ending_head_hash": bytes(32)},
        lambda s: {"key_box_hash": bytes(32)},
    ],
)
@pytest.mark.parametrize("is_release", [False, True])
def test_a_receipt_that_describes_a_recording_otherwise_contradicts_the_chain(lie: Lie, is_release: bool) -> None:
    subject = subject_of(REPORT)
    signed = AGENCY.receipt(REPORT, subject.model_copy(update=lie(subject)))

    found = receipt_contradiction(verify_receipt(signed, AGENCY.policy), REPORT, is_release=is_release)
    assert "describes the recording otherwise" in str(found)


def test_a_receipt_for_a_recording_that_is_not_there_contradicts_the_chain() -> None:
    subject = subject_of(REPORT).model_copy(update={"recording_id": secret("nobody", 16)})
    signed = AGENCY.receipt(REPORT, subject)

    assert "is not in this chain" in str(receipt_contradiction(verify_receipt(signed, AGENCY.policy), REPORT))


def test_a_receipt_for_a_chain_of_another_size_contradicts_it() -> None:
    signed = AGENCY.receipt(REPORT, ChainSubject(kind="chain", size_bytes=REPORT.size_bytes + 1))

    assert f"chain of {REPORT.size_bytes + 1} bytes" in str(
        receipt_contradiction(verify_receipt(signed, AGENCY.policy), REPORT)
    )


def test_a_recording_that_has_not_ended_has_no_receipt() -> None:
    report = report_of(make_shift("O[cc"))

    assert recording_subject(report.recordings[0]) is None


def released(*keep: int) -> ChainReport:
    """Return the report on the chain with only these bodies left."""
    entries = [entry if index in keep else withheld(entry) for index, entry in enumerate(SHIFT.entries)]
    report = verify_chain(records(entries), camera_key=DEVICE.public_key)
    assert report is not None
    return report


@pytest.mark.parametrize("keep", [(0, 1, 3), (0, 3), (0,), (0, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5)])
def test_a_release_keeps_its_receipts_though_what_is_withheld_cannot_be_compared(keep: tuple[int, ...]) -> None:
    report = released(*keep)

    for signed in (RECEIPT, WHOLE):
        assert receipt_contradiction(verify_receipt(signed, AGENCY.policy), report, is_release=True) is None


def test_a_camera_does_not_take_a_receipt_for_a_recording_that_its_own_chain_does_not_describe() -> None:
    for signed, kept in ((RECEIPT, (0, 1, 3)), (WHOLE, (0, 1, 3)), (RECEIPT, (0,))):
        assert receipt_contradiction(verify_receipt(signed, AGENCY.policy), released(*kept)) is not None


@pytest.mark.parametrize("lie", [{"chunk_count": 2}, {"ending_head_hash": bytes(32)}])
def test_what_a_release_still_shows_is_held_against_a_receipt(lie: dict[str, object]) -> None:
    signed = AGENCY.receipt(REPORT, subject_of(REPORT).model_copy(update=lie))

    found = receipt_contradiction(verify_receipt(signed, AGENCY.policy), released(0, 1, 3), is_release=True)
    assert "describes the recording otherwise" in str(found)


def test_a_receipt_is_named_by_the_hash_of_all_its_bytes() -> None:
    assert receipt_hash(RECEIPT) == digest("sealcam/1 receipt", RECEIPT)
