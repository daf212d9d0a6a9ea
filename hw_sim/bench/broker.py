"""A real mosquitto as a child process of the bench, with the configuration that docks and central have in the field.

The configuration and the access list are those of `dockd/deploy`; only paths, port and user are filled in here.
"""

import os
import shlex
import signal
import socket
import string
import subprocess
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Final

from hw_sim.bench.child import tied_to_parent
from hw_sim.bench.errors import BrokerFault
from hw_sim.bench.mosquitto import MosquittoProgram

BIND_ADDRESS: Final = "127.0.0.1"
START_SECONDS_MAX: Final = 15.0
STOP_SECONDS_MAX: Final = 5.0
PORT_TRIES_MAX: Final = 5
LAST_LOG_LINES: Final = 5
LOG_TAIL_BYTES_MAX: Final = 65536


@dataclass(frozen=True, slots=True)
class BrokerTls:
    """The broker's own certificate and key, whom it trusts, and whom no longer."""

    ca_file: Path
    certificate_file: Path
    key_file: Path
    crl_file: Path


class MosquittoBroker:
    """One broker in one folder; started again, it has the same port and what it had made persistent.

    May break: whatever a broker may; ``kill`` is a kill -9. May not: let in whom `dockd/deploy` would not.
    """

    def __init__(self, program: MosquittoProgram, folder: Path, tls: BrokerTls) -> None:
        """Take what is needed; nothing is written and nothing runs before ``start``."""
        self._program = program
        self._folder = folder.resolve()
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None
        self.log_file: Final = self._folder / "mosquitto.log"

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
                if tries_left and "Address already in use" in str(fault):
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

    def reload(self) -> None:
        """Make it read certificates, revocation list and access list again (SIGHUP)."""
        assert self._process is not None, "the broker was never started"
        self._process.send_signal(signal.SIGHUP)

    def __enter__(self) -> "MosquittoBroker":
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _start_on(self, port: int) -> None:
        configuration = self._write_configuration(port)
        log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        environment = {**os.environ, **self._program.env}
        command = tied_to_parent([str(self._program.path), "-c", str(configuration)])
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            has_ended = self._process.poll() is not None
            # Its own word, after the listener is bound: whoever tried a connection instead might meet another
            # program on that port, and would leave two lines of noise in the log.
            said = self._log_since(log_start)
            if not has_ended and f"mosquitto version {self._program.version} running" in said:
                return
            if has_ended or time.monotonic() > deadline:
                self.kill()
                raise self._refusal(configuration, said)
            time.sleep(0.01)

    def _log_since(self, offset: int) -> str:
        with self.log_file.open("rb") as log:
            log.seek(max(offset, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES_MAX))
            return log.read(LOG_TAIL_BYTES_MAX).decode(errors="replace")

    def _refusal(self, configuration: Path, said: str) -> BrokerFault:
        assert self._process is not None
        last_lines = " | ".join(said.strip().splitlines()[-LAST_LOG_LINES:]) or "it said nothing"
        return BrokerFault(
            f"mosquitto did not start (exit code {self._process.returncode}; {last_lines})",
            expected=f"it to listen within {START_SECONDS_MAX:.0f} s",
            next_step=f"look at {self.log_file}, or try: "
            + shlex.join([*(f"{k}={v}" for k, v in self._program.env.items()), str(self._program.path), "-v", "-c"])
            + f" {shlex.quote(str(configuration))}",
        )

    def _write_configuration(self, port: int) -> Path:
        deploy = files("dockd") / "deploy"
        state = self._folder / "state"
        acl = self._folder / "mosquitto.acl"
        configuration = self._folder / "mosquitto.conf"
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_private(acl, (deploy / "mosquitto.acl").read_text())
            template = string.Template((deploy / "mosquitto.conf.template").read_text())
            text = template.substitute(
                # Started as root, it would else become a user who can read neither the keys nor this folder;
                # started as anybody else, it stays who it is, whatever stands here.
                user="root" if os.geteuid() == 0 else "mosquitto",
                bind_address=BIND_ADDRESS,
                port=port,
                ca_file=self._tls.ca_file.resolve(),
                certificate_file=self._tls.certificate_file.resolve(),
                key_file=self._tls.key_file.resolve(),
                crl_file=self._tls.crl_file.resolve(),
                acl_file=acl,
                persistence_folder=state,
                log_destination="stderr",  # to stdout it would write through a buffer
            )
            _write_private(configuration, text)
        except OSError as error:
            raise BrokerFault(
                f"the broker's folder {self._folder} cannot be written ({error.strerror})",
                expected="a folder of ours with space left",
                next_step="name another output folder",
            ) from error
        return configuration


def _write_private(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((BIND_ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port
