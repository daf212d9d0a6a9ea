import errno
import os
import resource
import signal
from pathlib import Path

import pytest

from dockd.station.adapters.spool import FolderSpool
from dockd.station.adapters.spool_lock import SpoolInUse, SpoolLock
from dockd.station.errors import SettingsFault, SpoolFull, SpoolUncertain
from dockd.station.ports import ShiftPlace, SpooledFile
from protocol.receipt import ReceiptWithProof
from tests.protocol.ledgers import bare

PLACE = ShiftPlace(bytes(range(16)), f"shift-000001-{'a' * 32}")
OTHER = ShiftPlace(bytes(range(16)), f"shift-000002-{'b' * 32}")
MEDIA = f"{'c' * 32}.0000.media"


@pytest.fixture
def spool(tmp_path: Path) -> FolderSpool:
    spool = FolderSpool(tmp_path)
    spool.open_shift(PLACE)
    return spool


def test_what_is_appended_is_read_back(spool: FolderSpool) -> None:
    spool.append(PLACE, "chain", 0, b"one")
    spool.append(PLACE, "chain", 3, b"two")

    assert spool.read(PLACE, "chain", 0, 100) == b"onetwo"
    assert spool.read(PLACE, "chain", 2, 2) == b"et"
    assert spool.read(PLACE, "chain", 6, 2) == b""


def test_bytes_for_another_place_than_the_end_are_our_bug(spool: FolderSpool) -> None:
    spool.append(PLACE, "chain", 0, b"one")

    with pytest.raises(AssertionError, match="bytes for 2 where 3 are here"):
        spool.append(PLACE, "chain", 2, b"x")


def test_a_file_is_complete_only_when_it_is_said_to_be(spool: FolderSpool) -> None:
    spool.append(PLACE, "chain", 0, b"one")
    assert spool.files(PLACE) == (SpooledFile("chain", 3, is_complete=False),)
    spool.complete(PLACE, "chain")

    assert spool.files(PLACE) == (SpooledFile("chain", 3, is_complete=True),)


def test_an_empty_file_can_be_complete(spool: FolderSpool) -> None:
    spool.complete(PLACE, MEDIA)

    assert spool.files(PLACE) == (SpooledFile(MEDIA, 0, is_complete=True),)


def test_a_discarded_file_is_gone_with_its_mark(spool: FolderSpool) -> None:
    spool.append(PLACE, "chain", 0, b"one")
    spool.complete(PLACE, "chain")
    spool.discard(PLACE, "chain")
    assert spool.files(PLACE) == ()
    spool.append(PLACE, "chain", 0, b"new")

    assert spool.files(PLACE) == (SpooledFile("chain", 3, is_complete=False),)


def test_everything_is_found_again_by_another_process(spool: FolderSpool, tmp_path: Path) -> None:
    spool.open_shift(OTHER)
    spool.append(OTHER, MEDIA, 0, b"media")
    spool.complete(OTHER, MEDIA)
    spool.add_receipt(OTHER, ReceiptWithProof(signed=b"receipt", proof=b"proof"))
    spool.keep_note(OTHER, "findings", b"note")
    again = FolderSpool(tmp_path)

    assert again.shifts() == (PLACE, OTHER)
    assert again.files(OTHER) == (SpooledFile(MEDIA, 5, is_complete=True),)
    assert again.receipts(OTHER) == (ReceiptWithProof(signed=b"receipt", proof=b"proof"),)
    assert again.note(OTHER, "findings") == b"note"


def test_a_receipt_is_kept_once(spool: FolderSpool) -> None:
    for signed in (b"one", b"one", b"two"):
        spool.add_receipt(PLACE, *bare(signed))

    assert sorted(each.signed for each in spool.receipts(PLACE)) == [b"one", b"two"]


def test_the_newest_proof_of_a_receipt_is_kept(spool: FolderSpool) -> None:
    older, newer = (ReceiptWithProof(signed=b"one", proof=proof) for proof in (b"older and longer", b"newer"))
    spool.add_receipt(PLACE, *bare(b"one"))
    for brought in (older, newer, *bare(b"one")):
        spool.add_receipt(PLACE, brought)

    assert spool.receipts(PLACE) == (newer,)


def test_only_the_proof_that_was_found_wanting_is_dropped(spool: FolderSpool) -> None:
    older, newer = (ReceiptWithProof(signed=b"one", proof=proof) for proof in (b"older", b"newer"))
    spool.add_receipt(PLACE, newer)
    spool.drop_proof(PLACE, older)
    assert spool.receipts(PLACE) == (newer,)
    spool.drop_proof(PLACE, newer)
    spool.drop_proof(PLACE, newer)

    assert spool.receipts(PLACE) == bare(b"one")


def test_a_note_is_replaced_whole(spool: FolderSpool) -> None:
    assert spool.note(PLACE, "findings") is None
    spool.keep_note(PLACE, "findings", b"a long first note")
    spool.keep_note(PLACE, "findings", b"short")

    assert spool.note(PLACE, "findings") == b"short"


def test_notes_marks_and_receipts_are_no_files_of_the_shift(spool: FolderSpool) -> None:
    spool.complete(PLACE, "chain")
    spool.keep_note(PLACE, "findings", b"{}")
    spool.add_receipt(PLACE, ReceiptWithProof(signed=b"one", proof=b"proof"))

    assert [file.name for file in spool.files(PLACE)] == ["chain"]


def test_nobody_else_may_read_the_spool(spool: FolderSpool, tmp_path: Path) -> None:
    spool.append(PLACE, "chain", 0, b"one")
    spool.complete(PLACE, "chain")
    spool.keep_note(PLACE, "findings", b"{}")
    spool.add_receipt(PLACE, ReceiptWithProof(signed=b"one", proof=b"proof"))

    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("name", ["../chain", "chain.complete", "", "x.note", "a/b"])
def test_a_name_that_no_camera_has_never_becomes_a_path(spool: FolderSpool, name: str) -> None:
    with pytest.raises(AssertionError):
        spool.append(PLACE, name, 0, b"x")


def test_folders_that_are_not_ours_are_passed_over(spool: FolderSpool, tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / PLACE.camera_id.hex() / "elsewhere").mkdir()

    assert spool.shifts() == (PLACE,)


def test_a_full_disk_leaves_the_file_as_it_was(spool: FolderSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append(PLACE, "chain", 0, b"x" * 900)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        # A real partial write: 100 bytes fit, the rest is refused with EFBIG.
        with pytest.raises(SpoolFull, match="room in the spool"):
            spool.append(PLACE, "chain", 900, b"y" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)

    assert spool.files(PLACE) == (SpooledFile("chain", 900, is_complete=False),)
    spool.append(PLACE, "chain", 900, b"z")


def test_what_cannot_be_synced_is_uncertain(spool: FolderSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append(PLACE, "chain", 0, b"one")

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(SpoolUncertain, match="fdatasync failed"):
        spool.complete(PLACE, "chain")

    assert not spool.files(PLACE)[0].is_complete


def test_bytes_and_names_are_synced_before_the_mark_is_made(
    spool: FolderSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_touch, real_fdatasync, real_fsync = Path.touch, os.fdatasync, os.fsync

    def touch(path: Path, mode: int = 0o666) -> None:
        steps.append("mark")
        real_touch(path, mode)

    def fdatasync(descriptor: int) -> None:
        steps.append("bytes")
        real_fdatasync(descriptor)

    def fsync(descriptor: int) -> None:
        steps.append("folder")
        real_fsync(descriptor)

    monkeypatch.setattr(Path, "touch", touch)
    monkeypatch.setattr(os, "fdatasync", fdatasync)
    monkeypatch.setattr(os, "fsync", fsync)
    spool.append(PLACE, "chain", 0, b"one")
    spool.complete(PLACE, "chain")

    assert steps == ["bytes", "folder", "mark", "folder"]


def test_a_second_dock_on_the_same_spool_is_refused(tmp_path: Path) -> None:
    first = SpoolLock(tmp_path / "spool")
    with pytest.raises(SpoolInUse, match="in use"):
        SpoolLock(tmp_path / "spool")
    first.close()

    SpoolLock(tmp_path / "spool").close()


def test_a_spool_whose_disk_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match="cannot be used"):
        SpoolLock(tmp_path / "not-mounted" / "spool")


def test_a_disk_without_room_for_another_file_is_full(spool: FolderSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", full)

    with pytest.raises(SpoolFull, match="chain cannot be opened"):
        spool.append(PLACE, "chain", 0, b"x")
