"""A broker that knows its clients by password: the password's file, and the connection with it."""

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.central.adapters.settings_file import read_settings as read_central_settings
from dockd.central.settings import CentralSettings
from dockd.shared.adapters.mqtt_client import BrokerAddress, MqttClient, check
from dockd.shared.errors import BrokerUnreachable, CredentialsFault
from dockd.shared.password import LENGTH_MAX, read_password
from dockd.shared.ports import BrokerEvent, Connected, ConnectionPlan, Publication
from dockd.station.adapters.settings_file import read_settings as read_dock_settings
from hw_sim.bench.embedded_broker import EmbeddedBroker
from tests.hw_sim.mqtt_parties import HOST, PATIENCE_SECONDS, Agency, Party, real_agency

DEPLOY = Path(__file__).resolve().parents[2] / "dockd" / "deploy"
PASSWORD, OTHER_PASSWORD = "correct horse battery", "staple battery horse"
PRESENCE = "sealcam/1/dock/dock-a/st"


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Agency:
    return real_agency(tmp_path_factory.mktemp("agency") / "ca")


@pytest.fixture(scope="module")
def broker(agency: Agency, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    passwords = {"dock-a": PASSWORD, "ingest-1": OTHER_PASSWORD}
    with EmbeddedBroker(tmp_path_factory.mktemp("broker"), agency.broker_tls(), passwords) as running:
        yield running


def plan() -> ConnectionPlan:
    return ConnectionPlan(
        "dock-a",
        ("sealcam/1/ingest/+/st",),
        hello=Publication(PRESENCE, b"online", is_retained=True),
        will=Publication(PRESENCE, b"offline", is_retained=True),
    )


def address(agency: Agency, broker: EmbeddedBroker, password: str | None) -> BrokerAddress:
    return BrokerAddress(HOST, broker.port, agency.context(agency.client("dock-a")), password)


def password_file(folder: Path, text: str = PASSWORD, *, mode: int = 0o600) -> Path:
    file = folder / "broker.password"
    file.write_text(text)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("text", [PASSWORD, f"{PASSWORD}\n", "ö" * 20])
def test_one_line_is_the_password(tmp_path: Path, text: str) -> None:
    assert read_password(password_file(tmp_path, text)) == text.strip()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(CredentialsFault, match=f"has mode {mode:04o}; expected mode 0600"):
        read_password(password_file(tmp_path, mode=mode))


@pytest.mark.parametrize("text", ["", "\n", "too short", "x" * (LENGTH_MAX + 1), f"{PASSWORD}\nand a second line"])
def test_what_is_no_password_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(CredentialsFault, match="holds no password of ours") as caught:
        read_password(password_file(tmp_path, text))

    assert not text.strip() or text.strip() not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = password_file(tmp_path)
    file.write_bytes(b"\xff" * 20)

    with pytest.raises(CredentialsFault, match="holds no password of ours"):
        read_password(file)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsFault, match=r"absent cannot be read \(No such file or directory\)"):
        read_password(tmp_path / "absent")


def test_both_settings_may_name_the_file_relative_to_themselves(tmp_path: Path) -> None:
    for name in ("dock.example.toml", "central.example.toml"):
        text = (DEPLOY / name).read_text()
        lines = [line.removeprefix("# ") if line.startswith("# password_file") else line for line in text.splitlines()]
        (tmp_path / name).write_text("\n".join(lines).replace("/etc/sealcam/broker.password", "broker.password"))

    dock = read_dock_settings(tmp_path / "dock.example.toml")
    central = read_central_settings(tmp_path / "central.example.toml", CentralSettings)

    assert dock.broker is not None
    assert dock.broker.password_file == central.broker.password_file == tmp_path / "broker.password"
    untouched = read_dock_settings(DEPLOY / "dock.example.toml")
    assert untouched.broker is not None
    assert untouched.broker.password_file is None


def test_a_client_with_its_password_is_let_in(agency: Agency, broker: EmbeddedBroker) -> None:
    check(plan(), address(agency, broker, PASSWORD))


@pytest.mark.parametrize("password", [OTHER_PASSWORD, "something else"])
def test_a_wrong_password_is_named_as_the_reason_and_not_repeated(
    agency: Agency, broker: EmbeddedBroker, password: str
) -> None:
    with pytest.raises(BrokerUnreachable, match="does not take certificate or password of dock-a") as caught:
        check(plan(), address(agency, broker, password))

    assert "password_file" in caught.value.diagnosis()
    assert password not in str(caught.value)


def test_a_missing_password_is_refused(agency: Agency, broker: EmbeddedBroker) -> None:
    with pytest.raises(BrokerUnreachable, match="refuses our certificate"):
        check(plan(), address(agency, broker, None))


def test_an_address_does_not_show_its_password(agency: Agency, broker: EmbeddedBroker) -> None:
    assert PASSWORD not in repr(address(agency, broker, PASSWORD))


def test_an_orderly_end_leaves_the_will(agency: Agency, broker: EmbeddedBroker) -> None:
    events: queue.Queue[BrokerEvent] = queue.Queue()
    client = MqttClient(plan(), events.put, address=address(agency, broker, PASSWORD))
    worker_context = agency.context(agency.client("ingest-1"))
    with Party(worker_context, broker.port, client_id="ingest-1", password=OTHER_PASSWORD) as worker:
        worker.subscribe("sealcam/1/dock/+/st")
        client.start()
        assert events.get(timeout=PATIENCE_SECONDS) == Connected()
        assert worker.receive().payload == b"online"

        client.stop()

        assert worker.receive().payload == b"offline"
