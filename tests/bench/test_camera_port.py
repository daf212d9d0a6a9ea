"""`--camera-port`: a camera that the bench did not start docks at a serial port; a pair of pseudo-terminals stands for the cable.

The camera is the real program in a process of its own, with the files that the bench wrote for it, and it has recorded before.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hw_sim.cable import SerialCable
from tests.bench.running import REPO, SECONDS_MAX, bench_command, report_of, run_bench


class Camera:
    """A camera on its own, with its settings, its card, and a port that is not there before `dock`."""

    def __init__(self, folder: Path, for_camera: Path, cable: SerialCable) -> None:
        self._cable = cable
        etc = folder / "etc"
        shutil.copytree(for_camera, etc)
        self._port = folder / "port"
        (folder / "card").mkdir()
        settings = etc / "camera.toml"
        text = settings.read_text()
        for name, value in (("card_folder", folder / "card"), ("dock_port", self._port)):
            text, count = re.subn(rf'(?m)^{name} = ".*"$', f'{name} = "{value}"', text)
            assert count == 1, text
        settings.write_text(text)
        self._said_file = folder / "said.jsonl"
        command = [
            *(sys.executable, "-m", "hw_sim.bench.camera_process", "--settings", str(settings), "--seed", "7"),
            *("--width-px", "320", "--height-px", "240", "--frame-rate-mhz", "30000"),
        ]
        with self._said_file.open("wb") as said:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, cwd=REPO)

    def record(self, seconds: float) -> None:
        """Make one recording."""
        closed = self._count("recording-closed")
        self.wait_for("standby", 1)
        self._press("double-press")
        time.sleep(seconds)
        self._press("hold")
        self.wait_for("recording-closed", closed + 1)

    def dock(self) -> None:
        """Put it into the dock."""
        self._port.symlink_to(self._cable.camera_port)

    def wait_for(self, name: str, count: int) -> None:
        """Wait until it has said something so often."""
        deadline = time.monotonic() + SECONDS_MAX
        while self._count(name) < count:
            assert self._process.poll() is None, "the camera's program ended"
            assert time.monotonic() < deadline, f"the camera never said {name}"
            time.sleep(0.05)

    def stop(self) -> int:
        """Switch it off."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(SECONDS_MAX)

    def _press(self, gesture: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": "press", "gesture": gesture}).encode() + b"\n")
        self._process.stdin.flush()

    def _count(self, name: str) -> int:
        lines = self._said_file.read_text().splitlines(keepends=True)
        said: list[dict[str, Any]] = [json.loads(line) for line in lines if line.endswith("\n")]
        return sum(event["event"] == name for event in said)


@contextmanager
def plugged_cable(folder: Path) -> Iterator[SerialCable]:
    cable = SerialCable(folder, seed=7)
    cable.plug()
    try:
        yield cable
    finally:
        cable.close()


def test_a_camera_at_a_port_brings_what_it_recorded_and_keeps_its_enrolment_for_the_next_run(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with plugged_cable(tmp_path / "ports") as cable:
        command = bench_command("run", "--camera-port", str(cable.dock_port), "--out", str(first), "--pre-event-s", "1")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPO)
        wait_for_file(first / "for-the-camera" / "camera.toml", process)
        camera = Camera(tmp_path, first / "for-the-camera", cable)
        camera.record(2)
        camera.record(1)
        camera.dock()
        said, complaints = process.communicate(timeout=SECONDS_MAX)
        # Out of the dock and in again: what is recorded in it stays in the open shift.
        cable.unplug()
        camera.wait_for("undocked", 1)
        camera.record(1)
        cable.plug()
        again = run_bench(
            "run", "--camera-port", str(cable.dock_port), "--agency", str(first / "agency"), "--out", str(second)
        )
        code = camera.stop()

    assert (process.returncode, again.returncode, code) == (0, 0, 0), said + complaints + again.stdout + again.stderr
    report, later = report_of(first / "report.json"), report_of(second / "report.json")
    assert (report["verdict"], len(report["recordings"])) == ("authentic", 2)
    assert (later["verdict"], len(later["recordings"])) == ("authentic", 1)
    for row in report["recordings"] + later["recordings"]:
        assert row["frames_decoded"] == row["frames_in_chain"] > 30
        assert (row["is_receipted"], row["is_erased"], row["frames_captured"]) == (True, True, None)
    assert report["erased_after_receipt"]
    assert report["camera"] == f"BENCH-1 at {cable.dock_port}"
    assert f"scp -p {first}/for-the-camera/*" in said
    assert report["root_fingerprint"] in said
    assert not list((tmp_path / "card").rglob("*.media"))
    page = (second / later["timeline"]).read_text()
    assert later["recordings"][0]["recording_id"] in page


def test_without_a_camera_the_wait_ends_with_the_next_step(tmp_path: Path) -> None:
    with plugged_cable(tmp_path / "ports") as cable:
        done = run_bench("run", "--camera-port", str(cable.dock_port), "--wait-s", "1", "--out", str(tmp_path / "o"))

    assert done.returncode == 2
    assert "no camera docked" in done.stderr
    assert f"--agency {tmp_path / 'o' / 'agency'}" in done.stderr


def test_a_port_that_is_not_there_or_is_no_serial_port_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    file, out = tmp_path / "file", tmp_path / "o"
    file.write_text("no port")

    for port, found in ((tmp_path / "absent", "is not there"), (file, "cannot be used as a serial port")):
        done = run_bench("run", "--camera-port", str(port), "--out", str(out))
        assert done.returncode == 2
        assert found in done.stderr
        assert "such as /dev/ttyACM0" in done.stderr
        assert not out.exists()


@pytest.mark.parametrize(
    "option", [("--fault", "central-stopped"), ("--audit",), ("--camera", "picamera2")], ids=lambda option: option[0]
)
def test_what_needs_a_simulated_camera_is_refused_beside_a_port(option: tuple[str, ...], tmp_path: Path) -> None:
    done = run_bench("run", "--camera-port", "/dev/null", *option, "--out", str(tmp_path / "o"))

    assert done.returncode == 2
    assert f"{option[0]}" in done.stderr
    assert "with --camera-port" in done.stderr


def wait_for_file(path: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until a file is there, written by a process that runs."""
    deadline = time.monotonic() + SECONDS_MAX
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
