"""Checkpoints: what a log signs of its tree, and when a reader believes one.

Implements spec/08-ledger.md, 8.7 and 8.9 (C2SP tlog-checkpoint). That a device never goes back to a smaller one is for who keeps the last.
"""

from dataclasses import dataclass
from typing import Final

from protocol.errors import LedgerRefused
from protocol.keys import EntryKey
from protocol.ledger.note import Cosignature, Note, NoteSignature, cosigners, parse_note, sign_text, signers
from protocol.ledger.text import (
    HASH_SIZE_BYTES,
    first_control,
    format_base64,
    malformed,
    parse_decimal,
    parse_hash,
)
from protocol.ledger.trust import LedgerTrust
from protocol.units import UINT_MAX

_SECTION: Final = "spec/08-ledger.md, 8.7"
_TRUST_SECTION: Final = "spec/08-ledger.md, 8.9"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log's tree: whose, how many leaves, which root. ``extension`` lines are opaque, and ours has none."""

    origin: str
    size: int
    root: bytes
    extension: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what does not have one text."""
        for line in (self.origin, *self.extension):
            if not line or first_control(line) is not None:
                raise malformed(f"line {line[:80]!r} is empty or holds a control character", section=_SECTION)
        if not 0 <= self.size <= UINT_MAX:
            raise malformed(f"tree of {self.size} leaves, fewer than 2^63 expected", section=_SECTION)
        if len(self.root) != HASH_SIZE_BYTES:
            raise malformed(f"root of {len(self.root)} bytes, {HASH_SIZE_BYTES} expected", section=_SECTION)

    @property
    def text(self) -> str:
        """Return the text that is signed."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, format_base64(self.root), *self.extension))


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that this is the text of.

    Raises:
        LedgerRefused: ``form``.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1]:
        raise malformed(f"{len(lines) - 1} whole lines, origin, size and root expected", section=_SECTION)
    origin, size, root, *extension = lines[:-1]
    return Checkpoint(
        origin,
        parse_decimal(size, what="tree size", section=_SECTION),
        parse_hash(root, what="root", section=_SECTION),
        tuple(extension),
    )


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint and the note that it stands in; no signature of it is verified."""

    checkpoint: Checkpoint
    note: Note

    def encoded(self) -> bytes:
        """Return the bytes of the note."""
        return self.note.encoded()

    def with_signatures(self, more: tuple[NoteSignature, ...]) -> "SignedCheckpoint":
        """Return it with these signatures below those that it has, but for those that it has already."""
        new = dict.fromkeys(signature for signature in more if signature not in self.note.signatures)
        return SignedCheckpoint(self.checkpoint, Note(self.note.text, (*self.note.signatures, *new)))


def parse_signed_checkpoint(data: bytes) -> SignedCheckpoint:
    """Return the checkpoint in a note. Nothing is verified.

    Raises:
        LedgerRefused: ``form``.
    """
    note = parse_note(data)
    return SignedCheckpoint(parse_checkpoint(note.text), note)


def sign_checkpoint(checkpoint: Checkpoint, key: EntryKey) -> SignedCheckpoint:
    """Return the checkpoint signed by the log, whose key has the origin as its name."""
    text = checkpoint.text
    return SignedCheckpoint(checkpoint, Note(text, (sign_text(text, checkpoint.origin, key),)))


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint that the log signed and enough witnesses have seen."""

    checkpoint: Checkpoint
    cosignatures: tuple[Cosignature, ...]
    signed_bytes: bytes

    @property
    def cosigned_at_s(self) -> int | None:
        """Return the newest time of a cosignature: it was later than that when the last of them was made."""
        return max((cosignature.at_s for cosignature in self.cosignatures), default=None)


def verify_checkpoint(data: bytes, trust: LedgerTrust) -> VerifiedCheckpoint:
    """Return the checkpoint of the log that is trusted.

    Raises:
        LedgerRefused: ``form``; ``origin``; ``log-signature``, none of the log's keys signed it; ``witnesses``, too few cosigned it;
            ``signature``, one that claims to be by a key that is trusted does not hold.
    """
    signed = parse_signed_checkpoint(data)
    origin = signed.checkpoint.origin
    if origin != trust.origin:
        message = f"checkpoint of the log {origin[:80]!r}, {trust.origin!r} expected"
        raise LedgerRefused(message, kind="origin", section=_TRUST_SECTION)
    if not signers(signed.note, trust.log_keys):
        message = f"checkpoint of {origin} is signed by none of the {len(trust.log_keys)} keys of that log"
        raise LedgerRefused(message, kind="log-signature", section=_TRUST_SECTION)
    cosignatures = cosigners(signed.note, trust.outside_keys)
    if len(cosignatures) < trust.witness_threshold:
        found = f"checkpoint of {signed.checkpoint.size} leaves is cosigned by {len(cosignatures)}"
        message = f"{found} of {len(trust.outside_keys)} trusted witnesses, {trust.witness_threshold} expected"
        raise LedgerRefused(message, kind="witnesses", section=_TRUST_SECTION)
    return VerifiedCheckpoint(signed.checkpoint, cosignatures, data)
