"""The whole verdict: files put together with their chain, trust, receipts, several shifts, and how it is said."""

from collections.abc import Iterator
from typing import Any

import pytest

from protocol.chain import Entry
from protocol.layout import key_box_name, media_name
from protocol.policy import Root, sign_policy
from protocol.receipt import ChainSubject
from protocol.units import RECEIPTS_PER_SHIFT_MAX
from protocol.verify.files import read_shift
from protocol.verify.shift import recording_subject
from tests.protocol.folders import Folder, evidence_of, folder_of, kinds_of, name_of, report_of, trust_of, verdict_on
from tests.protocol.shifts import Device, Shift, entry_key, make_shift, records, secret, spliced, withheld
from tests.protocol.trust import AGENCY, POLICY_HASH, make_agency

STORY = "O[ccC]e[c]Z"


def story(text: str = STORY, **changes: Any) -> Shift:
    return make_shift(text, policy_hash=POLICY_HASH, **changes)


SHIFT = story()
FOLDER = folder_of(SHIFT)
MEDIA = sorted(SHIFT.media)[0]
BOX = sorted(SHIFT.key_boxes)[0]


def test_a_whole_shift_is_authentic() -> None:
    verdict = verdict_on({name_of(SHIFT): FOLDER})

    assert (verdict.verdict, verdict.assurance, kinds_of(verdict)) == ("authentic", 2, [])
    assert verdict.sentence == (
        "Authentic: 2 recordings, nothing altered and nothing missing (assurance 2: anchored when the camera docked)."
    )
    assert (verdict.shift_count, verdict.entry_count, verdict.receipt_count) == (1, len(STORY), 3)
    assert (verdict.root_fingerprint, verdict.is_root_confirmed) == (AGENCY.root_fingerprint.hex(), True)
    assert [recording.chunk_count for recording in verdict.recordings] == [3, 1]
    assert [recording.has_receipt for recording in verdict.recordings] == [True, True]
    assert sum(recording.size_bytes for recording in verdict.recordings) == sum(map(len, SHIFT.media.values()))
    assert [recording.duration_us for recording in verdict.recordings] == [3_000_000, 1_000_000]
    assert verdict.recordings[0].pre_event_ms == 2000


def test_a_recording_without_one_chunk_is_a_recording() -> None:
    verdict = verdict_on(folder_of(story("O[]Z")))

    assert verdict.verdict == "authentic"
    assert [(each.chunk_count, each.duration_us, each.size_bytes) for each in verdict.recordings] == [(0, 0, 0)]


def with_file(name: str, data: bytes) -> Folder:
    return FOLDER | {name: data}


def without_file(*names: str) -> Folder:
    return {name: data for name, data in FOLDER.items() if name not in names}


OTHER = story(name="other")
STRANGER = story(device=Device("stranger"), name="stranger")


@pytest.mark.parametrize(
    ("folder", "kinds", "word"),
    [
        (without_file(MEDIA), ["media-missing"], "altered or incomplete"),
        (with_file(MEDIA, FOLDER[MEDIA][:-1]), ["media-short"], "altered or incomplete"),
        (with_file(MEDIA, FOLDER[MEDIA] + b"x"), ["media-excess"], "altered or incomplete"),
        (with_file(MEDIA, b"x" + FOLDER[MEDIA][1:]), ["part-hash-mismatch"], "altered or incomplete"),
        (with_file(BOX, FOLDER[BOX] + b"\0"), ["key-box-mismatch"], "altered or incomplete"),
        (with_file(BOX, bytes(5_000_000)), ["key-box-mismatch"], "altered or incomplete"),
        (without_file(BOX), [], "authentic"),
        (with_file(media_name(SHIFT.recording_ids[0], 7), b"x"), ["file-unknown"], "altered or incomplete"),
        (with_file(media_name(SHIFT.recording_ids[0], 7), b""), [], "authentic"),
        (with_file(media_name(secret("no", 16), 0), b"x"), ["file-unknown"], "altered or incomplete"),
        (with_file(media_name(secret("no", 16), 0), b""), ["file-unknown"], "altered or incomplete"),
        (with_file(key_box_name(secret("no", 16)), b"x"), ["file-unknown"], "altered or incomplete"),
        (with_file("notes.txt", b"what somebody wrote"), [], "authentic"),
        (without_file("00.receipt"), ["receipt-missing"], "authentic"),
        (without_file("00.receipt", "01.receipt", "02.receipt"), ["receipt-missing"] * 2, "authentic"),
        (with_file("x.receipt", b"garbage"), ["receipt-invalid"], "issuer unconfirmed"),
        (with_file("x.receipt", bytes(5_000_000)), ["receipt-invalid"], "issuer unconfirmed"),
        (with_file("x.receipt", FOLDER["00.receipt"]), [], "authentic"),
        (with_file("x.receipt", folder_of(OTHER)["00.receipt"]), ["receipt-contradicts"], "altered or incomplete"),
        (with_file("x.receipt", folder_of(STRANGER)["02.receipt"]), ["receipt-contradicts"], "altered or incomplete"),
        (with_file("x.receipt", folder_of(SHIFT, agency=make_agency("other"))["00.receipt"]), ["receipt-invalid"],
         "issuer unconfirmed"),
        (without_file("policy"), ["policy-missing", "receipt-missing", "receipt-missing"], "issuer unconfirmed"),
        (with_file("policy", b"garbage"), ["policy-invalid", "receipt-missing", "receipt-missing"],
         "issuer unconfirmed"),
        (without_file("enrolment"), ["enrolment-missing"], "issuer unconfirmed"),
        (with_file("enrolment", b"garbage"), ["enrolment-invalid"], "issuer unconfirmed"),
        (with_file("enrolment", make_agency("other").enrol()), ["enrolment-invalid"], "issuer unconfirmed"),
    ],
)  # fmt: skip
def test_each_file_that_is_not_as_it_should_be_is_found(folder: Folder, kinds: list[str], word: str) -> None:
    verdict = verdict_on(folder)

    assert (kinds_of(verdict), verdict.verdict) == (kinds, word)


def test_the_wrong_enrolment_is_a_camera_mismatch() -> None:
    verdict = verdict_on(with_file("enrolment", AGENCY.enrol(Device("stranger"))))

    assert verdict.verdict == "altered or incomplete"
    assert kinds_of(verdict)[0] == "camera-mismatch"
    assert (verdict.recordings, verdict.assurance) == ((), 0)


def test_media_swapped_between_recordings_are_found_in_both() -> None:
    one, *_, two = sorted(SHIFT.media)
    verdict = verdict_on(FOLDER | {one: FOLDER[two], two: FOLDER[one]})

    assert {found.place.file for found in verdict.findings if found.kind == "part-hash-mismatch"} == {one, two}


@pytest.mark.parametrize("data", [b"", b"garbage" * 1000])
def test_a_folder_whose_chain_is_garbage_is_unreadable(data: bytes) -> None:
    verdict = verdict_on(with_file("chain", data))

    assert (verdict.verdict, kinds_of(verdict)) == ("unreadable", ["chain-empty"])
    assert verdict.sentence == "No Sealcam chain could be read here."


def test_a_folder_without_chain_is_unreadable_and_one_beside_a_good_one_makes_the_whole_incomplete() -> None:
    alone = verdict_on(without_file("chain"))
    both = verdict_on({name_of(SHIFT): FOLDER, "x": without_file("chain")})

    assert (alone.verdict, kinds_of(alone)) == ("unreadable", ["chain-missing"])
    assert (both.verdict, kinds_of(both)) == ("altered or incomplete", ["chain-missing"])


def test_a_chain_in_the_folder_of_another_shift_is_found() -> None:
    assert kinds_of(verdict_on({name_of(OTHER): FOLDER})) == ["entry-out-of-sequence"]
    assert kinds_of(verdict_on({"exhibit 7": FOLDER})) == []


@pytest.mark.parametrize("number", [0, 2, 999_999])
def test_a_folder_that_is_named_for_another_number_is_found(number: int) -> None:
    """Else who sorts folders by name takes one shift for another: the name is all that a person sees."""
    assert kinds_of(verdict_on({name_of(SHIFT, number): FOLDER})) == ["entry-out-of-sequence"]


def test_a_gap_that_the_camera_signed_is_a_gap_and_no_alteration() -> None:
    verdict = verdict_on(folder_of(story("O[cg]Z")))

    assert verdict.verdict == "authentic with signed gaps"
    assert verdict.sentence == (
        "Authentic with signed gaps: 1 recording, 1 gap that the camera itself signed "
        "(assurance 2: anchored when the camera docked)."
    )


def recordings_without_opening(folder: Folder, entries: list[Entry]) -> list[int]:
    entries[1] = withheld(entries[1])
    verdict = verdict_on(folder | {"chain": records(entries)})
    return [recording.pre_event_ms for recording in verdict.recordings]


@pytest.mark.parametrize(("size", "kinds"), [(16_384, []), (16_386, ["key-box-mismatch"])])
def test_a_key_box_is_read_up_to_the_size_that_one_may_have(size: int, kinds: list[str]) -> None:
    shift = story("O[c]Z", key_box_of=lambda recording_id, content_key: bytes(size))

    assert kinds_of(verdict_on(folder_of(shift))) == kinds


def test_small_files_that_are_large_are_not_read_to_their_end() -> None:
    read: dict[str, int] = {}

    def pieces(name: str) -> Iterator[bytes]:
        for _ in range(1000) if name in (BOX, "x.receipt") else ():
            read[name] = read.get(name, 0) + 4096
            yield bytes(4096)
        if name not in (BOX, "x.receipt"):
            yield FOLDER[name]

    read_shift(folder="", names=[*sorted(FOLDER), "x.receipt"], read=pieces, trust=trust_of(FOLDER))

    assert read == {BOX: 20_480, "x.receipt": 135_168}


# --- Trust


def test_a_root_that_the_reader_did_not_give_is_unconfirmed_and_another_one_is_a_mismatch() -> None:
    unconfirmed, mismatched = verdict_on(FOLDER, None), verdict_on(FOLDER, secret("another root"))

    assert (unconfirmed.verdict, kinds_of(unconfirmed)) == ("issuer unconfirmed", ["root-unconfirmed"])
    assert (mismatched.verdict, kinds_of(mismatched)) == ("issuer unconfirmed", ["root-mismatch"])
    assert not unconfirmed.is_root_confirmed
    assert not mismatched.is_root_confirmed
    assert AGENCY.root_fingerprint.hex() in unconfirmed.findings[0].text


def test_under_a_root_that_is_not_the_agencys_receipts_raise_no_assurance() -> None:
    """Whoever makes a policy of his own makes the receipts as well."""
    assert verdict_on(FOLDER).assurance == 2
    assert verdict_on(FOLDER, secret("another root")).assurance == 0


def test_an_attackers_whole_agency_is_not_confirmed() -> None:
    mine = make_agency("attacker")
    folder = folder_of(story(device=Device("attacker")), agency=mine)

    verdict = verdict_on(folder)

    assert verdict.verdict == "issuer unconfirmed"
    assert kinds_of(verdict)[0] == "root-mismatch"
    assert verdict.assurance == 0


def test_a_revoked_camera_is_read_and_not_trusted() -> None:
    agency = make_agency(revoked_cameras=(SHIFT.device.camera_id,))
    verdict = verdict_on(folder_of(SHIFT, agency=agency))

    assert verdict.verdict == "issuer unconfirmed"
    assert kinds_of(verdict) == ["camera-revoked", "policy-of-shift-unknown"]
    assert len(verdict.recordings) == 2


def test_a_policy_that_too_few_root_keys_signed_is_invalid() -> None:
    keys = tuple(sorted((entry_key("r1").public_key, entry_key("r2").public_key)))
    signed = sign_policy(AGENCY.policy, Root(threshold=2, keys=keys), (entry_key("r1"),))

    assert "policy-invalid" in kinds_of(verdict_on(with_file("policy", signed)))


def test_a_shift_opened_under_another_policy_is_noted() -> None:
    shift = make_shift(STORY, policy_hash=bytes(32))

    verdict = verdict_on(folder_of(shift))

    assert (verdict.verdict, kinds_of(verdict)) == ("authentic", ["policy-of-shift-unknown"])


# --- Receipts and assurance


@pytest.mark.parametrize(
    ("text", "assurance"),
    [("O[c]Z", 2), ("OReprZ", 2), ("O[c]R[c]Z", 1), ("O[cRe[c]Z", 1), ("O[c]epr[c]Z", 2), ("OZ", 2)],
)
def test_an_unclean_stop_lowers_the_assurance_of_what_follows(text: str, assurance: int) -> None:
    assert verdict_on(folder_of(story(text))).assurance == assurance


def test_without_receipts_there_is_no_assurance() -> None:
    verdict = verdict_on(folder_of(SHIFT, with_receipts=False))

    assert (verdict.verdict, verdict.assurance) == ("authentic", 0)
    assert "assurance 0: no receipt of central that holds is at hand" in verdict.sentence
    assert verdict_on(folder_of(story("OZ"), with_receipts=False)).assurance == 0


def test_the_assurance_of_a_whole_is_the_least_of_its_recordings() -> None:
    good, bad = story("O[c]Z"), story("O[c]Re[c]Z", name="bad")

    verdict = verdict_on({name_of(good): folder_of(good), name_of(bad): folder_of(bad)})

    assert [recording.assurance for recording in verdict.recordings] == [2, 2, 1]
    assert verdict.assurance == 1


def test_a_receipt_whose_head_the_chain_does_not_show_to_stand_raises_no_assurance() -> None:
    """The end is there and the receipt names it, but its device signature is gone."""
    end = SHIFT.entries[-1]
    stripped = type(end)(end.head, end.head_bytes, end.body_bytes, end.entry_signature, None)
    verdict = verdict_on(with_file("chain", records([*SHIFT.entries[:-1], stripped])))

    assert verdict.verdict == "altered or incomplete"
    assert verdict.assurance == 0


def test_a_receipt_made_before_the_tail_was_cut_contradicts_the_chain() -> None:
    verdict = verdict_on(with_file("chain", records(SHIFT.entries[:-2])))

    assert kinds_of(verdict).count("receipt-contradicts") == 3
    assert verdict.assurance == 0


def test_one_receipt_at_hand_twice_counts_once() -> None:
    assert verdict_on(with_file("x.receipt", FOLDER["00.receipt"])).receipt_count == 3


def test_more_receipts_than_a_shift_can_have_are_not_read() -> None:
    many = FOLDER | {f"{number:06d}.receipt": b"x" for number in range(RECEIPTS_PER_SHIFT_MAX + 3)}

    verdict = verdict_on(many)

    assert [found.text.split(",")[0] for found in verdict.findings if found.kind == "file-unknown"] == ["4102 receipts"]
    assert kinds_of(verdict).count("receipt-invalid") == 1


def test_a_release_with_bodies_withheld_keeps_its_verdict_and_assurance() -> None:
    kept = (0, 1, 2, 3, 4, 5)
    entries = [entry if at in kept else withheld(entry) for at, entry in enumerate(SHIFT.entries)]
    first = SHIFT.recording_ids[0].hex()
    left = {name: data for name, data in SHIFT.media.items() if name.startswith(first)}
    folder = {name: FOLDER[name] for name in ("policy", "enrolment", "00.receipt", "02.receipt")} | left

    verdict = verdict_on(folder | {"chain": records(entries)})

    assert set(kinds_of(verdict)) == {"body-withheld"}
    assert verdict.recordings[0].pre_event_ms == 2000
    assert recordings_without_opening(folder, entries) == [0]
    assert (verdict.verdict, verdict.assurance, verdict.receipt_count) == ("authentic", 2, 2)


def test_a_subject_is_made_only_of_what_is_whole() -> None:
    assert recording_subject(report_of(SHIFT).recordings[0]) is not None
    for entries in (
        spliced(SHIFT.entries, at=1, insert=[withheld(SHIFT.entries[1])], drop=1),
        spliced(SHIFT.entries, at=3, insert=[withheld(SHIFT.entries[3])], drop=1),
    ):
        evidence, _ = evidence_of(FOLDER | {"chain": records(entries)})
        assert evidence is not None
        assert recording_subject(evidence.report.recordings[0]) is None


def test_a_chain_receipt_is_not_compared_with_the_size_of_a_release_but_with_any_other() -> None:
    wrong = AGENCY.receipt(report_of(SHIFT), ChainSubject(kind="chain", size_bytes=5))

    assert "receipt-contradicts" in kinds_of(verdict_on(with_file("x.receipt", wrong)))
