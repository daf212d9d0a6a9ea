"""The journal beside a staged file: which blocks are durable, which epoch was given out last, how often it was refused.

Records of 9 bytes, one behind the other in a file whose room was reserved: what (1 byte), value (4 bytes, big-endian),
CRC-32 of the transfer and these five bytes. The first that does not hold is where the journal ends and the next record is
written. Whole records that stand behind a torn one count again later, and are true then too: each was written after
what it says.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final
from zlib import crc32

RECORD_SIZE_BYTES: Final = 9
EPOCHS_RESERVED: Final = 256


class What(IntEnum):
    """What a record says. Zero says nothing: it is what a torn tail is full of."""

    BLOCK = 1
    EPOCH = 2
    REFUSED = 3


@dataclass(slots=True)
class JournalState:
    """What a journal says in all."""

    epoch: int = 0
    refused_count: int = 0
    blocks: list[int] = field(default_factory=list)
    size_bytes: int = 0


def reserved_bytes(block_count: int) -> int:
    """Return the size of a new journal: records for all blocks, and for more epochs than are ever likely."""
    return RECORD_SIZE_BYTES * (block_count + EPOCHS_RESERVED)


def encode_record(transfer: bytes, what: What, value: int) -> bytes:
    """Return the bytes of a record."""
    record = bytes((what,)) + value.to_bytes(4, "big")
    return record + crc32(transfer + record).to_bytes(4, "big")


def read_journal(transfer: bytes, data: bytes) -> JournalState:
    """Return what the records up to the first bad one say; ``size_bytes`` is where that one begins."""
    state = JournalState()
    known = {int(what) for what in What}
    for offset in range(0, len(data) - RECORD_SIZE_BYTES + 1, RECORD_SIZE_BYTES):
        what, value = data[offset], int.from_bytes(data[offset + 1 : offset + 5], "big")
        if what not in known or data[offset : offset + RECORD_SIZE_BYTES] != encode_record(transfer, What(what), value):
            break
        state.size_bytes = offset + RECORD_SIZE_BYTES
        match What(what):
            case What.BLOCK:
                state.blocks.append(value)
            case What.EPOCH:
                state.epoch = max(state.epoch, value)
            case What.REFUSED:
                state.refused_count += 1
    return state
