"""The attack campaign itself: a small run holds, a blinded verifier makes it fall short, and what it excuses is told to the public."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from protocol.verdict import CLASS_OF_KIND, Finding, Verdict, verdict_word
from scripts.campaigns.attacks.catalogue import (
    ATTACKS_MIN,
    BACKED,
    CATALOGUE,
    CHECKS,
    FULL_BUDGET_S,
    KINDS_MIN,
    planned,
)
from scripts.campaigns.attacks.evidence import AGENCY, Evidence, Verifier, archive
from scripts.campaigns.attacks.scoring import Judge
from scripts.campaigns.command import Campaign, Order, Progress, main
from scripts.campaigns.result import ROOT, Row
from scripts.campaigns.tamper import CAMPAIGN, Result, rows_of, run

Capture = pytest.CaptureFixture[str]
SECURITY = " ".join((ROOT / "SECURITY.md").read_text(encoding="utf-8").split())


def order(budget_s: float, only: str | None = None) -> Order:
    return Order(7, budget_s, Progress(Console(quiet=True)), only)


def altered(change: Callable[[tuple[Finding, ...]], list[Finding]]) -> Judge:
    """Return a verifier whose findings are changed before the word is made of them."""
    verifier = Verifier()

    def judge(evidence: Evidence, root: bytes | None) -> Verdict:
        verdict = verifier(evidence, root)
        findings = tuple(change(verdict.findings))
        word = verdict_word(findings, has_chain=verdict.verdict != "unreadable")
        return verdict.model_copy(update={"findings": findings, "verdict": word})

    return judge


def blind_to(kind: str) -> Judge:
    return altered(lambda findings: [finding for finding in findings if finding.kind != kind])


def taken_for(kind: str, other: str) -> Judge:
    return altered(lambda findings: [f.model_copy(update={"kind": other}) if f.kind == kind else f for f in findings])


def values(rows: tuple[Row, ...]) -> dict[str, float]:
    return {row.name: row.value for row in rows}


def test_a_small_run_finds_every_attack_and_calls_nothing_honest_forged(tmp_path: Path, capsys: Capture) -> None:
    code = main("tamper", CAMPAIGN, ["--seed", "7", "--budget", "6", "--json", str(tmp_path / "f.json")])

    out, error = capsys.readouterr()
    assert code == 0, f"{out}\n{error}"
    rows = {row["name"]: row["value"] for row in json.loads((tmp_path / "f.json").read_text())["rows"]}
    assert rows["attacks tried"] > 1_000
    assert rows["honest variants"] >= 80
    assert rows["checks whose loss no attack shows"] == 0


@pytest.mark.parametrize(
    ("kind", "only"),
    [
        ("part-hash-mismatch", "flip-media"),
        ("body-mismatch", "backdate"),
        ("entry-after-end", "entry-after-end"),
        ("receipt-invalid", "flip-receipt"),
        ("shift-missing", "drop-shift"),
    ],
)
def test_a_blinded_verifier_makes_the_run_fall_short(kind: str, only: str, capsys: Capture) -> None:
    blind = Campaign("", 1.0, lambda order: run(order, blind_to(kind)), parts=CAMPAIGN.parts)

    assert main("tamper", blind, ["--seed", "7", "--budget", "3", "--only", only]) == 1
    out, error = capsys.readouterr()
    assert "\nundetected: " in out
    assert f"again:    ./scripts/tamper --seed 7 --budget 3 --only {only}" in error


def test_a_verifier_that_gives_another_name_is_not_good_enough() -> None:
    rows = values(run(order(3, "flip-media"), taken_for("part-hash-mismatch", "media-short")))

    assert rows["undetected"] == 0
    assert rows["wrong finding or place"] == rows["attacks tried"] > 0


def test_a_verifier_that_gives_another_place_is_not_good_enough() -> None:
    def moved(findings: tuple[Finding, ...]) -> list[Finding]:
        return [f.model_copy(update={"place": f.place.model_copy(update={"sequence": 99})}) for f in findings]

    rows = values(run(order(3, "backdate"), altered(moved)))

    assert rows["undetected"] == 0
    assert rows["wrong finding or place"] == rows["attacks tried"] > 0


def test_a_verifier_that_calls_a_power_cut_forged_raises_false_alarms() -> None:
    rows = values(run(order(3, "honest"), taken_for("resumed-unclean", "entry-not-linked")))

    assert rows["false alarms"] > 0
    assert rows["honest variants"] > rows["false alarms"]


def test_a_verifier_that_finds_what_is_declared_undetectable_makes_the_list_untrue() -> None:
    rows = values(run(order(3, "no-receipts"), taken_for("receipt-missing", "receipt-invalid")))

    assert rows["declared undetectable, and told otherwise"] > 0


@pytest.mark.parametrize("kind", [kind for kind in CATALOGUE.values() if kind.reason], ids=lambda kind: kind.name)
def test_what_cannot_be_detected_is_told_in_the_security_page(kind: object) -> None:
    reason = getattr(kind, "reason", "")

    assert " ".join(reason.split()) in SECURITY


def test_each_check_that_others_stand_behind_is_one_and_has_its_reason() -> None:
    assert BACKED.keys() <= set(CHECKS) <= CLASS_OF_KIND.keys()
    assert all(len(reason) > 20 for reason in BACKED.values())
    assert len(CATALOGUE) >= KINDS_MIN


def test_the_same_seed_tries_the_same_attacks() -> None:
    kind = CATALOGUE["flip-head"]
    first, again, other = ([a.done for _, a in planned(kind, seed=seed, budget_s=3)] for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_only_a_run_of_the_full_budget_promises_the_full_number() -> None:
    nothing = Result()

    found = {
        (budget_s, only): next(iter(rows_of(nothing, order(budget_s, only)))).target
        for budget_s, only in ((3, None), (FULL_BUDGET_S, None), (FULL_BUDGET_S, "no-policy"))
    }

    assert found == {(3, None): None, (FULL_BUDGET_S, None): ATTACKS_MIN, (FULL_BUDGET_S, "no-policy"): None}


def test_what_is_attacked_is_authentic_as_long_as_nobody_touches_it() -> None:
    verdict = Verifier()(archive().all_of(), AGENCY.root_fingerprint)

    grave = [finding for finding in verdict.findings if finding.finding_class in ("altered", "incomplete", "issuer")]
    assert grave == []
    assert verdict.shift_count == len(archive().shifts) == 6


def test_a_kind_that_does_not_exist_is_refused(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main("tamper", CAMPAIGN, ["--only", "wishful-thinking"])

    assert ended.value.code == 2
    assert re.search("invalid choice: 'wishful-thinking'", capsys.readouterr().err)
