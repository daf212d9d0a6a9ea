"""Attacks on the proofs that receipts stand in the ledger: bent, exchanged, unwitnessed, of another log (spec/08-ledger.md, 8.10)."""

from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Final

from protocol.layout import proof_name
from scripts.campaigns.attacks.attack import Attack, Registry
from scripts.campaigns.attacks.evidence import Written, agency_of, write
from tests.protocol.ledgers import Ledger

KINDS: Final = Registry()
_INVALID: Final = ("proof-invalid",)
_STORY: Final = "Oe[cc]h[c]Z"
_OTHERS_COUNT: Final = 5


@cache
def _logged() -> tuple[Written, Ledger]:
    """Return a shift whose receipts stand in a ledger that two witnesses cosigned, and the ledger."""
    ledger = Ledger("tamper")
    keys = tuple(witness.public_key for witness in ledger.witnesses)
    agency = agency_of("agency", ledger=ledger.identity, witness_keys=keys, witness_threshold=len(keys))
    written = write(_STORY, "logged", agency=agency)
    ledger.grow(_OTHERS_COUNT)
    receipts = {name: data for name, data in written.folder.items() if name.endswith(".receipt")}
    for data in receipts.values():
        ledger.add(data, agency.policy)
    ledger.grow(_OTHERS_COUNT)
    proofs = {proof_name(name): ledger.proof(data) for name, data in receipts.items()}
    return Written(written.shift, written.number, {**written.folder, **proofs}), ledger


def _receipts() -> Iterator[tuple[str, bytes]]:
    written, _ = _logged()
    yield from ((name, data) for name, data in written.folder.items() if name.endswith(".receipt"))


def _with(name: str, proof: bytes, done: str) -> Attack:
    written, _ = _logged()
    return Attack(f"{name}: {done}", written.with_files({name: proof}), written.evidence, _INVALID)


@KINDS.kind("flip-proof", "a bit of a receipt's proof is flipped", weight=5)
def _flip(random: Random, count: int) -> Iterator[Attack]:
    written, _ = _logged()
    names = [proof_name(name) for name, _ in _receipts()]
    for number in range(count):
        name = names[number % len(names)]
        data = written.folder[name]
        at, bit = random.randrange(len(data)), random.randrange(8)
        yield _with(name, data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :], f"bit {bit} of byte {at} flipped")


@KINDS.kind("cut-proof", "a receipt's proof ends early, goes on, or is rubbish")
def _cut(random: Random, count: int) -> Iterator[Attack]:
    written, _ = _logged()
    for receipt, _data in _receipts():
        name = proof_name(receipt)
        data = written.folder[name]
        for bad in (b"", data[: len(data) // 2], data[:-1], data + b"\n", random.randbytes(len(data))):
            yield _with(name, bad, f"{len(bad)} bytes instead of {len(data)}")


@KINDS.kind("proof-of-another-receipt", "a receipt is shown with the proof of another", is_whole=True)
def _exchanged(random: Random, count: int) -> Iterator[Attack]:
    written, _ = _logged()
    for receipt, _data in _receipts():
        for other, _other_data in _receipts():
            if other != receipt:
                yield _with(proof_name(receipt), written.folder[proof_name(other)], f"that of {other}")


@KINDS.kind("proof-unwitnessed", "too few witnesses have cosigned, or one of them twice", is_whole=True)
def _unwitnessed(random: Random, count: int) -> Iterator[Attack]:
    _, ledger = _logged()
    first, second = ledger.witnesses
    for receipt, data in _receipts():
        for done, witnesses in (
            ("nobody", ()),
            ("one", (first,)),
            ("the other", (second,)),
            ("one twice", (first, first)),
        ):
            yield _with(proof_name(receipt), ledger.proof(data, witnesses=witnesses), f"cosigned by {done}")


@KINDS.kind("proof-of-another-ledger", "the receipt stands in a ledger that somebody else keeps", is_whole=True)
def _elsewhere(random: Random, count: int) -> Iterator[Attack]:
    policy = agency_of("agency").policy
    for name, origin in (("elsewhere", "elsewhere.example/sealcam"), ("forger", "ledger.example/sealcam")):
        other = Ledger(name, origin=origin)
        for receipt, data in _receipts():
            other.grow()
            other.add(data, policy)
            yield _with(proof_name(receipt), other.proof(data), f"by {name}")
