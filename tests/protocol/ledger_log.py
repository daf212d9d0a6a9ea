"""A log with three witnesses, in memory, from fixed seeds."""

from protocol.keys import EntryKey, SoftwareEd25519
from protocol.ledger.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint
from protocol.ledger.merkle import inclusion_proof
from protocol.ledger.note import cosign_text
from protocol.ledger.proof import LedgerProof
from protocol.ledger.trust import LedgerTrust
from tests.protocol.ledger_trees import MemoryTree
from tests.protocol.shifts import secret

ORIGIN = "ledger.example/city"
AT_S = 1_790_000_000
LOG = SoftwareEd25519(secret("ledger/log"))
STRANGER = SoftwareEd25519(secret("ledger/stranger"))
WITNESSES = tuple(SoftwareEd25519(secret(f"ledger/witness/{number}")) for number in range(3))
TRUST = LedgerTrust(ORIGIN, (LOG.public_key,), tuple(witness.public_key for witness in WITNESSES), 2)
TREE = MemoryTree(100)


def checkpoint_of(size: int, *, tree: MemoryTree = TREE, origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, size, tree.roots[size])


def signed(checkpoint: Checkpoint, *witnesses: EntryKey, log: EntryKey = LOG) -> SignedCheckpoint:
    """Return it signed by the log and cosigned by these, each a second later than the one before."""
    lines = tuple(
        cosign_text(checkpoint.text, f"witness.example/w{number}", witness, at_s=AT_S + number)
        for number, witness in enumerate(witnesses)
    )
    return sign_checkpoint(checkpoint, log).with_signatures(lines)


def proof_of(index: int, size: int) -> LedgerProof:
    hashes = inclusion_proof(index, size, TREE.read)
    return LedgerProof(index, hashes, signed(checkpoint_of(size), *WITNESSES).encoded())
