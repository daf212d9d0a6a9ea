"""The card on a real file system: which system calls make things durable, and what becomes of their errors.

The calls are seen, and made to fail, by strace; what holds for every store is in `test_store_contract`.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.adapters.file_store import FileStore
from firmware.errors import StoreUncertain

ROOT = Path(__file__).parents[2]
CALLS = "openat,write,fdatasync,fsync,ftruncate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,fadvise64"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    store = FileStore(tmp_path)
    store.make_folder("shift")
    yield store
    store.close()


def run(card: Path, code: str, *, inject: str | None = None, limit_bytes: int | None = None) -> tuple[str, list[str]]:
    """Run ``code`` over a store below ``card``, under strace; return what it printed and the calls on the card."""
    if shutil.which("strace") is None:
        pytest.fail("this test needs strace: apt-get install strace")
    (card / "shift").mkdir(mode=0o700, exist_ok=True)
    trace = card.parent / "trace"
    lines = [
        "import resource, signal",
        "from pathlib import Path",
        "from firmware.adapters.file_store import FileStore",
        "from firmware.errors import CameraSoftwareError",
        f"store = FileStore(Path({str(card)!r}))",
    ]
    if limit_bytes is not None:
        lines += [
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))",
        ]
    lines += ["try:", *(f"    {line}" for line in code.splitlines())]
    lines += ["    print('done')", "except CameraSoftwareError as error:", "    print(type(error).__name__)"]
    command = ["strace", "-f", "-qq", "-y", "-o", str(trace), "-P", str(card), "-P", str(card / "shift")]
    command += [option for name in ("a", "a.partial") for option in ("-P", str(card / "shift" / name))]
    command += ["-e", f"trace={CALLS}", *(() if inject is None else ("-e", f"inject={inject}"))]
    found = subprocess.run(
        [*command, sys.executable, "-B", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert found.returncode == 0, found.stderr
    calls = [line for line in trace.read_text().splitlines() if "(" in line and "---" not in line]
    return found.stdout.strip(), [_short(line, card) for line in calls]


def _short(line: str, card: Path) -> str:
    """Return a call as ``fdatasync a``: its name and the last name of its path."""
    call = re.match(r"(?:\d+ +)?(\w+)\(", line)
    paths = re.findall(rf"{re.escape(str(card))}(?:/[^\"<>]*)?", line)
    assert call is not None, line
    return f"{call[1].removesuffix('at')} {Path(paths[-1]).name if paths else '?'}".replace("openat", "open")


def syncs_and_names(calls: list[str]) -> list[str]:
    """Return the calls that change or make durable, in order."""
    return [call for call in calls if call.split()[0] not in ("open", "fadvise64")]


def test_files_and_folders_are_for_the_camera_s_user_alone(store: FileStore, tmp_path: Path) -> None:
    store.create("shift", "chain")
    store.write_once("shift", "keybox", b"x")

    assert stat.S_IMODE((tmp_path / "shift").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "shift" / "chain").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "shift" / "keybox").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "store.write_once('shift', 'a', b'x')",
            ["write a.partial", "fdatasync a.partial", "rename a", "fsync shift"],
        ),
        (
            "store.create('shift', 'a'); store.append('shift', 'a', b'x'); store.sync('shift', 'a')",
            ["fsync shift", "write a", "fdatasync a"],
        ),
        (
            "store.create('shift', 'a'); store.append('shift', 'a', b'xy'); store.truncate('shift', 'a', 1)",
            ["fsync shift", "write a", "ftruncate a", "fdatasync a"],
        ),
        ("store.create('shift', 'a'); store.remove('shift', 'a')", ["fsync shift", "unlink a", "fsync shift"]),
        ("store.remove_folder('shift')", ["rmdir shift", "fsync card"]),
        ("store.remove_folder('shift'); store.make_folder('shift')", ["rmdir shift", "fsync card", "mkdir shift", "fsync card"]),
        ("store.create('shift', 'a'); store.settle()", ["fsync shift", "fsync a", "fsync shift", "fsync card"]),
    ],
    ids=["write-once", "append-and-sync", "truncate", "remove", "remove-folder", "make-folder", "settle"],
)  # fmt: skip
def test_each_change_is_made_durable_by_the_right_call(tmp_path: Path, code: str, expected: list[str]) -> None:
    card = tmp_path / "card"
    card.mkdir()
    said, calls = run(card, code)

    assert said == "done"
    assert syncs_and_names(calls) == expected


@pytest.mark.parametrize(
    ("inject", "code"),
    [
        ("fdatasync:error=EIO:when=1", "store.create('shift', 'a'); store.sync('shift', 'a')"),
        ("fdatasync:error=ENOSPC:when=1", "store.create('shift', 'a'); store.sync('shift', 'a')"),
        ("fdatasync:error=EIO:when=1", "store.write_once('shift', 'a', b'x')"),
        ("fsync:error=EIO:when=1", "store.write_once('shift', 'a', b'x')"),
        ("fsync:error=EIO:when=1", "store.create('shift', 'a')"),
        ("fsync:error=EIO:when=2", "store.create('shift', 'a'); store.remove('shift', 'a')"),
        ("write:error=EIO:when=1", "store.create('shift', 'a'); store.append('shift', 'a', b'x')"),
        ("rename:error=EIO:when=1", "store.write_once('shift', 'a', b'x')"),
    ],
)
def test_after_an_input_output_error_nothing_is_taken_for_durable(tmp_path: Path, inject: str, code: str) -> None:
    card = tmp_path / "card"
    card.mkdir()

    assert run(card, code, inject=inject)[0] == "StoreUncertain"


@pytest.mark.parametrize(
    "code",
    [
        "store.create('shift', 'a'); store.append('shift', 'a', bytes(100)); store.append('shift', 'a', bytes(1000))",
        "store.write_once('shift', 'a', bytes(1001))",
    ],
    ids=["append", "write-once"],
)
def test_a_card_without_room_is_said_to_be_full(tmp_path: Path, code: str) -> None:
    card = tmp_path / "card"
    card.mkdir()

    assert run(card, code, limit_bytes=1000)[0] == "StoreFull"
    found = {path.name: path.stat().st_size for path in (card / "shift").iterdir()}
    # An append may leave a part, a small file leaves nothing.
    assert found == ({"a": 1000} if "append" in code else {})


@pytest.mark.parametrize("call", ["write", "openat"])
def test_no_space_left_is_no_room(tmp_path: Path, call: str) -> None:
    card = tmp_path / "card"
    card.mkdir()
    code = "store.create('shift', 'a'); store.append('shift', 'a', b'x')"

    assert run(card, code, inject=f"{call}:error=ENOSPC:when=1")[0] == "StoreFull"


def test_a_short_write_is_carried_on(tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    code = "store.create('shift', 'a'); store.append('shift', 'a', b'abcdef'); print(store.read('shift', 'a', 0, 9))"
    said, calls = run(card, code, inject="write:retval=0:when=1")

    assert said.startswith("b'abcdef'")
    assert calls.count("write a") == 2


def test_an_earlier_try_s_partial_file_is_written_over(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "shift" / "a.partial").write_bytes(b"a longer rest of an earlier try")
    store.write_once("shift", "a", b"new")

    assert store.read("shift", "a", 0, 100) == b"new"
    assert [file.name for file in store.files("shift")] == ["a"]


def test_links_are_not_followed(store: FileStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"not the camera's")
    (tmp_path / "shift" / "chain").symlink_to(outside)
    (tmp_path / "linked").symlink_to(tmp_path / "shift")

    with pytest.raises(StoreUncertain):
        store.append("shift", "chain", b"x")
    assert outside.read_bytes() == b"not the camera's"
    assert store.files("shift") == ()
    assert store.folders() == ("shift",)
