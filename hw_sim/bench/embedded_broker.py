"""The broker that needs no Debian: rumqttd out of the package iotcore, in a process tied to the bench.

It speaks MQTT 5 over TLS, with the agency's certificate. It asks for no client certificate, so it knows its clients by
password; it has no access list, so each of them may write and read every topic; and it keeps nothing over a restart.
Our clients refuse anything below TLS 1.3, the broker itself would also take TLS 1.2 from others. A connection that says
nothing holds up all that come after it. So it is for the bench, on this machine alone, and not for a district.
"""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from hw_sim.bench.broker import BrokerTls
from hw_sim.bench.broker_process import (
    BIND_ADDRESS,
    START_SECONDS_MAX,
    BenchBroker,
    BrokerProcess,
    ClientAuth,
    write_private,
)
from hw_sim.bench.child import tied_to_parent
from hw_sim.bench.errors import ToolMissing

PACKAGE: Final = "iotcore"
PACKET_SIZE_BYTES_MAX: Final = 2 * 1024 * 1024
_ASK_SECONDS_MAX: Final = 1.0
# A filter's log holds what subscribers have not read yet, in memory. It must hold more than central's whole credit
# (64 MiB, spec/07-offload.md, 7.3), or blocks that were acknowledged would be lost.
_SEGMENT_SIZE_BYTES: Final = 16 * 1024 * 1024
_SEGMENT_COUNT: Final = 6
_IS_USELESS: Final = re.compile(r"Server error|Certs\((?!Io)")
_CONFIGURATION: Final = """\
# Written by the bench at each start.
id = 0

[router]
id = 0
max_connections = 1024
max_outgoing_packet_count = 200
max_segment_size = {segment_size_bytes}
max_segment_count = {segment_count}

[v5.1]
name = "sealcam"
listen = "{address}:{port}"
next_connection_delay_ms = 1

[v5.1.tls]
certpath = {certificate_file}
keypath = {key_file}

[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = {packet_size_bytes_max}
max_inflight_count = 100
dynamic_filters = true

[v5.1.connections.auth]
{passwords}
"""


def embedded_version(package: str = PACKAGE) -> str:
    """Return the version of the package that holds the broker.

    Raises:
        ToolMissing: it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        raise ToolMissing(
            f"the Python package {package}, which holds the embedded broker, is not installed",
            expected="what the extra `bench` installs",
            next_step=f"pip install {package}, or run with --broker mosquitto",
        ) from None


class EmbeddedBroker(BrokerProcess):
    """One embedded broker; started again, it has the same port and nothing else of before.

    May break: whatever a broker may, and keep clients from no topic. May not: let in whom no password is for.
    """

    client_auth: ClientAuth = "password"

    def __init__(self, folder: Path, tls: BrokerTls, passwords: Mapping[str, str]) -> None:
        """Take the passwords by client's name; nothing is written and nothing runs before ``start``.

        Raises:
            ToolMissing: iotcore is not installed.
        """
        super().__init__(folder, log_name="embedded.log")
        self._tls, self._passwords = tls, dict(passwords)
        self._version = embedded_version()

    @property
    def title(self) -> str:
        """Return what it is, for the report."""
        return f"{PACKAGE} {self._version} (rumqttd), MQTT 5 over TLS 1.3, clients by password, no access list"

    def _start_on(self, port: int) -> None:
        configuration = self._write_configuration(port)
        log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        command = tied_to_parent([sys.executable, "-m", "hw_sim.bench.embedded_process", str(configuration)])
        with os.fdopen(os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            said = self._log_since(log_start)
            # Its process does not end when its listener does, nor when its certificate cannot be used.
            has_ended = self._process.poll() is not None or _IS_USELESS.search(said) is not None
            if not has_ended and self._answers(port):
                return
            if has_ended or time.monotonic() > deadline:
                self.kill()
                name = f"the embedded broker ({PACKAGE} {self._version})"
                raise self._refusal(name, said, next_step=f"look at {self.log_file}")
            time.sleep(0.02)

    def _answers(self, port: int) -> bool:
        """Say whether our broker, and not another program on that port, shows our certificate."""
        context = ssl.create_default_context(cafile=self._tls.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            with (
                socket.create_connection((BIND_ADDRESS, port), timeout=_ASK_SECONDS_MAX) as line,
                context.wrap_socket(line, server_hostname=BIND_ADDRESS),
            ):
                return True
        except OSError:
            return False

    def _write_configuration(self, port: int) -> Path:
        configuration = self._folder / "rumqttd.toml"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(
                configuration,
                _CONFIGURATION.format(
                    segment_size_bytes=_SEGMENT_SIZE_BYTES,
                    segment_count=_SEGMENT_COUNT,
                    address=BIND_ADDRESS,
                    port=port,
                    certificate_file=json.dumps(str(self._tls.certificate_file.resolve())),
                    key_file=json.dumps(str(self._tls.key_file.resolve())),
                    packet_size_bytes_max=PACKET_SIZE_BYTES_MAX,
                    passwords="\n".join(
                        f"{json.dumps(name)} = {json.dumps(password)}" for name, password in self._passwords.items()
                    ),
                ),
            )
        except OSError as error:
            raise self._unwritable(error) from error
        return configuration


_fits: type[BenchBroker] = EmbeddedBroker
