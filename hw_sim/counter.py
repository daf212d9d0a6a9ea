"""The frame counter in the pixels: a frame's number drawn as black and white cells, and read back after decoding.

The strip at the top of the luma plane holds 3 rows of 16 cells: 32 bits of number, most significant first, then a
CRC-16 of it. Cells grow with the picture and only their middle is looked at, so that coding, deblocking and a change of
range leave the number readable. Pure numpy; knows nothing of cameras, codecs or files.
"""

import binascii
import struct
from typing import Final

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]

FRAME_NUMBER_MAX: Final = 2**32 - 1
WIDTH_PX_MIN: Final = 160
HEIGHT_PX_MIN: Final = 120

_COLUMNS: Final = 16
_ROWS: Final = 3
_BLACK: Final = 16
_WHITE: Final = 235
_CONTRAST_MIN: Final = 48
"""Below this difference between the darkest and the brightest cell there is no counter to read."""


def strip_height_px(width_px: int, height_px: int) -> int:
    """Return how many rows from the top the counter takes; always even, so chroma rows can be made neutral below it."""
    if width_px < WIDTH_PX_MIN or height_px < HEIGHT_PX_MIN:
        raise ValueError(
            f"the picture is {width_px}x{height_px}; the frame counter needs at least {WIDTH_PX_MIN}x{HEIGHT_PX_MIN}"
        )
    return _ROWS * _cell_height_px(width_px, height_px)


def draw_number(luma: Plane, number: int) -> None:
    """Draw ``number`` into the top strip of ``luma`` (rows, columns), in place."""
    if not 0 <= number <= FRAME_NUMBER_MAX:
        raise ValueError(f"frame number {number} is not between 0 and {FRAME_NUMBER_MAX}")
    height_px, width_px = luma.shape
    strip_px = strip_height_px(width_px, height_px)
    cell_width_px, cell_height_px = width_px // _COLUMNS, strip_px // _ROWS
    cells = np.where(_bits(number), _WHITE, _BLACK).astype(np.uint8).reshape(_ROWS, _COLUMNS)
    used_px = cell_width_px * _COLUMNS
    luma[:strip_px, used_px:] = _BLACK
    for row in range(_ROWS):
        luma[row * cell_height_px : (row + 1) * cell_height_px, :used_px] = np.repeat(cells[row], cell_width_px)


def read_number(luma: Plane) -> int | None:
    """Return the number in the top strip of a decoded ``luma`` plane, or None where the check does not hold."""
    height_px, width_px = luma.shape
    strip_px = strip_height_px(width_px, height_px)
    cell_width_px, cell_height_px = width_px // _COLUMNS, strip_px // _ROWS
    strip = luma[:strip_px, : cell_width_px * _COLUMNS]
    cells = strip.reshape(_ROWS, cell_height_px, _COLUMNS, cell_width_px)
    edge_x_px, edge_y_px = cell_width_px // 4, cell_height_px // 4
    middles = cells[:, edge_y_px : cell_height_px - edge_y_px, :, edge_x_px : cell_width_px - edge_x_px]
    levels = middles.mean(axis=(1, 3))
    darkest, brightest = float(levels.min()), float(levels.max())
    if brightest - darkest < _CONTRAST_MIN:
        return None
    bits = (levels > (darkest + brightest) / 2).reshape(-1)
    packed = np.packbits(bits).tobytes()
    number = int.from_bytes(packed[:4], "big")
    return number if packed[4:] == _check(packed[:4]) else None


def _cell_height_px(width_px: int, height_px: int) -> int:
    return max(8, min(width_px // 80 * 2, height_px // 24 * 2))


def _bits(number: int) -> npt.NDArray[np.bool_]:
    packed = struct.pack(">I", number)
    return np.unpackbits(np.frombuffer(packed + _check(packed), np.uint8)).astype(np.bool_)


def _check(packed: bytes) -> bytes:
    return struct.pack(">H", binascii.crc_hqx(packed, 0xFFFF))
