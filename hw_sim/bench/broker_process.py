"""A broker as a child process of the bench: its port, its start until it answers, its ends. What it runs is in subclasses."""

import os
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol, Self

from hw_sim.bench.errors import BrokerFault

BIND_ADDRESS: Final = "127.0.0.1"
START_SECONDS_MAX: Final = 15.0
STOP_SECONDS_MAX: Final = 5.0
PORT_TRIES_MAX: Final = 5
LAST_LOG_LINES: Final = 5
LOG_TAIL_BYTES_MAX: Final = 65536

ClientAuth = Literal["certificate", "password"]


class BenchBroker(Protocol):
    """The broker of a run, whoever runs it."""

    @property
    def title(self) -> str:
        """Return what it is, for the report."""

    @property
    def client_auth(self) -> ClientAuth:
        """Return by what it knows its clients."""

    @property
    def host(self) -> str:
        """Return the name or address that its certificate names."""

    @property
    def port(self) -> int:
        """Return the TLS port; known once it was started."""

    def start(self) -> None:
        """Return when it lets clients in.

        Raises:
            BenchError, OperatingError: it does not; the message says why.
        """

    def stop(self) -> None:
        """End it, if it is ours to end. Safe to call twice."""


class BrokerProcess:
    """One broker in one folder; started again, it has the same port. ``kill`` is a kill -9."""

    def __init__(self, folder: Path, *, log_name: str) -> None:
        """Take what is needed; nothing is written and nothing runs before ``start``."""
        self._folder: Final = folder.resolve()
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None
        self.log_file: Final = self._folder / log_name

    @property
    def host(self) -> str:
        """The address to connect to; the broker's certificate names it."""
        return BIND_ADDRESS

    @property
    def port(self) -> int:
        """The TLS port, chosen at the first start."""
        assert self._port is not None, "the broker was never started"
        return self._port

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The process, for those who measure or disturb it."""
        assert self._process is not None, "the broker was never started"
        return self._process.pid

    def start(self) -> None:
        """Return when the broker accepts connections. Main thread only.

        Raises:
            BrokerFault: it refuses to start; the message has the last lines of its log.
        """
        assert not self.is_running, "the broker runs already"
        if self._port is not None:
            self._start_on(self._port)
            return
        for tries_left in reversed(range(PORT_TRIES_MAX)):
            port = _free_port()
            try:
                self._start_on(port)
            except BrokerFault as fault:
                # Between our look and its bind another program may have taken the port.
                if tries_left and "already in use" in str(fault):
                    continue
                raise
            self._port = port
            return

    def stop(self) -> None:
        """End it as an operator would, so that it saves its state; a deaf one is killed. Safe to call twice."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a power cut would. Safe to call twice."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(STOP_SECONDS_MAX)

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _start_on(self, port: int) -> None:
        """Start it on ``port``; return when it listens there."""
        raise NotImplementedError

    def _log_since(self, offset: int) -> str:
        with self.log_file.open("rb") as log:
            log.seek(max(offset, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES_MAX))
            return log.read(LOG_TAIL_BYTES_MAX).decode(errors="replace")

    def _refusal(self, name: str, said: str, *, next_step: str) -> BrokerFault:
        assert self._process is not None
        last_lines = " | ".join(said.strip().splitlines()[-LAST_LOG_LINES:]) or "it said nothing"
        return BrokerFault(
            f"{name} did not start (exit code {self._process.returncode}; {last_lines})",
            expected=f"it to listen within {START_SECONDS_MAX:.0f} s",
            next_step=next_step,
        )

    def _unwritable(self, error: OSError) -> BrokerFault:
        return BrokerFault(
            f"the broker's folder {self._folder} cannot be written ({error.strerror})",
            expected="a folder of ours with space left",
            next_step="name another output folder",
        )


def write_private(file: Path, text: str) -> None:
    """Write a file that nobody else may read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((BIND_ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port
