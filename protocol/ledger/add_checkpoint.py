"""Asking a witness for a cosignature, and what it answers.

Implements spec/08-ledger.md, 8.11 (C2SP tlog-witness, add-checkpoint). The decision is a table of checks; clock, disk and HTTP are the caller's,
who makes the new head durable, compared and written in one step, before he signs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from protocol.errors import LedgerRefused
from protocol.ledger.checkpoint import Checkpoint, SignedCheckpoint, parse_signed_checkpoint
from protocol.ledger.merkle import EMPTY_ROOT, verify_consistency
from protocol.ledger.note import signers
from protocol.ledger.text import HASH_SIZE_BYTES, decode_text, format_base64, malformed, parse_decimal, parse_hash
from protocol.units import NOTE_SIZE_BYTES_MAX, PROOF_HASHES_MAX, UINT_MAX

_SECTION: Final = "spec/08-ledger.md, 8.11"
SIZE_CONTENT_TYPE: Final = "text/x.tlog.size"
REQUEST_SIZE_BYTES_MAX: Final = NOTE_SIZE_BYTES_MAX + 4096


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A log's request: cosign this checkpoint, which goes on from the tree of ``old_size`` leaves as ``proof`` shows."""

    old_size: int
    proof: tuple[bytes, ...]
    signed: SignedCheckpoint

    def __post_init__(self) -> None:
        """Refuse what does not have one text."""
        if not 0 <= self.old_size <= UINT_MAX:
            raise malformed(f"old size {self.old_size}, below 2^63 expected", section=_SECTION)
        if len(self.proof) > PROOF_HASHES_MAX or any(len(one) != HASH_SIZE_BYTES for one in self.proof):
            expected = f"at most {PROOF_HASHES_MAX} of {HASH_SIZE_BYTES} bytes expected"
            raise malformed(f"{len(self.proof)} hashes, {expected}", section=_SECTION)


def format_add_checkpoint(request: AddCheckpoint) -> bytes:
    """Return the body of the request."""
    lines = [f"old {request.old_size}", *map(format_base64, request.proof), "", ""]
    return "\n".join(lines).encode("ascii") + request.signed.encoded()


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Return the request that this is the body of; nothing is verified. What this refuses is answered with `Outcome.MALFORMED`.

    Raises:
        LedgerRefused: ``form``.
    """
    text = decode_text(body, size_bytes_max=REQUEST_SIZE_BYTES_MAX, section=_SECTION)
    head, separator, checkpoint = text.partition("\n\n")
    if not separator:
        raise malformed("no empty line between proof and checkpoint", section=_SECTION)
    first, *lines = head.split("\n")
    if not first.startswith("old "):
        raise malformed(f"first line {first[:80]!r}, the old size expected", section=_SECTION)
    if len(lines) > PROOF_HASHES_MAX:
        raise malformed(f"{len(lines)} hashes, at most {PROOF_HASHES_MAX} expected", section=_SECTION)
    return AddCheckpoint(
        parse_decimal(first.removeprefix("old "), what="old size", section=_SECTION),
        tuple(parse_hash(line, what="hash", section=_SECTION) for line in lines),
        parse_signed_checkpoint(checkpoint.encode("utf-8")),
    )


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a witness keeps of a log: the size and root of the newest checkpoint that it cosigned."""

    size: int
    root: bytes


NO_HEAD: Final = TreeHead(0, EMPTY_ROOT)
"""What a witness knows of a log that it never cosigned."""


class Outcome(Enum):
    """What a witness makes of a request."""

    COSIGN = "cosign"
    MALFORMED = "malformed"
    UNKNOWN_SIGNATURE = "unknown-signature"
    UNKNOWN_ORIGIN = "unknown-origin"
    CONFLICT = "conflict"
    NOT_CONSISTENT = "not-consistent"


HTTP_STATUS: Final[dict[Outcome, int]] = {
    Outcome.COSIGN: 200,
    Outcome.MALFORMED: 400,
    Outcome.UNKNOWN_SIGNATURE: 403,
    Outcome.UNKNOWN_ORIGIN: 404,
    Outcome.CONFLICT: 409,
    Outcome.NOT_CONSISTENT: 422,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a witness does. Only of ``COSIGN`` it makes ``head`` durable in place of the known one, and then signs the text."""

    outcome: Outcome
    reason: str
    head: TreeHead

    @property
    def status(self) -> int:
        """Return the HTTP status of the answer."""
        return HTTP_STATUS[self.outcome]

    @property
    def refusal_body(self) -> tuple[str, bytes]:
        """Return content type and body of the answer where nothing is cosigned."""
        if self.outcome is Outcome.CONFLICT:
            return SIZE_CONTENT_TYPE, f"{self.head.size}\n".encode("ascii")
        return "text/plain; charset=utf-8", f"{self.reason}\n".encode()


@dataclass(frozen=True, slots=True)
class _Case:
    request: AddCheckpoint
    log_keys: Sequence[bytes]
    known: TreeHead

    @property
    def checkpoint(self) -> Checkpoint:
        return self.request.signed.checkpoint


def _unknown_origin(case: _Case) -> str | None:
    return None if case.log_keys else f"no keys are known of the log {case.checkpoint.origin[:80]!r}"


def _unknown_signature(case: _Case) -> str | None:
    try:
        return None if signers(case.request.signed.note, case.log_keys) else "signed by no known key of the log"
    except LedgerRefused as error:
        return str(error)


def _smaller(case: _Case) -> str | None:
    old, new = case.request.old_size, case.checkpoint.size
    return None if old <= new else f"old size {old} is larger than the checkpoint's, {new}"


def _conflict(case: _Case) -> str | None:
    old, known = case.request.old_size, case.known.size
    return None if old == known else f"old size {old}, {known} expected"


def _empty_with_root(case: _Case) -> str | None:
    is_right = case.checkpoint.size > 0 or case.checkpoint.root == EMPTY_ROOT
    return None if is_right else f"an empty tree with root {case.checkpoint.root.hex()}, {EMPTY_ROOT.hex()} expected"


def _not_consistent(case: _Case) -> str | None:
    # Equal sizes with another root, and a proof where none belongs, are refused here too.
    checkpoint, known = case.checkpoint, case.known
    try:
        verify_consistency(known.size, known.root, checkpoint.size, checkpoint.root, case.request.proof)
    except LedgerRefused as error:
        return str(error)
    return None


CHECKS: Final[tuple[tuple[Callable[[_Case], str | None], Outcome], ...]] = (
    (_unknown_origin, Outcome.UNKNOWN_ORIGIN),
    (_unknown_signature, Outcome.UNKNOWN_SIGNATURE),
    (_smaller, Outcome.MALFORMED),
    (_conflict, Outcome.CONFLICT),
    (_empty_with_root, Outcome.NOT_CONSISTENT),
    (_not_consistent, Outcome.NOT_CONSISTENT),
)
"""In this order; the first that gives a reason decides, and where none does the witness cosigns."""


def decide(request: AddCheckpoint, log_keys: Sequence[bytes], known: TreeHead | None) -> Decision:
    """Say what a witness does with a request.

    ``log_keys`` are those that it trusts for the checkpoint's origin, none where it does not know that log; ``known`` is what it keeps
    of that origin. Reading ``known`` and writing the new head must be one step, or two requests at once would let a log go back.
    """
    case = _Case(request, log_keys, NO_HEAD if known is None else known)
    for check, outcome in CHECKS:
        if (reason := check(case)) is not None:
            return Decision(outcome, reason, case.known)
    return Decision(Outcome.COSIGN, "consistent", TreeHead(case.checkpoint.size, case.checkpoint.root))


def parse_known_size(body: bytes) -> int:
    """Return the size that a witness answers with ``CONFLICT``: what the log makes its proof from.

    Raises:
        LedgerRefused: ``form``.
    """
    text = decode_text(body, size_bytes_max=32, section=_SECTION)
    if not text.endswith("\n"):
        raise malformed("size without a newline after it", section=_SECTION)
    return parse_decimal(text[:-1], what="known size", section=_SECTION)
