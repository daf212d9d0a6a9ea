"""A broker that runs already and is not the bench's to start: `--broker mqtts://HOST`.

It must trust the agency's CA for its clients, and show a certificate for HOST; it knows clients by their certificates.
"""

from dockd.shared.adapters.mqtt_client import BrokerAddress, check
from dockd.shared.ports import ConnectionPlan, Publication
from dockd.shared.tls import client_context
from hw_sim.bench.agency import WorkerCredentials
from hw_sim.bench.broker_process import BenchBroker, ClientAuth
from protocol.offload.topics import worker_filters, worker_presence_topic


class RemoteBroker:
    """Somebody else's broker. Starting only looks whether it lets the ingest worker in; nothing is published."""

    client_auth: ClientAuth = "certificate"

    def __init__(self, host: str, port: int, worker: WorkerCredentials) -> None:
        """Take where it is; nothing is connected before ``start``."""
        self._host, self._port, self._worker = host, port, worker

    @property
    def title(self) -> str:
        """Return what it is, for the report."""
        return f"the broker at {self._host}:{self._port}, MQTT 5 over mutual TLS 1.3"

    @property
    def host(self) -> str:
        """Return its name."""
        return self._host

    @property
    def port(self) -> int:
        """Return its port."""
        return self._port

    def start(self) -> None:
        """Return when it has let the worker in.

        Raises:
            OperatingError: it does not; the message says why.
        """
        worker = self._worker
        context = client_context(
            ca_file=worker.ca_file, certificate_file=worker.certificate_file, key_file=worker.key_file
        )
        nothing = Publication(worker_presence_topic(worker.name), b"")
        plan = ConnectionPlan(worker.name, worker_filters(worker.name), hello=nothing, will=nothing)
        check(plan, BrokerAddress(self._host, self._port, context))

    def stop(self) -> None:
        """Leave it alone."""


_fits: type[BenchBroker] = RemoteBroker
