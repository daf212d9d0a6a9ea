"""AAC-LC raw data blocks of digital silence (ISO/IEC 14496-3, 4.4.2), for where a track must begin and no sound may be.

Players, FFmpeg and Chromium among them, take a track that begins late for a longer film: one block at time zero prevents it.
"""

from typing import Final

_SILENT_BLOCKS: Final[dict[int, bytes]] = {
    # A single channel element (3 bits 000, tag 4): gain 8, ics_info with max_sfb 0: 11, no pulse, no TNS, no gain control: 3; end 111.
    1: bytes.fromhex("00000007"),
    # A channel pair element (001, tag 4, common_window 0), two streams as above, end 111, one bit to fill the byte.
    2: bytes.fromhex("2000000000000e"),
}


def silent_block(channel_count: int) -> bytes | None:
    """Return 1,024 samples of silence for one or two channels; None for other layouts."""
    return _SILENT_BLOCKS.get(channel_count)
