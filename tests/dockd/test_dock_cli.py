"""`sealcam-dock` as people and programs use it: exit codes, sentences, events, and a stop that stops."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dockd.station.__main__ import main
from dockd.station.adapters.spool_lock import SpoolLock
from hw_sim.cable import SerialCable
from tests.dockd.test_settings import write

STOP_S = 15


def config(folder: Path, *, port: str = "ports/dock-port", line: str = "usb") -> Path:
    file = write(folder)
    text = file.read_text().replace('port = "port"', f'port = "{port}"\nline = "{line}"')
    file.write_text(text)
    return file


def running(file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dockd.station", "run", "--config", str(file), "--events"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(process: subprocess.Popen[str], is_it: Callable[[dict[str, object]], bool]) -> dict[str, object]:
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, object] = json.loads(line)
        if is_it(event):
            return event
    raise AssertionError(f"the dock ended: {process.communicate()[1]}")


def test_settings_with_a_typo_end_in_one_sentence_and_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = config(tmp_path)
    file.write_text(file.read_text() + "baud_rat = 9600\n")
    code = main(["run", "--config", str(file)])
    said = capsys.readouterr().err

    assert code == 2
    assert said.endswith("line 12: bay.0.baud_rat: unknown key, did you mean baud_rate?\n")
    assert said.count("\n") == 1
    assert not (tmp_path / "spool").exists(), "nothing half-made is left behind"


def test_a_uart_that_is_not_there_ends_in_one_sentence_and_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["run", "--config", str(config(tmp_path, port="/dev/ttyNONE", line="uart"))])
    said = capsys.readouterr().err

    assert code == 2
    assert "/dev/ttyNONE is not there" in said
    assert "Next: " in said
    assert said.count("\n") == 1


def test_a_port_that_is_none_ends_in_one_sentence_and_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(b"")

    assert main(["run", "--config", str(config(tmp_path, port="file"))]) == 2
    assert "cannot be used as a serial port" in capsys.readouterr().err


def test_a_running_dock_says_that_it_started_and_ends_in_order_when_told(tmp_path: Path) -> None:
    process = running(config(tmp_path))
    try:
        started = until(process, lambda event: event["event"] == "started")
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_S)
    finally:
        process.kill()
        process.communicate()

    assert started["dock"] == "dock-a"
    assert {"mono_ns", "unix_ms"} <= started.keys()
    assert code == 0


def test_status_tells_of_a_running_dock_and_of_one_that_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(tmp_path)
    assert main(["status", "--config", str(file)]) == 1
    assert "no dock has run here" in capsys.readouterr().out
    process = running(file)
    try:
        until(process, lambda event: event["event"] == "started")
        assert main(["status", "--config", str(file), "--json"]) == 0
    finally:
        process.terminate()
        process.communicate(timeout=STOP_S)
    status = json.loads(capsys.readouterr().out)

    assert status["is_running"]
    assert [bay["state"] for bay in status["bays"]] == ["empty"]
    assert status["offload"]["code"] == "off"
    old = json.loads((tmp_path / "status.json").read_text())
    (tmp_path / "status.json").write_text(json.dumps(old | {"updated_at_unix_ms": 0}))
    assert main(["status", "--config", str(file)]) == 1
    assert "the dock does not run" in capsys.readouterr().out


def test_a_second_dock_on_the_same_spool_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = config(tmp_path)
    lock = SpoolLock(tmp_path / "spool")

    assert main(["run", "--config", str(file)]) == 2
    assert "in use" in capsys.readouterr().err
    assert main(["check", "--config", str(file)]) == 0
    assert "a dock runs here" in capsys.readouterr().out
    lock.close()


def test_check_says_what_can_be_used_and_what_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = config(tmp_path)
    assert main(["check", "--config", str(file)]) == 1
    assert "no camera is in the bay, or the port's name is wrong" in capsys.readouterr().out
    cable = SerialCable(tmp_path / "ports")
    cable.plug()
    code = main(["check", "--config", str(file)])
    cable.close()

    assert code == 0
    assert "can be opened" in capsys.readouterr().out


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    assert "sealcam-dock status --config" in capsys.readouterr().out
