"""The ledger's files: what every store of them does, and the order in which the real one makes them durable."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dockd.central.adapters.tile_folder import TileFolder
from dockd.central.errors import StoreFault, StoreUncertain
from dockd.central.ledger_ports import TileStore
from hw_sim.crash_tile_store import CrashTileStore

FILES = {"tile/0/000.p/3": b"three", "tile/entries/000.p/3": b"leaves", "checkpoint": b"signed"}


@pytest.fixture(params=["folder", "simulated"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TileStore:
    return TileFolder(tmp_path, can_write=True) if request.param == "folder" else CrashTileStore()


def test_what_was_written_is_read(store: TileStore) -> None:
    store.write(FILES)

    assert {name: store.read(name) for name in FILES} == FILES
    assert store.read("tile/0/001") is None


def test_writing_replaces_and_leaves_the_rest(store: TileStore) -> None:
    store.write(FILES)
    store.write({"checkpoint": b"newer", "tile/0/000": b"full"})

    assert store.read("checkpoint") == b"newer"
    assert store.read("tile/0/000.p/3") == b"three"


def test_a_folder_is_dropped_with_all_that_is_in_it_and_an_absent_one_is_fine(store: TileStore) -> None:
    store.write(FILES)
    store.drop(("tile/0/000.p", "tile/7/000.p"))

    assert store.read("tile/0/000.p/3") is None
    assert store.read("tile/entries/000.p/3") == b"leaves"


def test_whether_there_is_anything_is_said(store: TileStore) -> None:
    assert not store.has_any("tile")
    store.write(FILES)
    assert store.has_any("tile")


def test_one_process_writes_and_others_read(tmp_path: Path) -> None:
    writer = TileFolder(tmp_path, can_write=True)
    writer.write(FILES)

    with pytest.raises(StoreFault, match="another process writes"):
        TileFolder(tmp_path, can_write=True)
    assert TileFolder(tmp_path, can_write=False).read("checkpoint") == b"signed"
    writer.close()
    TileFolder(tmp_path, can_write=True).write({"checkpoint": b"newer"})


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreFault, match="is not a folder"):
        TileFolder(tmp_path / "none", can_write=True)


def test_what_a_crash_left_without_a_name_is_gone_after_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/0").write_bytes(b"half")

    TileFolder(tmp_path, can_write=True)

    assert not (tmp_path / "new/0").exists()


def traced(folder: Path, tmp_path: Path, *inject: str) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    strace = shutil.which("strace")
    assert strace is not None, "strace is missing: apt-get install strace"
    program = (
        "import sys; from pathlib import Path\n"
        "from dockd.central.adapters.tile_folder import TileFolder\n"
        "store = TileFolder(Path(sys.argv[1]), can_write=True)\n"
        "store.write({'tile/0/x001/000': b'one', 'tile/0/x001/001': b'two'})\n"
        "store.write({'tile/0/x001/002': b'three'})\n"
    )
    log = tmp_path / "strace.log"
    done = subprocess.run(
        [
            strace,
            "-f",
            "-y",
            "-qq",
            "-e",
            "trace=fsync,rename",
            *inject,
            "-o",
            log,
            sys.executable,
            "-c",
            program,
            folder,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    return [line for line in lines if str(folder) in line], done


def place(line: str, folder: Path) -> str:
    """Return what a system call was about: the synced path, or the new name."""
    path = line.split("<", 1)[1].split(">", 1)[0] if line.startswith("fsync(") else line.split('"')[3]
    return f"{line.split('(', 1)[0]} {Path(path).relative_to(folder)}"


def test_all_bytes_are_synced_before_the_first_name_and_every_folder_after_the_last(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()

    calls, done = traced(folder, tmp_path)

    assert done.returncode == 0, done.stderr
    assert [place(line, folder) for line in calls] == [
        *("fsync new/0", "fsync new/1", "rename tile/0/x001/000", "rename tile/0/x001/001"),
        *("fsync .", "fsync tile", "fsync tile/0", "fsync tile/0/x001"),
        *("fsync new/2", "rename tile/0/x001/002", "fsync tile/0/x001"),
    ]


@pytest.mark.parametrize("nth", range(1, 9))
def test_a_failed_fsync_ends_in_uncertainty_whichever_it_is(tmp_path: Path, nth: int) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()

    _, done = traced(folder, tmp_path, "-e", f"inject=fsync:error=EIO:when={nth}")

    assert done.returncode == 1
    assert StoreUncertain.__name__ in done.stderr


def test_a_name_that_cannot_be_given_ends_in_uncertainty(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()

    _, done = traced(folder, tmp_path, "-e", "inject=rename:error=EIO:when=2")

    assert done.returncode == 1
    assert StoreUncertain.__name__ in done.stderr


def test_a_full_disk_changes_no_name(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()

    second = str(folder / "new/1")
    _, done = traced(folder, tmp_path, "-P", second, "-e", "trace=write", "-e", "inject=write:error=ENOSPC")

    assert "StoreFull" in done.stderr
    assert [path for path in folder.rglob("*") if path.is_file()] == [folder / "lock"]
