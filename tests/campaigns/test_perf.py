"""The benchmarks run to their end with a tiny budget, their peers beside them. How fast anything is, is not asked here."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from firmware.ports import EncodedAudio, EncodedFrame
from scripts.campaigns.command import CannotRun, Order, Progress, main
from scripts.campaigns.ground import ground
from scripts.campaigns.media import LAP_S, encode
from scripts.campaigns.offload_peers import require_programs
from scripts.campaigns.perf import CAMPAIGNS
from scripts.campaigns.result import ROOT

PATIENCE_S = 60.0


def rows_of(name: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Run a benchmark as the command line does, with a budget that it has spent at once; return its rows by name."""
    file = folder / "found.json"
    assert main("perf", CAMPAIGNS, [name, "--seed", "1", "--budget", "0.1", "--json", str(file)]) == 0
    return {row["name"]: row for row in json.loads(file.read_text())["rows"]}


def compared(rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the peer of each row that has one; every such row has its ratio, and it is the quotient."""
    with_peer = {name: row for name, row in rows.items() if "peer" in row}
    for row in with_peer.values():
        assert row["ratio"] == pytest.approx(row["value"] / row["peer_value"], abs=0.001)
    return {name: row["peer"] for name, row in with_peer.items()}


def children_of(process_id: int) -> dict[int, str]:
    """Return the direct children and the names of their programs."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, tail = stat.read_text().rpartition(")")
        except OSError:
            continue  # it has ended meanwhile
        if tail.split()[1] == str(process_id):
            found[int(stat.parent.name)] = head.partition("(")[2]
    return found


def folders_of(process_id: int) -> list[Path]:
    """Return what a benchmark of that process has made and not removed."""
    parents = (Path("/dev/shm"), Path(tempfile.gettempdir()), ROOT / ".cache")
    return [folder for parent in parents for folder in parent.glob(f"sealcam-perf-{process_id}-*")]


def test_chunk_has_hashing_a_plain_mp4_and_the_bare_disk_beside_it(tmp_path: Path) -> None:
    rows = rows_of("chunk", tmp_path)

    assert compared(rows) == {
        "sealed": "hashlib.sha256 alone",
        "sealed, beside a plain MP4": "PyAV's muxer",
        "sealed, on disk": "write + fdatasync",
    }
    assert rows["mean chunk"]["target"] == 750_000
    assert {"CPU per minute of video", "encoded rate", "written to tmpfs"} <= set(rows)
    assert 5.5 < rows["encoded rate"]["value"] < 7


def test_fragment_has_exact_times_and_the_streams_own_parameter_sets(tmp_path: Path) -> None:
    rows = rows_of("fragment", tmp_path)

    assert compared(rows) == {"CPU per minute of video": "PyAV's muxer", "bytes beyond the input": "PyAV's muxer"}
    assert rows["frames"]["value"] == 1920
    assert rows["times off by more than 1 us"]["value"] == 0
    assert rows["avcC that is not the stream's"]["value"] == 0
    # The same counting finds what is wrong: it is not blind.
    assert rows["times off by more than 1 us, PyAV as usual"]["value"] > 1000
    assert rows["avcC that is not the stream's, PyAV as usual"]["value"] == 1


def test_offload_has_rsync_plain_and_over_tls_and_cp_beside_it(tmp_path: Path) -> None:
    rows = rows_of("offload", tmp_path)

    assert compared(rows) == {
        "receipted": "rsync + SHA-256",
        "receipted, beside TLS": "rsync, TLS 1.3",
        "receipted, beside cp": "cp + sha256sum",
        "receipted, on disk": "rsync + SHA-256",
    }
    assert rows["size of the shift"]["value"] > 8 << 20
    assert all("target" not in row for row in rows.values())
    assert {f"CPU, {name}" for name in ("dock", "broker", "ingest", "vault")} <= set(rows)
    assert rows["memory of ingest, at most"]["value"] > 1 << 20
    assert rows["last receipt after the last byte"]["value"] > 0


def test_the_profile_of_the_cameras_path_names_its_functions(tmp_path: Path) -> None:
    names = set(rows_of("chunk-profile", tmp_path))

    assert {"all", "<method 'update' of '_hashlib.HASH' objects>", "<built-in method posix.write>"} <= names


def test_the_profile_of_an_offload_names_threads_and_functions_of_dock_and_ingest(tmp_path: Path) -> None:
    names = set(rows_of("offload-profile", tmp_path))

    assert {"broker", "dock, uploader", "ingest, main", "ingest, keeper", "ingest, paho"} <= names
    assert "ingest, paho: <method 'read' of '_ssl._SSLSocket' objects>" in names


def test_a_missing_peer_is_named_with_its_apt_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("cp", "sha256sum"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CannotRun, match="apt-get install rsync stunnel4"):
        require_programs()


def test_laps_of_media_follow_each_other_without_gap_or_overlap() -> None:
    media = encode(Order(1, 1.0, Progress(Console(quiet=True))))
    items = media.stream(2)
    frames = [item.captured_at_mono_us for item in items if isinstance(item, EncodedFrame)]
    blocks = [item.captured_at_mono_us for item in items if isinstance(item, EncodedAudio)]

    assert {later - earlier for earlier, later in pairwise(frames)} == {33_333, 33_334}
    assert {later - earlier for earlier, later in pairwise(blocks)} == {21_333, 21_334}
    assert frames[0] == media.frames[0].captured_at_mono_us
    assert frames[len(media.frames)] - frames[0] == LAP_S * 1_000_000


def test_the_ground_is_gone_afterwards_also_when_a_run_fails() -> None:
    def fail() -> None:
        with ground(1, 1) as place:
            (place.fast / "left over").write_bytes(b"x")
            raise CannotRun("it failed", expected="nothing else", next_step="look")

    with pytest.raises(CannotRun, match="it failed"):
        fail()

    assert folders_of(os.getpid()) == []


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_neither_folders_nor_processes(wanted: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "scripts.campaigns.perf", "offload", "--budget", "0.1"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline_s = time.monotonic() + PATIENCE_S
    # rsync and stunnel's two are there before the broker; a mosquitto alone is one that is asked for its version.
    while "mosquitto" not in (children := children_of(process.pid)).values() or len(children) < 4:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline_s, "no broker was started"
        time.sleep(0.01)
    folders = folders_of(process.pid)
    process.send_signal(wanted)
    said = process.communicate(timeout=PATIENCE_S)[1]

    assert process.returncode == 2
    assert "stopped; nothing was written" in said
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert len(folders) == 2
    assert folders_of(process.pid) == []
