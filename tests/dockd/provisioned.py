"""An agency as `sealcam-central provision` makes it, and a camera's shift stored there."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dockd.central.adapters.settings_file import read_policy
from dockd.central.commands.opening import open_central, open_keeper
from dockd.central.commands.provision import EnrolledCamera, enrol_camera, provision_agency
from dockd.central.core.ledger_plan import NewLedger
from dockd.central.ports import Kept
from firmware.adapters.device_key_file import load_device_key
from protocol.keybox import SealingKey
from protocol.keys import SoftwareEd25519
from tests.builders import Agency, BuiltShift, Camera, build_shift
from tests.dockd.evidence import SeededEntropy, offers_of
from tests.dockd.test_vault import running


@dataclass(frozen=True)
class Provisioned:
    """An agency's folder, with what tests build footage from."""

    folder: Path
    agency: Agency
    camera: Camera

    @property
    def config(self) -> Path:
        return self.folder / "central/central.toml"

    @property
    def storage(self) -> Path:
        return self.folder / "central/storage"

    @contextlib.contextmanager
    def vault(self) -> Iterator[None]:
        """Run the vault's real process."""
        with running(self.folder / "vault/vault.toml"):
            yield

    def shift(self, card: Path, *, number: int = 1) -> BuiltShift:
        return build_shift(card, agency=self.agency, camera=self.camera, number=number, media_files=2)

    def store(self, shift: BuiltShift) -> list[Kept]:
        """Give a shift to the keeper that `ingest` runs."""
        keeper = open_keeper(open_central(self.config), on_event=lambda name, fields: None)
        kept = []
        for offer in offers_of(shift, self.camera):
            staged = self.storage / "staging" / offer.description.transfer.hex()
            staged.write_bytes(offer.data)
            kept.append(keeper.keep(offer.description, staged))
        return kept


def provision(
    folder: Path, *, name: str = "provision", broker_port: int = 8883, ledger: NewLedger | None = None
) -> Provisioned:
    entropy = SeededEntropy(name)
    # TLS asks the real clock whether a certificate is valid yet.
    now_ms = time.time_ns() // 1_000_000
    provision_agency(
        folder, agency="City of Example", entropy=entropy, now_ms=now_ms, broker_port=broker_port, ledger=ledger
    )
    enrolled = enrol_camera(folder, serial="CAM-1", entropy=entropy, now_ms=now_ms)
    return Provisioned(folder, agency_of(folder), camera_of(enrolled))


def agency_of(folder: Path) -> Agency:
    """Return the parts of a provisioned agency, each from its own file."""
    fingerprint = (folder / "root/root.fingerprint").read_text().strip()
    return Agency(
        root=SoftwareEd25519((folder / "root/root-1.key").read_bytes()),
        central=SoftwareEd25519((folder / "central/central.key").read_bytes()),
        dock=SoftwareEd25519((folder / "docks/dock-a/dock.key").read_bytes()),
        vault=SealingKey((folder / "vault/vault.key").read_bytes()),
        escrow=SealingKey((folder / "escrow/escrow.key").read_bytes()),
        trusted=read_policy(folder / "policy/policy", root_fingerprint=fingerprint),
    )


def camera_of(enrolled: EnrolledCamera) -> Camera:
    device = load_device_key(enrolled.folder / "device.key")
    return Camera(device, (enrolled.folder / "enrolment").read_bytes())
