"""What central needs from the world, and what its parts need from each other, as typed ports."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from dockd.shared.errors import DockdError
from protocol.offload.messages import Description, FileKind
from protocol.receipt import ReceiptWithProof


class IntakeRefused(DockdError):
    """Central looked at a whole file and will not have it: a finding about the file, sent to the dock as `refused`.

    It is never an answer to a fault of central's own (disk full, catalogue away): for those a keeper raises its
    OperatingError, the staged file stays, and the dock is asked to come again.
    """

    def __init__(self, reason: str, *, section: str) -> None:
        """Say in a sentence what was found and what was expected, and cite the specification."""
        super().__init__(f"{reason} ({section})")
        self.reason = reason
        self.section = section


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a file that central now holds.

    ``receipts``: signed receipts that cover it, each with its proof where the policy names a ledger; empty while there can
    be none yet (its recording is not complete). ``held_reason``: why a receipt that could be there is not (the vault is
    away, the ledger's witnesses have not cosigned yet), for people; None: nothing is amiss.
    """

    receipts: tuple[ReceiptWithProof, ...]
    held_reason: str | None = None


class Keeper(Protocol):
    """What becomes of files that have arrived whole: verified, stored, receipted. One thread calls it, in order."""

    def receipts_for(self, description: Description) -> Kept | None:
        """Return what became of this very file, its receipts made now if they can be made now; None: not stored.

        A receipt has the same bytes however often it is asked for; its proof is against the newest checkpoint.

        Raises:
            OperatingError: central cannot now.
        """

    def keep(self, description: Description, staged: Path) -> Kept:
        """Verify the file at ``staged`` and make it central's own; durable on return, and ``staged`` moved or removed.

        A file that is kept already is not an error: the answer is as `receipts_for`, and ``staged`` is removed.

        Raises:
            IntakeRefused: the file is not what the description says, or not what central accepts; ``staged`` stays.
            OperatingError: central cannot now; ``staged`` stays, nothing half-made remains.
        """


class StagingDisk(Protocol):
    """A folder of folders of plain files, which arriving files are staged on; names are made by the caller alone.

    What makes, renames or removes is durable on return, and may be half done after a crash where it is said.
    Every call that writes may raise StagingFull (earlier bytes stand) or StagingUncertain (an fsync or a write failed).
    """

    def folders(self) -> tuple[str, ...]:
        """Return the names of all folders, sorted."""

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the names of the files of a folder, sorted; none where there is no such folder."""

    def make_folder(self, folder: str) -> None:
        """Make a folder; an existing one is fine."""

    def write_once(self, folder: str, name: str, data: bytes) -> None:
        """Make a file with this content, or replace it; after a crash it is the old or the new, never a part."""

    def create(self, folder: str, name: str, size_bytes: int) -> None:
        """Make a file of this size, with the room for all of it reserved. After a crash it may be there and short."""

    def write(self, folder: str, name: str, offset_bytes: int, data: bytes | memoryview) -> None:
        """Write all of ``data``; not durable before `sync`."""

    def sync(self, folder: str, name: str) -> None:
        """Return when what was written to the file would survive a power cut."""

    def read(self, folder: str, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` bytes; fewer at the end of the file only."""

    def size_bytes(self, folder: str, name: str) -> int | None:
        """Return the size of a file; None when there is none."""

    def rename_folder(self, folder: str, new_folder: str) -> None:
        """Give a folder another name, which is free."""

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with its files; none is fine. After a crash some of the files may be left."""

    def release(self, folder: str) -> None:
        """Let go of what is held open in a folder, so that somebody else may move its files."""

    def path(self, folder: str, name: str) -> Path:
        """Return where a file is, for those who take it over."""

    def free_bytes(self) -> int:
        """Return how much room is left."""


class Clock(Protocol):
    """Wall time, for people and for `stored_at_ms`; nothing is decided by it."""

    def unix_ms(self) -> int:
        """Return milliseconds since 1970."""


class Entropy(Protocol):
    """The one place that secrets and ids come from."""

    def take(self, size_bytes: int) -> bytes:
        """Return ``size_bytes`` unpredictable bytes."""


EventFields = dict[str, str | int | bool | None]
OnEvent = Callable[[str, EventFields], None]
"""Told what happened: the event's name and its fields, all of them fit for a log, none of them secret."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the store."""

    name: str
    size_bytes: int


class ObjectStore(Protocol):
    """Central's objects: named bytes that are written once. Names are relative paths with `/` between their steps.

    A name holds all of its bytes or does not exist, whatever crashes. Every call may raise StoreFull (nothing was made)
    or another StoreFault; a call that writes may raise StoreUncertain (an fsync failed: end the process).
    """

    def name_of(self, staged: Path) -> str:
        """Return the name of a staged file, which stands below the store's own folder and is an object like any other."""

    def put(self, name: str, data: bytes, *, can_replace: bool = False) -> None:
        """Make an object of a few bytes, durable on return.

        Raises:
            ObjectExists: the name is taken, and ``can_replace`` is false.
        """

    def move(self, name: str, new_name: str) -> None:
        """Make an object's bytes durable, then give it another name, durable on return; nothing is copied.

        Raises:
            ObjectExists: the new name is taken; nothing was changed.
            ObjectMissing: there is no such object.
        """

    def remove(self, name: str) -> None:
        """Remove an object, durable on return; an absent one is fine."""

    def settle(self, name: str) -> None:
        """Make durable an object whose making a crash may have cut off.

        Raises:
            ObjectMissing: there is none.
        """

    def size_bytes(self, name: str) -> int | None:
        """Return an object's size; None where there is none."""

    def read(self, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return exactly these bytes.

        Raises:
            ObjectMissing: there is no such object, or it ends earlier.
        """

    def pieces(self, name: str) -> Iterator[memoryview]:
        """Yield an object's bytes from its start, some megabytes at a time.

        Raises:
            ObjectMissing: there is none.
        """

    def names(self, prefix: str) -> tuple[StoredObject, ...]:
        """Return the objects below ``prefix``, at any depth, sorted by name."""


@dataclass(frozen=True, slots=True, order=True)
class ShiftKey:
    """Which shift of which camera."""

    camera_id: bytes
    shift_id: bytes


@dataclass(frozen=True, slots=True)
class CameraRow:
    """A camera that central has heard of; ``enrolment`` (signed) and ``serial`` are None until it is enrolled."""

    camera_id: bytes
    serial: str | None
    enrolment: bytes | None


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """A shift whose chain is verified, closed and stored; ``folder`` is its folder's name."""

    key: ShiftKey
    number: int
    folder: str
    head_sequence: int
    head_hash: bytes
    chain_size_bytes: int
    stored_at_ms: int


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """A recording as its shift's chain tells it; ``subject`` is what a receipt says of it, encoded (spec/04-trust.md,
    4.4).
    """

    key: ShiftKey
    recording_id: bytes
    subject: bytes
    content_key_commitment: bytes
    opened_at_utc_ms: int
    utc_source: str
    utc_uncertainty_ms: int | None
    duration_us: int
    size_bytes: int
    is_key_box_opened: bool = False


@dataclass(frozen=True, slots=True)
class FileRow:
    """A verified file in its place; ``identity`` is the one of its description."""

    key: ShiftKey
    name: str
    kind: FileKind
    recording_id: bytes | None
    size_bytes: int
    identity: bytes
    stored_at_ms: int


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A signed receipt; ``recording_id`` is None for the chain's."""

    key: ShiftKey
    recording_id: bytes | None
    receipt_hash: bytes
    signed: bytes


ProofOf = Callable[[ReceiptRow], bytes | None]
"""Gives the ledger's proof for a receipt (spec/04-trust.md, 4.5) against the newest checkpoint that enough witnesses have
cosigned; None: it stands in none yet. May raise OperatingError: the ledger cannot be asked now.
"""

QuarantineCause = Literal["file", "shift"]


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """Bytes that are kept and not accepted. ``cause``: the file itself, or its shift's chain, which is in quarantine.

    ``arrival_count``: how often these very bytes came, last at ``arrived_at_ms``.
    """

    key: ShiftKey
    name: str
    identity: bytes
    object_name: str
    reason: str
    cause: QuarantineCause
    arrival_count: int
    arrived_at_ms: int


@dataclass(frozen=True, slots=True)
class LeafRow:
    """A leaf of the ledger: what it is to commit to, and the salt that hides it. ``kind`` and ``about`` name it; each pair
    is logged once.
    """

    kind: str
    about: bytes
    opening: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """What one transaction writes, all or nothing. ``opened``: recordings whose key box the vault has opened."""

    camera: CameraRow | None = None
    shift: ShiftRow | None = None
    recordings: tuple[RecordingRow, ...] = ()
    files: tuple[FileRow, ...] = ()
    opened: tuple[RecordingRow, ...] = ()
    receipts: tuple[ReceiptRow, ...] = field(default=())
    leaves: tuple[LeafRow, ...] = ()


class Catalogue(Protocol):
    """What central knows of its objects. Every call may raise CatalogueFault: nothing was written.

    A receipt in the catalogue is also in the outbox, in the same transaction, until it stands beside its shift as an
    object.
    """

    def apply(self, change: Change) -> None:
        """Write all of ``change`` in one transaction, durable on return; a camera or a leaf that is there already is left
        as it is.
        """

    def enrol(self, camera: CameraRow, leaves: tuple[LeafRow, ...] = ()) -> None:
        """Write a camera's enrolment with its leaves, durable on return, in place of an earlier one."""

    def camera(self, camera_id: bytes) -> CameraRow | None:
        """Return a camera that central has heard of."""

    def cameras(self) -> tuple[CameraRow, ...]:
        """Return all cameras, by serial."""

    def shift(self, key: ShiftKey) -> ShiftRow | None:
        """Return a shift whose chain is stored."""

    def shifts(self) -> tuple[ShiftRow, ...]:
        """Return all shifts, by camera and number."""

    def recordings(self, key: ShiftKey | None = None) -> tuple[RecordingRow, ...]:
        """Return the recordings of a shift, or all of them, in the order in which they were opened."""

    def files(self, key: ShiftKey) -> tuple[FileRow, ...]:
        """Return the stored files of a shift, by name."""

    def receipts(self, key: ShiftKey) -> tuple[ReceiptRow, ...]:
        """Return the receipts about a shift: the chain's and its recordings'."""

    def outbox(self) -> tuple[ReceiptRow, ...]:
        """Return the receipts that may not stand beside their shift yet."""

    def published(self, receipt: ReceiptRow) -> None:
        """Take a receipt out of the outbox; safe to call twice."""

    def quarantine(self, row: QuarantineRow) -> None:
        """Write down quarantined bytes; where they are known, count their arrival and take the newer reason."""

    def quarantined(self, key: ShiftKey | None = None) -> tuple[QuarantineRow, ...]:
        """Return what is in quarantine of one shift, or of all."""


class Vault(Protocol):
    """The process that holds the private key, as its clients see it. Every call may raise VaultAway."""

    def check(self, key_box: bytes, commitment: bytes) -> str | None:
        """Return None when the vault opened the key box and found the committed key; else why not, in words."""

    def open(self, key_box: bytes, commitment: bytes, *, reason: str) -> bytes:
        """Return the content key; the vault writes down ``reason``.

        Raises:
            VaultRefused: the key box does not open, or holds another key.
        """
