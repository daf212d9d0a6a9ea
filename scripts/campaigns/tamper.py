"""`./scripts/tamper`: attacks on evidence and on the erase gate, each with the finding that must name it, and where.

What attacks there are stands in `scripts.campaigns.attacks`; here they are run, counted, and told as rows. The same seed and budget try
the same attacks.
"""

import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from random import Random
from typing import Final

from scripts.campaigns.attacks.catalogue import (
    ATTACKS_MIN,
    BACKED,
    CATALOGUE,
    CHECKS,
    FULL_BUDGET_S,
    GATE_FULL,
    HONEST_FULL,
    KINDS_MIN,
    planned,
    share_of,
)
from scripts.campaigns.attacks.evidence import Verifier
from scripts.campaigns.attacks.gate_of_camera import GateResult, try_gate
from scripts.campaigns.attacks.honest import ROOT, stories
from scripts.campaigns.attacks.scoring import Failure, Judge, Scorer, Tally
from scripts.campaigns.command import Campaign, Order, main
from scripts.campaigns.result import Row, at_least, measured, none_of

_PROCESSES: Final = 2
_PARALLEL_FROM_S: Final = 60.0
"""A shorter run is over before a second process has read its modules."""
_HONEST_MIN: Final = 2_000
_HONEST_SLICES: Final = 4
_GATE, _HONEST = "erase-gate", "honest"


@dataclass
class HonestResult:
    """What became of honest stories."""

    told: int = 0
    gap_kinds: Counter[str] = field(default_factory=Counter)
    """How often a gap that a camera declared is the only thing that says so: without this finding nothing would."""
    failures: list[Failure] = field(default_factory=list)


@dataclass
class Result:
    """Everything that a run found."""

    tally: Tally = field(default_factory=Tally)
    gate: GateResult | None = None
    honest: HonestResult = field(default_factory=HonestResult)

    def add(self, other: "Result") -> None:
        """Take in what one task found."""
        self.tally.add(other.tally)
        self.gate = other.gate or self.gate
        self.honest.told += other.honest.told
        self.honest.gap_kinds += other.honest.gap_kinds
        self.honest.failures += other.honest.failures


@dataclass(frozen=True)
class Task:
    """A share of the work that one process does: a kind of attack, the gate, or some honest stories."""

    name: str
    seed: int
    budget_s: float
    part: int = 0


def do(task: Task, judge: Judge) -> Result:
    """Do one task."""
    result = Result()
    random = Random(f"{task.seed}/{task.name}/{task.part}")
    if task.name == _GATE:
        result.gate = try_gate(random, max(50, round(GATE_FULL * share_of(task.budget_s))))
    elif task.name == _HONEST:
        count = max(20, round(HONEST_FULL * share_of(task.budget_s) / _HONEST_SLICES))
        result.honest = tell_honest(random, count, judge)
    else:
        scorer = Scorer(judge)
        kind = CATALOGUE[task.name]
        scorer.try_kind(kind, planned(kind, seed=task.seed, budget_s=task.budget_s))
        result.tally = scorer.tally
    return result


def tell_honest(random: Random, count: int, judge: Judge) -> HonestResult:
    """Judge honest stories; one that is called anything but what it is, is a false alarm."""
    result = HonestResult()
    for number, story in enumerate(stories(random, count)):
        verdict = judge(story.evidence, ROOT)
        result.told += 1
        gaps = {finding.kind for finding in verdict.findings if finding.finding_class == "gap"}
        if len(gaps) == 1:
            result.gap_kinds[gaps.pop()] += 1
        if verdict.verdict not in story.words:
            found = "; ".join(finding.sentence() for finding in verdict.findings[:4])
            expected = " or ".join(story.words)
            result.failures.append(
                Failure(_HONEST, number, story.told, expected, f"{verdict.verdict}: {found or 'nothing'}")
            )
    return result


def tasks_of(order: Order) -> tuple[Task, ...]:
    """Return the work of a run, the longest tasks first."""
    names = [order.only] if order.only else [*sorted(CATALOGUE, key=lambda name: -CATALOGUE[name].weight), _GATE]
    tasks = [Task(name, order.seed, order.budget_s) for name in names if name != _HONEST]
    if order.only in (None, _HONEST):
        tasks[:0] = [Task(_HONEST, order.seed, order.budget_s, part) for part in range(_HONEST_SLICES)]
    return tuple(tasks)


def _do_really(task: Task) -> Result:
    return do(task, Verifier())


def _results(tasks: Sequence[Task], judge: Judge | None, order: Order) -> Iterator[tuple[Task, Result]]:
    if judge is not None or order.budget_s < _PARALLEL_FROM_S or len(tasks) == 1:
        shared = Verifier()
        for task in tasks:
            yield task, do(task, judge or shared)
        return
    # Spawned, not forked: whoever calls may have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_PROCESSES, mp_context=context) as pool:
        waiting = {pool.submit(_do_really, task): task for task in tasks}
        for future in as_completed(waiting):
            yield waiting[future], future.result()


def run(order: Order, judge: Judge | None = None) -> tuple[Row, ...]:
    """Run the campaign; ``judge`` stands in for the verifier where a test blinds it."""
    tasks, result = tasks_of(order), Result()
    for done, (task, found) in enumerate(_results(tasks, judge, order), start=1):
        result.add(found)
        tried = sum(result.tally.tried.values())
        order.progress.say(f"{done} of {len(tasks)}: {task.name}; {tried:,d} attacks, {result.honest.told:,d} honest")
    _tell_failures(result, order)
    return tuple(rows_of(result, order))


def _tell_failures(result: Result, order: Order) -> None:
    gate = result.gate.failures if result.gate is not None else []
    failures = sorted([*result.tally.failures, *gate, *result.honest.failures], key=lambda f: (f.kind, f.number))
    for failure in failures:
        again = f"./scripts/tamper --seed {order.seed} --budget {order.budget_s:g} --only {failure.kind}"
        print(
            f"{failure.kind} {failure.number}: {failure.done}\n  expected: {failure.expected}\n  found:    {failure.found}\n  again:    {again}",
            file=sys.stderr,
        )


def rows_of(result: Result, order: Order) -> Iterator[Row]:
    """Yield what a run found; it promises a number of attacks only where its budget pays for it."""
    tally, gate = result.tally, result.gate or GateResult()
    tried = sum(tally.tried.values()) + gate.tried
    is_full = order.only is None and order.budget_s >= FULL_BUDGET_S
    yield _counted("attacks tried", tried, "attacks", ATTACKS_MIN if is_full else None)
    kinds = sum(count > 0 for count in tally.tried.values()) + bool(gate.tried)
    yield _counted("kinds of attack", kinds, "kinds", KINDS_MIN if order.only is None else None)
    claims = [name for name in tally.tried if CATALOGUE[name].reason is None]
    undetected = sum(tally.undetected[name] for name in claims) + gate.opened
    yield none_of("undetected", undetected, "attacks")
    yield none_of("wrong finding or place", sum(tally.misnamed[name] for name in claims) + gate.wrong_reason, "attacks")
    yield _counted("honest variants", result.honest.told, "stories", _HONEST_MIN if is_full else None)
    yield none_of("false alarms", len(result.honest.failures) + gate.true_refused, "stories")
    declared = [name for name in tally.tried if CATALOGUE[name].reason is not None]
    yield measured("declared undetectable", sum(tally.tried[name] for name in declared), "attacks")
    yield none_of(
        "declared undetectable, and told otherwise", sum(tally.misnamed[name] for name in declared), "attacks"
    )
    if order.only is None:
        yield from _check_rows(result, gate)
    yield measured("erase gate: false receipts refused", gate.refused, "receipts")
    yield none_of("erase gate: false receipts that open it", gate.opened, "receipts")
    for name in sorted(tally.tried):
        yield measured(f"kind {name}", tally.tried[name], _said(name, tally))


def _check_rows(result: Result, gate: GateResult) -> Iterator[Row]:
    """Yield what disabling each check shows: an attack gets through, or a declared gap is no longer told."""
    alone = result.tally.alone + result.honest.gap_kinds
    lone = [kind for kind in CHECKS if alone[kind]]
    unshown = [kind for kind in CHECKS if not alone[kind] and kind not in BACKED]
    for kind in unshown:
        print(
            f"no attack gets through without {kind}: add one, or say in BACKED why others always find it",
            file=sys.stderr,
        )
    for name in gate.unshown:
        print(f"the gate without its condition still refuses: {name}", file=sys.stderr)
    yield measured("checks disabled", len(CHECKS) + len(gate.conditions), "checks")
    yield measured("checks whose loss an attack shows", len(lone) + len(gate.conditions) - len(gate.unshown), "checks")
    yield none_of("checks whose loss no attack shows", len(unshown) + len(gate.unshown), "checks")
    yield measured("checks backed by others", sum(not alone[kind] for kind in BACKED), "checks")
    yield none_of("checks called backed that stand alone", sum(bool(alone[kind]) for kind in BACKED), "checks")


def _said(name: str, tally: Tally) -> str:
    """Return how the verdict names a kind: the finding that does so most, and how many others do."""
    counts = tally.named_by.get(name, Counter())
    most = [each for each, _ in counts.most_common(1)]
    rest = f" +{len(counts) - 1}" if len(counts) > 1 else ""
    return ("by " if CATALOGUE[name].reason is None else "says ") + (most[0] if most else "nothing") + rest


def _counted(name: str, value: int, unit: str, target: int | None) -> Row:
    """Return a count: with a target only in a run that is large enough to reach it."""
    return measured(name, value, unit) if target is None else at_least(name, value, unit, target)


CAMPAIGN: Final = Campaign(
    "Attack sealed evidence and the erase gate in every way that is known, and see each found and named.",
    FULL_BUDGET_S,
    run,
    parts=(*CATALOGUE, _GATE, _HONEST),
)

if __name__ == "__main__":
    sys.exit(main("tamper", CAMPAIGN))
