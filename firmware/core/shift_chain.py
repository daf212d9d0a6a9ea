"""The writing end of a shift's chain: sequence, links and one-time keys (spec/02-chain.md, 2.2 and 2.3).

It makes records and remembers; the app makes them durable and says so. Python cannot wipe memory: a key that was used is
dropped, and its object with it.
"""

from dataclasses import dataclass

from protocol.chain import make_entry
from protocol.entries import DEVICE_ONLY_KINDS, DEVICE_SIGNED_KINDS, KIND_OF_BODY, Body, names_no_next_key
from protocol.keys import DeviceSigner, SoftwareEd25519


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The last durable entry."""

    sequence: int
    head_hash: bytes


@dataclass(slots=True)
class _Pending:
    body: Body
    record: bytes
    end: ChainEnd
    next_key: SoftwareEd25519 | None


class ShiftChain:
    """One shift's chain, from its opening or from where a process before this one left it."""

    def __init__(self, *, shift_id: bytes, device: DeviceSigner, end: ChainEnd | None = None) -> None:
        """Begin a new chain, or go on after ``end``: then the next entry must be `resumed`."""
        self.shift_id = shift_id
        self.end = end
        self._device = device
        self._key: SoftwareEd25519 | None = None
        self._pending: _Pending | None = None

    def record_for(self, body: Body, *, salt: bytes, next_seed: bytes) -> bytes:
        """Return the record to append for ``body``; the same bytes again until `confirm_durable` is told.

        ``salt`` is 16 and ``next_seed`` 32 fresh random bytes.
        """
        if self._pending is not None:
            assert self._pending.body == body, "another entry is still pending"
            return self._pending.record
        kind = KIND_OF_BODY[type(body)]
        next_key = None if names_no_next_key(kind, body) else SoftwareEd25519(next_seed)
        is_device_only = kind in DEVICE_ONLY_KINDS
        assert is_device_only or self._key is not None, f"{kind} has no key to sign it: resumed must come first"
        entry, record = make_entry(
            shift_id=self.shift_id,
            sequence=0 if self.end is None else self.end.sequence + 1,
            previous=None if self.end is None else self.end.head_hash,
            body=body,
            body_salt=salt,
            entry_key=None if is_device_only else self._key,
            device=self._device if kind in DEVICE_SIGNED_KINDS else None,
            next_key=None if next_key is None else next_key.public_key,
        )
        end = ChainEnd(entry.head.sequence, entry.head_hash)
        self._pending = _Pending(body, record, end, next_key)
        return record

    def confirm_durable(self) -> ChainEnd:
        """Take the pending entry as written: its key is gone, the next one takes over."""
        assert self._pending is not None, "no entry is pending"
        self.end, self._key = self._pending.end, self._pending.next_key
        self._pending = None
        return self.end
