"""`witness run` and `witness show`: the server until it is stopped, and what is kept without it."""

import json
import signal
import socket
from pathlib import Path

from dockd.central.adapters.private_files import read_private
from dockd.central.adapters.settings_file import read_settings
from dockd.central.adapters.system import EventLines, SystemClock
from dockd.central.adapters.witness_folder import WitnessFolder
from dockd.central.adapters.witness_server import WitnessServer
from dockd.central.app.witness import Witness
from dockd.central.commands.witness import KEY_SIZE_BYTES
from dockd.central.core.witness_report import as_data, as_text
from dockd.central.errors import SettingsFault
from dockd.central.ports import OnEvent
from dockd.central.witness_settings import WitnessProgramSettings
from protocol.keys import SoftwareEd25519


def run_witness(config: Path, *, has_events: bool) -> int:
    """Answer until SIGTERM or SIGINT.

    Raises:
        StateFault: the state cannot be used, or another witness uses it.
        StateUncertain: an fsync failed; start again, and what is there is taken.
    """
    settings = read_settings(config, WitnessProgramSettings)
    events = EventLines(clock=SystemClock(), is_on=has_events)
    folder = WitnessFolder(settings.state_folder)
    try:
        witness = _witness(settings, folder, events, is_serving=True)
        with _listener(settings.host, settings.port) as listener:
            port = listener.getsockname()[1]
            server = WitnessServer(
                witness,
                listener,
                on_ready=lambda: events("witness-ready", {"name": settings.name, "host": settings.host, "port": port}),
                certificate_file=settings.certificate_file,
                tls_key_file=settings.tls_key_file,
            )
            for wanted in (signal.SIGTERM, signal.SIGINT):
                signal.signal(wanted, lambda *_: server.stop())
            server.run()
    finally:
        folder.close()
    return 0


def show_witness(config: Path, *, as_json: bool) -> int:
    """Print what was last seen; 0, or 1 where a log is known to have signed two trees."""
    settings = read_settings(config, WitnessProgramSettings)
    folder = WitnessFolder(settings.state_folder, is_locked=False)
    report = _witness(settings, folder, lambda *_: None, is_serving=False).report()
    print(json.dumps(as_data(report), indent=2) if as_json else as_text(report))
    return 1 if any(log.fork is not None for log in report.logs) else 0


def _witness(
    settings: WitnessProgramSettings, folder: WitnessFolder, on_event: OnEvent, *, is_serving: bool
) -> Witness:
    seed = read_private(settings.key_file, what="the witness's key", size_bytes=KEY_SIZE_BYTES)
    return Witness(
        name=settings.name,
        key=SoftwareEd25519(seed),
        logs={log.origin: log.public_keys for log in settings.logs},
        disk=folder,
        clock=SystemClock(),
        on_event=on_event,
        is_serving=is_serving,
    )


def _listener(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise SettingsFault(
            f"{host} port {port} cannot be served ({error.strerror})",
            expected="an address of this machine and a port that is free",
            next_step="correct host and port in the settings, or stop what uses the port",
        ) from error
    return listener
