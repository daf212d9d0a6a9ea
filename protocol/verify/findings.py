"""Collect findings without letting hostile input make a verdict of any size: the first of each kind are named, the rest counted.

Bounded by kind, so that many harmless findings never hide a grave one.
"""

from dataclasses import dataclass, field

from protocol.units import FINDINGS_PER_KIND_MAX
from protocol.verdict import Finding, Place


@dataclass(slots=True)
class _Rest:
    count: int
    last: Finding


@dataclass(slots=True)
class FindingLog:
    """The findings about one file."""

    file: str
    _named: list[Finding] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)
    _rest: dict[str, _Rest] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Take the next finding."""
        count = self._counts[finding.kind] = self._counts.get(finding.kind, 0) + 1
        if count <= FINDINGS_PER_KIND_MAX:
            self._named.append(finding)
        else:
            self._rest[finding.kind] = _Rest(count - FINDINGS_PER_KIND_MAX, finding)

    def findings(self) -> tuple[Finding, ...]:
        """Return the findings in order, and then how many more there are of each kind."""
        return (*self._named, *(self._summary(kind, rest) for kind, rest in self._rest.items()))

    def _summary(self, kind: str, rest: _Rest) -> Finding:
        text = f"and {rest.count} more of this kind; the last: {rest.last.place.sentence()}: {rest.last.text}"
        return Finding(kind=kind, place=Place(file=self.file), text=text, count=rest.count)
