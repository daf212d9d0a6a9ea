"""What an attack is: a kind, what was done, the finding that must name it, and the place that it must name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from protocol.verdict import Finding
from scripts.campaigns.attacks.evidence import AGENCY, Evidence


@dataclass(frozen=True)
class Where:
    """The place that a finding must name; what is None is not asked for."""

    sequences: tuple[int, ...] | None = None
    recording_id: str | None = None
    chunk_index: int | None = None
    part: str | None = None
    file: str | None = None
    offsets_bytes: tuple[int, ...] | None = None

    def is_named_by(self, finding: Finding) -> bool:
        """Say whether a finding names this place."""
        place = finding.place
        # A record that cannot be read has no sequence: its place is its first byte.
        if self.sequences is not None and finding.kind != "record-unreadable" and place.sequence not in self.sequences:
            return False
        if self.file is not None and (place.file or "").rsplit("/", 1)[-1] != self.file:
            return False
        asked = (
            (self.recording_id, place.recording_id),
            (self.chunk_index, place.chunk_index),
            (self.part, place.part),
        )
        if any(wanted is not None and wanted != found for wanted, found in asked):
            return False
        return self.offsets_bytes is None or place.offset_bytes is None or place.offset_bytes in self.offsets_bytes


@dataclass(frozen=True)
class Attack:
    """One attack: what was done, the evidence after it and before it, and what must be found."""

    done: str
    evidence: Evidence
    untouched: Evidence
    expected: tuple[str, ...]
    """Kinds of finding, one of which must name it; where no detection is claimed, all that must stand in the verdict."""
    where: Where | None = None
    root: bytes | None = AGENCY.root_fingerprint
    assurance: int | None = None
    """Where no detection is claimed: what the assurance must be."""


Make = Callable[[Random, int], Iterator[Attack]]
"""Makes the attacks of a kind: all there are where they can be counted, else about as many as asked for."""


@dataclass(frozen=True)
class Kind:
    """A kind of attack. ``reason`` is given where it cannot be detected: a sentence that stands in SECURITY.md."""

    name: str
    does: str
    make: Make
    weight: int = 0
    """Its share of the attacks that have no natural number, such as a flip at any byte; 0: all that there are."""
    reason: str | None = None
    is_whole: bool = False
    """Every one of its attacks is tried in a small run too: each is about something else."""


def named(*groups: Mapping[str, Kind]) -> dict[str, Kind]:
    """Return all kinds by name."""
    kinds: dict[str, Kind] = {}
    for group in groups:
        assert not kinds.keys() & group.keys(), f"declared twice: {sorted(kinds.keys() & group.keys())}"
        kinds |= group
    return kinds


class Registry(dict[str, Kind]):
    """Collects kinds by a decorator over what makes them."""

    def kind(
        self, name: str, does: str, *, weight: int = 0, reason: str | None = None, is_whole: bool = False
    ) -> Callable[[Make], Make]:
        """Declare a kind."""

        def declare(make: Make) -> Make:
            assert name not in self, f"declared twice: {name}"
            self[name] = Kind(name, does, make, weight, reason, is_whole)
            return make

        return declare


SECTOR_BYTES: Final = 512
