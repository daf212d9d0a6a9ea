"""Score attacks: was it noticed, by the right finding, at the right place, and which check alone noticed it."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from protocol.verdict import CLASS_OF_KIND, Verdict, verdict_word
from scripts.campaigns.attacks.attack import Attack, Kind
from scripts.campaigns.attacks.evidence import AGENCY, Evidence

Judge = Callable[[Evidence, bytes | None], Verdict]

RANK: Final = {
    "authentic": 4,
    "authentic with signed gaps": 3,
    "issuer unconfirmed": 2,
    "altered or incomplete": 1,
    "unreadable": 0,
}
_BEARING: Final = ("altered", "incomplete", "issuer", "gap")
FAILURES_KEPT: Final = 20


@dataclass(frozen=True)
class Failure:
    """An attack that did not come out as declared, with all that it takes to run it alone."""

    kind: str
    number: int
    done: str
    expected: str
    found: str


@dataclass
class Tally:
    """What came of the attacks of some kinds. Adds up, so that processes can share the work."""

    tried: Counter[str] = field(default_factory=Counter)
    undetected: Counter[str] = field(default_factory=Counter)
    misnamed: Counter[str] = field(default_factory=Counter)
    named_by: dict[str, Counter[str]] = field(default_factory=dict)
    """For each kind of attack, how often which finding named it."""
    failures: list[Failure] = field(default_factory=list)
    alone: Counter[str] = field(default_factory=Counter)
    """For each finding that bears on the verdict, how many attacks get through without it."""

    def add(self, other: "Tally") -> None:
        """Take in what another process found."""
        self.tried += other.tried
        self.undetected += other.undetected
        self.misnamed += other.misnamed
        self.alone += other.alone
        for kind, counts in other.named_by.items():
            self.named_by.setdefault(kind, Counter()).update(counts)
        self.failures += other.failures


class Scorer:
    """Tries attacks against a judge."""

    def __init__(self, judge: Judge) -> None:
        """Take what gives the verdict; it need not be the real one."""
        self._judge = judge
        self._before: dict[tuple[tuple[int, ...], bytes | None], tuple[Evidence, Verdict]] = {}
        self.tally = Tally()

    def try_kind(self, kind: Kind, attacks: Iterable[tuple[int, Attack]]) -> None:
        """Try numbered attacks of one kind."""
        for number, attack in attacks:
            after = self._judge(attack.evidence, attack.root)
            before = self._untouched(attack)
            self.tally.tried[kind.name] += 1
            self._count_lone_findings(before, after)
            if kind.reason is None:
                self._score(kind, number, attack, before, after)
            else:
                self._score_undetectable(kind, number, attack, before, after)

    def _untouched(self, attack: Attack) -> Verdict:
        # Whatever root an attack is read under, it is measured against the evidence under the agency's own.
        root = AGENCY.root_fingerprint
        key = (tuple(id(folder) for folder in attack.untouched.values()), root)
        if key not in self._before:
            self._before[key] = (attack.untouched, self._judge(attack.untouched, root))
        return self._before[key][1]

    def _score(self, kind: Kind, number: int, attack: Attack, before: Verdict, after: Verdict) -> None:
        naming = [
            finding
            for finding in after.findings
            if finding.kind in attack.expected and (attack.where is None or attack.where.is_named_by(finding))
        ]
        is_detected = RANK[after.verdict] < RANK[before.verdict]
        if not is_detected:
            self.tally.undetected[kind.name] += 1
        if is_detected and not naming:
            self.tally.misnamed[kind.name] += 1
        if not is_detected or not naming:
            self._fail(kind, number, attack, after)
        if naming:
            self.tally.named_by.setdefault(kind.name, Counter())[naming[0].kind] += 1

    def _score_undetectable(self, kind: Kind, number: int, attack: Attack, before: Verdict, after: Verdict) -> None:
        kinds = {finding.kind for finding in after.findings}
        is_hidden = after.verdict.startswith("authentic") and before.verdict.startswith("authentic")
        is_told = set(attack.expected) <= kinds
        is_told = is_told and (attack.assurance is None or after.assurance == attack.assurance)
        if not is_hidden or not is_told:
            self.tally.misnamed[kind.name] += 1
            self._fail(kind, number, attack, after)
        # Of several findings the first stands for all; the assurance is told where it is what changes.
        says = attack.expected[0] if attack.expected else "nothing"
        says += f", assurance {after.assurance}" if after.assurance < before.assurance else ""
        self.tally.named_by.setdefault(kind.name, Counter())[says] += 1

    def _count_lone_findings(self, before: Verdict, after: Verdict) -> None:
        bearing = {f.kind for f in after.findings if CLASS_OF_KIND[f.kind] in _BEARING}
        has_chain = after.verdict != "unreadable"
        for kind in bearing:
            rest = [finding for finding in after.findings if finding.kind != kind]
            # Without the finding that there is no chain, whoever asks sees an empty folder that nothing is said against.
            word = verdict_word(rest, has_chain=has_chain or kind in ("chain-empty", "chain-missing"))
            if RANK[word] >= RANK[before.verdict] > RANK[after.verdict]:
                self.tally.alone[kind] += 1

    def _fail(self, kind: Kind, number: int, attack: Attack, after: Verdict) -> None:
        if sum(failure.kind == kind.name for failure in self.tally.failures) >= FAILURES_KEPT:
            return
        found = "; ".join(finding.sentence() for finding in after.findings[:4]) or "nothing"
        expected = " or ".join(attack.expected) or "nothing"
        if attack.where is not None:
            expected += f" at {attack.where}"
        if attack.assurance is not None:
            expected += f", assurance {attack.assurance}"
        text = f"{after.verdict}, assurance {after.assurance}: {found}"
        self.tally.failures.append(Failure(kind.name, number, attack.done, expected, text))


def attacks_of(kind: Kind, *, seed: int, count: int) -> Iterable[tuple[int, Attack]]:
    """Return the attacks of a kind, numbered; the same for the same seed and count."""
    return enumerate(kind.make(Random(f"{seed}/{kind.name}"), count))
