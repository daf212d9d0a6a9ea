"""A real mosquitto as a child process of the bench, with the configuration that docks and central have in the field.

The configuration and the access list are those of `dockd/deploy`; only paths, port and user are filled in here.
"""

import os
import shlex
import signal
import string
import subprocess
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from hw_sim.bench.broker_process import (
    BIND_ADDRESS,
    START_SECONDS_MAX,
    BenchBroker,
    BrokerProcess,
    ClientAuth,
    write_private,
)
from hw_sim.bench.child import tied_to_parent
from hw_sim.bench.mosquitto import MosquittoProgram


@dataclass(frozen=True, slots=True)
class BrokerTls:
    """The broker's own certificate and key, whom it trusts, and whom no longer."""

    ca_file: Path
    certificate_file: Path
    key_file: Path
    crl_file: Path


class MosquittoBroker(BrokerProcess):
    """One broker in one folder; started again, it has the same port and what it had made persistent.

    May break: whatever a broker may; ``kill`` is a kill -9. May not: let in whom `dockd/deploy` would not.
    """

    client_auth: ClientAuth = "certificate"

    def __init__(self, program: MosquittoProgram, folder: Path, tls: BrokerTls) -> None:
        """Take what is needed; nothing is written and nothing runs before ``start``."""
        super().__init__(folder, log_name="mosquitto.log")
        self._program = program
        self._tls = tls

    @property
    def title(self) -> str:
        """Return what it is, for the report."""
        return f"mosquitto {self._program.version}, MQTT 5 over mutual TLS 1.3"

    def reload(self) -> None:
        """Make it read certificates, revocation list and access list again (SIGHUP)."""
        assert self._process is not None, "the broker was never started"
        self._process.send_signal(signal.SIGHUP)

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
                raise self._refusal("mosquitto", said, next_step=self._how_to_look(configuration))
            time.sleep(0.01)

    def _how_to_look(self, configuration: Path) -> str:
        command = [*(f"{k}={v}" for k, v in self._program.env.items()), str(self._program.path), "-v", "-c"]
        return f"look at {self.log_file}, or try: {shlex.join(command)} {shlex.quote(str(configuration))}"

    def _write_configuration(self, port: int) -> Path:
        deploy = files("dockd") / "deploy"
        state = self._folder / "state"
        acl = self._folder / "mosquitto.acl"
        configuration = self._folder / "mosquitto.conf"
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(acl, (deploy / "mosquitto.acl").read_text())
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
            write_private(configuration, text)
        except OSError as error:
            raise self._unwritable(error) from error
        return configuration


_fits: type[BenchBroker] = MosquittoBroker
