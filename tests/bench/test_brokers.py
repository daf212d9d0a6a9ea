"""The bench over other brokers, and before a video: whole days, and what is refused before anything is made."""

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dockd.central.adapters.certificate_authority import Credentials
from dockd.shared.errors import BrokerUnreachable
from hw_sim.bench.__main__ import main
from hw_sim.bench.agency import DOCK, WORKER, WorkerCredentials
from hw_sim.bench.broker import BrokerTls, MosquittoBroker
from hw_sim.bench.options import broker_choice, broker_place
from hw_sim.bench.remote_broker import RemoteBroker
from tests.bench.running import REPO, report_of, run_bench
from tests.hw_sim.clips import NTSC, make_clip, make_sound
from tests.hw_sim.mqtt_parties import mosquitto, real_agency

SHORT_DAY = ("run", "--seconds", "2", "--pre-event-s", "1", "--size", "160x120")


def good_day(out: Path, *arguments: str) -> dict[str, Any]:
    """Play a short day; return its report."""
    done = run_bench(*SHORT_DAY, "--out", str(out), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    report = report_of(out / "report.json")
    assert not [log.name for log in (out / "logs").iterdir() if "Traceback" in log.read_text()]
    assert (report["verdict"], report["frames_missing"], report["erased_after_receipt"]) == ("authentic", 0, True)
    return report


class Refusing:
    """A bench that is told what it must refuse."""

    def __init__(self, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._out, self._capsys = out, capsys

    def says(self, *arguments: str) -> str:
        """Return the sentence. Nothing may have been made."""
        assert main(["run", "--out", str(self._out), *arguments]) == 2
        assert not self._out.exists()
        return self._capsys.readouterr().err


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refusing:
    return Refusing(tmp_path / "o", capsys)


def provisioned(folder: Path) -> Path:
    """Make an agency as a district does."""
    command = [sys.executable, "-m", "dockd.central", "provision", str(folder), "--agency", "City of Example"]
    subprocess.run(command, cwd=REPO, check=True, capture_output=True)
    return folder


def test_a_day_over_the_embedded_broker_is_authentic_and_says_that_clients_have_passwords(tmp_path: Path) -> None:
    out = tmp_path / "o"

    report = good_day(out, "--broker", "embedded")

    assert report["broker_client_auth"] == "password"
    assert report["broker"].startswith("iotcore ")
    assert "TLS 1.3" in report["broker"]
    files = [out / "agency" / "docks" / DOCK / "broker.password", out / "agency" / "central" / "broker.password"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    secrets = {file.read_bytes().strip() for file in files}
    assert len(secrets) == 2
    holders = {path.name for path in out.rglob("*") if path.is_file() and any(s in path.read_bytes() for s in secrets)}
    assert holders == {"broker.password", "rumqttd.toml"}
    assert (out / "broker" / "rumqttd.toml").stat().st_mode & 0o777 == 0o600


def test_a_day_over_a_broker_that_runs_already_is_authentic(tmp_path: Path) -> None:
    agency = provisioned(tmp_path / "agency")
    (agency / "root").rename(tmp_path / "safe")  # as provision says one should
    (agency / "escrow").rename(tmp_path / "escrow")
    tls = agency / "tls"
    files = BrokerTls(tls / "ca.pem", tls / "broker.pem", tls / "broker.key", tls / "ca.crl")
    with MosquittoBroker(mosquitto(), tmp_path / "broker", files) as broker:
        address = f"mqtts://localhost:{broker.port}"
        report = good_day(tmp_path / "o", "--broker", address, "--agency", str(agency))

        assert broker.is_running

    assert report["broker"] == f"the broker at localhost:{broker.port}, MQTT 5 over mutual TLS 1.3"
    assert report["broker_client_auth"] == "certificate"
    again = run_bench("run", "--out", str(tmp_path / "p"), "--broker", address, "--agency", str(agency))
    assert again.returncode == 2
    assert f"nothing listens at localhost:{broker.port}" in again.stderr


def test_a_broker_with_a_certificate_of_another_ca_needs_that_ca(tmp_path: Path) -> None:
    ours, theirs = real_agency(tmp_path / "ours"), real_agency(tmp_path / "theirs")
    worker = ours.client(WORKER)
    shown = replace(
        ours.broker_tls(), certificate_file=(own := theirs.broker()).certificate_file, key_file=own.key_file
    )
    with MosquittoBroker(mosquitto(), tmp_path / "broker", shown) as broker:

        def remote(ca_file: Path, credentials: Credentials) -> RemoteBroker:
            given = WorkerCredentials(WORKER, ca_file, credentials.certificate_file, credentials.key_file)
            return RemoteBroker("localhost", broker.port, given)

        with pytest.raises(BrokerUnreachable, match="certificate that is not accepted"):
            remote(ours.authority.ca_file, worker).start()
        with pytest.raises(BrokerUnreachable, match="refuses our certificate"):
            remote(theirs.authority.ca_file, theirs.client(WORKER)).start()
        remote(theirs.authority.ca_file, worker).start()


def test_a_day_before_a_video_of_odd_size_and_rate_loses_no_frame(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 40, size_px=(641, 359), rate=NTSC)

    report = good_day(tmp_path / "o", "--video", str(clip))

    assert report["video"] == "clip.mp4: mpeg4 641x359 yuv420p at 29.97 fps"


def test_a_video_that_cannot_be_shown_is_refused(tmp_path: Path, bench: Refusing) -> None:
    (tmp_path / "garbage.mp4").write_bytes(b"\x55" * 5000)
    sound = make_sound(tmp_path / "sound.m4a")

    assert "garbage.mp4 does not open as a video" in bench.says("--video", str(tmp_path / "garbage.mp4"))
    assert "sound.m4a holds only sound" in bench.says("--video", str(sound))
    assert "absent.mp4 is not there" in bench.says("--video", str(tmp_path / "absent.mp4"))


def test_options_that_contradict_each_other_are_refused(tmp_path: Path, bench: Refusing) -> None:
    agency = str(provisioned(tmp_path / "agency"))
    remote = ("--broker", "mqtts://localhost:1")
    (tmp_path / "empty").mkdir()

    assert "mqtts://localhost:1 without --agency" in bench.says(*remote)
    assert "a broker that the bench may replace" in bench.says(
        *remote, "--agency", agency, "--fault", "broker-acknowledges-only"
    )
    assert "has no policy/root.fingerprint" in bench.says(*remote, "--agency", str(tmp_path / "empty"))
    assert "is no file" in bench.says(*remote, "--agency", agency, "--broker-ca", str(tmp_path / "absent"))
    assert "--broker mosquitto" in bench.says("--broker-ca", str(tmp_path / "absent"))


def test_an_agency_that_holds_footage_is_refused(tmp_path: Path, bench: Refusing) -> None:
    agency = provisioned(tmp_path / "agency")
    shift = agency / "central" / "storage" / "objects" / "camera" / "shift"
    shift.mkdir(parents=True)
    (shift / "0.media").touch()

    assert "holds footage" in bench.says("--agency", str(agency))


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("mosquitto", "mosquitto"),
        ("embedded", "embedded"),
        ("mqtts://broker.example", "mqtts://broker.example:8883"),
        ("mqtts://broker.example:1883/", "mqtts://broker.example:1883"),
        ("mqtts://[::1]:9", "mqtts://[::1]:9"),
    ],
)
def test_a_broker_is_named_in_one_form(text: str, choice: str) -> None:
    assert broker_choice(text) == broker_choice(choice) == choice


def test_host_and_port_are_taken_from_the_address() -> None:
    assert broker_place(broker_choice("mqtts://[::1]")) == ("::1", 8883)


@pytest.mark.parametrize(
    "text",
    ["", "hivemq", "mqtt://x", "mqtts://", "mqtts://x:99999", "mqtts://x:y", "mqtts://me:secret@x", "mqtts://x/topic"],
)
def test_what_is_no_broker_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no broker: write mosquitto, embedded or mqtts://HOST"):
        broker_choice(text)
