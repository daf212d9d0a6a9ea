"""Files with known content for tests of staging."""

from functools import lru_cache
from random import Random

from dockd.central.app.staging import Staging, StagingLimits
from protocol.layout import media_name
from protocol.offload.messages import BLOCK_SIZE_BYTES, Description

DOCK = "dock-a"
MIB = BLOCK_SIZE_BYTES
LIMITS = StagingLimits(free_bytes_min=0)


def description(number: int = 0, *, size_bytes: int = 2 * MIB + 700) -> Description:
    return Description(
        camera_id=bytes(16),
        shift_id=bytes([1]) * 16,
        shift_number=1,
        name=media_name(bytes([2]) * 16, number),
        kind="media",
        size_bytes=size_bytes,
        identity=bytes([3]) * 32,
    )


@lru_cache
def content(file: Description) -> bytes:
    return Random(file.transfer).randbytes(file.size_bytes)


def block(file: Description, index: int) -> bytes:
    return content(file)[index * MIB : (index + 1) * MIB]


def fill(staging: Staging, file: Description, *, dock: str = DOCK) -> None:
    _, have = staging.open(dock, file)
    for index in have.missing():
        staging.write(file.transfer, index, block(file, index))
    staging.sync()
