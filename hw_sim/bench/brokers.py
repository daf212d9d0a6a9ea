"""The brokers that the bench can run over: mosquitto, one that is embedded, and one that runs already."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from hw_sim.bench.agency import BenchAgency
from hw_sim.bench.broker import MosquittoBroker
from hw_sim.bench.broker_process import BenchBroker
from hw_sim.bench.embedded_broker import EmbeddedBroker, embedded_version
from hw_sim.bench.mosquitto import locate
from hw_sim.bench.options import EMBEDDED, MOSQUITTO, broker_place
from hw_sim.bench.remote_broker import RemoteBroker

MOSQUITTO_CACHE: Final = Path(__file__).resolve().parents[2] / ".cache" / "mosquitto"

MakeBroker = Callable[[Path, BenchAgency], BenchBroker]
"""Takes a folder of the broker's own, and an agency."""


def find_broker(choice: str, say: Callable[[str], None], *, ca_file: Path | None = None) -> MakeBroker:
    """Return what makes the broker; mosquitto is fetched now if it must be, and nothing else is written.

    ``ca_file`` is the CA of a broker that runs already, where that is not the agency's.

    Raises:
        ToolMissing: this machine has not what it takes.
    """
    if choice == MOSQUITTO:
        program = locate(MOSQUITTO_CACHE, say)
        return lambda folder, agency: MosquittoBroker(program, folder, agency.broker_tls)
    if choice == EMBEDDED:
        embedded_version()
        return lambda folder, agency: EmbeddedBroker(folder, agency.broker_tls, agency.broker_passwords())
    host, port = broker_place(choice)
    return lambda folder, agency: RemoteBroker(host, port, agency.worker_credentials(ca_file))
