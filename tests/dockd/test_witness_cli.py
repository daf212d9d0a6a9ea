"""The witness's commands as a person at a shell uses them, with a real process, a real folder and real HTTP."""

import http.client
import json
import shutil
import signal
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dockd.central.__main__ import main
from dockd.central.adapters.certificate_authority import CertificateAuthority, Usage
from protocol.ledger.note import (
    COSIGNATURE_TYPE,
    ED25519_TYPE,
    Note,
    VerifierKey,
    cosigners,
    parse_signatures,
    parse_verifier_key,
)
from protocol.policy import LedgerIdentity
from tests.builders import make_agency
from tests.dockd.witnesses import NAME, PATIENCE_S, ask, forked_at, get, request_bytes
from tests.protocol.ledger_log import LOG, ORIGIN, checkpoint_of

DEPLOY = Path(__file__).parents[2] / "dockd/deploy"
LOG_KEY = VerifierKey(ORIGIN, ED25519_TYPE, LOG.public_key).text


def run(*arguments: str) -> int:
    return main(["witness", *arguments])


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Make a witness that watches one log, at a free port."""
    place = tmp_path / "w"
    assert run("init", str(place), "--name", NAME) == 0
    assert run("trust", "--config", str(place / "witness.toml"), "--origin", ORIGIN, "--key", LOG_KEY) == 0
    settings = place / "witness.toml"
    settings.write_text(settings.read_text().replace("state_folder =", "port = 0\nstate_folder ="))
    capsys.readouterr()
    return place


@contextmanager
def running(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Run the program until it answers; end it afterwards."""
    command = [
        sys.executable,
        "-m",
        "dockd.central",
        "witness",
        "run",
        "--events",
        "--config",
        str(folder / "witness.toml"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["event"] == "witness-ready"
            yield process, ready["port"]
        finally:
            process.kill()


def test_init_makes_a_private_key_and_prints_its_public_half(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", str(tmp_path / "w"), "--name", NAME) == 0

    key = parse_verifier_key(capsys.readouterr().out.strip())
    assert (key.name, key.signature_type) == (NAME, COSIGNATURE_TYPE)
    assert stat.S_IMODE((tmp_path / "w/witness.key").stat().st_mode) == 0o600
    assert (tmp_path / "w/witness.key").stat().st_size == 32


def test_init_writes_nothing_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "witness.key").read_bytes()

    assert run("init", str(folder), "--name", NAME) == 2

    assert "not an empty folder" in capsys.readouterr().err
    assert (folder / "witness.key").read_bytes() == before


def test_a_name_that_cannot_stand_in_a_signature_line_is_refused(tmp_path: Path) -> None:
    assert run("init", str(tmp_path / "w"), "--name", "a b") == 2
    assert not (tmp_path / "w").exists()


def test_trust_takes_a_log_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(folder / "witness.toml")
    other = VerifierKey(ORIGIN, ED25519_TYPE, make_agency().policy.central_keys[0]).text

    assert run("trust", "--config", config, "--origin", ORIGIN, "--key", LOG_KEY) == 0
    assert run("trust", "--config", config, "--origin", ORIGIN, "--key", other) == 2

    said = capsys.readouterr()
    assert "watched already" in said.out
    assert "with other keys" in said.err
    assert (folder / "witness.toml").read_text().count("[[logs]]") == 1


def test_trust_takes_a_key_that_is_none_for_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "witness.toml").read_text()

    assert run("trust", "--config", str(folder / "witness.toml"), "--origin", "other", "--key", "other+00+AAAA") == 2

    assert "is no key of a log" in capsys.readouterr().err
    assert (folder / "witness.toml").read_text() == before


def test_trust_takes_an_agencys_policy_by_its_published_root(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agency = make_agency().with_policy(ledger=LedgerIdentity(origin="ledger.example/of-policy", keys=(LOG.public_key,)))
    file = tmp_path / "policy"
    file.write_bytes(agency.trusted.signed_bytes)
    command = ("trust", "--config", str(folder / "witness.toml"), "--policy", str(file), "--root")

    assert run(*command, "0" * 64) == 2
    assert "is of root" in capsys.readouterr().err
    assert run(*command, agency.root_fingerprint.hex()) == 0

    assert 'origin = "ledger.example/of-policy"' in (folder / "witness.toml").read_text()


def test_a_running_witness_cosigns_and_one_that_was_killed_remembers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(folder) as (process, port):
        reply = ask(port, request_bytes(0, 40))
        assert reply.status == 200
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
    with running(folder) as (process, port):
        assert ask(port, request_bytes(40, 40, tree=forked_at(10))).status == 422
        assert ask(port, request_bytes(40, 60)).status == 200
        assert b"<dd>60</dd>" in get(port, "/").body
        second = subprocess.run(process.args, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout is not None
        events = [json.loads(line)["event"] for line in process.stdout]

    key = parse_verifier_key(_line(folder, capsys, "verifier_key"))
    note = Note(checkpoint_of(40).text, parse_signatures(reply.body))
    assert [one.witness_key for one in cosigners(note, (key.public_key,))] == [key.public_key]
    assert (second.returncode, "another witness uses" in second.stderr) == (2, True)
    assert events == ["witness-refused", "witness-fork", "witness-cosigned"]


def _line(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> str:
    run("show", "--config", str(folder / "witness.toml"), "--json")
    return str(json.loads(capsys.readouterr().out)[name])


def test_show_finds_a_log_that_signed_two_trees(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(folder) as (_, port):
        ask(port, request_bytes(0, 40))
        ask(port, request_bytes(40, 40, tree=forked_at(10)))

    assert run("show", "--config", str(folder / "witness.toml")) == 1

    assert "FORK     this log signed a second tree of one size" in capsys.readouterr().out


def test_it_speaks_tls_with_a_certificate_of_its_own(folder: Path) -> None:
    now = datetime.now(UTC)
    authority = CertificateAuthority.create(folder, agency="Witness", now=now)
    authority.issue("broker", Usage.BROKER, folder=folder, now=now, hosts=("localhost",))
    settings = folder / "witness.toml"
    settings.write_text('certificate_file = "broker.pem"\ntls_key_file = "broker.key"\n' + settings.read_text())
    trust = ssl.create_default_context(cafile=str(authority.ca_file))

    with running(folder) as (_, port):
        connection = http.client.HTTPSConnection("localhost", port, timeout=PATIENCE_S, context=trust)
        connection.request("POST", "/add-checkpoint", request_bytes(0, 40))
        assert connection.getresponse().status == 200
        connection.close()


def test_a_certificate_that_is_none_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = folder / "witness.toml"
    settings.write_text('certificate_file = "gone.pem"\ntls_key_file = "gone.key"\n' + settings.read_text())

    assert run("run", "--config", str(settings)) == 2

    assert "gone.key cannot be used together" in capsys.readouterr().err


def test_show_says_what_is_kept_without_the_server(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "--config", str(folder / "witness.toml")) == 0
    assert "nothing yet" in capsys.readouterr().out
    with running(folder) as (_, port):
        ask(port, request_bytes(0, 40))

        assert run("show", "--config", str(folder / "witness.toml")) == 0

    assert "size     40\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('certificate_file = "c.pem"\n', "write both or none"),
        ("port = 70000\n", "port"),
        ('name = "two words"\n', "space"),
    ],
)
def test_settings_that_cannot_be_used_are_one_sentence(
    folder: Path, more: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / "witness.toml").read_text()
    key = more.split(" ")[0]
    kept = "\n".join(line for line in text.splitlines() if not line.startswith(f"{key} ="))
    (folder / "witness.toml").write_text(more + kept)

    assert run("run", "--config", str(folder / "witness.toml")) == 2

    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_port_that_is_taken_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(folder) as (_, port):
        other = folder.parent / "other"
        run("init", str(other), "--name", "witness.example/w2")
        settings = other / "witness.toml"
        settings.write_text(f"port = {port}\n" + settings.read_text())

        assert run("run", "--config", str(settings)) == 2

    assert f"port {port} cannot be served" in capsys.readouterr().err


def test_the_example_settings_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("init", str(tmp_path / "w"), "--name", NAME)
    (tmp_path / "w/witness.toml").write_text((DEPLOY / "witness.example.toml").read_text())

    assert run("show", "--config", str(tmp_path / "w/witness.toml")) == 0

    assert "nothing yet" in capsys.readouterr().out


def test_the_service_is_confined() -> None:
    tool = shutil.which("systemd-analyze")
    assert tool is not None, "systemd-analyze is not on PATH; as root: apt-get install systemd"
    done = subprocess.run(
        [tool, "security", "--offline=true", "--no-pager", "--threshold=15", str(DEPLOY / "sealcam-witness.service")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout
