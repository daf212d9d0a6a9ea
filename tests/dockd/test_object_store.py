"""The object store: names that hold all of their bytes, and bytes that survive a power cut."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dockd.central.adapters.object_store import FolderObjectStore
from dockd.central.errors import ObjectExists, ObjectMissing, StoreFault, StoreUncertain

NAME = "objects/aa/shift-1/chain"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "storage"
    (made / "staging").mkdir(parents=True)
    return made


@pytest.fixture
def store(folder: Path) -> FolderObjectStore:
    return FolderObjectStore(folder)


def staged(folder: Path, data: bytes = b"staged") -> str:
    (folder / "staging/one").write_bytes(data)
    return "staging/one"


def test_a_staged_file_is_an_object_and_becomes_another_by_moving(store: FolderObjectStore, folder: Path) -> None:
    inode = os.stat(folder / staged(folder)).st_ino

    store.move(store.name_of(folder / "staging/one"), NAME)

    assert (folder / NAME).stat().st_ino == inode  # renamed, never copied
    assert store.size_bytes("staging/one") is None
    assert (folder / NAME).read_bytes() == b"staged"


def test_an_object_is_never_replaced_by_moving_or_putting(store: FolderObjectStore, folder: Path) -> None:
    store.put(NAME, b"first")
    other = staged(folder)

    with pytest.raises(ObjectExists):
        store.move(other, NAME)
    with pytest.raises(ObjectExists):
        store.put(NAME, b"second")

    assert (folder / NAME).read_bytes() == b"first"
    assert (folder / other).read_bytes() == b"staged"
    assert [item.name for item in store.names("")] == [NAME, other]  # nothing half-made


def test_putting_replaces_where_it_is_asked_to(store: FolderObjectStore) -> None:
    store.put(NAME, b"first")
    store.put(NAME, b"second", can_replace=True)

    assert b"".join(store.pieces(NAME)) == b"second"


def test_reading_gives_exactly_what_was_asked_for(store: FolderObjectStore) -> None:
    data = bytes(range(256)) * 20_000  # more than one piece
    store.put(NAME, data)

    assert store.read(NAME, 4_000_000, 1000) == data[4_000_000:4_001_000]
    assert store.read(NAME, 0, 0) == b""
    assert b"".join(store.pieces(NAME)) == data
    with pytest.raises(ObjectMissing):
        store.read(NAME, len(data) - 1, 2)


def test_an_absent_object_is_said_to_be_absent(store: FolderObjectStore) -> None:
    assert store.size_bytes("objects/none") is None
    store.remove("objects/none")
    for read in (
        lambda: store.read("objects/none", 0, 1),
        lambda: list(store.pieces("objects/none")),
        lambda: store.settle("objects/none"),
        lambda: store.move("objects/none", NAME),
    ):
        with pytest.raises(ObjectMissing, match="objects/none"):
            read()


def test_an_empty_object_is_an_object(store: FolderObjectStore) -> None:
    store.put(NAME, b"")

    assert store.size_bytes(NAME) == 0
    assert list(store.pieces(NAME)) == []


def test_a_removed_object_is_gone(store: FolderObjectStore) -> None:
    store.put(NAME, b"data")
    store.remove(NAME)

    assert store.size_bytes(NAME) is None


def test_a_missing_folder_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreFault, match="not a folder that this user may write to"):
        FolderObjectStore(tmp_path / "nowhere")


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    """`ulimit -f` fails writes like a disk without room does: with another errno, so the sentence is the general one."""
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from dockd.central.adapters.object_store import FolderObjectStore\n"
        "from dockd.central.errors import StoreFault\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = FolderObjectStore(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    store.put('objects/big', bytes(5000))\n"
        "except StoreFault as fault:\n    print(fault)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)

    assert "objects/big" in done.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def traced(folder: Path, tmp_path: Path, call: str, *inject: str) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    """Run one call of the store in a process of its own under strace; return the system calls that change or sync."""
    strace = shutil.which("strace")
    assert strace is not None, "strace is missing: apt-get install strace"
    program = (
        "import sys; from pathlib import Path\n"
        "from dockd.central.adapters.object_store import FolderObjectStore\n"
        "store = FolderObjectStore(Path(sys.argv[1]))\n"
        f"{call}\n"
    )
    log = tmp_path / "strace.log"
    calls = "trace=fsync,rename,renameat,renameat2,linkat,unlink,mkdir"
    done = subprocess.run(
        [strace, "-f", "-y", "-qq", "-e", calls, *inject, "-o", log, sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    return [line for line in lines if str(folder) in line and line.endswith(" = 0")], done


def synced(calls: list[str], folder: Path) -> list[str]:
    """Return the paths below ``folder`` that were synced, in order."""
    inside = [line.split("<", 1)[1].split(">", 1)[0] for line in calls if line.startswith("fsync(")]
    return [str(Path(path).relative_to(folder)) for path in inside]


def test_moving_syncs_the_bytes_before_the_name_and_every_folder_after_it(folder: Path, tmp_path: Path) -> None:
    staged(folder)

    calls, done = traced(folder, tmp_path, f"store.move('staging/one', {NAME!r})")

    assert done.returncode == 0, done.stderr
    named = next(index for index, line in enumerate(calls) if line.startswith(("linkat(", "rename")))
    assert synced(calls[:named], folder) == ["staging/one"]
    assert synced(calls[named:], folder) == ["objects/aa/shift-1", "objects/aa", "objects", ".", "staging", "."]


def test_putting_syncs_the_bytes_before_the_name_and_every_folder_after_it(folder: Path, tmp_path: Path) -> None:
    calls, done = traced(folder, tmp_path, f"store.put({NAME!r}, b'data')")

    assert done.returncode == 0, done.stderr
    named = next(index for index, line in enumerate(calls) if NAME in line and line.startswith(("linkat(", "rename")))
    before = synced(calls[:named], folder)
    assert len(before) == 1
    assert before[0].startswith("new/")
    assert synced(calls[named:], folder) == ["objects/aa/shift-1", "objects/aa", "objects", "."]


@pytest.mark.parametrize("nth", [1, 2, 5])
def test_a_failed_fsync_ends_in_uncertainty_whichever_it_is(folder: Path, tmp_path: Path, nth: int) -> None:
    staged(folder)

    _, done = traced(
        folder, tmp_path, f"store.move('staging/one', {NAME!r})", "-e", f"inject=fsync:error=EIO:when={nth}"
    )

    assert done.returncode == 1
    assert StoreUncertain.__name__ in done.stderr
    assert "must restart" in done.stderr
