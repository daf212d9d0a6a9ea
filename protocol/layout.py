"""Names of shift folders and of the files in them, the same on card, dock and at central (spec/02-chain.md, 2.1; spec/03-recording.md, 3.1)."""

import re
from dataclasses import dataclass
from typing import Final, Literal

CHAIN_NAME: Final = "chain"
RECEIPT_SUFFIX: Final = ".receipt"
PROOF_SUFFIX: Final = ".tlog-proof"
FileKind = Literal["chain", "media", "key-box"]
_FOLDER: Final = re.compile(r"shift-([0-9]{6,18})-([0-9a-f]{32})")
_FILE: Final = re.compile(r"([0-9a-f]{32})\.(?:([0-9]{4})\.media|keybox)")


@dataclass(frozen=True, slots=True)
class FileName:
    """What a file's name says of it."""

    kind: FileKind
    recording_id: bytes | None
    number: int | None


def shift_folder_name(number: int, shift_id: bytes) -> str:
    """Return the name of a shift's folder."""
    return f"shift-{number:06d}-{shift_id.hex()}"


def parse_shift_folder(name: str) -> tuple[int, bytes] | None:
    """Return shift number and shift_id; None when ``name`` is no such name."""
    match = _FOLDER.fullmatch(name)
    return None if match is None else (int(match[1]), bytes.fromhex(match[2]))


def media_name(recording_id: bytes, number: int) -> str:
    """Return the name of a media file."""
    return f"{recording_id.hex()}.{number:04d}.media"


def key_box_name(recording_id: bytes) -> str:
    """Return the name of a key box."""
    return f"{recording_id.hex()}.keybox"


def receipt_name(receipt_hash: bytes) -> str:
    """Return the name of a receipt's file beside its shift."""
    return receipt_hash.hex()[:16] + RECEIPT_SUFFIX


def proof_name(receipt_file: str) -> str:
    """Return the name of the ledger proof beside the receipt that stands in ``receipt_file``."""
    return receipt_file.removesuffix(RECEIPT_SUFFIX) + PROOF_SUFFIX


def parse_file_name(name: str) -> FileName | None:
    """Return what a file in a shift's folder is; None for a name that has no place there."""
    if name == CHAIN_NAME:
        return FileName("chain", None, None)
    match = _FILE.fullmatch(name)
    if match is None:
        return None
    recording_id = bytes.fromhex(match[1])
    if match[2] is None:
        return FileName("key-box", recording_id, None)
    return FileName("media", recording_id, int(match[2]))
