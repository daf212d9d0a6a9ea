"""The real mosquitto with the configuration of `dockd/deploy`: whom it lets in, what it lets them do, how it ends."""

import os
import signal
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dockd.central.adapters.certificate_authority import Usage
from hw_sim.bench.broker import MosquittoBroker
from hw_sim.bench.errors import BrokerFault
from tests.hw_sim.mqtt_parties import (
    PATIENCE_SECONDS,
    REPOSITORY,
    Agency,
    Party,
    is_let_in,
    mosquitto,
    real_agency,
    refusal,
    running_broker,
)

BLOCK_SIZE_BYTES = 1024 * 1024


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    return real_agency(tmp_path_factory.mktemp("tls with space") / "agency")


@pytest.fixture(scope="module")
def broker(agency: Agency, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MosquittoBroker]:
    with running_broker(agency, tmp_path_factory.mktemp("broker with space")) as running:
        yield running


def party(agency: Agency, broker: MosquittoBroker, name: str, *, client_id: str = "", session_s: int = 0) -> Party:
    return Party(agency.context(agency.client(name)), broker.port, client_id=client_id, session_s=session_s)


def test_a_client_of_the_agency_is_let_in(agency: Agency, broker: MosquittoBroker) -> None:
    assert is_let_in(agency.context(agency.client("dock-a")), broker.port)


def test_a_client_without_certificate_is_refused(agency: Agency, broker: MosquittoBroker) -> None:
    context = ssl.create_default_context(cafile=agency.authority.ca_file)

    assert refusal(context, broker.port) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def test_a_client_of_another_agency_is_refused(agency: Agency, broker: MosquittoBroker, tmp_path: Path) -> None:
    other = real_agency(tmp_path / "other")
    stranger = other.client("dock-a")
    context = agency.context(agency.client("dock-x"))
    context.load_cert_chain(stranger.certificate_file, stranger.key_file)

    # The issuer has our CA's name, so it is found, and its signature does not hold.
    assert refusal(context, broker.port) in {"TLSV1_ALERT_DECRYPT_ERROR", "TLSV1_ALERT_UNKNOWN_CA"}


def test_an_expired_certificate_is_refused(agency: Agency, broker: MosquittoBroker) -> None:
    context = agency.context(agency.expired_client("dock-old"))

    assert refusal(context, broker.port) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"


def test_a_brokers_certificate_is_refused_as_a_client(agency: Agency, broker: MosquittoBroker) -> None:
    own = agency.authority.issue("broker-2", Usage.BROKER, folder=agency.folder, now=agency.now)

    assert refusal(agency.context(own), broker.port) == "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"


def test_a_revoked_certificate_is_refused_once_the_broker_has_read_the_list(tmp_path: Path) -> None:
    agency = real_agency(tmp_path / "agency")
    lost, kept = agency.client("dock-lost"), agency.client("dock-kept")
    with running_broker(agency, tmp_path / "broker") as broker:
        assert is_let_in(agency.context(lost), broker.port)

        agency.authority.revoke(lost.certificate_file, now=datetime.now(UTC))
        broker.reload()

        deadline = time.monotonic() + PATIENCE_SECONDS
        while is_let_in(agency.context(lost), broker.port):
            assert time.monotonic() < deadline
        assert refusal(agency.context(lost), broker.port) == "SSLV3_ALERT_CERTIFICATE_REVOKED"
        assert is_let_in(agency.context(kept), broker.port)


def test_tls_1_2_is_refused(agency: Agency, broker: MosquittoBroker) -> None:
    context = agency.context(agency.client("dock-a"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert refusal(context, broker.port) == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.parametrize(
    "topic",
    [
        "sealcam/1/dock/dock-b/open",
        "sealcam/1/dock/dock-b/st",
        "sealcam/1/dock/dock-b/to/ingest-1/block",
        "sealcam/1/ingest/ingest-1/st",
        "sealcam/1/ingest/ingest-1/to/dock-b/receipt",
        "sealcam/1/ingest/ingest-1/to/dock-a/receipt",
        "sealcam/1/dock/dock-a",
        "sealcam/2/dock/dock-a/open",
        "$SYS/broker/uptime",
        "elsewhere",
    ],
)
def test_a_dock_writes_below_no_name_but_its_own(agency: Agency, broker: MosquittoBroker, topic: str) -> None:
    with party(agency, broker, "dock-a") as dock:
        expected = "Success" if topic == "sealcam/1/dock/dock-a" else "Not authorized"

        # `dock/dock-a` itself is below `dock/dock-a/#` too (MQTT 5, 4.7.1.2); nobody may read it.
        assert dock.publish(topic, b"x").replace("No matching subscribers", "Success") == expected


@pytest.mark.parametrize(
    "topic",
    ["sealcam/1/ingest/ingest-2/st", "sealcam/1/dock/dock-a/open", "sealcam/1/ingest/ingest-2/to/dock-a/receipt"],
)
def test_a_worker_writes_below_no_name_but_its_own(agency: Agency, broker: MosquittoBroker, topic: str) -> None:
    with party(agency, broker, "ingest-1") as worker:
        assert worker.publish(topic, b"x") == "Not authorized"


def test_a_will_is_sent_in_ones_own_name_only(agency: Agency, broker: MosquittoBroker) -> None:
    honest, liar = party(agency, broker, "dock-c"), party(agency, broker, "dock-d")
    honest.will("sealcam/1/dock/dock-c/st", b"gone")
    liar.will("sealcam/1/dock/dock-a/st", b"gone")
    with party(agency, broker, "ingest-1") as worker:
        worker.subscribe("sealcam/1/dock/+/st")
        with liar:
            liar.vanish()
        with honest:
            honest.vanish()
            heard = worker.receive()

        assert heard.topic == "sealcam/1/dock/dock-c/st"
        assert worker.hears_nothing()
        with party(agency, broker, "dock-c") as tidy:
            tidy.publish("sealcam/1/dock/dock-c/st", b"", retain=True)


def test_a_name_of_both_kinds_cannot_be_told_apart_by_the_list_and_so_must_be_by_receivers(
    agency: Agency, broker: MosquittoBroker
) -> None:
    # What mosquitto.acl admits to: should this change, its comment must too.
    with party(agency, broker, "dock-a") as dock:
        assert dock.publish("sealcam/1/ingest/dock-a/st", b"x") != "Not authorized"
        assert dock.publish("sealcam/1/ingest/dock-a/st", b"", retain=True) != "Not authorized"


def test_the_offload_passes_both_ways(agency: Agency, broker: MosquittoBroker) -> None:
    block = bytes(BLOCK_SIZE_BYTES)
    with party(agency, broker, "dock-a") as dock, party(agency, broker, "ingest-1") as worker:
        worker.subscribe("$share/ingest/sealcam/1/dock/+/open", "sealcam/1/dock/+/to/ingest-1/#", "sealcam/1/dock/+/st")
        dock.subscribe("sealcam/1/ingest/+/to/dock-a/#", "sealcam/1/ingest/+/st")

        assert dock.publish("sealcam/1/dock/dock-a/open", b"a file") == "Success"
        assert worker.receive().payload == b"a file"
        assert worker.publish("sealcam/1/ingest/ingest-1/to/dock-a/reply", b"send it") == "Success"
        assert dock.receive().payload == b"send it"
        assert dock.publish("sealcam/1/dock/dock-a/to/ingest-1/block", block) == "Success"
        assert worker.receive().payload == block
        assert worker.publish("sealcam/1/ingest/ingest-1/st", b"online") == "Success"
        assert dock.receive().topic == "sealcam/1/ingest/ingest-1/st"
        assert dock.publish("sealcam/1/dock/dock-a/st", b"online") == "Success"
        assert worker.receive().topic == "sealcam/1/dock/dock-a/st"


@pytest.mark.parametrize(
    "listened", ["#", "sealcam/1/dock/#", "sealcam/1/+/+/to/+/#", "$share/all/sealcam/1/dock/+/to/+/#"]
)
def test_nobody_hears_what_is_meant_for_another(agency: Agency, broker: MosquittoBroker, listened: str) -> None:
    with (
        party(agency, broker, "dock-a") as dock,
        party(agency, broker, "ingest-1") as worker,
        party(agency, broker, "dock-b") as spy,
        party(agency, broker, "ingest-2") as other_worker,
    ):
        for curious in (spy, other_worker):
            curious.subscribe(listened)
        dock.publish("sealcam/1/dock/dock-a/to/ingest-1/block", b"for ingest-1")
        worker.publish("sealcam/1/ingest/ingest-1/to/dock-a/receipt", b"for dock-a")

        assert spy.hears_nothing()
        assert other_worker.hears_nothing()


def test_a_client_id_of_anothers_choice_takes_nobodys_session(agency: Agency, broker: MosquittoBroker) -> None:
    with (
        party(agency, broker, "dock-a", client_id="dock-a") as dock,
        party(agency, broker, "dock-b", client_id="dock-a") as thief,
    ):
        assert thief.publish("sealcam/1/dock/dock-a/open", b"x") == "Not authorized"
        assert dock.publish("sealcam/1/dock/dock-a/open", b"x") != "Not authorized"
        assert dock.disconnected.empty()


def test_a_second_connection_of_one_name_takes_the_place_of_the_first(agency: Agency, broker: MosquittoBroker) -> None:
    with (
        party(agency, broker, "dock-a", client_id="one") as first,
        party(agency, broker, "dock-a", client_id="two") as second,
    ):
        assert first.disconnected.get(timeout=PATIENCE_SECONDS)
        assert second.publish("sealcam/1/dock/dock-a/open", b"x") != "Not authorized"


def test_an_oversize_packet_ends_the_connection(agency: Agency, broker: MosquittoBroker) -> None:
    with party(agency, broker, "dock-a") as dock:
        dock.send("sealcam/1/dock/dock-a/open", bytes(2 * BLOCK_SIZE_BYTES))

        # The reason may be lost with the connection; the log has it in any case.
        assert dock.disconnected.get(timeout=PATIENCE_SECONDS)
        assert "Client dock-a disconnected due to oversize packet" in broker.log_file.read_text()


def test_its_files_are_for_its_user_alone(broker: MosquittoBroker) -> None:
    folder = broker.log_file.parent
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}

    assert modes["mosquitto.conf"] == 0o600
    assert modes["mosquitto.acl"] == 0o600
    assert modes["state"] == 0o700


def test_started_again_it_has_its_port_its_sessions_and_its_retained_messages(tmp_path: Path) -> None:
    agency = real_agency(tmp_path / "agency")
    with running_broker(agency, tmp_path / "broker") as broker:
        port = broker.port
        with party(agency, broker, "ingest-1", session_s=600) as worker:
            worker.subscribe("sealcam/1/dock/+/open")
            worker.publish("sealcam/1/ingest/ingest-1/st", b"online", retain=True)
        broker.stop()
        assert not broker.is_running
        broker.stop()

        broker.start()

        assert broker.port == port
        with party(agency, broker, "ingest-1", session_s=600) as worker:
            assert worker.has_session
        with party(agency, broker, "dock-a") as dock:
            dock.subscribe("sealcam/1/ingest/+/st")
            assert dock.receive().payload == b"online"


def test_killed_it_comes_back_on_the_same_port(tmp_path: Path) -> None:
    agency = real_agency(tmp_path / "agency")
    with running_broker(agency, tmp_path / "broker") as broker:
        port = broker.port
        broker.kill()
        assert not broker.is_running
        broker.kill()

        broker.start()

        assert is_let_in(agency.context(agency.client("dock-a")), port)


def test_a_broker_that_refuses_to_start_says_why(agency: Agency, tmp_path: Path) -> None:
    wrong = replace(agency.broker_tls(), key_file=agency.client("dock-a").key_file)

    with pytest.raises(BrokerFault, match=r"did not start.*key.*Next: ") as caught:
        MosquittoBroker(mosquitto(), tmp_path / "broker", wrong).start()
    assert str(tmp_path / "broker/mosquitto.log") in caught.value.diagnosis()


def test_a_folder_that_cannot_be_written_is_named(agency: Agency, tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("a file")

    with pytest.raises(BrokerFault, match=r"broker cannot be written"):
        MosquittoBroker(mosquitto(), tmp_path / "broker", agency.broker_tls()).start()


def test_it_does_not_outlive_a_bench_that_is_killed(agency: Agency, tmp_path: Path) -> None:
    tls = agency.broker_tls()
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from hw_sim.bench.broker import BrokerTls, MosquittoBroker\n"
        "from tests.hw_sim.mqtt_parties import mosquitto\n"
        "broker = MosquittoBroker(mosquitto(), Path(sys.argv[1]), BrokerTls(*map(Path, sys.argv[2:])))\n"
        "broker.start()\n"
        "print(broker.process_id, flush=True)\n"
        "time.sleep(600)\n"
    )
    files = [tls.ca_file, tls.certificate_file, tls.key_file, tls.crl_file]
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "broker", *files],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    ) as bench:
        assert bench.stdout is not None
        broker_process = int(bench.stdout.readline())
        assert Path(f"/proc/{broker_process}").exists()

        bench.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _has_ended(broker_process):
        assert time.monotonic() < deadline, "mosquitto still runs"


def _has_ended(process: int) -> bool:
    try:
        # A killed process that nobody waits for yet stays as a zombie.
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", maxsplit=1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
