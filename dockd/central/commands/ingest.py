"""`ingest`: one worker, which takes files from docks until it is told to stop; and `check`, which only looks."""

import signal
import threading
from contextlib import closing
from pathlib import Path

from dockd.central.adapters.object_store import STAGING_FOLDER
from dockd.central.adapters.staging_disk import PosixStagingDisk
from dockd.central.adapters.system import EventLines, SystemClock, SystemEntropy
from dockd.central.app.ingest import Ingest
from dockd.central.app.staging import Staging, StagingLimits
from dockd.central.commands.ledger import ledger_state
from dockd.central.commands.opening import Opened, open_central, open_keeper
from dockd.central.errors import SettingsFault
from dockd.shared.adapters.mqtt_client import BrokerAddress, check, connector
from dockd.shared.password import read_password
from dockd.shared.ports import ConnectionPlan, Publication
from dockd.shared.tls import client_context
from protocol.keys import key_id
from protocol.offload.topics import worker_filters, worker_presence_topic
from protocol.policy import Policy

INSTANCE_SIZE_BYTES = 16


def run_ingest(config: Path, *, has_events: bool) -> int:
    """Serve until SIGTERM or SIGINT.

    A broker that refuses at the start ends it; one that goes away later is waited for.
    """
    opened = open_central(config)
    clock = SystemClock()
    events = EventLines(clock=clock, is_on=has_events)
    keeper = open_keeper(opened, on_event=events)
    address = _address(opened)
    check(_plan(opened), address)
    settings = opened.settings
    limits = StagingLimits(dock_bytes_max=settings.ingest.dock_bytes_max, free_bytes_min=settings.ingest.free_bytes_min)
    with closing(PosixStagingDisk(settings.storage.folder / STAGING_FOLDER)) as disk:
        ingest = Ingest(
            worker=settings.ingest.name,
            connect=connector(address),
            staging=Staging(disk, limits=limits),
            keeper=keeper,
            on_event=events,
            now_ms=clock.mono_ms,
            instance=SystemEntropy().take(INSTANCE_SIZE_BYTES),
        )
        for wanted in (signal.SIGTERM, signal.SIGINT):
            # From a thread of its own: a handler runs between any two steps of the main one, its queue's lock held or
            # not.
            signal.signal(wanted, lambda number, frame: threading.Thread(target=ingest.stop).start())
        ingest.run()
    return 0


def run_check(config: Path) -> int:
    """Say whether everything that the settings name can be used; faults leave as exceptions."""
    opened = open_central(config)
    open_keeper(opened, on_event=lambda name, fields: None)
    shifts, cameras = opened.catalogue.shifts(), opened.catalogue.cameras()
    policy = opened.policy.policy
    print(f"policy     version {policy.version} of {policy.agency}, root {opened.settings.root_fingerprint}")
    print(f"catalogue  {len(cameras)} cameras, {len(shifts)} shifts")
    print(f"store      {opened.settings.storage.folder}")
    print(f"ledger     {ledger_state(opened.settings, policy)}")
    _require_level(policy)
    _require_vault_key(opened)
    print(f"vault      answers at {opened.settings.vault.socket_file}")
    check(_plan(opened), _address(opened))
    print(
        f"broker     {opened.settings.broker.host}:{opened.settings.broker.port} lets {opened.settings.ingest.name} in"
    )
    return 0


def _require_level(policy: Policy) -> None:
    if policy.erase_level == "locked":
        raise SettingsFault(
            f"policy version {policy.version} lets cameras erase only behind receipts of level locked",
            expected="level stored: a local folder cannot lock objects",
            next_step="keep objects in a store with Object Lock, or have the root sign a policy for this one",
        )


def _require_vault_key(opened: Opened) -> None:
    found, expected = opened.vault.key_id(), key_id(opened.policy.policy.vault_key)
    if found != expected:
        raise SettingsFault(
            f"the vault at {opened.settings.vault.socket_file} holds key {found.hex()}",
            expected=f"key {expected.hex()}, to which the policy has cameras seal",
            next_step="start the vault with the right key: no recording is receipted until then",
        )


def _address(opened: Opened) -> BrokerAddress:
    broker = opened.settings.broker
    context = client_context(ca_file=broker.ca_file, certificate_file=broker.certificate_file, key_file=broker.key_file)
    password = None if broker.password_file is None else read_password(broker.password_file)
    return BrokerAddress(broker.host, broker.port, context, password)


def _plan(opened: Opened) -> ConnectionPlan:
    """Return a connection that only tries: it subscribes as the worker does, and publishes nothing."""
    name = opened.settings.ingest.name
    nothing = Publication(worker_presence_topic(name), b"")
    return ConnectionPlan(name=name, filters=worker_filters(name), hello=nothing, will=nothing)
