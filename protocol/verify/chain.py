"""Decide whether a chain holds: links, signatures, bodies, and backwards from a device signature behind a hole.

Implements spec/02-chain.md, 2.2 and 2.3, and spec/05-verdict.md, 5.2 rule 2. What the entries say about recordings is read in
`protocol.verify.recordings`; issuer and receipts are judged in `protocol.verify.shift`.
"""

from dataclasses import dataclass, field
from typing import Final

from protocol.chain import Entry, Record, RecordReader, device_purpose, entry_purpose, parse_body
from protocol.cose import verify_detached
from protocol.entries import BODY_OF_KIND, DEVICE_ONLY_KINDS, DEVICE_SIGNED_KINDS, Body, ShiftOpened, names_no_next_key
from protocol.errors import NotCanonical, PeerError
from protocol.layout import CHAIN_NAME
from protocol.verdict import Finding, Place
from protocol.verify.recordings import RecordingReader, RecordingView


@dataclass(frozen=True, slots=True)
class ChainReport:
    """All that one chain file says, and everything found wrong with it."""

    shift_id: bytes
    camera_key: bytes
    opened: ShiftOpened | None
    head_sequence: int
    head_hash: bytes
    is_closed: bool
    size_bytes: int
    entry_count: int
    recordings: tuple[RecordingView, ...]
    bodies: tuple[tuple[int, Body], ...]
    findings: tuple[Finding, ...]

    @property
    def has_alterations(self) -> bool:
        """Say whether anything is altered or incomplete."""
        return any(finding.finding_class in ("altered", "incomplete") for finding in self.findings)


@dataclass(slots=True)
class _Held:
    """An entry behind a hole: its link holds, but its own key is unknown until a device signature is met."""

    entry: Entry
    body: Body | None


@dataclass(slots=True)
class _State:
    """What the walk over the chain knows."""

    shift_id: bytes | None = None
    camera_key: bytes = b""
    opened: ShiftOpened | None = None
    head: Entry | None = None
    next_key: bytes | None = None
    is_key_known: bool = False
    is_closed: bool = False
    entry_count: int = 0
    size_bytes: int = 0
    held: list[_Held] = field(default_factory=list)
    bodies: list[tuple[int, Body]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


_HELD_MAX: Final = 2_000_000


class ChainVerifier:
    """Verifies a chain while its bytes arrive. `feed` them in order, then ask `finish` once."""

    def __init__(self, *, camera_key: bytes | None = None, file: str = CHAIN_NAME) -> None:
        """Take the enrolled camera's key where it is known; else the chain's own word for it is taken and reported."""
        self._camera_key = camera_key
        self._file = file
        self._reader = RecordReader()
        self._state = _State(camera_key=camera_key or b"")
        self._recordings = RecordingReader(file=file)

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the file."""
        self._state.size_bytes += len(data)
        for record in self._reader.feed(data):
            self._take(record)

    def finish(self) -> ChainReport | None:
        """Return the report; None when nothing in the file was an entry."""
        for record in self._reader.finish():
            self._take(record)
        state = self._state
        self._give_up_held()
        if state.shift_id is None or state.head is None:
            return None
        if not state.is_closed:
            self._find(
                "chain-not-closed",
                state.head.head.sequence,
                "the chain ends here without shift-closed: its tail is cut, or the shift is still open",
            )
        recordings = self._recordings.finish(shift_id=state.shift_id)
        return ChainReport(
            shift_id=state.shift_id,
            camera_key=state.camera_key,
            opened=state.opened,
            head_sequence=state.head.head.sequence,
            head_hash=state.head.head_hash,
            is_closed=state.is_closed,
            size_bytes=state.size_bytes,
            entry_count=state.entry_count,
            recordings=recordings,
            bodies=tuple(state.bodies),
            findings=(*state.findings, *self._recordings.findings),
        )

    def _take(self, record: Record) -> None:
        state = self._state
        if record.entry is None:
            size = record.end_bytes - record.offset_bytes
            self._find(
                "record-unreadable",
                None,
                f"{size} bytes are no entry: {record.fault}",
                offset_bytes=record.offset_bytes,
            )
            self._lose_key()
            return
        entry = record.entry
        head = entry.head
        if state.shift_id is None:
            state.shift_id = head.shift_id
        if not self._is_in_place(entry, record.offset_bytes):
            return
        body = self._body_of(entry)
        state.entry_count += 1
        state.head, state.is_closed = entry, head.kind == "shift-closed"
        self._check_signatures(entry, body)
        state.next_key = head.next_key

    def _is_in_place(self, entry: Entry, offset_bytes: int) -> bool:
        """Check shift, sequence and link; False for an entry that is no part of this chain and is passed over."""
        state, head = self._state, entry.head
        if head.shift_id != state.shift_id:
            self._find(
                "entry-out-of-sequence",
                head.sequence,
                f"entry of another shift, {head.shift_id.hex()}",
                offset_bytes=offset_bytes,
            )
            return False
        expected = 0 if state.head is None else state.head.head.sequence + 1
        if state.is_closed:
            self._find("entry-after-end", head.sequence, "an entry follows shift-closed", offset_bytes=offset_bytes)
            return False
        if head.sequence < expected:
            self._find(
                "entry-out-of-sequence",
                head.sequence,
                f"entry {head.sequence} stands again where entry {expected} is expected",
                offset_bytes=offset_bytes,
            )
            return False
        previous = None if state.head is None else state.head.head_hash
        if head.sequence > expected:
            after = "the start" if state.head is None else f"entry {state.head.head.sequence}"
            self._find(
                "entry-out-of-sequence",
                head.sequence,
                f"entry {head.sequence} follows {after}: {head.sequence - expected} missing",
                offset_bytes=offset_bytes,
            )
            self._lose_key()
        elif head.previous != previous:
            self._find(
                "entry-not-linked", head.sequence, "does not name the entry before it", offset_bytes=offset_bytes
            )
            self._lose_key()
        return True

    def _body_of(self, entry: Entry) -> Body | None:
        head = entry.head
        try:
            body = parse_body(entry)
        except PeerError as error:
            kind = (
                "entry-not-canonical"
                if isinstance(error, NotCanonical)
                else "body-mismatch"
                if "commits" in str(error)
                else "body-invalid"
            )
            self._find(kind, head.sequence, str(error))
            return None
        if entry.body_bytes is None:
            self._find("body-withheld", head.sequence, f"the body of this {head.kind} is withheld")
        elif head.kind not in BODY_OF_KIND:
            self._find(
                "kind-unknown",
                head.sequence,
                f"kind {head.kind} is not known to this version; it verifies in the chain",
            )
        return body

    def _check_signatures(self, entry: Entry, body: Body | None) -> None:
        state, head = self._state, entry.head
        if head.sequence == 0:
            self._begin(entry, body)
        elif head.kind == "shift-opened":
            self._find("kind-out-of-place", head.sequence, "shift-opened stands at sequence 0 only")
        expects_null = names_no_next_key(head.kind, body)
        if expects_null is not None and expects_null != (head.next_key is None):
            self._find(
                "kind-out-of-place",
                head.sequence,
                f"{head.kind} {'names' if expects_null else 'does not name'} a next key",
            )
        is_anchored = self._is_device_signed(entry)
        is_own = self._is_entry_signed(entry)
        if is_anchored:
            self._release_held()
        if is_anchored or is_own:
            state.is_key_known = True
            self._accept(entry, body)
            return
        # Whoever wrote an entry that is not signed may have named any key as the next: nothing hangs on it.
        state.is_key_known = False
        if len(state.held) < _HELD_MAX:
            state.held.append(_Held(entry, body))

    def _begin(self, entry: Entry, body: Body | None) -> None:
        state = self._state
        if isinstance(body, ShiftOpened):
            state.opened = body
            state.camera_key = self._camera_key or body.camera_key
            if body.camera_key != state.camera_key:
                self._find("camera-mismatch", 0, "the chain is of another camera than the enrolled one")
        else:
            state.camera_key = self._camera_key or b""
            if entry.head.kind != "shift-opened":
                self._find("kind-out-of-place", 0, f"the chain begins with {entry.head.kind}, shift-opened expected")

    def _is_device_signed(self, entry: Entry) -> bool:
        """Check the device signature where the kind has one; say whether it anchors this entry."""
        head = entry.head
        if head.kind not in DEVICE_SIGNED_KINDS:
            if entry.device_signature is not None:
                self._find("entry-signature-unexpected", head.sequence, f"{head.kind} carries a device signature")
            return False
        if entry.device_signature is None:
            self._find("entry-signature-missing", head.sequence, f"{head.kind} lacks the device signature")
            return False
        if not self._state.camera_key:
            self._find("entry-key-unknown", head.sequence, "the camera's key is not known")
            return False
        try:
            verify_detached(entry.device_signature, self._state.camera_key, device_purpose(head.kind), entry.head_bytes)
        except PeerError as error:
            self._find("device-signature-invalid", head.sequence, str(error))
            return False
        return True

    def _is_entry_signed(self, entry: Entry) -> bool:
        """Check the entry signature where the kind has one; False also when its key is unknown behind a hole."""
        state, head = self._state, entry.head
        if head.kind in DEVICE_ONLY_KINDS:
            if entry.entry_signature is not None:
                self._find("entry-signature-unexpected", head.sequence, f"{head.kind} carries an entry signature")
            return False
        if entry.entry_signature is None:
            self._find("entry-signature-missing", head.sequence, f"{head.kind} lacks its signature")
            return False
        if not state.is_key_known:
            return False
        if state.next_key is None:
            self._find("kind-out-of-place", head.sequence, f"{head.kind} follows an entry that names no next key")
            return False
        try:
            verify_detached(entry.entry_signature, state.next_key, entry_purpose(head.kind), entry.head_bytes)
        except PeerError as error:
            self._find("entry-signature-invalid", head.sequence, str(error))
            return False
        return True

    def _lose_key(self) -> None:
        """A hole: what is held so far hangs on no later device signature, and the next key is unknown."""
        self._give_up_held()
        self._state.is_key_known = False

    def _give_up_held(self) -> None:
        if self._state.held:
            first, last = self._state.held[0].entry.head.sequence, self._state.held[-1].entry.head.sequence
            self._find(
                "entry-key-unknown",
                first,
                f"entries {first} to {last} stand behind a damaged one and before no device signature",
            )
            self._state.held.clear()

    def _release_held(self) -> None:
        """A device signature binds everything linked before it, down to the hole."""
        held, self._state.held = self._state.held, []
        for item in held:
            self._accept(item.entry, item.body)

    def _accept(self, entry: Entry, body: Body | None) -> None:
        state = self._state
        if body is not None:
            state.bodies.append((entry.head.sequence, body))
        self._recordings.take(entry, body)

    def _find(self, kind: str, sequence: int | None, text: str, *, offset_bytes: int | None = None) -> None:
        shift_id = self._state.shift_id
        place = Place(
            shift_id=None if shift_id is None else shift_id.hex(),
            sequence=sequence,
            file=self._file,
            offset_bytes=offset_bytes,
        )
        self._state.findings.append(Finding(kind=kind, place=place, text=text))


def verify_chain(data: bytes, *, camera_key: bytes | None = None, file: str = CHAIN_NAME) -> ChainReport | None:
    """Return the report on a whole chain file; None when nothing in it is an entry."""
    verifier = ChainVerifier(camera_key=camera_key, file=file)
    verifier.feed(data)
    return verifier.finish()
