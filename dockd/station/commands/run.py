"""`run`: the dock at work, until it is told to end."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path

from dockd.shared.adapters.mqtt_client import BrokerAddress, connector
from dockd.shared.password import read_password
from dockd.shared.tls import client_context
from dockd.station.adapters.serial_line import SerialLine
from dockd.station.adapters.settings_file import read_dock_key, read_policy, read_settings
from dockd.station.adapters.spool import FolderSpool
from dockd.station.adapters.spool_lock import SpoolLock
from dockd.station.adapters.system import EventLines, StatusFile, SystemClock, SystemEntropy
from dockd.station.app.bay import Bay, Station
from dockd.station.app.freeing import Freer
from dockd.station.app.offloading import OffloadNews
from dockd.station.app.status import StatusBoard
from dockd.station.app.uploader import Uploader
from dockd.station.errors import LineAbsent
from dockd.station.ports import Line
from dockd.station.settings import BaySettings, BrokerSettings, DockSettings
from protocol.keys import EntryKey
from protocol.policy import Policy

_BEAT_S = 1.0


def run(config: Path, *, has_events: bool) -> int:
    """Serve all bays until SIGTERM or SIGINT; 0 then, 1 when a fault ended it."""
    settings = read_settings(config)
    trusted = read_policy(settings)
    key = read_dock_key(settings, trusted)
    lock = SpoolLock(settings.spool_folder)
    try:
        for bay in settings.bay:
            try_port(bay)
        return _Dock(settings, trusted.policy, key, has_events=has_events).serve()
    finally:
        lock.close()


def try_port(bay: BaySettings) -> bool:
    """Open and close a bay's port; False for a USB port that is not there, where a camera brings its own.

    Raises:
        LineLost: it cannot be used.
    """
    try:
        opener(bay)().close()
    except LineAbsent:
        if bay.line == "uart":
            raise
        return False
    return True


def opener(bay: BaySettings) -> Callable[[], Line]:
    """Return what opens a bay's port."""
    return lambda: SerialLine(bay.port, baud_rate=bay.baud_rate)


def address_of(broker: BrokerSettings) -> BrokerAddress:
    """Return where the broker is and how it is trusted.

    Raises:
        CredentialsFault: a TLS file or the password cannot be used.
    """
    context = client_context(ca_file=broker.ca_file, certificate_file=broker.certificate_file, key_file=broker.key_file)
    password = None if broker.password_file is None else read_password(broker.password_file)
    return BrokerAddress(broker.host, broker.port, context, password)


class _Dock:
    """All parts of one running dock."""

    def __init__(self, settings: DockSettings, policy: Policy, key: EntryKey, *, has_events: bool) -> None:
        self._clock, self._end = SystemClock(), threading.Event()
        self._fault: BaseException | None = None
        self._say = EventLines(clock=self._clock, is_json=has_events)
        self._spool = FolderSpool(settings.spool_folder)
        self._freed_count = Freer(spool=self._spool, policy=policy).redo()
        self._settings, self._policy = settings, policy
        self._board = StatusBoard(
            dock=settings.dock_name,
            bays=tuple(bay.name for bay in settings.bay),
            clock=self._clock,
            write=StatusFile(settings.status_file).write,
        )
        self._uploader = None if settings.broker is None else self._new_uploader(settings.broker)
        station = Station(
            spool=self._spool,
            policy=policy,
            dock_key=key,
            clock=self._clock,
            entropy=SystemEntropy(),
            board=self._board,
            say=self._say,
            on_complete=self._notify,
            on_fault=self._take_fault,
        )
        self._bays = [
            Bay(
                name=bay.name,
                station=station,
                open_line=opener(bay),
                window_bytes=bay.window,
                is_port_lasting=bay.line == "uart",
            )
            for bay in settings.bay
        ]

    def serve(self) -> int:
        for wanted in (signal.SIGTERM, signal.SIGINT):
            signal.signal(wanted, lambda *_: self._end.set())
        self._say("started", {"dock": self._settings.dock_name, "bays": [bay.name for bay in self._bays]})
        if self._uploader is not None:
            self._uploader.start()
        for bay in self._bays:
            bay.start()
        while not self._end.wait(_BEAT_S):
            self._board.beat(self._spool.free_bytes())
        for bay in self._bays:
            bay.stop()
        if self._uploader is not None:
            self._uploader.stop()
        if self._fault is not None:
            raise self._fault
        return 0

    def _new_uploader(self, broker: BrokerSettings) -> Uploader:
        news = OffloadNews(
            spool=self._spool,
            policy=self._policy,
            board=self._board,
            say=self._say,
            on_receipt=self._wake_bays,
            on_fault=self._take_fault,
        )
        return Uploader(
            spool=self._spool,
            connect=connector(address_of(broker)),
            dock_name=self._settings.dock_name,
            policy=self._policy,
            on_event=news,
            clock=self._clock,
            entropy=SystemEntropy(),
        )

    def _notify(self) -> None:
        if self._uploader is not None:
            self._uploader.notify()

    def _wake_bays(self) -> None:
        for bay in self._bays:
            bay.look_for_receipts()

    def _take_fault(self, fault: BaseException) -> None:
        self._fault = self._fault or fault
        self._end.set()
