"""The chain file: records, entries, and how an entry is made (spec/02-chain.md, 2.1 and 2.2).

Whether a chain holds is decided in `protocol.verify.chain`; keys are passed in and never kept here.
"""

from dataclasses import dataclass
from typing import Final

from protocol.canonical import Buffer, decode, digest, encode, parse
from protocol.cose import sign_detached, sign_detached_by_device
from protocol.entries import BODY_OF_KIND, DEVICE_ONLY_KINDS, DEVICE_SIGNED_KINDS, KIND_OF_BODY, Body, Head
from protocol.errors import BodyMismatch, PeerError
from protocol.keys import DeviceSigner, EntryKey
from protocol.units import BODY_SALT_SIZE_BYTES, ENTRY_SIZE_BYTES_MAX

RECORD_HEADER_SIZE_BYTES: Final = 4
_SECTION: Final = "spec/02-chain.md, 2.2"
_ENTRY_ITEMS_MAX: Final = 32
"""An entry has 13 items; a few more leave a damaged signature readable as one."""
_HEAD_SIZE_BYTES_MAX: Final = 255

# How every record goes on after its size: array of 4, a byte string with one byte of length, which is the head: array
# of 7, version 1, byte string of 16. This is what a reader looks for behind damage.
_ENTRY_START: Final = b"\x84\x58"
_HEAD_START: Final = b"\x87\x01\x50"
_HEAD_OFFSET_BYTES: Final = RECORD_HEADER_SIZE_BYTES + len(_ENTRY_START) + 1


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as received: the parsed head, and the bytes that signatures and hashes are about."""

    head: Head
    head_bytes: bytes
    body_bytes: bytes | None
    entry_signature: object
    device_signature: object

    @property
    def head_hash(self) -> bytes:
        """Return what the next entry's ``previous`` must be."""
        return head_hash(self.head_bytes)


def head_hash(head_bytes: bytes) -> bytes:
    """Return the hash that names an entry."""
    return digest("sealcam/1 head", head_bytes)


def entry_purpose(kind: str) -> str:
    """Return the purpose of an entry signature."""
    return f"sealcam/1 {kind}"


def device_purpose(kind: str) -> str:
    """Return the purpose of a device signature."""
    return f"sealcam/1 device {kind}"


def make_entry(
    *,
    shift_id: bytes,
    sequence: int,
    previous: bytes | None,
    body: Body,
    body_salt: bytes,
    entry_key: EntryKey | None,
    device: DeviceSigner | None,
    next_key: bytes | None,
) -> tuple[Entry, bytes]:
    """Return a signed entry and its record, ready to append. ``body_salt`` is 16 fresh random bytes."""
    kind = KIND_OF_BODY[type(body)]
    assert len(body_salt) == BODY_SALT_SIZE_BYTES
    assert (entry_key is None) == (kind in DEVICE_ONLY_KINDS), kind
    assert (device is None) == (kind not in DEVICE_SIGNED_KINDS), kind
    body_bytes = body_salt + body.encoded()
    head = Head(
        version=1,
        shift_id=shift_id,
        sequence=sequence,
        previous=previous,
        kind=kind,
        next_key=next_key,
        body_hash=digest("sealcam/1 body", body_bytes),
    )
    head_bytes = head.encoded()
    by_entry = None if entry_key is None else sign_detached(entry_key, entry_purpose(kind), head_bytes)
    by_device = None if device is None else sign_detached_by_device(device, device_purpose(kind), head_bytes)
    data = encode([head_bytes, body_bytes, by_entry, by_device])
    entry = Entry(head, head_bytes, body_bytes, by_entry, by_device)
    return entry, record_of(data)


def record_of(entry_bytes: bytes) -> bytes:
    """Return an entry with its size in front."""
    return len(entry_bytes).to_bytes(RECORD_HEADER_SIZE_BYTES, "big") + entry_bytes


def encode_entry(entry: Entry, *, is_body_withheld: bool = False) -> bytes:
    """Return the bytes of an entry again, with or without its body."""
    body = None if is_body_withheld else entry.body_bytes
    return encode([entry.head_bytes, body, entry.entry_signature, entry.device_signature])


def parse_entry(data: bytes) -> Entry:
    """Return an entry, without looking at signatures or the body.

    Raises:
        PeerError: it is not an entry.
    """
    value = decode(data, size_bytes_max=ENTRY_SIZE_BYTES_MAX, items_max=_ENTRY_ITEMS_MAX)
    if not isinstance(value, tuple) or len(value) != 4:
        raise PeerError("entry is not an array of four", section=_SECTION)
    head_bytes, body_bytes, entry_signature, device_signature = value
    if not isinstance(head_bytes, bytes) or not (body_bytes is None or isinstance(body_bytes, bytes)):
        raise PeerError("head or body of the entry is no byte string", section=_SECTION)
    if not 24 <= len(head_bytes) <= _HEAD_SIZE_BYTES_MAX:
        raise PeerError(f"head of {len(head_bytes)} bytes, 24 to {_HEAD_SIZE_BYTES_MAX} expected", section=_SECTION)
    return Entry(_parse_head(head_bytes), head_bytes, body_bytes, entry_signature, device_signature)


def _parse_head(head_bytes: Buffer) -> Head:
    return parse(Head, decode(head_bytes, size_bytes_max=_HEAD_SIZE_BYTES_MAX), section=_SECTION)


def parse_body(entry: Entry) -> Body | None:
    """Return the body; None where it is withheld or of a kind that this version does not know.

    Raises:
        BodyMismatch: it is not the body that the head commits to.
        PeerError: it is not canonical, or not one of this kind.
    """
    if entry.body_bytes is None:
        return None
    if digest("sealcam/1 body", entry.body_bytes) != entry.head.body_hash:
        raise BodyMismatch("body is not the one that the head commits to")
    value = decode(entry.body_bytes[BODY_SALT_SIZE_BYTES:])
    model = BODY_OF_KIND.get(entry.head.kind)
    return None if model is None else parse(model, value, section="spec/02-chain.md, 2.4")


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a chain file: where it begins, where the next one does, and the entry or why there is none."""

    offset_bytes: int
    end_bytes: int
    entry: Entry | None
    fault: str | None


class RecordReader:
    """Cuts a chain file into records as its bytes arrive; finds the next record after a damaged one.

    The records cover the file without a hole, the same ones however the bytes are cut into pieces. At most one record's
    bytes are held back.
    """

    def __init__(self) -> None:
        """Begin at the start of a file."""
        self._buffer = bytearray()
        self._base_bytes = 0
        self._damage: tuple[int, str] | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> list[Record]:
        """Take the next bytes and return the records that they complete."""
        records: list[Record] = []
        view = memoryview(data)
        # A large piece goes in by slices, so that neither the buffer nor moving its end costs more than a record or two.
        for start in range(0, len(view), ENTRY_SIZE_BYTES_MAX):
            self._buffer += view[start : start + ENTRY_SIZE_BYTES_MAX]
            self._advance(records, is_end=False)
        return records

    def finish(self) -> list[Record]:
        """Return what is left at the end of the file, a cut record among it."""
        records: list[Record] = []
        self._advance(records, is_end=True)
        if self._damage is not None:
            self._end_damage(records, self._base_bytes + len(self._buffer))
        self._drop(len(self._buffer))
        return records

    def _advance(self, records: list[Record], *, is_end: bool) -> None:
        while self._damage is None or self._find_next(is_end=is_end):
            outcome = self._one()
            if isinstance(outcome, Record):
                self._end_damage(records, outcome.offset_bytes)
                records.append(outcome)
                self._drop(outcome.end_bytes - outcome.offset_bytes)
            elif outcome is None and not (is_end and self._buffer):
                return
            else:
                # At the end of the file nothing more comes: what looks cut may be a damaged size before good records.
                fault = f"{len(self._buffer)} bytes are not a whole record" if outcome is None else outcome
                self._damage = self._damage or (self._base_bytes, fault)
                self._drop(1)

    def _one(self) -> Record | str | None:
        """Return the record at the front, why there is none, or None while bytes are missing."""
        if len(self._buffer) < RECORD_HEADER_SIZE_BYTES:
            return None
        size = int.from_bytes(self._buffer[:RECORD_HEADER_SIZE_BYTES], "big")
        if not 1 <= size <= ENTRY_SIZE_BYTES_MAX:
            return f"size {size}, 1 to {ENTRY_SIZE_BYTES_MAX} expected"
        end = RECORD_HEADER_SIZE_BYTES + size
        if len(self._buffer) < end:
            return None
        try:
            if self._damage is not None:
                # Hostile bytes may hold a start every few bytes; its head shows what it is before the whole is copied.
                head_end = _HEAD_OFFSET_BYTES + self._buffer[_HEAD_OFFSET_BYTES - 1]
                _parse_head(self._buffer[_HEAD_OFFSET_BYTES:head_end])
            entry = parse_entry(bytes(self._buffer[RECORD_HEADER_SIZE_BYTES:end]))
        except PeerError as error:
            return str(error)
        return Record(self._base_bytes, self._base_bytes + end, entry, None)

    def _find_next(self, *, is_end: bool) -> bool:
        """Go to the next place where a record may begin; False while none is in sight."""
        found = self._buffer.find(_HEAD_START, _HEAD_OFFSET_BYTES)
        while found >= 0:
            start = found - _HEAD_OFFSET_BYTES
            if self._buffer.startswith(_ENTRY_START, start + RECORD_HEADER_SIZE_BYTES):
                self._drop(start)
                return True
            found = self._buffer.find(_HEAD_START, found + 1)
        if not is_end:
            self._drop(max(0, len(self._buffer) - _HEAD_OFFSET_BYTES - len(_HEAD_START)))
        return False

    def _end_damage(self, records: list[Record], end_bytes: int) -> None:
        if self._damage is not None:
            at_bytes, fault = self._damage
            records.append(Record(at_bytes, end_bytes, None, fault))
            self._damage = None

    def _drop(self, size_bytes: int) -> None:
        del self._buffer[:size_bytes]
        self._base_bytes += size_bytes
