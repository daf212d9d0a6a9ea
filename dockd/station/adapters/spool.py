"""The dock's disk as a folder (port `Spool`): spool/<camera_id>/<shift folder>/, plain files as on the card.

A file is complete when `<name>.complete` stands beside it, made durable after the file's own bytes; receipts are kept as
`<hash>.receipt`, their ledger proofs as `<hash>.tlog-proof`, the dock's own notes as `<name>.note`. Names come from the
wire, so each is checked against `protocol.layout` before it becomes a path.
"""

import errno
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from dockd.station.errors import SpoolFull, SpoolUncertain
from dockd.station.ports import ShiftPlace, Spool, SpooledFile
from protocol.layout import RECEIPT_SUFFIX, parse_file_name, parse_shift_folder, proof_name, receipt_name
from protocol.receipt import ReceiptWithProof, receipt_hash
from protocol.units import LEDGER_PROOF_SIZE_BYTES_MAX, RECEIPT_SIZE_BYTES_MAX

_COMPLETE_SUFFIX: Final = ".complete"
_NOTE_SUFFIX: Final = ".note"
_NOTE_NAME: Final = re.compile(r"[a-z]{1,32}")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class FolderSpool:
    """A spool below one root; files 0600, folders 0700. One writer for each file."""

    def __init__(self, root: Path) -> None:
        """Use ``root``, which must exist."""
        self._root = root

    def open_shift(self, place: ShiftPlace) -> None:
        """Make the shift's folder, durable; an existing one is fine."""
        path = self._folder(place)
        for folder in (path.parent, path):
            try:
                os.mkdir(folder, 0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise _fault(error, f"{folder.name} cannot be made") from error
            _sync_folder(folder.parent)

    def shifts(self) -> tuple[ShiftPlace, ...]:
        """Return every shift in the spool, sorted."""
        places = []
        for camera in os.scandir(self._root):
            if len(camera.name) == 32 and camera.is_dir(follow_symlinks=False):
                found = [shift.name for shift in os.scandir(camera.path) if parse_shift_folder(shift.name) is not None]
                places += [ShiftPlace(bytes.fromhex(camera.name), name) for name in found]
        return tuple(sorted(places))

    def files(self, place: ShiftPlace) -> tuple[SpooledFile, ...]:
        """Return the files of a shift, sorted by name; none where the shift is unknown."""
        path = self._folder(place)
        if not path.is_dir():
            return ()
        sizes = {}
        for entry in os.scandir(path):
            # Another thread may be renaming or freeing: what is gone by now was not there.
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    sizes[entry.name] = entry.stat().st_size
        return tuple(
            SpooledFile(name, size, name + _COMPLETE_SUFFIX in sizes)
            for name, size in sorted(sizes.items())
            if parse_file_name(name) is not None
        )

    def append(self, place: ShiftPlace, name: str, offset_bytes: int, data: bytes) -> None:
        """Add bytes at ``offset_bytes``, which must be the file's present size; not yet durable."""
        path = self._file(place, name)
        try:
            opened = open(path, "ab", buffering=0, opener=_private)  # noqa: SIM115 (its fault is another's than a write's)
        except OSError as error:
            raise _fault(error, f"{name} cannot be opened") from error
        with opened as file:
            size = file.tell()
            assert offset_bytes == size, f"{name}: bytes for {offset_bytes} where {size} are here"
            left = memoryview(data)
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError as error:
                # What was written of this piece goes again, so that the file ends where the caller believes.
                os.ftruncate(file.fileno(), size)
                raise _fault(error, f"{name} cannot be written") from error

    def sync(self, place: ShiftPlace, name: str) -> None:
        """Return when the file's bytes would survive a power cut."""
        path = self._file(place, name)
        _sync_file(path)
        _sync_folder(path.parent)

    def complete(self, place: ShiftPlace, name: str) -> None:
        """Sync, then mark the file complete, durably. An empty file is made where none is."""
        self.append(place, name, self._size(place, name), b"")
        self.sync(place, name)
        mark = self._file(place, name + _COMPLETE_SUFFIX, is_checked=False)
        try:
            mark.touch(0o600)
        except OSError as error:
            raise _fault(error, f"{name} cannot be marked complete") from error
        _sync_folder(mark.parent)

    def discard(self, place: ShiftPlace, name: str) -> None:
        """Remove a file, its mark first: a mark never stands without the bytes that it speaks for."""
        path = self._file(place, name)
        for target in (path.with_name(name + _COMPLETE_SUFFIX), path):
            target.unlink(missing_ok=True)
            _sync_folder(path.parent)

    def read(self, place: ShiftPlace, name: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Return up to ``size_bytes`` bytes; fewer at the end of the file only."""
        with self._file(place, name).open("rb") as file:
            file.seek(offset_bytes)
            return file.read(size_bytes)

    def add_receipt(self, place: ShiftPlace, brought: ReceiptWithProof) -> None:
        """Keep a receipt beside the shift, and its proof in place of an earlier one; durable on return."""
        path = self._receipt(place, brought)
        proof = _proof_of(path)
        if brought.proof is not None and _bytes_of(proof) != brought.proof:
            _write_whole(proof, brought.proof)
        if not path.exists():
            _write_whole(path, brought.signed)

    def drop_proof(self, place: ShiftPlace, brought: ReceiptWithProof) -> None:
        """Keep a receipt's proof no longer; one that has taken its place since stays."""
        proof = _proof_of(self._receipt(place, brought))
        if brought.proof is not None and _bytes_of(proof) == brought.proof:
            proof.unlink(missing_ok=True)
            _sync_folder(proof.parent)

    def receipts(self, place: ShiftPlace) -> tuple[ReceiptWithProof, ...]:
        """Return the receipts kept for a shift, each with the proof kept for it."""
        return tuple(_read_receipt(path) for path in sorted(self._folder(place).glob("*" + RECEIPT_SUFFIX)))

    def keep_note(self, place: ShiftPlace, name: str, data: bytes) -> None:
        """Keep a small file of the dock's own beside a shift, in place of an earlier one; durable on return."""
        _write_whole(self._note(place, name), data)

    def note(self, place: ShiftPlace, name: str) -> bytes | None:
        """Return a note; None where there is none."""
        return _bytes_of(self._note(place, name))

    def free_bytes(self) -> int:
        """Return the bytes that can still be written."""
        state = os.statvfs(self._root)
        return state.f_bavail * state.f_frsize

    def _size(self, place: ShiftPlace, name: str) -> int:
        try:
            return self._file(place, name).stat().st_size
        except FileNotFoundError:
            return 0

    def _folder(self, place: ShiftPlace) -> Path:
        assert len(place.camera_id) == 16 and parse_shift_folder(place.folder) is not None, place
        return self._root / place.camera_id.hex() / place.folder

    def _receipt(self, place: ShiftPlace, brought: ReceiptWithProof) -> Path:
        return self._folder(place) / receipt_name(receipt_hash(brought.signed))

    def _note(self, place: ShiftPlace, name: str) -> Path:
        assert _NOTE_NAME.fullmatch(name), f"{name!r} is no name of a note"
        return self._folder(place) / (name + _NOTE_SUFFIX)

    def _file(self, place: ShiftPlace, name: str, *, is_checked: bool = True) -> Path:
        assert not is_checked or parse_file_name(name) is not None, f"{name!r} is no name of a shift's file"
        return self._folder(place) / name


_: type[Spool] = FolderSpool


def _read_receipt(path: Path) -> ReceiptWithProof:
    signed = _bytes_of(path, RECEIPT_SIZE_BYTES_MAX)
    assert signed is not None, f"{path.name} went while it was looked at"
    return ReceiptWithProof(signed=signed, proof=_bytes_of(_proof_of(path), LEDGER_PROOF_SIZE_BYTES_MAX))


def _proof_of(receipt: Path) -> Path:
    return receipt.with_name(proof_name(receipt.name))


def _bytes_of(path: Path, size_bytes_max: int = -1) -> bytes | None:
    """Return a file's bytes, no more than so many: what is longer by a fault of the disk verifies no better whole."""
    try:
        with path.open("rb") as file:
            return file.read(size_bytes_max)
    except FileNotFoundError:
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _write_whole(path: Path, data: bytes) -> None:
    """Write a small file under another name, then give it its own: it is there whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with open(partial, "wb", opener=_private) as file:
            file.write(data)
    except OSError as error:
        raise _fault(error, f"{path.name} cannot be written") from error
    _sync_file(partial)
    try:
        os.rename(partial, path)
    except OSError as error:
        raise _fault(error, f"{path.name} cannot be put in place") from error
    _sync_folder(path.parent)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        raise SpoolUncertain(f"{path.name}: fdatasync failed: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise SpoolUncertain(f"folder {path.name}: fsync failed: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _fault(error: OSError, what: str) -> SpoolFull | SpoolUncertain:
    if error.errno in _FULL:
        return SpoolFull(
            f"{what}: {error.strerror}",
            expected="room in the spool",
            next_step="look whether central answers, so that receipts free the spool, or give it a larger disk",
        )
    return SpoolUncertain(f"{what}: {error.strerror}")
