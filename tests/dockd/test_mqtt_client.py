"""The connection to the broker, against a real mosquitto with mutual TLS 1.3: it comes up again, and says why not."""

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

import pytest

from dockd.shared.adapters.mqtt_client import BrokerAddress, MqttClient, check
from dockd.shared.adapters.mqtt_faults import lost
from dockd.shared.errors import BrokerUnreachable
from dockd.shared.ports import (
    Acknowledged,
    BrokerEvent,
    Connected,
    ConnectionPlan,
    Disconnected,
    Publication,
    Received,
)
from hw_sim.bench.broker import MosquittoBroker
from protocol.offload.topics import dock_filters
from tests.hw_sim.mqtt_parties import HOST, PATIENCE_SECONDS, Agency, Party, real_agency, running_broker

DOCK, WORKER = "dock-a", "ingest-1"
AnyEvent = TypeVar("AnyEvent", Connected, Disconnected, Received, Acknowledged)


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    return real_agency(tmp_path_factory.mktemp("agency") / "ca")


@pytest.fixture(scope="module")
def broker(agency: Agency, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MosquittoBroker]:
    with running_broker(agency, tmp_path_factory.mktemp("broker")) as running:
        yield running


def plan(name: str, *filters: str) -> ConnectionPlan:
    kind = name.split("-")[0]
    topic = f"sealcam/1/{kind}/{name}/st"
    return ConnectionPlan(
        name,
        filters or dock_filters(name),
        Publication(topic, b"online", is_retained=True),
        Publication(topic, b"offline", is_retained=True),
    )


class Client:
    """A client of ours, with what it was told."""

    def __init__(self, agency: Agency, port: int, name: str, *filters: str) -> None:
        self.events: queue.Queue[BrokerEvent] = queue.Queue()
        self.address = BrokerAddress(HOST, port, agency.context(agency.client(name)))
        self.connection = MqttClient(plan(name, *filters), self.events.put, address=self.address)

    def next(self, kind: type[AnyEvent]) -> AnyEvent:
        """Return the next event of a kind; others before it are passed over."""
        while True:
            event = self.events.get(timeout=PATIENCE_SECONDS)
            if isinstance(event, kind):
                return event


@contextmanager
def connected(agency: Agency, port: int, name: str, *filters: str) -> Iterator[Client]:
    client = Client(agency, port, name, *filters)
    client.connection.start()
    try:
        client.next(Connected)
        yield client
    finally:
        client.connection.stop()


def test_messages_arrive_with_their_properties(agency: Agency, broker: MosquittoBroker) -> None:
    topic = f"sealcam/1/dock/{DOCK}/open"
    with (
        connected(agency, broker.port, WORKER, "$share/ingest/sealcam/1/dock/+/open") as worker,
        connected(agency, broker.port, DOCK) as dock,
    ):
        token = dock.connection.publish(Publication(topic, b"x" * 1_100_000, False, f"to/{DOCK}/reply", b"r" * 16))
        received = worker.next(Received)
        worker.connection.acknowledge(received)
        while (acknowledged := dock.next(Acknowledged)).token != token:
            pass

    assert received == Received(topic, b"x" * 1_100_000, f"to/{DOCK}/reply", b"r" * 16)
    assert acknowledged.has_subscribers
    assert acknowledged.refusal is None


def test_a_message_that_nobody_subscribed_to_is_acknowledged_and_told_so(
    agency: Agency, broker: MosquittoBroker
) -> None:
    with connected(agency, broker.port, DOCK) as dock:
        token = dock.connection.publish(Publication(f"sealcam/1/dock/{DOCK}/open", b"anybody?"))
        while (acknowledged := dock.next(Acknowledged)).token != token:
            pass

    assert not acknowledged.has_subscribers


def test_a_message_that_the_access_list_forbids_is_told(agency: Agency, broker: MosquittoBroker) -> None:
    with connected(agency, broker.port, DOCK) as dock:
        token = dock.connection.publish(Publication("sealcam/1/dock/dock-b/open", b"x"))
        while (acknowledged := dock.next(Acknowledged)).token != token:
            pass

    assert acknowledged.refusal == "Not authorized"


def test_presence_is_retained_and_taken_back_at_the_end(agency: Agency, broker: MosquittoBroker) -> None:
    name, heard = "ingest-never-seen", []
    for is_there in (True, False):
        with Party(agency.context(agency.client(DOCK)), broker.port) as listener:
            with connected(agency, broker.port, name) if is_there else nullcontext():
                listener.subscribe("sealcam/1/ingest/+/st")
                while not (message := listener.receive()).topic.endswith(f"{name}/st"):
                    pass
            heard.append(message.payload)

    assert heard == [b"online", b"offline"]


def test_messages_without_acknowledgement_hold_back_further_ones(agency: Agency, broker: MosquittoBroker) -> None:
    topic = f"sealcam/1/dock/{DOCK}/to/{WORKER}/block"
    with (
        connected(agency, broker.port, WORKER, f"sealcam/1/dock/+/to/{WORKER}/block") as worker,
        Party(agency.context(agency.client(DOCK)), broker.port) as party,
    ):
        for _ in range(33):
            party.publish(topic, b"block")
        held_back = [worker.next(Received) for _ in range(32)]
        with pytest.raises(queue.Empty):
            worker.events.get(timeout=0.3)

        worker.connection.acknowledge(held_back[0])

        assert worker.next(Received).topic == topic


def test_it_comes_up_again_when_the_broker_was_killed(agency: Agency, tmp_path: Path) -> None:
    with (
        running_broker(agency, tmp_path) as broker,
        connected(agency, broker.port, DOCK) as dock,
    ):
        broker.kill()
        lost = dock.next(Disconnected)
        refused = dock.next(Disconnected)
        assert dock.connection.publish(Publication(f"sealcam/1/dock/{DOCK}/open", b"x")) is None
        broker.start()
        dock.next(Connected)

    assert "was lost" in lost.reason
    assert "nothing listens at" in refused.reason


def test_stopping_while_there_is_no_broker_ends_at_once(agency: Agency) -> None:
    client = Client(agency, 1, DOCK)
    client.connection.start()
    client.next(Disconnected)

    client.connection.stop()
    client.connection.stop()

    assert not any(thread.name == f"mqtt-{DOCK}" for thread in threading.enumerate())


def test_a_broker_that_answers_is_found_good(agency: Agency, broker: MosquittoBroker) -> None:
    check(plan(DOCK), Client(agency, broker.port, DOCK).address)


def test_no_broker_is_said_in_a_sentence(agency: Agency) -> None:
    with pytest.raises(BrokerUnreachable, match=r"nothing listens at 127\.0\.0\.1:1") as caught:
        check(plan(DOCK), Client(agency, 1, DOCK).address)

    assert "start the broker" in caught.value.diagnosis()


def test_a_name_that_cannot_be_resolved_is_said_in_a_sentence(agency: Agency) -> None:
    address = BrokerAddress("no.such.host.invalid", 8883, agency.context(agency.client(DOCK)))

    with pytest.raises(BrokerUnreachable, match="cannot be resolved"):
        check(plan(DOCK), address)


def test_a_broker_of_another_agency_is_said_in_a_sentence(
    agency: Agency, broker: MosquittoBroker, tmp_path: Path
) -> None:
    other = real_agency(tmp_path / "ca")

    with pytest.raises(BrokerUnreachable, match="certificate that is not accepted"):
        check(plan(DOCK), Client(other, broker.port, DOCK).address)


def test_a_certificate_that_the_broker_refuses_is_said_in_a_sentence(agency: Agency, broker: MosquittoBroker) -> None:
    context = agency.context(agency.expired_client(DOCK))

    with pytest.raises(BrokerUnreachable, match="refuses our certificate"):
        check(plan(DOCK), BrokerAddress(HOST, broker.port, context))


def test_a_port_on_which_nobody_speaks_tls_is_said_in_a_sentence(agency: Agency) -> None:
    with socket.create_server((HOST, 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-OpenSSH\r\n"), daemon=True)
        thread.start()

        with pytest.raises(BrokerUnreachable, match=r"no TLS 1\.3 server|refuses our certificate"):
            check(plan(DOCK), Client(agency, server.getsockname()[1], DOCK).address)


def test_a_second_client_of_the_same_name_is_looked_for(agency: Agency, broker: MosquittoBroker) -> None:
    with (
        connected(agency, broker.port, DOCK) as first,
        Party(agency.context(agency.client(DOCK)), broker.port),
    ):
        # Mosquitto 2.0 closes so fast that its reason is lost.
        assert "that no other machine uses the name dock-a" in first.next(Disconnected).reason


def test_a_broker_that_says_that_the_name_was_taken_over_is_believed() -> None:
    fault = lost("Session taken over", name=DOCK, host=HOST, port=1)

    assert str(fault).startswith("another client took over the name dock-a")
