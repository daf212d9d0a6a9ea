"""`vault`: the process that alone reads the private key."""

import grp
import signal
from pathlib import Path
from typing import Final

from dockd.central.adapters.private_files import read_private
from dockd.central.adapters.settings_file import read_settings
from dockd.central.adapters.system import EventLines, SystemClock
from dockd.central.adapters.vault_server import serve
from dockd.central.app.vault import VaultService
from dockd.central.errors import SettingsFault
from dockd.central.settings import VaultSettings
from protocol.errors import KeyBoxUnreadable
from protocol.keybox import SealingKey
from protocol.keys import key_id

KEY_SIZE_BYTES: Final = 96


def open_vault_key(settings: VaultSettings) -> SealingKey:
    """Return the vault's private key.

    Raises:
        SettingsFault: it is missing, open to others, or no such key.
    """
    private = read_private(settings.key_file, what="the vault's key", size_bytes=KEY_SIZE_BYTES)
    try:
        return SealingKey(private)
    except (KeyBoxUnreadable, ValueError) as error:
        raise SettingsFault(
            f"the vault's key {settings.key_file} is no key ({error})",
            expected=f"{KEY_SIZE_BYTES} bytes as provisioning made them",
            next_step="restore it from its backup",
        ) from error


def run_vault(config: Path) -> int:
    """Answer until SIGTERM or SIGINT.

    Openings are always written to standard output: they are the point of this process.
    """
    settings = read_settings(config, VaultSettings)
    key = open_vault_key(settings)
    events = EventLines(clock=SystemClock(), is_on=True)
    has_stopped = False

    def stop(number: int, frame: object) -> None:
        nonlocal has_stopped
        has_stopped = True

    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, stop)
    service = VaultService(key=key, on_event=events)
    serve(
        service.answer,
        settings.socket_file,
        should_stop=lambda: has_stopped,
        on_ready=lambda: events("vault-ready", {"key": key_id(key.public_key).hex()}),
        group_id=_group_id(settings.socket_group),
    )
    return 0


def _group_id(name: str | None) -> int | None:
    if name is None:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise SettingsFault(
            f"socket_group names {name!r}, which this machine does not have",
            expected="the group that ingest runs in",
            next_step="make the group, or correct socket_group in the settings",
        ) from None
