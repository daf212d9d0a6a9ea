"""`check` and `status`: look, and change nothing."""

import json
import time
from pathlib import Path
from typing import Any, Final

from dockd.shared.adapters.mqtt_client import check as check_broker
from dockd.shared.errors import BrokerUnreachable
from dockd.shared.ports import ConnectionPlan, Publication
from dockd.station.adapters.settings_file import read_dock_key, read_policy, read_settings
from dockd.station.adapters.spool import FolderSpool
from dockd.station.adapters.spool_lock import SpoolInUse, SpoolLock
from dockd.station.commands.run import address_of, try_port
from dockd.station.errors import LineLost
from dockd.station.settings import BaySettings, DockSettings
from protocol.offload.topics import dock_filters, dock_presence_topic

STALE_AFTER_S: Final = 10
_STATE_WORDS: Final = {
    "empty": "empty",
    "reading": "reading",
    "verified": "verified, asking whether there is more",
    "waiting-for-receipt": "ready; waiting for receipts",
    "ready": "ready",
    "trouble": "TROUBLE",
}


def check(config: Path) -> int:
    """Try everything that the settings name; 0 when all of it can be used, 1 when something cannot now."""
    settings = read_settings(config)
    trusted = read_policy(settings)
    read_dock_key(settings, trusted)
    print(f"policy   version {trusted.policy.version} of {trusted.policy.agency}, root {settings.root_fingerprint}")
    print(f"key      {settings.dock_key_file}, which the policy names")
    if settings.broker is not None:
        address_of(settings.broker)
    try:
        lock = SpoolLock(settings.spool_folder)
    except SpoolInUse:
        print("spool    in use: a dock runs here, so ports and broker are not tried; see `sealcam-dock status`")
        return 0
    try:
        free = FolderSpool(settings.spool_folder).free_bytes()
        print(f"spool    {settings.spool_folder}, {free / 1e9:.1f} GB free")
        ports = [_check_port(bay) for bay in settings.bay]
        return 0 if all([*ports, _check_broker(settings)]) else 1
    finally:
        lock.close()


def _check_port(bay: BaySettings) -> bool:
    try:
        is_there = try_port(bay)
    except LineLost as fault:
        print(f"{bay.name:8} {fault}")
        return False
    nobody = "nothing there: no camera is in the bay, or the port's name is wrong"
    print(f"{bay.name:8} {bay.port}: {'can be opened' if is_there else nobody}")
    return is_there


def _check_broker(settings: DockSettings) -> bool:
    if settings.broker is None:
        print("broker   none is set: the dock holds what it reads, and nothing is erased")
        return True
    name = settings.dock_name
    nothing = Publication(dock_presence_topic(name), b"")
    plan = ConnectionPlan(name=name, filters=dock_filters(name), hello=nothing, will=nothing)
    try:
        check_broker(plan, address_of(settings.broker))
    except BrokerUnreachable as fault:
        print(f"broker   {fault}")
        return False
    print(f"broker   {settings.broker.host}:{settings.broker.port} lets {name} in")
    return True


def status(config: Path, *, is_json: bool) -> int:
    """Say what each bay does; 0 fine, 1 when a bay is in trouble or no dock runs."""
    settings = read_settings(config)
    value = _read_status(settings.status_file)
    age_s = None if value is None else time.time() - value["updated_at_unix_ms"] / 1000
    is_running = age_s is not None and age_s < STALE_AFTER_S
    if is_json:
        print(json.dumps({"is_running": is_running, **(value or {})}, indent=2))
    elif value is None:
        print(f"{settings.dock_name}: no dock has run here ({settings.status_file} says nothing)")
    else:
        _print_status(value, age_s=age_s if not is_running else None)
    has_trouble = value is not None and any(bay["state"] == "trouble" for bay in value["bays"])
    return 0 if is_running and not has_trouble else 1


def _read_status(file: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and "bays" in value else None


def _print_status(value: dict[str, Any], *, age_s: float | None) -> None:
    stopped = "" if age_s is None else f" (the dock does not run; this is {age_s:.0f} s old)"
    print(f"{value['dock']}: {value['spool_free_bytes'] / 1e9:.1f} GB free; {value['offload']['text']}{stopped}")
    for bay in value["bays"]:
        words = _STATE_WORDS.get(bay["state"], bay["state"])
        parts = [f"  {bay['bay']:10} {bay['camera'] or '-':14} {words}"]
        if bay["state"] == "reading":
            parts.append(f"{bay['bytes_held'] / 1e9:.2f} of {bay['bytes_listed'] / 1e9:.2f} GB")
            if bay["seconds_left"] is not None:
                parts.append(f"{bay['seconds_left']:.0f} s left")
        if bay["finding_count"]:
            parts.append(f"{bay['finding_count']} findings")
        if bay["trouble"]:
            parts.append(bay["trouble"])
        print(", ".join(parts))
