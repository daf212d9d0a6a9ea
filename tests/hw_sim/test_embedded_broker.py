"""The embedded broker: that it carries our wire, whom it lets in, what it does not keep, how it ends."""

import os
import signal
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from hw_sim.bench.embedded_broker import EmbeddedBroker, embedded_version
from hw_sim.bench.errors import BrokerFault, ToolMissing
from tests.hw_sim.mqtt_parties import PATIENCE_SECONDS, REPOSITORY, Agency, Party, is_let_in, real_agency, refusal

BLOCK_SIZE_BYTES = 1024 * 1024
PASSWORDS = {name: f"the password of {name}" for name in ("dock-a", "dock-b", "ingest-1", "ingest-2")}
OPEN, REPLY = "sealcam/1/dock/dock-a/open", "sealcam/1/ingest/ingest-1/to/dock-a/reply"
BLOCKS, PRESENCE = "sealcam/1/dock/dock-a/to/ingest-1/block", "sealcam/1/ingest/ingest-1/st"


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    return real_agency(tmp_path_factory.mktemp("tls with space") / "agency")


@pytest.fixture(scope="module")
def broker(agency: Agency, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path_factory.mktemp("broker with space"), agency.broker_tls(), PASSWORDS) as running:
        yield running


def stranger_context(agency: Agency) -> ssl.SSLContext:
    """Return a context without a certificate of its own."""
    return ssl.create_default_context(cafile=agency.authority.ca_file)


def party(agency: Agency, broker: EmbeddedBroker, name: str, *, password: str | None = None) -> Party:
    context = agency.context(agency.client(name))
    return Party(context, broker.port, client_id=name, password=password or PASSWORDS[name])


def test_the_offload_passes_both_ways(agency: Agency, broker: EmbeddedBroker) -> None:
    block = bytes(range(256)) * (BLOCK_SIZE_BYTES // 256)
    with party(agency, broker, "dock-a") as dock, party(agency, broker, "ingest-1") as worker:
        worker.subscribe("$share/ingest/sealcam/1/dock/+/open", "sealcam/1/dock/+/to/ingest-1/#", "sealcam/1/dock/+/st")
        dock.subscribe("sealcam/1/ingest/+/to/dock-a/#", "sealcam/1/ingest/+/st")

        assert dock.publish(OPEN, b"a file") == "Success"
        assert worker.receive().payload == b"a file"
        assert worker.publish(REPLY, b"send it") == "Success"
        assert dock.receive().payload == b"send it"
        assert dock.publish(BLOCKS, bytes(24) + block) == "Success"
        assert worker.receive().payload == bytes(24) + block
        assert worker.publish(PRESENCE, b"online") == "Success"
        assert dock.receive().topic == PRESENCE


def test_a_whole_credit_of_blocks_waits_for_a_slow_worker(agency: Agency, broker: EmbeddedBroker) -> None:
    blocks = [number.to_bytes(24, "big") + bytes(BLOCK_SIZE_BYTES) for number in range(64)]
    with party(agency, broker, "dock-a") as dock, party(agency, broker, "ingest-1") as worker:
        worker.subscribe("sealcam/1/dock/+/to/ingest-1/#")
        for block in blocks:
            dock.send(BLOCKS, block)

        assert [worker.receive().payload[:24] for _ in blocks] == [block[:24] for block in blocks]


def test_presence_is_retained_and_a_will_takes_its_place(agency: Agency, broker: EmbeddedBroker) -> None:
    worker = party(agency, broker, "ingest-1")
    worker.will(PRESENCE, b"gone")
    with worker, party(agency, broker, "dock-a") as dock:
        worker.publish(PRESENCE, b"online", retain=True)
        dock.subscribe("sealcam/1/ingest/+/st")
        first = dock.receive()
        worker.vanish()
        second = dock.receive()
    with party(agency, broker, "dock-b") as other:
        other.subscribe("sealcam/1/ingest/+/st")
        third = other.receive()
        other.publish(PRESENCE, b"", retain=True)

    assert [(each.payload, each.is_retained) for each in (first, second, third)] == [
        (b"online", True),
        (b"gone", False),
        (b"gone", True),
    ]


def test_one_of_the_workers_gets_each_offer(agency: Agency, broker: EmbeddedBroker) -> None:
    with (
        party(agency, broker, "ingest-1") as one,
        party(agency, broker, "ingest-2") as other,
        party(agency, broker, "dock-a") as dock,
    ):
        for worker in (one, other):
            worker.subscribe("$share/ingest/sealcam/1/dock/+/open")
        for number in range(10):
            dock.publish(OPEN, bytes([number]))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while one.messages.qsize() + other.messages.qsize() < 10:
            assert time.monotonic() < deadline

        heard = [party.receive().payload for party in (one, other) for _ in range(party.messages.qsize())]

    assert sorted(heard) == [bytes([number]) for number in range(10)]


@pytest.mark.parametrize("password", ["the password of dock-b", "x", ""])
def test_a_wrong_password_is_refused(agency: Agency, broker: EmbeddedBroker, password: str) -> None:
    client = Party(agency.context(agency.client("dock-a")), broker.port, client_id="dock-a", password=password)

    assert not client.is_let_in()


def test_a_client_without_password_is_refused_whatever_its_certificate(agency: Agency, broker: EmbeddedBroker) -> None:
    assert not is_let_in(agency.context(agency.client("dock-a")), broker.port)
    assert not is_let_in(stranger_context(agency), broker.port)


def test_it_shows_the_agencys_certificate_over_tls_1_3(agency: Agency, broker: EmbeddedBroker, tmp_path: Path) -> None:
    other = real_agency(tmp_path / "other")

    assert refusal(stranger_context(other), broker.port) == "CERTIFICATE_VERIFY_FAILED"
    with Party(stranger_context(agency), broker.port, client_id="dock-a", password=PASSWORDS["dock-a"]) as client:
        assert client.tls_version() == "TLSv1.3"


def test_it_has_no_access_list_and_says_so(agency: Agency, broker: EmbeddedBroker) -> None:
    # What its docstring and title admit to: should this change, they must too.
    with party(agency, broker, "dock-b") as spy, party(agency, broker, "dock-a") as dock:
        spy.subscribe("sealcam/1/dock/+/to/#")
        dock.publish(BLOCKS, b"for ingest-1")

        assert spy.receive().payload == b"for ingest-1"
    assert "no access list" in broker.title
    assert broker.client_auth == "password"


def test_its_files_are_for_its_user_alone_and_its_log_holds_no_password(agency: Agency, broker: EmbeddedBroker) -> None:
    with party(agency, broker, "dock-a"):
        pass
    assert not party(agency, broker, "dock-a", password="a secret that is wrong").is_let_in()
    folder = broker.log_file.parent
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}

    assert modes == {"rumqttd.toml": 0o600, "embedded.log": 0o600}
    said = broker.log_file.read_text()
    assert "InvalidAuth" in said
    assert not [secret for secret in (*PASSWORDS.values(), "a secret that is wrong") if secret in said]


def test_stopped_or_killed_it_comes_back_on_its_port_with_nothing_of_before(agency: Agency, tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker", agency.broker_tls(), PASSWORDS) as broker:
        port = broker.port
        with party(agency, broker, "ingest-1") as worker:
            worker.publish(PRESENCE, b"online", retain=True)
        broker.stop()
        assert not broker.is_running
        broker.start()
        broker.kill()
        broker.kill()
        assert not broker.is_running

        broker.start()

        assert broker.port == port
        with party(agency, broker, "dock-a") as dock:
            dock.subscribe("sealcam/1/ingest/+/st")
            assert dock.hears_nothing()


def test_a_broker_that_refuses_to_start_says_why(agency: Agency, tmp_path: Path) -> None:
    (tmp_path / "empty.key").touch()
    wrong = replace(agency.broker_tls(), key_file=tmp_path / "empty.key")

    with pytest.raises(BrokerFault, match=r"iotcore .* did not start.*[Kk]ey.*Next: look at .*embedded.log"):
        EmbeddedBroker(tmp_path / "broker", wrong, PASSWORDS).start()


def test_a_folder_that_cannot_be_written_is_named(agency: Agency, tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("a file")

    with pytest.raises(BrokerFault, match=r"broker cannot be written"):
        EmbeddedBroker(tmp_path / "broker", agency.broker_tls(), PASSWORDS).start()


def test_a_missing_package_is_named() -> None:
    with pytest.raises(ToolMissing, match="no-such-package, which holds the embedded broker, is not installed"):
        embedded_version("no-such-package")


def test_the_title_names_the_version(broker: EmbeddedBroker) -> None:
    assert f"iotcore {metadata.version('iotcore')} (rumqttd)" in broker.title


def test_it_does_not_outlive_a_bench_that_is_killed(agency: Agency, tmp_path: Path) -> None:
    tls = agency.broker_tls()
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from hw_sim.bench.broker import BrokerTls\n"
        "from hw_sim.bench.embedded_broker import EmbeddedBroker\n"
        "broker = EmbeddedBroker(Path(sys.argv[1]), BrokerTls(*map(Path, sys.argv[2:])), {'a': 'b'})\n"
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
    while not has_ended(broker_process):
        assert time.monotonic() < deadline, "the broker still runs"


def has_ended(process: int) -> bool:
    try:
        # A killed process that nobody waits for yet stays as a zombie.
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", maxsplit=1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
