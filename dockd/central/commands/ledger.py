"""`ledger`: keeps the ledger until it is told to stop; and what `ingest` and `check` read of it."""

import signal
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

from dockd.central.adapters.catalogue import SqliteCatalogue
from dockd.central.adapters.leaf_queue import SqliteLeafQueue
from dockd.central.adapters.private_files import read_private
from dockd.central.adapters.settings_file import read_policy, read_settings
from dockd.central.adapters.system import EventLines, SystemClock, SystemEntropy
from dockd.central.adapters.tile_folder import TileFolder
from dockd.central.adapters.witness_client import WitnessClients, WitnessPlace
from dockd.central.app.ledger import Ledger, queue_old_receipts, queue_policy_and_cameras
from dockd.central.app.ledger_reading import LedgerReader, ReceiptProofs
from dockd.central.app.publishing import NoWitnesses, Publisher
from dockd.central.app.sequencer import Sequencer
from dockd.central.core.ledger_tree import CHECKPOINT_NAME
from dockd.central.errors import SettingsFault
from dockd.central.ledger_ports import Cosigning
from dockd.central.ports import OnEvent, ProofOf
from dockd.central.settings import CentralSettings, LedgerSettings
from protocol.errors import LedgerRefused
from protocol.keys import SoftwareEd25519
from protocol.ledger.note import VerifierKey, parse_verifier_key
from protocol.ledger.trust import LedgerTrust
from protocol.policy import Policy

KEY_SIZE_BYTES: Final = 32


def run_ledger(config: Path, *, has_events: bool) -> int:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OperatingError, SettingsError: with the sentence for whoever started the program.
    """
    settings = read_settings(config, CentralSettings)
    policy = read_policy(settings.policy_file, root_fingerprint=settings.root_fingerprint)
    place, trust = _required(settings, policy.policy)
    key = _read_ledger_key(place.key_file, trust, policy.policy)
    clock, entropy = SystemClock(), SystemEntropy()
    events = EventLines(clock=clock, is_on=has_events)
    with (
        closing(TileFolder(place.folder, can_write=True)) as store,
        closing(SqliteLeafQueue(settings.storage.catalogue_file)) as queue,
        closing(SqliteCatalogue(settings.storage.catalogue_file)) as catalogue,
    ):
        sequencer = Sequencer(store=store, queue=queue, key=key, trust=trust, on_event=events)
        publisher = Publisher(
            store=store, reader=sequencer.reader, cosigning=_cosigning(settings, trust, events), on_event=events
        )
        queue_policy_and_cameras(queue, policy, catalogue.cameras(), entropy)
        old_count = queue_old_receipts(queue, entropy)
        stop = threading.Event()
        for wanted in (signal.SIGTERM, signal.SIGINT):
            # From a thread of its own: a handler runs between any two steps of the main one, the event's lock held or not.
            signal.signal(wanted, lambda number, frame: threading.Thread(target=stop.set).start())
        size = sequencer.signed.checkpoint.size
        events("ledger-started", {"origin": trust.origin, "size": size, "receipts_from_before": old_count})
        Ledger(
            sequencer=sequencer,
            publisher=publisher,
            mono_ms=clock.mono_ms,
            wait=stop.wait,
            on_event=events,
            poll_s=place.poll_ms / 1000,
        ).run()
        events("ledger-stopped", {"size": sequencer.signed.checkpoint.size})
    return 0


def receipt_proofs(settings: CentralSettings, policy: Policy) -> ProofOf:
    """Return who proves receipts to docks: reads tiles, queue and the published checkpoint, and no key.

    Raises:
        OperatingError: the policy names a ledger, and the settings do not say where it is, or it is not there.
    """
    if policy.ledger is None:
        return lambda row: None
    place, trust = _required(settings, policy)
    store = TileFolder(place.folder, can_write=False)
    return ReceiptProofs(LedgerReader(store, trust), SqliteLeafQueue(settings.storage.catalogue_file))


def ledger_state(settings: CentralSettings, policy: Policy) -> str:
    """Say for `check` what the ledger is.

    Raises:
        OperatingError: it cannot be used, or what is there is not this ledger's.
    """
    if policy.ledger is None:
        return f"none: policy version {policy.version} names none, and cameras ask for no proof"
    place, trust = _required(settings, policy)
    reader = LedgerReader(TileFolder(place.folder, can_write=False), trust)
    own = reader.checkpoint(CHECKPOINT_NAME, LedgerTrust(trust.origin, trust.log_keys, (), 0))
    published = reader.published()
    with closing(SqliteLeafQueue(settings.storage.catalogue_file)) as queue:
        waiting_count = queue.waiting_count()
    size = "not begun" if own is None else f"{own.checkpoint.size} leaves"
    shown = "nothing" if published is None else f"{published.checkpoint.size} leaves"
    needed = f"{trust.witness_threshold} of {len(trust.outside_keys)} witnesses must cosign"
    asked = f"{len(settings.witness)} are asked"
    return f"{trust.origin}: {size}, {waiting_count} waiting, {shown} published; {needed}, {asked}"


def _required(settings: CentralSettings, policy: Policy) -> tuple[LedgerSettings, LedgerTrust]:
    if policy.ledger is None:
        raise SettingsFault(
            f"policy version {policy.version} names no ledger",
            expected="a policy with the ledger's origin and key: nobody would believe its checkpoints",
            next_step="have the root sign a policy that names it",
        )
    if settings.ledger is None:
        raise SettingsFault(
            f"policy version {policy.version} names the ledger {policy.ledger.origin}, the settings none",
            expected="[ledger] with folder and key_file",
            next_step="write it into the settings, see deploy/central.example.toml",
        )
    trust = LedgerTrust(policy.ledger.origin, policy.ledger.keys, policy.witness_keys, policy.witness_threshold)
    return settings.ledger, trust


def _read_ledger_key(file: Path, trust: LedgerTrust, policy: Policy) -> SoftwareEd25519:
    key = SoftwareEd25519(read_private(file, what="the ledger's key", size_bytes=KEY_SIZE_BYTES))
    if key.public_key not in trust.log_keys:
        raise SettingsFault(
            f"the ledger's key {file} is not one that policy version {policy.version} names",
            expected="the private half of a ledger key of the policy: nobody would accept what another one signs",
            next_step="restore the key, or have the root sign a policy that names this one",
        )
    return key


def _cosigning(settings: CentralSettings, trust: LedgerTrust, on_event: OnEvent) -> Cosigning:
    """Return who asks the witnesses that the settings name.

    Raises:
        SettingsFault: a key or an address of theirs cannot be used.
    """
    if not settings.witness:
        return NoWitnesses()
    places = tuple(WitnessPlace(_verifier_key(witness.key), witness.url) for witness in settings.witness)
    return WitnessClients(places, on_event=on_event, enough=trust.witness_threshold)


def _verifier_key(text: str) -> VerifierKey:
    try:
        return parse_verifier_key(text)
    except LedgerRefused as error:
        raise SettingsFault(
            f"witness key {text!r} is none ({error})",
            expected="a verifier key: name+id+key",
            next_step="copy the line that the witness's `witness init` printed",
        ) from error
