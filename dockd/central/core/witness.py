"""What a witness keeps of a log and how it is written: the newest checkpoint that it cosigned, as a note. Pure.

Implements the keeping half of spec/08-ledger.md, 8.11; who is cosigned is decided in `protocol.ledger.add_checkpoint`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from protocol.errors import LedgerRefused
from protocol.keys import EntryKey
from protocol.ledger.add_checkpoint import TreeHead
from protocol.ledger.checkpoint import SignedCheckpoint, parse_signed_checkpoint
from protocol.ledger.note import (
    COSIGNATURE_TYPE,
    ED25519_TYPE,
    Note,
    NoteSignature,
    VerifierKey,
    cosign_text,
    cosigners,
)

STATE_SUFFIX: Final = ".checkpoint"
FORK_SUFFIX: Final = ".fork"
NEW_SUFFIX: Final = ".new"
REPEAT_S: Final = 10
"""Within these seconds the same checkpoint is answered with the same line: whoever replays it costs the disk no write."""
_SECTION: Final = "spec/08-ledger.md, 8.11"


def origin_hash(origin: str) -> str:
    """Return the SHA-256 of an origin in hex, which is its place in addresses and names its files."""
    return sha256(origin.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest checkpoint of a log that was cosigned: with the log's signatures and ours, and none of anybody else."""

    signed: SignedCheckpoint
    line: NoteSignature
    at_s: int

    @property
    def head(self) -> TreeHead:
        """Return what the next request is held against."""
        return TreeHead(self.signed.checkpoint.size, self.signed.checkpoint.root)

    def encoded(self) -> bytes:
        """Return the bytes of the state file."""
        return self.signed.encoded()


def cosign(
    signed: SignedCheckpoint, log_keys: Sequence[bytes], witness: VerifierKey, key: EntryKey, *, at_s: int
) -> Seen:
    """Return what is to be kept of a checkpoint that was decided to be cosigned. The line may leave once that is durable."""
    line = cosign_text(signed.note.text, witness.name, key, at_s=at_s)
    return Seen(SignedCheckpoint(signed.checkpoint, Note(signed.note.text, (*_by(signed, log_keys), line))), line, at_s)


def without_others(signed: SignedCheckpoint, log_keys: Sequence[bytes]) -> SignedCheckpoint:
    """Return a checkpoint with the lines of its log alone; anybody could have added others."""
    return SignedCheckpoint(signed.checkpoint, Note(signed.note.text, _by(signed, log_keys)))


def _by(signed: SignedCheckpoint, log_keys: Sequence[bytes]) -> tuple[NoteSignature, ...]:
    """Return one line a key, under the origin's name where there is one: the log's holder may sign under several."""
    found: dict[bytes, NoteSignature] = {}
    for key in log_keys:
        for line in signed.note.signatures:
            if line.claims(ED25519_TYPE, key) and (key not in found or line.name == signed.checkpoint.origin):
                found[key] = line
    return tuple(found.values())


def parse_seen(data: bytes, origin: str | None, witness: VerifierKey) -> Seen:
    """Return what a state file says, of the log ``origin`` or, with None, of any.

    Our own cosignature in it is the proof that the file is whole and is ours.

    Raises:
        LedgerRefused: the file is damaged, of another log, or of another witness.
    """
    signed = parse_signed_checkpoint(data)
    if origin is not None and signed.checkpoint.origin != origin:
        message = f"state of the log {signed.checkpoint.origin[:80]!r}, {origin[:80]!r} expected"
        raise LedgerRefused(message, kind="origin", section=_SECTION)
    for line in signed.note.signatures:
        if line.name == witness.name and line.claims(COSIGNATURE_TYPE, witness.public_key):
            (found,) = cosigners(Note(signed.note.text, (line,)), (witness.public_key,))
            return Seen(signed, line, found.at_s)
    message = f"state of {signed.checkpoint.origin[:80]!r} without a cosignature by {witness.name}, one expected"
    raise LedgerRefused(message, kind="signature", section=_SECTION)


def is_repeat(seen: Seen | None, signed: SignedCheckpoint, now_s: int) -> bool:
    """Say whether the line that is kept answers this checkpoint too; also while the clock stands before its time."""
    return seen is not None and seen.signed.note.text == signed.note.text and now_s < seen.at_s + REPEAT_S


def proves_fork(signed: SignedCheckpoint, known: TreeHead) -> bool:
    """Say whether a checkpoint that the log signed shows another tree of the size that was cosigned: it signed two."""
    checkpoint = signed.checkpoint
    return checkpoint.size == known.size > 0 and checkpoint.root != known.root
