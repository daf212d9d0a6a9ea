"""Several shifts together, what the findings amount to, and that hostile input does not make a verdict of any size."""

from typing import Any

import pytest

from protocol.layout import media_name
from protocol.units import FINDINGS_PER_KIND_MAX
from protocol.verdict import Finding, Place, verdict_word
from protocol.verify.findings import FindingLog
from protocol.verify.shift import judge
from tests.protocol.folders import evidence_of, folder_of, kinds_of, name_of, report_of, verdict_on
from tests.protocol.shifts import Device, Shift, make_shift, records, secret
from tests.protocol.trust import POLICY_HASH, make_agency


def story(text: str = "O[ccC]e[c]Z", **changes: Any) -> Shift:
    return make_shift(text, policy_hash=POLICY_HASH, **changes)


SHIFT = story()
FOLDER = folder_of(SHIFT)
STRANGER = story(device=Device("stranger"), name="stranger")


# --- Several shifts


NEXT = story("O[c]Z", name="next", number=2, previous=SHIFT.last)


def test_shifts_that_follow_each_other_are_in_order() -> None:
    verdict = verdict_on({name_of(SHIFT): FOLDER, name_of(NEXT, 2): folder_of(NEXT)})

    assert (verdict.verdict, kinds_of(verdict), verdict.shift_count) == ("authentic", [], 2)


@pytest.mark.parametrize(
    "previous",
    [
        None,
        SHIFT.last.model_copy(update={"sequence": 3}),
        SHIFT.last.model_copy(update={"head_hash": bytes(32)}),
        SHIFT.last.model_copy(update={"shift_id": secret("elsewhere", 16)}),
    ],
)
def test_a_shift_that_does_not_follow_the_one_before_it_is_found(previous: object) -> None:
    after = story("O[c]Z", name="next", number=2, previous=previous)

    verdict = verdict_on({name_of(SHIFT): FOLDER, name_of(after, 2): folder_of(after)})

    assert kinds_of(verdict) == ["entry-not-linked"]
    assert verdict.findings[0].place.file == f"{name_of(after, 2)}/chain"
    said = "no shift before it" if previous is None else f"entry {after_of(after)} of shift "
    assert verdict.findings[0].text.startswith(f"names {said}")


def after_of(shift: Shift) -> int | None:
    previous = report_of(shift).opened
    assert previous is not None
    return None if previous.previous_shift is None else previous.previous_shift.sequence


def test_a_shift_that_names_one_by_its_id_and_not_by_its_number_is_held_to_it() -> None:
    wrong = SHIFT.last.model_copy(update={"head_hash": bytes(32)})
    third = story("OZ", name="third", number=3, previous=wrong)

    verdict = verdict_on({name_of(SHIFT): FOLDER, name_of(third, 3): folder_of(third)})

    assert kinds_of(verdict) == ["entry-not-linked"]


def test_an_earlier_shift_of_another_camera_makes_no_shift_missing() -> None:
    third = story("OZ", name="third", number=3, previous=NEXT.last)

    verdict = verdict_on({name_of(STRANGER): folder_of(STRANGER), name_of(third, 3): folder_of(third)})

    assert kinds_of(verdict) == ["shift-before-absent"]


def test_a_shift_that_is_missing_between_two_is_found() -> None:
    third = story("OZ", name="third", number=3, previous=NEXT.last)

    verdict = verdict_on({name_of(SHIFT): FOLDER, name_of(third, 3): folder_of(third)})

    assert (verdict.verdict, kinds_of(verdict)) == ("altered or incomplete", ["shift-missing"])
    assert verdict.findings[0].place.file == f"{name_of(third, 3)}/chain"


def test_a_shift_given_without_the_one_before_it_is_authentic_and_noted() -> None:
    verdict = verdict_on({name_of(NEXT, 2): folder_of(NEXT)})

    assert (verdict.verdict, "shift-before-absent" in kinds_of(verdict)) == ("authentic", True)


def test_shifts_of_two_cameras_have_nothing_to_do_with_each_other() -> None:
    verdict = verdict_on({name_of(SHIFT): FOLDER, name_of(STRANGER): folder_of(STRANGER)})

    assert kinds_of(verdict) == []


def test_two_continuations_of_one_entry_are_a_finding() -> None:
    """What a cloned card makes: both verify, and that both are there is what was found."""
    clone = story("O[cc]Z", name="clone", number=2, previous=SHIFT.last)
    fork = story("O[ccC]e[cc]Z")

    after = verdict_on({"a": FOLDER, "b": folder_of(NEXT), "c": folder_of(clone)})
    within = verdict_on({"a": FOLDER, "b": folder_of(fork)})

    assert kinds_of(after) == ["entry-not-linked"]
    assert "follows the same shift as the one in b" in after.findings[0].text
    assert kinds_of(within) == ["entry-not-linked"]
    assert "ends otherwise than the chain of the same shift in a" in within.findings[0].text


def test_the_same_shift_at_two_places_is_no_finding() -> None:
    assert kinds_of(verdict_on({"card": FOLDER, "dock": FOLDER})) == []


def test_what_is_found_about_trust_is_said_once_where_it_is_so_of_all_and_by_shift_where_not() -> None:
    both = verdict_on({"a": FOLDER, "b": folder_of(NEXT)}, None)
    one = verdict_on({"a": FOLDER, "b": {name: data for name, data in folder_of(NEXT).items() if name != "enrolment"}})

    assert kinds_of(both) == ["root-unconfirmed"]
    assert both.findings[0].place.shift_id is None
    assert kinds_of(one) == ["enrolment-missing"]
    assert one.findings[0].place.shift_id == NEXT.shift_id.hex()


def test_two_agencies_in_one_place_have_no_one_root() -> None:
    other = make_agency("other")
    verdict = verdict_on({"a": FOLDER, "b": folder_of(STRANGER, agency=other)})

    assert (verdict.root_fingerprint, verdict.is_root_confirmed) == (None, False)
    assert "root-mismatch" in kinds_of(verdict)


# --- Words and bounds


def finding(kind: str) -> Finding:
    return Finding(kind=kind, place=Place(file="chain"), text="text")


@pytest.mark.parametrize(
    ("kinds", "word"),
    [
        ([], "authentic"),
        (["kind-unknown", "body-withheld"], "authentic"),
        (["resumed-unclean"], "authentic with signed gaps"),
        (["resumed-unclean", "root-unconfirmed"], "issuer unconfirmed"),
        (["resumed-unclean", "root-unconfirmed", "media-short"], "altered or incomplete"),
        (["root-unconfirmed", "body-mismatch"], "altered or incomplete"),
    ],
)
def test_the_worst_finding_makes_the_verdict(kinds: list[str], word: str) -> None:
    assert verdict_word([finding(kind) for kind in kinds], has_chain=True) == word
    assert verdict_word([finding(kind) for kind in kinds], has_chain=False) == "unreadable"


def test_one_finding_is_not_said_in_the_plural() -> None:
    verdict = verdict_on({name: data for name, data in FOLDER.items() if name != sorted(SHIFT.media)[0]})

    assert verdict.sentence.startswith(
        "Altered or incomplete: 1 finding over 2 recordings; the first is media-missing: "
    )


def test_nothing_at_all_is_unreadable() -> None:
    assert (judge([]).verdict, judge([]).is_root_confirmed) == ("unreadable", False)


def test_many_harmless_findings_do_not_hide_a_grave_one() -> None:
    log = FindingLog("chain")
    for _ in range(5 * FINDINGS_PER_KIND_MAX):
        log.add(finding("body-withheld"))
    log.add(finding("body-mismatch"))

    found = log.findings()

    assert len(found) == FINDINGS_PER_KIND_MAX + 2
    assert verdict_word(found, has_chain=True) == "altered or incomplete"
    assert sum(each.count for each in found) == 5 * FINDINGS_PER_KIND_MAX + 1


def test_the_sentence_counts_what_was_too_much_to_name() -> None:
    shift = story(f"O[{'g' * 130}]Z")

    verdict = verdict_on(folder_of(shift))

    assert len(verdict.findings) == FINDINGS_PER_KIND_MAX + 1
    assert "130 gaps that the camera itself signed" in verdict.sentence


def test_a_hostile_folder_does_not_make_a_verdict_of_any_size() -> None:
    junk = {media_name(number.to_bytes(16, "big"), 0): b"x" for number in range(1000)}

    verdict = verdict_on(FOLDER | junk)

    assert len(verdict.findings) == FINDINGS_PER_KIND_MAX + 1
    assert verdict.sentence.startswith("Altered or incomplete: 1000 findings over 2 recordings; the first is ")


def test_a_chain_of_nothing_but_holes_does_not_make_a_verdict_of_any_size() -> None:
    shift = story("O" + "e" * 700 + "Z")
    entries = [entry for entry in shift.entries if entry.head.sequence % 2]

    evidence, _ = evidence_of(FOLDER | {"chain": records(entries)})

    assert evidence is not None
    assert len(evidence.report.findings) < 3 * FINDINGS_PER_KIND_MAX
