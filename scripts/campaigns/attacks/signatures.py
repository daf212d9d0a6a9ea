"""Attacks on single entries: signatures stripped, exchanged, of small order; bodies exchanged, backdated, withheld; heads rewritten."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any, Final

from protocol.canonical import decode, digest, encode
from protocol.chain import Entry, device_purpose, encode_entry, entry_purpose, record_of
from protocol.cose import ED25519_HEADER, ESP256_HEADER, sign_detached, sign_detached_by_device
from protocol.entries import DEVICE_ONLY_KINDS, DEVICE_SIGNED_KINDS
from protocol.units import BODY_SALT_SIZE_BYTES
from scripts.campaigns.attacks.attack import Attack, Registry
from scripts.campaigns.attacks.entries_of_chain import at_every_entry, with_entries
from scripts.campaigns.attacks.evidence import THIEF, Written, archive
from tests.protocol.shifts import entry_key, records, secret, spliced, withheld

KINDS: Final = Registry()

NEUTRAL: Final = (1).to_bytes(32, "little")
NON_CANONICAL: Final = (2**255 - 18).to_bytes(32, "little")
"""The neutral point of Ed25519, and the same with a y that is not below the field's prime."""
SIGNED_WRONG: Final = ("entry-signature-invalid", "device-signature-invalid")


def _altered(written: Written, at: int, done: str, expected: tuple[str, ...], **changes: Any) -> Attack:
    entry = replace(written.shift.entries[at], **changes)
    entries = spliced(written.shift.entries, at=at, insert=[entry], drop=1)
    return with_entries(written, entries, f"entry {at}, {entry.head.kind}: {done}", expected, at)


def _one_of(written: Written, at: int, random: Random) -> Entry:
    return random.choice([entry for entry in written.shift.entries if entry.head.sequence != at])


@KINDS.kind("strip-entry-signature", "the signature by the entry key is taken off")
def _strip_entry(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        if written.shift.entries[at].entry_signature is not None:
            yield _altered(written, at, "stripped", ("entry-signature-missing",), entry_signature=None)


@KINDS.kind("strip-device-signature", "the signature by the device key is taken off")
def _strip_device(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        if written.shift.entries[at].device_signature is not None:
            yield _altered(written, at, "stripped", ("entry-signature-missing",), device_signature=None)


@KINDS.kind("strip-both-signatures", "an entry stands without any signature")
def _strip_both(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        done = "stripped of all signatures"
        yield _altered(written, at, done, ("entry-signature-missing",), entry_signature=None, device_signature=None)


@KINDS.kind("strip-everything", "no entry of a chain carries a signature")
def _strip_all(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        entries = [replace(entry, entry_signature=None, device_signature=None) for entry in written.shift.entries]
        yield with_entries(written, entries, "all signatures are taken off", ("entry-signature-missing",), 0)


@KINDS.kind("signature-of-another", "an entry carries the signature of another one")
def _of_another(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1):
        entry = written.shift.entries[at]
        signed = [each for each in written.shift.entries if each.entry_signature and each.head.sequence != at]
        if entry.entry_signature is not None:
            signature = random.choice(signed).entry_signature
            yield _altered(written, at, "another's signature", ("entry-signature-invalid",), entry_signature=signature)


@KINDS.kind("signature-unexpected", "an entry carries a signature that its kind does not have")
def _unexpected(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        shift, kind = written.shift, written.shift.entries[at].head.kind
        done, expected = "a signature too many", ("entry-signature-unexpected",)
        if kind in DEVICE_ONLY_KINDS:
            yield _altered(written, at, done, expected, entry_signature=shift.entries[-1].entry_signature)
        elif kind not in DEVICE_SIGNED_KINDS:
            yield _altered(written, at, done, expected, device_signature=shift.entries[0].device_signature)


@KINDS.kind("foreign-signer", "an entry is signed by a key that is not its own")
def _foreign(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        entry = written.shift.entries[at]
        kind, head = entry.head.kind, entry.head_bytes
        if entry.entry_signature is not None:
            signature = tuple(sign_detached(entry_key("thief"), entry_purpose(kind), head))
            yield _altered(written, at, "signed by a thief", ("entry-signature-invalid",), entry_signature=signature)
        if entry.device_signature is not None:
            signature = tuple(sign_detached_by_device(THIEF, device_purpose(kind), head))
            yield _altered(written, at, "signed by a thief", ("device-signature-invalid",), device_signature=signature)


@KINDS.kind("wrong-purpose", "an entry carries a good signature of its own key that was made for another kind")
def _wrong_purpose(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1):
        entry, key = written.shift.entries[at], written.shift.keys[at - 1]
        if entry.entry_signature is None or key is None:
            continue
        other = "heartbeat" if entry.head.kind != "heartbeat" else "event"
        signature = tuple(sign_detached(key, entry_purpose(other), entry.head_bytes))
        done = f"signed as {other}"
        yield _altered(written, at, done, ("entry-signature-invalid",), entry_signature=signature)


@KINDS.kind("wrong-header", "a signature stands under the header of another algorithm, or carries what it must not")
def _wrong_header(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        entry = written.shift.entries[at]
        for name, expected in (("entry_signature", SIGNED_WRONG[:1]), ("device_signature", SIGNED_WRONG[1:])):
            signature = getattr(entry, name)
            if not isinstance(signature, tuple):
                continue
            header, unprotected, payload, value = signature
            swapped = ESP256_HEADER if header == ED25519_HEADER else ED25519_HEADER
            for done, changed in (
                ("the other algorithm's header", (swapped, unprotected, payload, value)),
                ("an empty header", (b"", unprotected, payload, value)),
                ("a header that nobody signed", (header, {"a": 1}, payload, value)),
                ("its payload with it", (header, unprotected, entry.head_bytes, value)),
                ("a signature of 63 bytes", (header, unprotected, payload, value[:-1])),
            ):
                yield _altered(written, at, f"{name} with {done}", expected, **{name: changed})


@KINDS.kind("small-order-r", "the first half of a signature is a point of small order, or not canonical")
def _small_r(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1):
        signature = written.shift.entries[at].entry_signature
        if isinstance(signature, tuple):
            for point in (NEUTRAL, NON_CANONICAL, bytes(32)):
                changed = (*signature[:3], point + bytes(32))
                done = f"R is {point.hex()}"
                yield _altered(written, at, done, ("entry-signature-invalid",), entry_signature=changed)


class SmallOrder:
    """A key under which libraries take one signature for every message."""

    def __init__(self, public_key: bytes = NEUTRAL) -> None:
        """Take the point."""
        self.public_key = public_key

    def sign(self, message: bytes) -> bytes:
        """Return the signature that fits every message."""
        return NEUTRAL + bytes(32)


@KINDS.kind("small-order-key", "a stolen live key names a next key of small order, which then signs whatever is wanted")
def _small_key(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1, last=2):
        key = written.shift.keys[at - 1]
        if key is None:
            continue
        for point in (NEUTRAL, NON_CANONICAL, bytes(32)):
            forger = SmallOrder(point)
            named = written.shift.forged(at, key=key, next_key=forger)
            shift = replace(written.shift, entries=(*written.shift.entries[:at], named))
            after = shift.forged(at + 1, key=forger, next_key=entry_key("thief's next"))
            done = f"entry {at} names key {point.hex()}, entry {at + 1} is signed with it"
            entries = (*written.shift.entries[:at], named, after)
            yield with_entries(written, entries, done, ("entry-signature-invalid",), at + 1)


@KINDS.kind("rewrite-head", "a field of a head is set to something else, of the right form")
def _rewrite(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        entry = written.shift.entries[at]
        kind = "heartbeat" if entry.head.kind != "heartbeat" else "event"
        changes: list[tuple[dict[str, object], tuple[str, ...]]] = [
            ({"next_key": entry_key("thief").public_key}, (*SIGNED_WRONG, "kind-out-of-place")),
            ({"previous": secret("elsewhere")}, ("entry-not-linked",)),
            (
                {"kind": kind},
                (*SIGNED_WRONG, "kind-out-of-place", "entry-signature-missing", "entry-signature-unexpected"),
            ),
        ]
        for change, expected in changes:
            head = entry.head.model_copy(update=change)
            done = f"{next(iter(change))} is rewritten"
            yield _altered(written, at, done, expected, head=head, head_bytes=head.encoded())


@KINDS.kind("swap-bodies", "two entries exchange their bodies")
def _swap_bodies(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        other = _one_of(written, at, random)
        entries = list(written.shift.entries)
        entries[at] = replace(entries[at], body_bytes=other.body_bytes)
        entries[other.head.sequence] = replace(other, body_bytes=written.shift.entries[at].body_bytes)
        done = f"entries {at} and {other.head.sequence} exchange bodies"
        yield with_entries(written, entries, done, ("body-mismatch",), at)


def _moved(body_bytes: bytes, by_ms: int) -> bytes:
    """Return a body whose wall time is another."""
    salt, content = body_bytes[:BODY_SALT_SIZE_BYTES], decode(body_bytes[BODY_SALT_SIZE_BYTES:])
    mono_ns, boot_id, utc_ms, source, uncertainty_ms = content["at"]
    return salt + encode(content | {"at": [mono_ns, boot_id, utc_ms + by_ms, source, uncertainty_ms]})


@KINDS.kind("backdate", "the time in a body is moved, and the head is left as it is")
def _backdate(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        body = written.shift.entries[at].body_bytes
        assert body is not None
        by_ms = random.choice((-86_400_000, -1, 1, 3_600_000))
        yield _altered(written, at, f"time moved by {by_ms} ms", ("body-mismatch",), body_bytes=_moved(body, by_ms))


@KINDS.kind("backdate-rehashed", "the time in a body is moved, and the head commits to the new body")
def _backdate_rehashed(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        entry = written.shift.entries[at]
        assert entry.body_bytes is not None
        body = _moved(entry.body_bytes, -3_600_000)
        head = entry.head.model_copy(update={"body_hash": digest("sealcam/1 body", body)})
        yield _altered(
            written,
            at,
            "an hour earlier, hashed anew",
            SIGNED_WRONG,
            body_bytes=body,
            head=head,
            head_bytes=head.encoded(),
        )


@KINDS.kind("backdate-relinked", "a whole chain is moved by an hour and linked anew, with the old signatures")
def _backdate_relinked(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        entries: list[Entry] = []
        for entry in written.shift.entries:
            assert entry.body_bytes is not None
            body = _moved(entry.body_bytes, -3_600_000)
            previous = entries[-1].head_hash if entries else None
            update = {"body_hash": digest("sealcam/1 body", body), "previous": previous}
            head = entry.head.model_copy(update=update)
            entries.append(replace(entry, head=head, head_bytes=head.encoded(), body_bytes=body))
        yield with_entries(written, entries, "everything an hour earlier", ("device-signature-invalid",), 0)


@KINDS.kind(
    "body-not-canonical", "a body says the same in another encoding: a key twice, a long number, an indefinite length"
)
def _not_canonical(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        entry = written.shift.entries[at]
        assert entry.body_bytes is not None
        salt, content = entry.body_bytes[:BODY_SALT_SIZE_BYTES], entry.body_bytes[BODY_SALT_SIZE_BYTES:]
        size = content[0] & 31
        doubled = bytes([0xA0 | size + 1]) + content[1:] + b"\x63ext\xa0"
        for done, other in (
            ("a key twice", doubled),
            ("a long length", b"\xb8" + bytes([size]) + content[1:]),
            ("an indefinite length", b"\xbf" + content[1:] + b"\xff"),
            ("a byte more", content + b"\x00"),
        ):
            yield _altered(written, at, f"its body with {done}", ("body-mismatch",), body_bytes=salt + other)


@KINDS.kind("entry-not-canonical", "an entry or its head says the same in another encoding")
def _entry_not_canonical(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry():
        entry, shift = written.shift.entries[at], written.shift
        data = encode_entry(entry)
        long_head = b"\x84\x59" + len(entry.head_bytes).to_bytes(2, "big") + data[3:]
        for done, other in (
            ("an array in its long form", b"\x98\x04" + data[1:]),
            ("an array of no given length", b"\x9f" + data[1:] + b"\xff"),
            ("a head in its long form", long_head),
            ("a byte more", data + b"\x00"),
        ):
            chain = records(shift.entries[:at]) + record_of(other) + records(shift.entries[at + 1 :])
            attack = with_entries(written, shift.entries, f"entry {at} as {done}", ("record-unreadable",), at)
            yield replace(attack, evidence=written.with_chain(chain))


@KINDS.kind(
    "withhold-and-forge", "a body is withheld so that something else is not looked at: signature, link or place"
)
def _withhold(random: Random, count: int) -> Iterator[Attack]:
    for written, at in at_every_entry(first=1):
        hidden = withheld(written.shift.entries[at])
        bare = replace(hidden, entry_signature=None, device_signature=None)
        forged = withheld(written.shift.forged(at, next_key=entry_key("thief's next")))
        is_behind_power_off = written.shift.entries[at - 1].head.next_key is None
        wrong = ("kind-out-of-place",) if is_behind_power_off else ("entry-signature-invalid",)
        for done, insert, expected in (
            ("without signatures", bare, ("entry-signature-missing",)),
            ("and forged", forged, wrong),
        ):
            entries = spliced(written.shift.entries, at=at, insert=[insert], drop=1)
            yield with_entries(written, entries, f"entry {at} is withheld {done}", expected, at)
        if at < len(written.shift.entries) - 1:
            everything = [withheld(entry) for entry in written.shift.entries]
            entries = spliced(everything, at=at, insert=(), drop=1)
            done = f"all bodies are withheld, and entry {at} is taken out"
            yield with_entries(written, entries, done, ("entry-out-of-sequence",), at + 1)
