"""All kinds of attack, how many of each a run tries, and the checks that only stand behind others."""

from collections.abc import Iterable, Mapping
from typing import Final

from protocol.verdict import CLASS_OF_KIND
from scripts.campaigns.attacks import (
    bytes_of_chain,
    entries_of_chain,
    ledger_proofs,
    media,
    shifts_and_cards,
    signatures,
    trust_of_evidence,
    undetectable,
)
from scripts.campaigns.attacks.attack import Attack, Kind, named
from scripts.campaigns.attacks.scoring import attacks_of

FULL_BUDGET_S: Final = 300.0
ATTACKS_MIN: Final = 20_000
KINDS_MIN: Final = 30
DRAWN_FULL: Final = 15_000
"""Attacks at drawn bytes in a full run, shared out by weight; the others are all that there are."""
HONEST_FULL: Final = 2_400
GATE_FULL: Final = 1_200
_FIRST_KEPT: Final = 8
"""A smaller run thins out the kinds that can be counted; so many of each are tried in any."""

CATALOGUE: Final = named(
    bytes_of_chain.KINDS,
    entries_of_chain.KINDS,
    signatures.KINDS,
    media.KINDS,
    trust_of_evidence.KINDS,
    ledger_proofs.KINDS,
    shifts_and_cards.KINDS,
    undetectable.KINDS,
)
CHECKS: Final = tuple(
    kind for kind, group in CLASS_OF_KIND.items() if group in ("altered", "incomplete", "issuer", "gap")
)
"""Findings that bear on the verdict; the others (withheld, notes) tell a reader something and change no word."""

BACKED: Final[Mapping[str, str]] = {
    "entry-key-unknown": "an entry that nobody vouches for has first a link or a signature that does not hold, which is named",
    "recording-interrupted": "the `resumed` that ends the recording is unclean and named itself",
}
"""Checks that never are the only one to name an attack, by design, and why."""


def share_of(budget_s: float) -> float:
    """Return which part of a full run a budget pays for; more than 1 draws more."""
    return budget_s / FULL_BUDGET_S


def planned(kind: Kind, *, seed: int, budget_s: float) -> Iterable[tuple[int, Attack]]:
    """Return the numbered attacks of a kind that a run of this budget tries; the same for the same seed and budget."""
    share = share_of(budget_s)
    weights = sum(each.weight for each in CATALOGUE.values())
    if kind.weight:
        count = max(_FIRST_KEPT, round(DRAWN_FULL * share * kind.weight / weights))
        yield from attacks_of(kind, seed=seed, count=count)
        return
    stride = max(1, round(1 / share))
    for number, attack in attacks_of(kind, seed=seed, count=0):
        if kind.is_whole or number < _FIRST_KEPT or number % stride == seed % stride:
            yield number, attack
