"""`sealcam-central` as people use it: what it prints, what it makes, and how it ends."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dockd.central.__main__ import main
from hw_sim.bench.broker import BrokerTls, MosquittoBroker
from tests.builders import BuiltShift
from tests.dockd.evidence import flipped
from tests.dockd.provisioned import Provisioned, provision
from tests.dockd.test_vault import running
from tests.hw_sim.mqtt_parties import mosquitto


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Provisioned, BuiltShift]:
    """An agency with one shift stored and receipted."""
    folder = tmp_path_factory.mktemp("cli")
    made = provision(folder / "agency")
    shift = made.shift(folder / "card")
    with made.vault():
        made.store(shift)
    return made, shift


@pytest.fixture
def copy(tmp_path: Path, stored: tuple[Provisioned, BuiltShift]) -> tuple[Provisioned, BuiltShift]:
    """The same, to be damaged."""
    made, shift = stored
    shutil.copytree(made.folder, tmp_path / "agency")
    return Provisioned(tmp_path / "agency", made.agency, made.camera), shift


def first_id(shift: BuiltShift) -> str:
    return shift.recordings[0].recording_id.hex()


def mp4_of(shift: BuiltShift, index: int = 0) -> bytes:
    return b"".join(part for chunk in shift.recordings[index].plaintexts for part in chunk)


def test_list_shows_each_recording_and_its_state(
    stored: tuple[Provisioned, BuiltShift], capsys: pytest.CaptureFixture[str]
) -> None:
    made, shift = stored

    assert main(["list", "--config", str(made.config)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for recording in shift.recordings:
        line = next(line for line in lines if line.startswith(recording.recording_id.hex()[:12]))
        assert "CAM-1" in line
        assert line.endswith("receipted")


def test_list_speaks_json(stored: tuple[Provisioned, BuiltShift], capsys: pytest.CaptureFixture[str]) -> None:
    made, shift = stored

    assert main(["list", "--json", "--config", str(made.config)]) == 0

    listed = json.loads(capsys.readouterr().out)
    assert {row["recording"] for row in listed["recordings"]} == {
        recording.recording_id.hex() for recording in shift.recordings
    }
    assert all(row["state"] == "receipted" and row["is_key_box_opened"] for row in listed["recordings"])
    assert listed["quarantined"] == []


def test_an_agency_without_footage_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = provision(tmp_path / "agency")

    assert main(["list", "--config", str(made.config)]) == 0
    assert capsys.readouterr().out == "No recording is stored yet.\n"


def test_show_gives_the_verdict_on_the_shift(
    stored: tuple[Provisioned, BuiltShift], capsys: pytest.CaptureFixture[str]
) -> None:
    made, shift = stored

    assert main(["show", first_id(shift)[:8], "--config", str(made.config)]) == 0

    out = capsys.readouterr().out
    assert first_id(shift) in out
    assert "state      receipted" in out
    assert "verdict    Authentic: 2 recordings" in out


def test_show_speaks_json_with_the_whole_verdict(
    stored: tuple[Provisioned, BuiltShift], capsys: pytest.CaptureFixture[str]
) -> None:
    made, shift = stored

    assert main(["show", first_id(shift), "--json", "--config", str(made.config)]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["verdict"]["verdict"] == "authentic"
    assert shown["verdict"]["is_root_confirmed"] is True
    assert shown["chunk_count"] == 3
    assert shown["serial"] == "CAM-1"


def test_show_finds_what_was_changed_at_rest(
    copy: tuple[Provisioned, BuiltShift], capsys: pytest.CaptureFixture[str]
) -> None:
    made, shift = copy
    media = next(made.storage.rglob(f"{first_id(shift)}.0000.media"))
    media.write_bytes(flipped(media.read_bytes(), 50))

    assert main(["show", first_id(shift), "--config", str(made.config)]) == 1

    out = capsys.readouterr().out
    assert "Altered or incomplete" in out
    assert "part-hash-mismatch" in out


def test_play_writes_the_mp4_that_the_camera_sealed_and_the_vault_says_why(
    stored: tuple[Provisioned, BuiltShift], tmp_path: Path
) -> None:
    made, shift = stored
    out = tmp_path / "one.mp4"
    with running(made.folder / "vault/vault.toml") as vault:
        code = main(
            ["play", first_id(shift)[:6], "--out", str(out), "--reason", "case 12", "--config", str(made.config)]
        )
        assert vault.stdout is not None
        said = json.loads(vault.stdout.readline())

    assert code == 0
    assert out.read_bytes() == mp4_of(shift)
    assert (said["event"], said["reason"], said["recording"]) == ("vault-opened", "case 12", first_id(shift))
    assert [path.name for path in tmp_path.iterdir()] == ["one.mp4"]


def test_play_never_writes_over_a_file(
    stored: tuple[Provisioned, BuiltShift], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, shift = stored
    (tmp_path / "mine.mp4").write_text("mine")

    code = play(made, shift, tmp_path / "mine.mp4")

    assert code == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "mine.mp4").read_text() == "mine"


def test_play_without_a_vault_says_so_and_leaves_nothing(
    stored: tuple[Provisioned, BuiltShift], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, shift = stored

    code = play(made, shift, tmp_path / "one.mp4")

    assert code == 2
    assert "`sealcam-central vault` running" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_play_stops_at_a_part_that_was_changed_and_leaves_nothing(
    copy: tuple[Provisioned, BuiltShift], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, shift = copy
    media = next(made.storage.rglob(f"{first_id(shift)}.0001.media"))
    media.write_bytes(flipped(media.read_bytes()))
    (tmp_path / "out").mkdir()

    with made.vault():
        code = play(made, shift, tmp_path / "out/one.mp4")

    assert code == 1
    error = capsys.readouterr().err
    assert "part audio of chunk 2" in error
    assert "does not open" not in error  # its hash was looked at before any key was tried
    assert list((tmp_path / "out").iterdir()) == []


def test_play_into_a_folder_that_is_not_there_says_so(
    stored: tuple[Provisioned, BuiltShift], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, shift = stored

    assert play(made, shift, tmp_path / "none/one.mp4") == 2
    assert "cannot be written (No such file or directory)" in capsys.readouterr().err


def play(made: Provisioned, shift: BuiltShift, out: Path) -> int:
    return main(["play", first_id(shift), "--out", str(out), "--reason", "test", "--config", str(made.config)])


@pytest.mark.parametrize("prefix", ["zz", "", "0" * 40])
def test_a_recording_that_is_not_there_is_said(
    stored: tuple[Provisioned, BuiltShift], capsys: pytest.CaptureFixture[str], prefix: str
) -> None:
    assert main(["show", prefix, "--config", str(stored[0].config)]) == 1
    assert "no recording begins with" in capsys.readouterr().err


def test_a_reason_is_not_optional(stored: tuple[Provisioned, BuiltShift], tmp_path: Path) -> None:
    made, shift = stored
    for reason in ([], ["--reason", "  "]):
        with pytest.raises(SystemExit) as ended:
            main(["play", first_id(shift), "--out", str(tmp_path / "x.mp4"), "--config", str(made.config), *reason])
        assert ended.value.code == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("socket_file", "sockt_file"),
            "central.toml line 12: vault.sockt_file: unknown key, did you mean socket_file?",
        ),
        (('folder = "storage"', "folder = 5"), "storage.folder"),
        (('folder = "storage"', 'folder = "nowhere"'), "nowhere is not a folder that this user may write to"),
        (('catalogue_file = "', 'catalogue_file = "no'), "nocatalogue.sqlite cannot be used"),
        (('policy_file = "policy"', 'policy_file = "central.toml"'), "does not hold"),
        (('root_fingerprint = "', 'root_fingerprint = "x'), "root_fingerprint"),
        (("[vault]", "[vault"), "not TOML"),
    ],
)
def test_settings_that_cannot_be_used_are_said_in_one_sentence(
    copy: tuple[Provisioned, BuiltShift], capsys: pytest.CaptureFixture[str], change: tuple[str, str], words: str
) -> None:
    made, _ = copy
    made.config.write_text(made.config.read_text().replace(*change, 1))

    assert main(["list", "--config", str(made.config)]) == 2

    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_check_needs_the_vault_that_the_policy_names(
    copy: tuple[Provisioned, BuiltShift], capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = copy
    (made.folder / "vault/vault.key").write_bytes((made.folder / "escrow/escrow.key").read_bytes())

    with made.vault():
        code = main(["check", "--config", str(made.config)])

    assert code == 2
    assert "to which the policy has cameras seal" in capsys.readouterr().err


def test_ingest_refuses_a_central_key_that_the_policy_does_not_name(
    copy: tuple[Provisioned, BuiltShift], capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = copy
    (made.folder / "central/central.key").write_bytes(bytes(32))

    assert main(["ingest", "--config", str(made.config)]) == 2
    assert "is not one that policy version 1 names" in capsys.readouterr().err


def test_ingest_refuses_a_central_key_that_others_can_read(
    copy: tuple[Provisioned, BuiltShift], capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = copy
    (made.folder / "central/central.key").chmod(0o644)

    assert main(["ingest", "--config", str(made.config)]) == 2
    assert "has mode 0644; expected mode 0600" in capsys.readouterr().err


def test_ingest_without_a_broker_ends_with_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        made = provision(tmp_path / "agency", broker_port=unused.getsockname()[1])

        done = subprocess.run(
            [sys.executable, "-m", "dockd.central", "ingest", "--config", str(made.config)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 2
    assert done.stderr.startswith("sealcam-central: ")
    assert done.stderr.count("\n") == 1


def test_ingest_serves_on_a_real_broker_until_it_is_told_to_stop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = provision(tmp_path / "agency")
    tls = made.folder / "tls"
    files = BrokerTls(
        ca_file=tls / "ca.pem",
        certificate_file=tls / "broker.pem",
        key_file=tls / "broker.key",
        crl_file=tls / "ca.crl",
    )
    with MosquittoBroker(mosquitto(), tmp_path / "broker", files) as broker:
        text = made.config.read_text().replace("port = 8883", f"port = {broker.port}")
        made.config.write_text(text.replace('host = "localhost"', f'host = "{broker.host}"'))
        with made.vault():
            assert main(["check", "--config", str(made.config)]) == 0
        with subprocess.Popen(
            [sys.executable, "-m", "dockd.central", "ingest", "--events", "--config", str(made.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            process.terminate()
            code = process.wait(30)
            assert process.stderr is not None
            error = process.stderr.read()

    assert f"{broker.host}:{broker.port} lets ingest-1 in" in capsys.readouterr().out
    assert json.loads(first)["event"] == "broker-connected", first + error
    assert (code, error) == (0, "")


def test_provision_makes_an_agency_and_enrol_adds_a_camera(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "agency"

    assert main(["provision", str(folder), "--agency", "Example", "--camera", "CAM-1", "--dock", "dock-b"]) == 0
    assert main(["enrol", str(folder), "--serial", "CAM-2"]) == 0
    out = capsys.readouterr().out
    assert (folder / "root/root.fingerprint").read_text().strip() in out
    assert sorted(path.name for path in (folder / "cameras").iterdir()) == ["CAM-1", "CAM-2"]
    assert (folder / "docks/dock-b/dock-b.pem").is_file()

    assert main(["provision", str(folder), "--agency", "Example"]) == 2
    assert main(["provision", str(tmp_path / "other"), "--agency", "Example", "--camera", "bad serial"]) == 2
    assert not (tmp_path / "other").exists()


def test_the_vault_loads_no_library_of_broker_or_database() -> None:
    program = (
        "import sys; from dockd.central.__main__ import main\n"
        "from dockd.central.commands.vault import run_vault\n"
        "print(sorted({'paho', 'sqlalchemy', 'obstore'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
