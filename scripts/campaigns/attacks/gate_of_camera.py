"""Attacks on the erase gate: every byte of a receipt, receipts of other shifts and cameras, and each condition broken and cut out in turn.

Pure but for the folder that the builders write a shift into (spec/04-trust.md, 4.5; invariant I2).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from firmware.core.gate import Permission, Refusal, decide
from protocol.verify.chain import ChainReport
from scripts.campaigns.attacks.scoring import Failure
from tests.builders import BuiltShift, build_shift, make_camera, receipts_of
from tests.firmware.gate_attacks import ATTACKS
from tests.firmware.gate_ledger_attacks import LEDGER_ATTACKS
from tests.firmware.gates import AGENCY, CAMERA, cut_out, decided, receipt_of

OTHER_CAMERA: Final = make_camera(AGENCY, "CAM-2")


@dataclass
class GateResult:
    """What the gate did: what it refused, what it let through, and which conditions an attack shows to be needed."""

    refused: int = 0
    opened: int = 0
    wrong_reason: int = 0
    true_receipts: int = 0
    true_refused: int = 0
    conditions: list[str] = field(default_factory=list)
    unshown: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """Return how many false receipts were tried."""
        return self.refused + self.opened

    def take(self, number: int, done: str, decision: Permission | Refusal, reason: str) -> None:
        """Count a decision on a false receipt that must be refused for ``reason``."""
        if isinstance(decision, Permission):
            self.opened += 1
            found = f"the gate is open for {decision.receipt.subject!r}"
        else:
            self.refused += 1
            if reason in decision.reason:
                return
            self.wrong_reason += 1
            found = decision.reason
        self.failures.append(Failure("erase-gate", number, done, f"refused: {reason}", found))


def try_gate(random: Random, count: int) -> GateResult:
    """Try about ``count`` false receipts, and all true ones."""
    result = GateResult()
    with TemporaryDirectory() as folder:
        shifts = _shifts(Path(folder))
        running = build_shift(Path(folder), agency=AGENCY, camera=CAMERA, number=3, is_closed=False)
    own = shifts[0]
    reports = {id(shift): shift.report for shift in shifts}
    report = reports[id(own)]
    _try_conditions(result, report)
    _try_running(result, running.report)
    number = len(result.conditions)
    for done, signed, own_report in (*_replays(shifts, reports), *_bent(own, report, random, count)):
        reason = "not true" if "replay" in done else "not central's"
        for is_left in (True, False):
            decision = decided(signed, own_report, has_recordings_left=is_left)
            result.take(number, done, decision, reason)
        number += 1
    for signed in receipts_of(own, agency=AGENCY, camera=CAMERA):
        result.true_receipts += 1
        decision = decided(signed, report, has_recordings_left=False)
        result.true_refused += isinstance(decision, Refusal)
    return result


def _shifts(root: Path) -> tuple[BuiltShift, ...]:
    return (
        build_shift(root, agency=AGENCY, camera=CAMERA),
        build_shift(root, agency=AGENCY, camera=CAMERA, number=2, chunks=2),
        build_shift(root, agency=AGENCY, camera=OTHER_CAMERA, media_files=2),
    )


def _try_conditions(result: GateResult, report: ChainReport) -> None:
    """Break each condition, and see the receipt refused for it; then cut the condition out, and see it get through."""
    for number, attack in enumerate((*ATTACKS, *LEDGER_ATTACKS)):
        result.take(number, attack.name, attack.ask(decide, report), attack.reason)
        result.conditions.append(attack.name)
        if not isinstance(attack.ask(attack.weakened(), report), Permission):
            result.unshown.append(attack.name)


def _try_running(result: GateResult, running: ChainReport) -> None:
    """Show a true receipt of a shift that still runs: refused, and let through by a gate that does not ask whether it is closed."""
    name, condition = "2, a shift that is not closed", "own_shift is None or not own_shift.is_closed"
    signed = receipt_of(running)
    decision = decided(signed, running)
    result.take(len(result.conditions), name, decision, "has not closed")
    result.conditions.append(name)
    weak = decided(signed, running, gate=cut_out(condition))
    if not isinstance(weak, Permission):
        result.unshown.append(name)


def _replays(
    shifts: tuple[BuiltShift, ...], reports: dict[int, ChainReport]
) -> Iterator[tuple[str, bytes, ChainReport]]:
    """Yield true receipts of one shift, held against every other one's chain."""
    for asked in shifts:
        for shift in shifts:
            camera = OTHER_CAMERA if shift is shifts[2] else CAMERA
            for signed in receipts_of(shift, agency=AGENCY, camera=camera) if shift is not asked else ():
                yield f"replay of a receipt of {shift.folder} for {asked.folder}", signed, reports[id(asked)]


def _bent(own: BuiltShift, report: ChainReport, random: Random, count: int) -> Iterator[tuple[str, bytes, ChainReport]]:
    """Yield true receipts with one bit flipped, cut short, or longer."""
    receipts = receipts_of(own, agency=AGENCY, camera=CAMERA)
    for number in range(count // 2):
        signed = receipts[number % len(receipts)]
        at, bit = random.randrange(len(signed)), random.randrange(8)
        yield f"bit {bit} of byte {at} flipped", signed[:at] + bytes([signed[at] ^ 1 << bit]) + signed[at + 1 :], report
    for signed in receipts:
        yield "cut", signed[: random.randrange(len(signed))], report
        yield "longer", signed + b"\x00", report
