"""A witness's state folder: what holds for the real one and the simulated one, and which system calls come before an answer."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockd.central.__main__ import main
from dockd.central.adapters.witness_folder import WitnessFolder
from dockd.central.errors import StateFault
from dockd.central.witness_ports import StateDisk
from hw_sim.crash_state_disk import CrashStateDisk
from protocol.ledger.note import ED25519_TYPE, VerifierKey
from tests.dockd.witnesses import NAME, PATIENCE_S, ask, request_bytes
from tests.protocol.ledger_log import LOG, ORIGIN

DISKS: dict[str, Callable[[Path], StateDisk]] = {"real": WitnessFolder, "simulated": lambda _: CrashStateDisk()}


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateDisk]:
    made = DISKS[request.param](tmp_path)
    yield made
    if isinstance(made, WitnessFolder):
        made.close()


def test_what_was_written_is_read(disk: StateDisk) -> None:
    disk.write("a", b"one")
    disk.write("a", b"2")
    disk.sync("a")
    disk.sync_folder()

    assert (disk.read("a"), disk.read("b")) == (b"2", None)


def test_a_renamed_file_stands_in_place_of_the_other(disk: StateDisk) -> None:
    disk.write("a", b"old")
    disk.write("a.new", b"new")
    disk.rename("a.new", "a")

    assert (disk.read("a"), disk.read("a.new")) == (b"new", None)
    assert [name for name in disk.names() if name != "lock"] == ["a"]


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StateFault, match="never begin with an empty one"):
        WitnessFolder(tmp_path / "gone")


def test_two_witnesses_never_use_one_folder(tmp_path: Path) -> None:
    first = WitnessFolder(tmp_path)
    with pytest.raises(StateFault, match="another witness uses"):
        WitnessFolder(tmp_path)
    WitnessFolder(tmp_path, is_locked=False)  # to be looked at
    first.close()

    WitnessFolder(tmp_path).close()


def test_the_running_program_syncs_file_and_folder_before_it_answers(tmp_path: Path) -> None:
    assert shutil.which("strace") is not None, "strace is not on PATH; as root: apt-get install strace"
    folder, trace = tmp_path / "w", tmp_path / "trace"
    config = folder / "witness.toml"
    key = VerifierKey(ORIGIN, ED25519_TYPE, LOG.public_key).text
    assert main(["witness", "init", str(folder), "--name", NAME]) == 0
    assert main(["witness", "trust", "--config", str(config), "--origin", ORIGIN, "--key", key]) == 0
    config.write_text("port = 0\n" + config.read_text())
    command = [
        "strace",
        "-f",
        "-qq",
        "-y",
        "-o",
        str(trace),
        "-e",
        "trace=write,fsync,rename,renameat,renameat2,sendto",
    ]
    command += [sys.executable, "-m", "dockd.central", "witness", "run", "--events", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = json.loads(process.stdout.readline())["port"]
            assert ask(port, request_bytes(0, 40)).status == 200
        finally:
            # strace itself takes no signal while it writes to a file; the program below it does.
            (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(child), signal.SIGTERM)
            process.wait(PATIENCE_S)

    calls = trace.read_text().splitlines()
    wanted = [
        r"write\(.*/state/[0-9a-f]{64}\.checkpoint\.new>",
        r"fsync\(.*/state/[0-9a-f]{64}\.checkpoint\.new>",
        r"rename.*\.checkpoint\.new.*\.checkpoint\"",
        r"fsync\(.*/state>",
        r"sendto\(.*HTTP/1\.1 200",
    ]
    at = 0
    for pattern in wanted:
        found = [number for number, line in enumerate(calls[at:], at) if re.search(pattern, line)]
        assert found, f"{pattern} does not come in its turn: {calls[-40:]}"
        at = found[0] + 1
    assert sum(re.search(wanted[-1], line) is not None for line in calls) == 1
