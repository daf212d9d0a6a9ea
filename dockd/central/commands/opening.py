"""Opens what the settings name: keys, policy, store, catalogue, vault."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dockd.central.adapters.catalogue import SqliteCatalogue
from dockd.central.adapters.object_store import FolderObjectStore
from dockd.central.adapters.private_files import read_private
from dockd.central.adapters.settings_file import read_policy, read_settings
from dockd.central.adapters.system import SystemClock, SystemEntropy
from dockd.central.adapters.vault_client import VaultClient
from dockd.central.app.chains import StoredChains
from dockd.central.app.keeper import StoringKeeper
from dockd.central.app.receipts import ReceiptMaker
from dockd.central.app.viewing import Viewer
from dockd.central.commands.ledger import receipt_proofs
from dockd.central.errors import SettingsFault
from dockd.central.ports import OnEvent
from dockd.central.settings import CentralSettings
from protocol.keys import SoftwareEd25519
from protocol.policy import TrustedPolicy

KEY_SIZE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Opened:
    """Central's things, open; nothing of them runs by itself."""

    settings: CentralSettings
    policy: TrustedPolicy
    store: FolderObjectStore
    catalogue: SqliteCatalogue
    chains: StoredChains
    vault: VaultClient

    @property
    def viewer(self) -> Viewer:
        """Return who looks at recordings."""
        fingerprint = bytes.fromhex(self.settings.root_fingerprint)
        return Viewer(store=self.store, catalogue=self.catalogue, root_fingerprint=fingerprint)


def open_central(config: Path) -> Opened:
    """Open everything but central's private key.

    Raises:
        OperatingError, SettingsError: with the sentence for whoever started the program.
    """
    settings = read_settings(config, CentralSettings)
    policy = read_policy(settings.policy_file, root_fingerprint=settings.root_fingerprint)
    store = FolderObjectStore(settings.storage.folder)
    catalogue = SqliteCatalogue(settings.storage.catalogue_file)
    chains = StoredChains(store=store, catalogue=catalogue, policy=policy.policy)
    vault = VaultClient(settings.vault.socket_file, timeout_s=settings.vault.timeout_s)
    return Opened(settings, policy, store, catalogue, chains, vault)


def read_central_key(file: Path, policy: TrustedPolicy) -> SoftwareEd25519:
    """Return central's key, which the policy must name.

    Raises:
        SettingsFault: it is missing, open to others, or not one that the policy names.
    """
    key = SoftwareEd25519(read_private(file, what="central's key", size_bytes=KEY_SIZE_BYTES))
    if key.public_key not in policy.policy.central_keys:
        raise SettingsFault(
            f"central's key {file} is not one that policy version {policy.policy.version} names",
            expected="the private half of a central key of the policy: nobody would accept what another one signs",
            next_step="restore the key, or have the root sign a policy that names this one",
        )
    return key


def open_keeper(opened: Opened, *, on_event: OnEvent) -> StoringKeeper:
    """Return the keeper, which takes what arrives.

    Raises:
        SettingsFault: central's key cannot be used.
    """
    clock = SystemClock()
    receipts = ReceiptMaker(
        store=opened.store,
        catalogue=opened.catalogue,
        vault=opened.vault,
        central_key=read_central_key(opened.settings.central_key_file, opened.policy),
        policy=opened.policy,
        clock=clock,
        entropy=SystemEntropy(),
        proof_of=receipt_proofs(opened.settings, opened.policy.policy),
        on_event=on_event,
    )
    return StoringKeeper(
        store=opened.store,
        catalogue=opened.catalogue,
        chains=opened.chains,
        receipts=receipts,
        clock=clock,
        on_event=on_event,
    )
