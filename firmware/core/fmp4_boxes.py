"""The boxes of a fragmented MP4 (ISO/IEC 14496-12, -14, -15) as bytes: framing, tracks, one moof with one traf.

It knows nothing of GOPs and blocks; firmware/core/fmp4.py decides what goes in.
See firmware/design/fragmenter.md.
"""

import struct
from collections.abc import Sequence
from typing import Final

VIDEO_TRACK_ID: Final = 1
AUDIO_TRACK_ID: Final = 2

SAMPLE_FLAGS_SYNC: Final = 0x0200_0000
"""sample_depends_on = 2: it depends on no other."""
SAMPLE_FLAGS_NON_SYNC: Final = 0x0101_0000
"""sample_depends_on = 1, sample_is_non_sync_sample."""

_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000)
_LANGUAGE_UNDETERMINED: Final = 0x55C4
_DEFAULT_BASE_IS_MOOF: Final = 0x02_0000
_TRACK_ENABLED_AND_IN_MOVIE: Final = 3
_TRUN_DATA_OFFSET: Final = 0x001
_TRUN_DURATION_AND_SIZE: Final = 0x300
_TRUN_FLAGS: Final = 0x400
_MDAT_HEADER_BYTES: Final = 8


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box around ``parts``."""
    return b"".join((struct.pack(">I4s", 8 + sum(map(len, parts)), kind), *parts))


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """Return a box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def track_box(
    *, track_id: int, timescale_hz: int, handler: bytes, header: bytes, sample_entry: bytes, size_px: tuple[int, int]
) -> bytes:
    """Return a trak without samples, as moof boxes bring them; ``header`` is its vmhd or smhd."""
    volume = 0x0100 if handler == b"soun" else 0
    tkhd = full_box(
        b"tkhd", 0, _TRACK_ENABLED_AND_IN_MOVIE,
        struct.pack(">5I8xhhhH", 0, 0, track_id, 0, 0, 0, 0, volume, 0), _MATRIX,
        struct.pack(">2I", size_px[0] << 16, size_px[1] << 16),
    )  # fmt: skip
    mdhd = full_box(b"mdhd", 0, 0, struct.pack(">4I2H", 0, 0, timescale_hz, 0, _LANGUAGE_UNDETERMINED, 0))
    hdlr = full_box(b"hdlr", 0, 0, struct.pack(">4x4s12x", handler), b"\x00")
    dinf = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    stbl = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), sample_entry),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, box(b"minf", header, dinf, stbl)))


def movie_box(tracks: Sequence[bytes]) -> bytes:
    """Return the moov of a file whose samples all stand in fragments; tracks are numbered from 1 in their order."""
    next_track_id = len(tracks) + 1
    mvhd = full_box(
        b"mvhd", 0, 0, struct.pack(">4IIH10x", 0, 0, 1000, 0, 0x10000, 0x0100), _MATRIX, bytes(24),
        struct.pack(">I", next_track_id),
    )  # fmt: skip
    extends = (
        full_box(b"trex", 0, 0, struct.pack(">5I", track_id, 1, 0, 0, SAMPLE_FLAGS_SYNC))
        for track_id in range(1, next_track_id)
    )
    return box(b"moov", mvhd, *tracks, box(b"mvex", *extends))


def avc1_box(width_px: int, height_px: int, avcc_payload: bytes) -> bytes:
    """Return the sample entry of H.264 video whose parameter sets stand in avcC only."""
    return box(
        b"avc1",
        struct.pack(">6xH16x", 1),
        struct.pack(">2H2I4xH32xHh", width_px, height_px, 0x48_0000, 0x48_0000, 1, 24, -1),
        box(b"avcC", avcc_payload),
    )


def mp4a_box(sample_rate_hz: int, channel_count: int, decoder_config: bytes) -> bytes:
    """Return the sample entry of AAC audio (ISO/IEC 14496-14, 5.6; esds by ISO/IEC 14496-1, 7.2.6)."""
    specific = _descriptor(0x05, decoder_config)
    # 0x40: MPEG-4 audio; 0x15: audio stream; then buffer size and bit rates, which nobody has measured.
    decoder = _descriptor(0x04, bytes((0x40, 0x15)) + bytes(11) + specific)
    elementary = _descriptor(0x03, struct.pack(">HB", 0, 0) + decoder + _descriptor(0x06, b"\x02"))
    # 16.16 holds no rate above 65535 Hz: 0 there, the decoder config is what counts.
    rate_fixed = sample_rate_hz << 16 if sample_rate_hz < 1 << 16 else 0
    return box(
        b"mp4a",
        struct.pack(">6xH8x2H4xI", 1, channel_count, 16, rate_fixed),
        full_box(b"esds", 0, 0, elementary),
    )


def _descriptor(tag: int, payload: bytes) -> bytes:
    if len(payload) > 0x7F:
        raise AssertionError(f"found a descriptor of {len(payload)} bytes, expected at most 127: is it an AAC config?")
    return bytes((tag, len(payload))) + payload


def fragment(
    *, sequence: int, track_id: int, base: int, sample_words: Sequence[int], has_flags: bool, payload: Sequence[bytes]
) -> bytes:
    """Return moof and mdat with one run of samples.

    ``sample_words`` holds duration, size and, if ``has_flags``, flags of each sample, flat; ``base`` is the decode time
    of the first; ``payload`` is what stands in mdat.
    """
    sample_count = len(sample_words) // (3 if has_flags else 2)
    mfhd = full_box(b"mfhd", 0, 0, struct.pack(">I", sequence))
    tfhd = full_box(b"tfhd", 0, _DEFAULT_BASE_IS_MOOF, struct.pack(">I", track_id))
    tfdt = full_box(b"tfdt", 1, 0, struct.pack(">Q", base))
    words = struct.pack(f">{len(sample_words)}I", *sample_words)
    trun_size_bytes = 12 + 8 + len(words)
    traf_size_bytes = 8 + len(tfhd) + len(tfdt) + trun_size_bytes
    moof_size_bytes = 8 + len(mfhd) + traf_size_bytes
    flags = _TRUN_DATA_OFFSET | _TRUN_DURATION_AND_SIZE | (_TRUN_FLAGS if has_flags else 0)
    trun = full_box(b"trun", 0, flags, struct.pack(">Ii", sample_count, moof_size_bytes + _MDAT_HEADER_BYTES), words)
    mdat_size_bytes = _MDAT_HEADER_BYTES + sum(map(len, payload))
    # One join over everything: the payload is copied once.
    return b"".join(
        (
            box(b"moof", mfhd, box(b"traf", tfhd, tfdt, trun)),
            struct.pack(">I4s", mdat_size_bytes, b"mdat"),
            *payload,
        )
    )
