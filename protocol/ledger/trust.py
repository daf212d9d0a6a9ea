"""Whom a reader of the ledger trusts, as a value (spec/08-ledger.md, 8.9)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LedgerTrust:
    """One log by its origin and keys, and how many of which witnesses must have seen a checkpoint. Keys are 32 bytes, Ed25519.

    A threshold above the number of witnesses is never reached; 0 asks for none.
    """

    origin: str
    log_keys: tuple[bytes, ...]
    witness_keys: tuple[bytes, ...]
    witness_threshold: int

    @property
    def outside_keys(self) -> tuple[bytes, ...]:
        """Return the witnesses that count: a log's own key is no witness of it."""
        return tuple(sorted(set(self.witness_keys) - set(self.log_keys)))
