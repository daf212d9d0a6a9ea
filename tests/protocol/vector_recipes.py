"""What each test vector is: a shift with one thing done to it, from fixed keys; `scripts/make_vectors.py` writes them.

A vector never changes its meaning; a new thing to show gets a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from protocol.canonical import digest
from protocol.chain import Entry, parse_body
from protocol.entries import EntryPlace, Part, ShiftClosed
from protocol.keybox import make_key_box
from protocol.layout import RECEIPT_SUFFIX, media_name, proof_name
from protocol.policy import Root, sign_policy
from protocol.units import BODY_SALT_SIZE_BYTES
from protocol.verdict import VerdictWord
from tests.protocol.folders import Folder, folder_of, name_of, report_of
from tests.protocol.ledgers import Ledger
from tests.protocol.shifts import (
    Device,
    KeyBoxOf,
    Shift,
    changed,
    compose,
    entry_key,
    fake_key_box,
    make_shift,
    moment,
    records,
    secret,
    sign_entry,
    spliced,
    withheld,
)
from tests.protocol.trust import AGENCY, POLICY_HASH, Agency, make_agency
from tests.protocol.vector_file import VECTORS

KEY_BOXES = VECTORS / "inputs" / "key-boxes.txt"
STORY = "O[cc]e[c]Z"
NEUTRAL = (1).to_bytes(32, "little")


@dataclass(frozen=True)
class Recipe:
    """One vector: ``kind`` is the finding that it is about, which must be among those found; "none" where it is in order."""

    name: str
    expect: VerdictWord
    kind: str
    comment: str
    folders: dict[str, Folder]
    root: bytes | None = AGENCY.root_fingerprint


@cache
def pinned_key_boxes() -> dict[str, bytes]:
    """Return the key boxes, by recording: HPKE draws randomness, so their bytes are an input and no output."""
    lines = KEY_BOXES.read_text().splitlines() if KEY_BOXES.exists() else []
    return {name: bytes.fromhex(data) for name, data in (line.split() for line in lines)}


def key_box_of(recording_id: bytes, content_key: bytes) -> bytes:
    return pinned_key_boxes().get(recording_id.hex()) or fake_key_box(recording_id, content_key)


def new_key_boxes() -> str:
    """Return the text of the pinned key boxes, drawn anew; every vector changes with them."""
    shift = tell(key_boxes=fake_key_box)
    lines = []
    for recording_id, content_key in zip(shift.recording_ids, shift.content_keys, strict=True):
        box = make_key_box(
            shift_id=shift.shift_id,
            recording_id=recording_id,
            content_key=content_key,
            vault_key=AGENCY.policy.vault_key,
            escrow_key=AGENCY.policy.escrow_key,
        )
        lines.append(f"{recording_id.hex()} {box.hex()}\n")
    return "".join(lines)


def tell(story: str = STORY, *, key_boxes: KeyBoxOf = key_box_of, **changes: Any) -> Shift:
    values: dict[str, Any] = {"name": "vectors", "policy_hash": POLICY_HASH} | changes
    return make_shift(story, key_box_of=key_boxes, **values)


def one(folder: Folder, shift: Shift | None = None, number: int = 1) -> dict[str, Folder]:
    """Return one folder under its name; key boxes are left out but where the vector is about them."""
    return {name_of(shift or tell(), number): slim(folder)}


def slim(folder: Folder) -> Folder:
    return {name: data for name, data in folder.items() if not name.endswith(".keybox")}


def told(story: str = STORY, **changes: Any) -> dict[str, Folder]:
    shift = tell(story, **changes)
    return one(folder_of(shift), shift)


def tampered(entries: Sequence[Entry]) -> dict[str, Folder]:
    """Return the main shift's folder with this chain in it."""
    return one(folder_of(tell()) | {"chain": records(entries)})


def put(at: int, *insert: Entry, drop: int = 1) -> dict[str, Folder]:
    return tampered(spliced(tell().entries, at=at, insert=insert, drop=drop))


def alter(at: int, **changes: Any) -> dict[str, Folder]:
    return put(at, replace(tell().entries[at], **changes))


def with_file(name: str, data: bytes) -> dict[str, Folder]:
    return one(folder_of(tell()) | {name: data})


def without_file(*names: str) -> dict[str, Folder]:
    return one({name: data for name, data in folder_of(tell()).items() if name not in names})


def said(sequence: int, **values: object) -> dict[str, Folder]:
    """Return the main story with other values in one body, signed by the camera."""
    return told(change={sequence: changed(**values)})


def first_media() -> str:
    return media_name(tell().recording_ids[0], 0)


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]


def rebodied(content: bytes) -> dict[str, Folder]:
    """Return the main shift with a body that the camera signed in this form, at the event, which ends the chain."""
    shift = tell()
    body = secret("vectors/rebodied", BODY_SALT_SIZE_BYTES) + content
    head = shift.entries[5].head.model_copy(update={"body_hash": digest("sealcam/1 body", body)})
    entry = sign_entry(head, body, shift.keys[4], None)
    return tampered([*shift.entries[:5], entry])


def forgery(sequence: int) -> Entry:
    return tell().forged(sequence, next_key=entry_key("vectors/attacker/next"))


def forged_end() -> Entry:
    body = ShiftClosed(at=moment(5), reason="docked", recording_count=1)
    named = compose(body, shift_id=tell().shift_id, sequence=5, before=tell().entries[4], next_key=None)
    return sign_entry(*named, tell().keys[4], Device("attacker"))


def small_order() -> dict[str, Folder]:
    """Return a chain in which an entry names the neutral point as the next key, and the next uses it."""
    shift = tell()
    key = _Neutral()
    body = parse_body(shift.entries[5])
    named = compose(body, shift_id=shift.shift_id, sequence=5, before=shift.entries[4], next_key=key)
    entry = sign_entry(*named, shift.keys[4], None)
    after = compose(
        parse_body(shift.entries[5]),
        shift_id=shift.shift_id,
        sequence=6,
        before=entry,
        next_key=entry_key("vectors/mine"),
    )
    return tampered([*shift.entries[:5], entry, sign_entry(*after, key, None)])


class _Neutral:
    public_key = NEUTRAL

    def sign(self, message: bytes) -> bytes:
        return NEUTRAL + bytes(32)


def small_order_r() -> dict[str, Folder]:
    signature = tell().entries[5].entry_signature
    assert isinstance(signature, tuple)
    return alter(5, entry_signature=(*signature[:3], NEUTRAL + signature[3][32:]))


def two_shifts(previous: EntryPlace | None = None) -> dict[str, Folder]:
    first = tell()
    second = make_shift(
        "O[c]Z", name="vectors/next", number=2, previous=previous or first.last, policy_hash=POLICY_HASH
    )
    return one(folder_of(first), first) | one(folder_of(second), second, 2)


def without_second_shift() -> dict[str, Folder]:
    """Return the first and the third of three shifts."""
    first = tell()
    second = make_shift("O[c]Z", name="vectors/next", number=2, previous=first.last, policy_hash=POLICY_HASH)
    third = make_shift("OZ", name="vectors/third", number=3, previous=second.last, policy_hash=POLICY_HASH)
    return one(folder_of(first), first) | one(folder_of(third), third, 3)


def stranger() -> Shift:
    return make_shift(STORY, name="vectors/stranger", device=Device("stranger"), policy_hash=POLICY_HASH)


def signed_by_too_few() -> bytes:
    keys = tuple(sorted((entry_key("r1").public_key, entry_key("r2").public_key)))
    return sign_policy(AGENCY.policy, Root(threshold=2, keys=keys), (entry_key("r1"),))


def part(kind: str) -> Part:
    return Part.model_validate({"kind": kind, "size_bytes": 40, "commitment": bytes(32), "hash": bytes(32)})


def contradicting_receipt() -> bytes:
    return AGENCY.receipts(report_of(stranger()), Device("stranger"))[0]


def foreign_receipt() -> bytes:
    return make_agency("other").receipts(report_of(tell()), tell().device)[0]


def ledger_agency() -> Agency:
    """Return the agency under a policy that names a ledger and asks for both of its witnesses."""
    ledger = Ledger()
    witness_keys = tuple(witness.public_key for witness in ledger.witnesses)
    return make_agency(ledger=ledger.identity, witness_keys=witness_keys, witness_threshold=2)


def logged(*, witness_count: int = 2, with_first: bool = True) -> dict[str, Folder]:
    """Return the main shift of an agency with a ledger: each receipt with its proof, but for that of the first recording."""
    agency = ledger_agency()
    shift = tell(policy_hash=digest("sealcam/1 policy", agency.policy.encoded()))
    folder = folder_of(shift, agency=agency)
    receipts = {name: data for name, data in folder.items() if name.endswith(RECEIPT_SUFFIX)}
    ledger = Ledger()
    for signed in receipts.values():
        ledger.add(signed, agency.policy)
    folder |= {proof_name(name): ledger.proof(signed) for name, signed in receipts.items()}
    first = next(iter(receipts))
    del folder[proof_name(first)]
    if with_first:
        witnesses = ledger.witnesses[:witness_count]
        folder[proof_name(first)] = ledger.proof(receipts[first], witnesses=witnesses)
    return one(folder, shift)


def withheld_but(*kept: int) -> dict[str, Folder]:
    entries = [entry if at in kept else withheld(entry) for at, entry in enumerate(tell().entries)]
    folder = folder_of(tell()) | {"chain": records(entries)}
    return one({name: data for name, data in folder.items() if not name.startswith(tell().recording_ids[1].hex())})
