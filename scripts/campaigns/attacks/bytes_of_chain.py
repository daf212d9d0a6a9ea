"""Attacks on the bytes of a chain file: flips field by field, cuts, insertions, lost sectors, lengths that lie."""

from collections.abc import Iterator
from random import Random
from typing import Final

from protocol.chain import Entry
from scripts.campaigns.attacks.anatomy import Field, fields_of
from scripts.campaigns.attacks.attack import SECTOR_BYTES, Attack, Registry, Where
from scripts.campaigns.attacks.evidence import Written, archive, without_receipts

KINDS: Final = Registry()
_SIGNATURE_BYTES: Final = 64

_SIGNED_WRONG: Final = ("entry-signature-invalid", "device-signature-invalid")
# What a flip in a field is found as. A parse error counts only where the field's own form breaks: a number, a word.
_FOUND_AS: Final[dict[str, tuple[str, ...]]] = {
    "size": ("record-unreadable",),
    "version": ("record-unreadable",),
    "shift_id": ("entry-out-of-sequence",),
    "sequence": ("entry-out-of-sequence", "record-unreadable", "kind-out-of-place"),
    "previous": ("entry-not-linked",),
    "kind": (*_SIGNED_WRONG, "record-unreadable", "kind-out-of-place", "entry-signature-unexpected"),
    "next_key": _SIGNED_WRONG,
    "body_hash": ("body-mismatch",),
    "body_salt": ("body-mismatch",),
    "body_content": ("body-mismatch",),
    "entry_signature": ("entry-signature-invalid",),
    "device_signature": ("device-signature-invalid",),
}


def _flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def _flip(written: Written, sequence: int, field: Field, at: int, bit: int) -> Attack:
    start = written.shift.cuts()[sequence]
    entry = written.shift.entries[sequence]
    chain = written.shift.chain
    done = f"bit {bit} of byte {at} of the chain flipped: {field.name} of entry {sequence}, {entry.head.kind}"
    # Where the first entry's shift is changed, it is the second that is of another one.
    offsets = written.shift.cuts()[sequence : sequence + 2] if field.name == "shift_id" else (start,)
    where = Where(sequences=_named_for(field, entry), file="chain", offsets_bytes=offsets)
    return Attack(done, written.with_chain(_flipped(chain, at, bit)), written.evidence, _FOUND_AS[field.name], where)


def _named_for(field: Field, entry: Entry) -> tuple[int, ...] | None:
    """Return which entries a finding may name; a changed number names what it was changed to, a changed shift the next one too."""
    sequence = entry.head.sequence
    if field.name == "sequence":
        return None
    return (sequence, sequence + 1) if field.name == "shift_id" else (sequence,)


def _flips(names: frozenset[str], random: Random, count: int) -> Iterator[Attack]:
    """Yield flips of the first and the last byte of every such field of every entry, then of bytes that are drawn."""
    places = [
        (written, entry.head.sequence, field)
        for written in archive().shifts
        for entry in written.shift.entries
        for field in fields_of(entry)
        if field.name in names
    ]
    fixed = [(place, at) for place in places for at in (place[2].start, place[2].end - 1)]
    if len(fixed) > count:
        fixed = random.sample(fixed, count)
    drawn = [random.choice(places) for _ in range(count - len(fixed))]
    fixed += [(place, random.randrange(place[2].start, place[2].end)) for place in drawn]
    for (written, sequence, field), offset in fixed:
        at = written.shift.cuts()[sequence] + offset
        yield _flip(written, sequence, field, at, random.randrange(8))


@KINDS.kind("flip-size", "a bit of a record's size is flipped", weight=4)
def _flip_size(random: Random, count: int) -> Iterator[Attack]:
    yield from _flips(frozenset({"size", "version"}), random, count)


@KINDS.kind("flip-head", "a bit of an entry's head is flipped", weight=22)
def _flip_head(random: Random, count: int) -> Iterator[Attack]:
    names = frozenset({"shift_id", "sequence", "previous", "kind", "next_key", "body_hash"})
    yield from _flips(names, random, count)


@KINDS.kind("flip-body", "a bit of an entry's body is flipped", weight=20)
def _flip_body(random: Random, count: int) -> Iterator[Attack]:
    yield from _flips(frozenset({"body_salt", "body_content"}), random, count)


@KINDS.kind("flip-entry-signature", "a bit of a signature by an entry key is flipped", weight=8)
def _flip_entry_signature(random: Random, count: int) -> Iterator[Attack]:
    yield from _flips(frozenset({"entry_signature"}), random, count)


@KINDS.kind("flip-device-signature", "a bit of a signature by the device key is flipped", weight=6)
def _flip_device_signature(random: Random, count: int) -> Iterator[Attack]:
    yield from _flips(frozenset({"device_signature"}), random, count)


@KINDS.kind("flip-anywhere", "a bit of a chain at any byte is flipped, CBOR's own bytes included", weight=10)
def _flip_anywhere(random: Random, count: int) -> Iterator[Attack]:
    everything = tuple(sorted({kind for kinds in _FOUND_AS.values() for kind in kinds}))
    for number in range(count):
        written = archive().shifts[number % len(archive().shifts)]
        chain = written.shift.chain
        at, bit = random.randrange(len(chain)), random.randrange(8)
        done = f"bit {bit} of byte {at} of the chain flipped"
        yield Attack(done, written.with_chain(_flipped(chain, at, bit)), written.evidence, everything)


@KINDS.kind("cut-chain", "the chain ends at some byte: at each sector's border, and at others that are drawn", weight=4)
def _cut_chain(random: Random, count: int) -> Iterator[Attack]:
    for written, at in _byte_places(random, count):
        done = f"the chain is cut at byte {at}"
        expected = ("chain-not-closed",) if at in written.shift.cuts() else ("record-unreadable",)
        start = max(cut for cut in written.shift.cuts() if cut <= at)
        where = Where(file="chain", offsets_bytes=(start,))
        if start > 0:
            yield Attack(done, written.with_chain(written.shift.chain[:at]), written.evidence, expected, where)


@KINDS.kind("insert-bytes", "bytes are put in at some place of a chain", weight=5)
def _insert_bytes(random: Random, count: int) -> Iterator[Attack]:
    for written, at in _byte_places(random, count):
        junk = random.randbytes(random.randint(1, 40))
        chain = written.shift.chain
        done = f"{len(junk)} bytes are put in at byte {at}: {junk.hex()}"
        yield _broken(written, chain[:at] + junk + chain[at:], done, at)


@KINDS.kind(
    "junk-between-entries", "bytes that are no entry stand between two entries, and the receipts are taken away"
)
def _junk(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        chain, bare = written.shift.chain, without_receipts(written)
        for at in written.shift.cuts():
            for junk in (bytes(SECTOR_BYTES), b"\x00", random.randbytes(random.randint(1, 600))):
                done = f"{len(junk)} bytes are put in between entries at byte {at}"
                evidence = written.with_files(bare | {"chain": chain[:at] + junk + chain[at:]})
                where = Where(file="chain", offsets_bytes=(at,))
                yield Attack(done, evidence, written.evidence, ("record-unreadable",), where)


@KINDS.kind("drop-bytes", "bytes are taken out at some place of a chain", weight=5)
def _drop_bytes(random: Random, count: int) -> Iterator[Attack]:
    for written, at in _byte_places(random, count):
        size = random.randint(1, 40)
        chain = written.shift.chain
        yield _broken(written, chain[:at] + chain[at + size :], f"{size} bytes are taken out at byte {at}", at)


@KINDS.kind("zero-sector", "a sector of a chain reads as zeros", weight=2)
def _zero_sector(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        chain = written.shift.chain
        for at in range(0, len(chain), SECTOR_BYTES):
            bad = chain[:at] + bytes(len(chain[at : at + SECTOR_BYTES])) + chain[at + SECTOR_BYTES :]
            yield _broken(written, bad, f"the {SECTOR_BYTES} bytes from byte {at} are zero", at)


@KINDS.kind("stale-sector", "a sector of a chain holds what stood in another one", weight=2)
def _stale_sector(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        chain = written.shift.chain
        for at in range(0, len(chain) - 2 * SECTOR_BYTES, SECTOR_BYTES):
            stale = chain[at + SECTOR_BYTES : at + 2 * SECTOR_BYTES]
            bad = chain[:at] + stale + chain[at + SECTOR_BYTES :]
            yield _broken(written, bad, f"the sector at byte {at} holds the bytes of the next one", at)


def _broken(written: Written, chain: bytes, done: str, at: int) -> Attack:
    """Return an attack that breaks a record at ``at``. In a record's last bytes only its signature breaks, then the next record."""
    cuts = written.shift.cuts()
    start = max(cut for cut in cuts if cut <= at)
    where = Where(file="chain", offsets_bytes=(start, next((cut for cut in cuts if cut > at), start)))
    is_in_last_signature = at > cuts[-1] - _SIGNATURE_BYTES
    expected = ("record-unreadable", "device-signature-invalid") if is_in_last_signature else ("record-unreadable",)
    bare = without_receipts(written) if at % 2 else {}
    return Attack(done, written.with_files(bare | {"chain": chain}), written.evidence, expected, where)


def _byte_places(random: Random, count: int) -> Iterator[tuple[Written, int]]:
    """Yield places of chains: the first byte, the last, each sector's border, and drawn ones."""
    fixed = [
        (written, at)
        for written in archive().shifts
        for at in (1, len(written.shift.chain) - 1, *range(SECTOR_BYTES, len(written.shift.chain), SECTOR_BYTES))
    ]
    yield from fixed if len(fixed) <= count else random.sample(fixed, count)
    for _ in range(count - len(fixed)):
        written = random.choice(archive().shifts)
        yield written, random.randrange(1, len(written.shift.chain))


@KINDS.kind("lying-length", "a record says that it is far longer or shorter than it is, or holds a string that does")
def _lying_length(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        chain = written.shift.chain
        for sequence, start in enumerate(written.shift.cuts()[:-1]):
            where = Where(file="chain", offsets_bytes=(start,))
            for name, at, put in (
                ("a record of 2^32 - 1 bytes", start, b"\xff\xff\xff\xff"),
                ("a record of no bytes", start, bytes(4)),
                ("a record of 65,537 bytes", start, b"\x00\x01\x00\x01"),
                ("an entry of indefinite length", start + 4, b"\x9f"),
                ("an entry of 2^32 members", start + 4, b"\x9a\xff\xff\xff\xff"),
                ("a head of 2^63 bytes", start + 5, b"\x5b\x7f" + b"\xff" * 7),
            ):
                bad = chain[:at] + put + chain[at + len(put) :]
                done = f"entry {sequence} becomes {name}"
                yield Attack(done, written.with_chain(bad), written.evidence, ("record-unreadable",), where)
