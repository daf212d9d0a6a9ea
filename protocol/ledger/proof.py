"""The offline proof that a leaf is in the ledger (spec/08-ledger.md, 8.10; C2SP tlog-proof)."""

from dataclasses import dataclass
from typing import Final

from protocol.ledger.checkpoint import VerifiedCheckpoint, verify_checkpoint
from protocol.ledger.merkle import verify_inclusion
from protocol.ledger.text import (
    HASH_SIZE_BYTES,
    decode_text,
    format_base64,
    malformed,
    parse_base64,
    parse_decimal,
    parse_hash,
)
from protocol.ledger.trust import LedgerTrust
from protocol.units import NOTE_SIZE_BYTES_MAX, PROOF_EXTRA_SIZE_BYTES_MAX, PROOF_HASHES_MAX, UINT_MAX

_SECTION: Final = "spec/08-ledger.md, 8.10"
_FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"

PROOF_SIZE_BYTES_MAX: Final = NOTE_SIZE_BYTES_MAX + 2 * PROOF_EXTRA_SIZE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class LedgerProof:
    """Leaf number, the hashes from its sibling up to the root's child, and the signed checkpoint as it came.

    Nothing binds ``extra``: who uses it checks it against the leaf.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what does not have one text."""
        if not 0 <= self.index <= UINT_MAX:
            raise malformed(f"leaf {self.index}, below 2^63 expected", section=_SECTION)
        if len(self.hashes) > PROOF_HASHES_MAX or any(len(one) != HASH_SIZE_BYTES for one in self.hashes):
            expected = f"at most {PROOF_HASHES_MAX} of {HASH_SIZE_BYTES} bytes expected"
            raise malformed(f"{len(self.hashes)} hashes, {expected}", section=_SECTION)
        if self.extra is not None and not 1 <= len(self.extra) <= PROOF_EXTRA_SIZE_BYTES_MAX:
            expected = f"1 to {PROOF_EXTRA_SIZE_BYTES_MAX} expected"
            raise malformed(f"extra of {len(self.extra)} bytes, {expected}", section=_SECTION)


def format_proof(proof: LedgerProof) -> bytes:
    """Return the bytes of a `.tlog-proof` file."""
    lines = [_FIRST_LINE]
    if proof.extra is not None:
        lines.append(f"extra {format_base64(proof.extra)}")
    lines += [f"index {proof.index}", *map(format_base64, proof.hashes), "", ""]
    return "\n".join(lines).encode("ascii") + proof.checkpoint


def parse_proof(data: bytes) -> LedgerProof:
    """Return the proof that these are the one form of; nothing is verified, and the checkpoint is not parsed.

    Raises:
        LedgerRefused: ``form``.
    """
    text = decode_text(data, size_bytes_max=PROOF_SIZE_BYTES_MAX, section=_SECTION)
    head, separator, checkpoint = text.partition("\n\n")
    if not separator:
        raise malformed("no empty line between proof and checkpoint", section=_SECTION)
    first, *lines = head.split("\n")
    if first != _FIRST_LINE:
        raise malformed(f"first line {first[:80]!r}, {_FIRST_LINE!r} expected", section=_SECTION)
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = parse_base64(lines.pop(0).removeprefix("extra "), what="extra", section=_SECTION)
    if not lines or not lines[0].startswith("index "):
        raise malformed("no index where one is expected", section=_SECTION)
    index = parse_decimal(lines.pop(0).removeprefix("index "), what="index", section=_SECTION)
    if len(lines) > PROOF_HASHES_MAX:
        raise malformed(f"{len(lines)} hashes, at most {PROOF_HASHES_MAX} expected", section=_SECTION)
    hashes = tuple(parse_hash(line, what="hash", section=_SECTION) for line in lines)
    return LedgerProof(index, hashes, checkpoint.encode("utf-8"), extra)


@dataclass(frozen=True, slots=True)
class VerifiedInclusion:
    """A leaf is number ``index`` of the tree of a checkpoint that is believed."""

    index: int
    checkpoint: VerifiedCheckpoint


def verify_proof(proof: LedgerProof, leaf: bytes, trust: LedgerTrust) -> VerifiedInclusion:
    """Check the proof for the leaf with the hash ``leaf`` (`merkle.leaf_hash`).

    Raises:
        LedgerRefused: as `verify_checkpoint` says, or ``inclusion``.
    """
    checkpoint = verify_checkpoint(proof.checkpoint, trust)
    tree = checkpoint.checkpoint
    verify_inclusion(leaf, proof.index, tree.size, proof.hashes, tree.root)
    return VerifiedInclusion(proof.index, checkpoint)
