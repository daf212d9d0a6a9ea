"""Central on a desk: a real store and catalogue in a folder, and the files of a built shift as a dock would offer them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from dockd.central.adapters.catalogue import SqliteCatalogue
from dockd.central.adapters.object_store import FolderObjectStore
from dockd.central.app.chains import StoredChains
from dockd.central.app.keeper import StoringKeeper
from dockd.central.app.receipts import ReceiptMaker
from dockd.central.app.vault import VaultService
from dockd.central.core.vault_messages import CheckRequest, Opened, OpenRequest, Refused
from dockd.central.errors import VaultAway, VaultRefused
from dockd.central.ports import CameraRow, Catalogue, EventFields, Kept, ObjectStore, ProofOf, Vault
from protocol.keybox import SealingKey, key_box_hash
from protocol.layout import CHAIN_NAME, parse_file_name
from protocol.offload.messages import Description, media_identity
from tests.builders import UNIX_MS, Agency, BuiltShift, Camera, secret

AnyPort = TypeVar("AnyPort")


@dataclass(frozen=True, slots=True)
class Offer:
    """A file as a dock offers it: what it says of it, and the bytes."""

    description: Description
    data: bytes

    def changed(self, data: bytes) -> "Offer":
        """Return other bytes under the same words."""
        return Offer(self.description.model_copy(update={"size_bytes": len(data)}), data)

    def described(self, **changes: object) -> "Offer":
        """Return the same bytes under other words."""
        return Offer(self.description.model_copy(update=changes), self.data)


def flipped(data: bytes, at: int = -1) -> bytes:
    """Return the bytes with one bit changed."""
    damaged = bytearray(data)
    damaged[at] ^= 1
    return bytes(damaged)


def offers_of(shift: BuiltShift, camera: Camera) -> tuple[Offer, ...]:
    """Return a shift's files in the order in which a dock sends them: chain, key boxes, media."""
    report = shift.report
    ending = {view.recording_id: view.ending_head_hash for view in report.recordings}
    offers = []
    for name, data in shift.files.items():
        parsed = parse_file_name(name)
        assert parsed is not None
        identity = report.head_hash
        if parsed.kind == "key-box":
            identity = key_box_hash(data)
        elif parsed.kind == "media":
            assert parsed.recording_id is not None
            assert parsed.number is not None
            identity = media_identity(ending[parsed.recording_id] or bytes(32), parsed.number)
        description = Description(
            camera_id=camera.camera_id,
            shift_id=shift.shift_id,
            shift_number=shift.number,
            name=name,
            kind=parsed.kind,
            size_bytes=len(data),
            identity=identity,
        )
        offers.append(Offer(description, data))
    order = {"chain": 0, "key-box": 1, "media": 2}
    return tuple(sorted(offers, key=lambda offer: (order[offer.description.kind], offer.description.name)))


def chain_of(offers: tuple[Offer, ...]) -> Offer:
    return next(offer for offer in offers if offer.description.name == CHAIN_NAME)


def part_of(offers: tuple[Offer, ...], kind: str, index: int = 0) -> Offer:
    return [offer for offer in offers if offer.description.kind == kind][index]


class SteppingClock:
    """Wall time that moves on by a second each time it is asked."""

    def __init__(self) -> None:
        self._unix_ms = UNIX_MS

    def unix_ms(self) -> int:
        self._unix_ms += 1000
        return self._unix_ms

    def advance(self, milliseconds: int) -> None:
        self._unix_ms += milliseconds


class SeededEntropy:
    """The same bytes for the same name."""

    def __init__(self, name: str = "entropy") -> None:
        self._name = name
        self._count = 0

    def take(self, size_bytes: int) -> bytes:
        self._count += 1
        return secret(f"{self._name}/{self._count}", size_bytes)


class VaultInProcess:
    """The vault's own service without its socket; ``is_away`` is a process that does not run."""

    def __init__(self, key: SealingKey) -> None:
        self.service = VaultService(key=key, on_event=lambda name, fields: None)
        self.is_away = False
        self.check_count = 0

    def check(self, key_box: bytes, commitment: bytes) -> str | None:
        self._reach()
        self.check_count += 1
        reply = self.service.answer(CheckRequest(kind="check", key_box=key_box, commitment=commitment).encoded())
        return reply.text if isinstance(reply, Refused) else None

    def open(self, key_box: bytes, commitment: bytes, *, reason: str) -> bytes:
        self._reach()
        request = OpenRequest(kind="open", key_box=key_box, commitment=commitment, reason=reason)
        reply = self.service.answer(request.encoded())
        if isinstance(reply, Opened):
            return reply.content_key
        raise VaultRefused("refused", expected="a key box of this vault", next_step="none")

    def _reach(self) -> None:
        if self.is_away:
            raise VaultAway("the vault does not answer", expected="a vault", next_step="start it")


_vaults: type[Vault] = VaultInProcess


@dataclass
class Central:
    """Everything of central but its wire. Made again over the same folder, it is central after a restart."""

    folder: Path
    agency: Agency
    vault: VaultInProcess
    wrap: Callable[[ObjectStore | Catalogue], ObjectStore | Catalogue] | None = None
    events: list[tuple[str, EventFields]] = field(default_factory=list)
    proof_of: ProofOf = lambda row: None

    def __post_init__(self) -> None:
        objects = self.folder / "storage"
        (objects / "staging").mkdir(parents=True, exist_ok=True)
        file = self.folder / "catalogue.sqlite"
        self.objects = objects
        self.real_store = FolderObjectStore(objects)
        self.real_catalogue = SqliteCatalogue(file) if file.exists() else SqliteCatalogue.create(file)
        self.store: ObjectStore = self._wrapped(self.real_store)
        self.catalogue: Catalogue = self._wrapped(self.real_catalogue)
        self.clock = clock = SteppingClock()
        receipts = ReceiptMaker(
            store=self.store,
            catalogue=self.catalogue,
            vault=self.vault,
            central_key=self.agency.central,
            policy=self.agency.trusted,
            clock=clock,
            entropy=SeededEntropy(f"central/{id(self)}"),
            proof_of=self.proof_of,
            on_event=self._on_event,
        )
        self.chains = StoredChains(store=self.store, catalogue=self.catalogue, policy=self.agency.policy)
        self.keeper = StoringKeeper(
            store=self.store,
            catalogue=self.catalogue,
            chains=self.chains,
            receipts=receipts,
            clock=clock,
            on_event=self._on_event,
        )

    def _wrapped(self, port: AnyPort) -> AnyPort:
        return port if self.wrap is None else self.wrap(port)  # type: ignore[arg-type, return-value]

    def _on_event(self, name: str, fields: EventFields) -> None:
        self.events.append((name, fields))

    def enrol(self, camera: Camera, serial: str = "CAM-1") -> None:
        self.real_catalogue.enrol(CameraRow(camera.camera_id, serial, camera.enrolment))

    def stage(self, offer: Offer) -> Path:
        staged = self.objects / "staging" / offer.description.transfer.hex()
        staged.write_bytes(offer.data)
        return staged

    def keep(self, offer: Offer) -> Kept:
        return self.keeper.keep(offer.description, self.stage(offer))

    def keep_all(self, offers: tuple[Offer, ...]) -> list[Kept]:
        return [self.keep(offer) for offer in offers]

    def event_names(self) -> list[str]:
        return [name for name, _ in self.events]

    def objects_below(self, prefix: str) -> dict[str, bytes]:
        found = self.real_store.names(prefix)
        return {item.name: (self.objects / item.name).read_bytes() for item in found}


def new_central(
    folder: Path, agency: Agency, *, vault_name: str = "agency", proof_of: ProofOf = lambda row: None
) -> Central:
    return Central(folder, agency, VaultInProcess(SealingKey(secret(f"{vault_name}/vault", 96))), proof_of=proof_of)


def again(central: Central) -> Central:
    """Return central after a restart."""
    return Central(central.folder, central.agency, central.vault, proof_of=central.proof_of)
