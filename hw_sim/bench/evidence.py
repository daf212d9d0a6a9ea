"""What the bench itself looks at: the card before and after, the chain on it, and the files that central holds.

It reads with the protocol's own verifier, and compares bytes; it believes no program's word about what it did.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from protocol.entries import Erased
from protocol.errors import PeerError
from protocol.layout import CHAIN_NAME, parse_shift_folder
from protocol.policy import Policy
from protocol.receipt import Receipt, receipt_hash, verify_receipt
from protocol.verify.chain import ChainReport, verify_chain


@dataclass(frozen=True, slots=True)
class ClosedShift:
    """A shift that ended on the card: its folder, its chain's report, and the hash of every file."""

    folder: str
    number: int
    report: ChainReport
    file_hashes: dict[str, str]


def closed_shifts(card: Path) -> tuple[ClosedShift, ...]:
    """Return the closed shifts on a card, in order."""
    found = []
    for folder in shift_folders(card):
        parsed = parse_shift_folder(folder.name)
        with suppress(FileNotFoundError):
            report = verify_chain((folder / CHAIN_NAME).read_bytes()) if parsed is not None else None
            if parsed is not None and report is not None and report.is_closed:
                found.append(ClosedShift(folder.name, parsed[0], report, file_hashes(folder)))
    return tuple(found)


def shift_folders(card: Path) -> list[Path]:
    """Return the folders of all shifts on a card, in order."""
    return sorted(path for path in card.iterdir() if parse_shift_folder(path.name) is not None)


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a folder, by name."""
    hashes = {}
    for path in sorted(folder.iterdir()):
        # The camera may be erasing meanwhile: what is gone by now was not there.
        with suppress(FileNotFoundError), path.open("rb") as file:
            hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def changed_files(shift: ClosedShift, card: Path) -> tuple[str, ...]:
    """Return which files of a closed shift are gone or differ from what they were."""
    folder = card / shift.folder
    now = file_hashes(folder) if folder.is_dir() else {}
    return tuple(name for name, before in shift.file_hashes.items() if now.get(name) != before)


def erased_entries(*folders: Path) -> tuple[Erased, ...]:
    """Return every `erased` entry in the chains below folders: the card's, and those that have reached central."""
    found: list[Erased] = []
    for chain in sorted(chain for folder in folders for chain in folder.rglob(CHAIN_NAME)):
        report = verify_chain(chain.read_bytes())
        if report is not None:
            found += [body for _, body in report.bodies if isinstance(body, Erased)]
    return tuple(found)


def receipts_below(folder: Path, policy: Policy) -> dict[bytes, Receipt]:
    """Return every good receipt below a folder, by its hash."""
    found: dict[bytes, Receipt] = {}
    for path in sorted(folder.rglob("*.receipt")):
        signed = path.read_bytes()
        try:
            found[receipt_hash(signed)] = verify_receipt(signed, policy)
        except PeerError:
            continue
    return found
