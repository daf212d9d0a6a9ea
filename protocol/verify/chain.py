"""Decide whether a chain holds: links, signatures, bodies, and backwards from a device signature behind a hole.

Implements spec/02-chain.md, 2.2 and 2.3, and spec/05-verdict.md, 5.2 rule 2. What the entries say about recordings is read in
`protocol.verify.recordings`; issuer and receipts are judged in `protocol.verify.shift`.

An entry *stands* when the key that the entry before it named has signed it, when the device has, or when an entry that stands
links to it. Nothing else is believed, and nothing that does not stand can displace what does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.chain import Entry, Record, RecordReader, device_purpose, entry_purpose, parse_body
from protocol.cose import verify_detached
from protocol.entries import BODY_OF_KIND, DEVICE_ONLY_KINDS, DEVICE_SIGNED_KINDS, Body, ShiftOpened, names_no_next_key
from protocol.errors import BodyMismatch, NotCanonical, PeerError
from protocol.layout import CHAIN_NAME
from protocol.units import CHAIN_SIZE_BYTES_MAX, HELD_ENTRIES_MAX, UINT_MAX
from protocol.verdict import Finding, Place
from protocol.verify.findings import FindingLog
from protocol.verify.recordings import RecordingReader, RecordingView


@dataclass(frozen=True, slots=True)
class ChainReport:
    """All that one chain file says, and everything found wrong with it.

    ``opened``, ``is_closed``, ``recordings``, ``bodies`` and ``entry_count`` are about entries that stand, and only these.
    """

    shift_id: bytes
    camera_key: bytes
    """The enrolled camera's; else the one that the shift's opening claims, or nothing where that is withheld."""
    opened: ShiftOpened | None
    opening_head_hash: bytes | None
    """The entry that ``opened`` is the body of."""
    head_sequence: int
    head_hash: bytes
    """The last entry in the file that has a place in the chain; whether it stands is ``does_head_stand``."""
    does_head_stand: bool
    is_closed: bool
    size_bytes: int
    entry_count: int
    recordings: tuple[RecordingView, ...]
    withheld_recording_count: int
    """Recordings that the heads show, with every body withheld that would name them; not among ``recordings``."""
    bodies: tuple[tuple[int, Body], ...]
    findings: tuple[Finding, ...]

    @property
    def has_alterations(self) -> bool:
        """Say whether anything is altered or incomplete."""
        return any(finding.finding_class in ("altered", "incomplete") for finding in self.findings)


@dataclass(slots=True)
class _Item:
    """An entry whose place in the chain is still to be shown."""

    entry: Entry
    body: Body | None
    is_signature_checked: bool = False


class ChainVerifier:
    """Verifies a chain while its bytes arrive. `feed` them in order, then ask `finish` once."""

    def __init__(
        self,
        *,
        camera_key: bytes | None = None,
        file: str = CHAIN_NAME,
        is_end_vouched: bool = False,
        held_max: int = HELD_ENTRIES_MAX,
    ) -> None:
        """Take the enrolled camera's key where it is known; else the chain's own word for it is taken and reported.

        ``is_end_vouched`` is for a camera that reads its own card before it signs `resumed`: what the last entry links to
        then counts as standing, as it will behind that `resumed`. ``held_max`` bounds the memory that entries may take
        for which nothing vouches yet.
        """
        self._enrolled_key = camera_key
        self._camera_key = camera_key or b""
        self._is_end_vouched = is_end_vouched
        self._reader = RecordReader()
        self._log = FindingLog(file)
        self._recordings = RecordingReader(log=self._log)
        self._opened: ShiftOpened | None = None
        self._opening_head_hash: bytes | None = None
        self._standing: Entry | None = None
        self._last: Entry | None = None
        self._held: dict[bytes, _Item] = {}
        self._held_max = held_max
        self._unheld_count = 0
        self._is_closed = False
        self._entry_count = 0
        self._size_bytes = 0
        self._bodies: list[tuple[int, Body]] = []

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the file."""
        room_bytes = max(0, CHAIN_SIZE_BYTES_MAX - self._size_bytes)
        self._size_bytes += len(data)
        for record in self._reader.feed(memoryview(data)[:room_bytes]):
            self._take(record)

    def finish(self) -> ChainReport | None:
        """Return the report; None when nothing in the file was an entry."""
        for record in self._reader.finish():
            self._take(record)
        last = self._last
        if last is None:
            return None
        if self._size_bytes > CHAIN_SIZE_BYTES_MAX:
            text = f"the chain has {self._size_bytes} bytes; what follows byte {CHAIN_SIZE_BYTES_MAX} was not read"
            self._find("record-unreadable", None, text, offset_bytes=CHAIN_SIZE_BYTES_MAX)
        if self._is_end_vouched and last.head_hash in self._held:
            self._stand_back_from(self._held.pop(last.head_hash))
        self._give_up_held()
        if not self._is_closed:
            text = "the chain ends here without shift-closed: its tail is cut, or the shift is still open"
            self._find("chain-not-closed", last.head.sequence, text)
        recordings = self._recordings.finish(shift_id=last.head.shift_id)
        return ChainReport(
            shift_id=last.head.shift_id,
            camera_key=self._camera_key,
            opened=self._opened,
            opening_head_hash=self._opening_head_hash,
            head_sequence=last.head.sequence,
            head_hash=last.head_hash,
            does_head_stand=last is self._standing,
            is_closed=self._is_closed,
            size_bytes=self._size_bytes,
            entry_count=self._entry_count,
            recordings=recordings,
            withheld_recording_count=self._recordings.withheld_recording_count,
            bodies=tuple(self._bodies),
            findings=self._log.findings(),
        )

    def _take(self, record: Record) -> None:
        entry = record.entry
        if entry is None:
            size = record.end_bytes - record.offset_bytes
            text = f"{size} bytes are no entry: {record.fault}"
            self._find("record-unreadable", None, text, offset_bytes=record.offset_bytes)
            return
        fault = self._place_fault(entry)
        if fault is not None:
            self._find(*fault, offset_bytes=record.offset_bytes)
            return
        link_fault = None if self._follows(entry, self._standing) else self._link_fault(entry)
        if link_fault is not None:
            self._find(*link_fault, offset_bytes=record.offset_bytes)
        self._last = entry
        item = _Item(entry, self._body_of(entry))
        for kind, text in _form_faults(entry, item.body):
            self._find(kind, entry.head.sequence, text)
        if self._is_device_signed(item):
            self._stand_back_from(item)
        elif self._is_signed_by_its_key(item):
            self._accept(item)
        elif len(self._held) < self._held_max:
            self._held.setdefault(entry.head_hash, item)
        else:
            self._unheld_count += 1

    def _place_fault(self, entry: Entry) -> tuple[str, int, str] | None:
        """Say why an entry is no part of this chain and is passed over, if it is not."""
        head, standing = entry.head, self._standing
        if standing is not None and head.shift_id != standing.head.shift_id:
            return "entry-out-of-sequence", head.sequence, f"entry of another shift, {head.shift_id.hex()}"
        if self._is_closed:
            return "entry-after-end", head.sequence, "an entry follows shift-closed"
        if standing is not None and head.sequence <= standing.head.sequence:
            text = f"entry {head.sequence} stands again where entry {standing.head.sequence + 1} is expected"
            return "entry-out-of-sequence", head.sequence, text
        return None

    def _link_fault(self, entry: Entry) -> tuple[str, int, str] | None:
        """Say what is wrong between an entry and the one before it in the file, if anything."""
        head, last = entry.head, self._last
        if self._follows(entry, last):
            return None
        if last is not None and head.shift_id != last.head.shift_id:
            return "entry-out-of-sequence", head.sequence, f"the shift is {head.shift_id.hex()} from here on"
        expected = 0 if last is None else last.head.sequence + 1
        if head.sequence > expected:
            after = "the start" if last is None else f"entry {expected - 1}"
            text = f"entry {head.sequence} follows {after}: {head.sequence - expected} missing"
            return "entry-out-of-sequence", head.sequence, text
        if head.sequence < expected:
            text = f"entry {head.sequence} stands again where entry {expected} is expected"
            return "entry-out-of-sequence", head.sequence, text
        return "entry-not-linked", head.sequence, "does not name the entry before it"

    @staticmethod
    def _follows(entry: Entry, before: Entry | None) -> bool:
        if before is None:
            return entry.head.sequence == 0 and entry.head.previous is None
        return (
            entry.head.shift_id == before.head.shift_id
            and entry.head.sequence == before.head.sequence + 1
            and entry.head.previous == before.head_hash
        )

    def _body_of(self, entry: Entry) -> Body | None:
        head = entry.head
        try:
            body = parse_body(entry)
        except BodyMismatch as error:
            self._find("body-mismatch", head.sequence, str(error))
        except NotCanonical as error:
            self._find("entry-not-canonical", head.sequence, str(error))
        except PeerError as error:
            self._find("body-invalid", head.sequence, str(error))
        else:
            if entry.body_bytes is None:
                self._find("body-withheld", head.sequence, f"the body of this {head.kind} is withheld")
            elif head.kind not in BODY_OF_KIND:
                text = f"kind {head.kind} is not known to this version; it verifies in the chain"
                self._find("kind-unknown", head.sequence, text)
            return body
        return None

    def _is_device_signed(self, item: _Item) -> bool:
        """Say whether the entry is of a kind that the device signs, and the device has signed it."""
        entry, head = item.entry, item.entry.head
        if head.kind not in DEVICE_SIGNED_KINDS or entry.device_signature is None:
            return False
        if head.sequence == 0 and isinstance(item.body, ShiftOpened):
            if self._enrolled_key is None:
                self._camera_key = item.body.camera_key
            if item.body.camera_key != self._camera_key:
                self._find("camera-mismatch", 0, "the chain is of another camera than the enrolled one")
        if not self._camera_key:
            self._find("entry-key-unknown", head.sequence, "the camera's key is not known")
            return False
        try:
            verify_detached(entry.device_signature, self._camera_key, device_purpose(head.kind), entry.head_bytes)
        except PeerError as error:
            self._find("device-signature-invalid", head.sequence, str(error))
            return False
        return True

    def _is_signed_by_its_key(self, item: _Item) -> bool:
        """Say whether the entry follows what stands, signed by the key named there, and needs no device signature."""
        if self._standing is None or not self._follows(item.entry, self._standing):
            return False
        is_signed = self._check_entry_signature(item, self._standing)
        return is_signed and item.entry.head.kind not in DEVICE_SIGNED_KINDS

    def _check_entry_signature(self, item: _Item, before: Entry) -> bool:
        """Check the signature of an entry whose predecessor is known, once; False where it has none that holds."""
        head, key = item.entry.head, before.head.next_key
        if item.is_signature_checked:
            return False
        item.is_signature_checked = True
        if key is None and head.kind != "resumed":
            self._find("kind-out-of-place", head.sequence, f"{head.kind} follows an entry that names no next key")
        if head.kind in DEVICE_ONLY_KINDS or key is None or item.entry.entry_signature is None:
            return False
        try:
            verify_detached(item.entry.entry_signature, key, entry_purpose(head.kind), item.entry.head_bytes)
        except PeerError as error:
            self._find("entry-signature-invalid", head.sequence, str(error))
            return False
        return True

    def _stand_back_from(self, item: _Item) -> None:
        """Accept an entry and everything that it binds by ``previous``, down to what stands or to a hole."""
        path = [item]
        while not self._follows(path[-1].entry, self._standing):
            head = path[-1].entry.head
            before = self._held.get(head.previous or b"")
            if before is None or not self._follows(path[-1].entry, before.entry):
                break
            path.append(before)
        # A number that does not go down by one at each step ends the path above, so it has an end.
        for linked in path[1:]:
            del self._held[linked.entry.head_hash]
        self._give_up_held(item.entry.head.sequence)
        predecessor = self._standing
        if not self._follows(path[-1].entry, self._standing):
            predecessor = None
            self._recordings.hole()
        for linked in reversed(path):
            if predecessor is not None:
                self._check_entry_signature(linked, predecessor)
            self._accept(linked)
            predecessor = linked.entry

    def _give_up_held(self, up_to_sequence: int = UINT_MAX) -> None:
        """Name the entries that nothing vouches for: no known key has signed them and nothing that stands links to them.

        Later ones than ``up_to_sequence`` may only stand too early in the file; they wait on.
        """
        given_up = [key for key, item in self._held.items() if item.entry.head.sequence <= up_to_sequence]
        sequences = [self._held.pop(key).entry.head.sequence for key in given_up]
        if not sequences:
            return
        count, self._unheld_count = len(sequences) + self._unheld_count, 0
        text = f"nothing vouches for {count} entries, numbered {min(sequences)} to {max(sequences)}: their keys are not known"
        self._find("entry-key-unknown", min(sequences), text)

    def _accept(self, item: _Item) -> None:
        entry = self._standing = item.entry
        self._entry_count += 1
        self._is_closed = entry.head.kind == "shift-closed"
        if item.body is not None:
            self._bodies.append((entry.head.sequence, item.body))
        if entry.head.sequence == 0 and isinstance(item.body, ShiftOpened):
            self._opened = item.body
            self._opening_head_hash = item.entry.head_hash
        self._recordings.take(entry, item.body)

    def _find(self, kind: str, sequence: int | None, text: str, *, offset_bytes: int | None = None) -> None:
        shift_id = None if self._last is None else self._last.head.shift_id.hex()
        place = Place(shift_id=shift_id, sequence=sequence, file=self._log.file, offset_bytes=offset_bytes)
        self._log.add(Finding(kind=kind, place=place, text=text))


def _form_faults(entry: Entry, body: Body | None) -> Iterator[tuple[str, str]]:
    """Say what an entry of its kind must not be or must have, whatever stands around it (2.3)."""
    head = entry.head
    if (head.kind == "shift-opened") != (head.sequence == 0):
        yield (
            "kind-out-of-place",
            f"{head.kind} stands at sequence {head.sequence}; shift-opened stands at 0 and nowhere else",
        )
    expects_null = names_no_next_key(head.kind, body)
    if expects_null is not None and expects_null != (head.next_key is None):
        yield "kind-out-of-place", f"{head.kind} {'names' if expects_null else 'does not name'} a next key"
    has_entry_signature, has_device_signature = entry.entry_signature is not None, entry.device_signature is not None
    for is_expected, is_there, name in (
        (head.kind not in DEVICE_ONLY_KINDS, has_entry_signature, "signature by an entry key"),
        (head.kind in DEVICE_SIGNED_KINDS, has_device_signature, "signature by the device key"),
    ):
        if is_expected and not is_there:
            yield "entry-signature-missing", f"{head.kind} lacks its {name}"
        elif is_there and not is_expected:
            yield "entry-signature-unexpected", f"{head.kind} carries a {name}"


def verify_chain(
    data: bytes, *, camera_key: bytes | None = None, file: str = CHAIN_NAME, is_end_vouched: bool = False
) -> ChainReport | None:
    """Return the report on a whole chain file; None when nothing in it is an entry."""
    verifier = ChainVerifier(camera_key=camera_key, file=file, is_end_vouched=is_end_vouched)
    verifier.feed(data)
    return verifier.finish()
