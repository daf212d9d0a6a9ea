"""What the fragmenter must know of H.264: NAL units in Annex B, parameter sets, the avcC record.

ITU-T H.264 7.3 and Annex B, ISO/IEC 14496-15 5.3.3. It reads no slice and no picture size; nothing is decoded here.
See firmware/design/fragmenter.md.
"""

import re
import struct
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from firmware.errors import CameraFault

NAL_TYPE_SPS: Final = 7
NAL_TYPE_PPS: Final = 8
NAL_TYPE_ACCESS_UNIT_DELIMITER: Final = 9

PARAMETER_SET_COUNT_MAX: Final = 31
"""What the 5 bits of numOfSequenceParameterSets can say."""
PARAMETER_SET_SIZE_BYTES_MAX: Final = 0xFFFF

_START_CODE: Final = re.compile(rb"\x00\x00\x01")
_PROFILES_WITHOUT_CHROMA_FORMAT: Final = frozenset({66, 77, 88})
_PROFILE_LENGTH_BYTES: Final = 4
_SPS_FORMAT_BYTES: Final = 4
"""Legal values up to the bit depths take 27 bits: too few, and with too many ones, for emulation prevention."""


class StreamFault(CameraFault):
    """The encoder delivered what is no H.264 access unit in Annex B."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Restart the camera; if this repeats, check that its encoder gives Annex B with headers in key frames."


def nal_type(nal: bytes) -> int:
    """Return nal_unit_type."""
    return nal[0] & 0x1F


def nal_units(access_unit: bytes) -> list[bytes]:
    """Split Annex B into NAL units, without start codes and the zero bytes around them.

    Raises:
        StreamFault: something stands before the first start code, or there is none.
    """
    # Measured: three times as fast as bytes.find, and this search is most of what the fragmenter takes.
    codes = list(_START_CODE.finditer(access_unit))
    if not codes or any(access_unit[: codes[0].start()]):
        raise StreamFault(
            f"found {access_unit[:8].hex(' ')} at the beginning of a frame of {len(access_unit)} bytes, "
            "expected an Annex B start code (00 00 01); check that the encoder is set to Annex B"
        )
    units: list[bytes] = []
    for code, following in zip_longest(codes, codes[1:]):
        start = code.end()
        end = following.start() if following else len(access_unit)
        # A NAL unit never ends in a zero byte (H.264 7.4.1): these are padding, or the long form of a start code.
        while end > start and access_unit[end - 1] == 0:
            end -= 1
        if end > start:
            units.append(access_unit[start:end])
    return units


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """The SPS and PPS of a stream, as NAL units in their order of appearance."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    @classmethod
    def of_key_frame(cls, access_unit: bytes) -> "ParameterSets":
        """Collect the sets that a key frame carries.

        Raises:
            StreamFault: there is no SPS or no PPS, or the SPS is cut short.
        """
        units = nal_units(access_unit)
        # A set that is repeated byte for byte is one set.
        sps = tuple(dict.fromkeys(unit for unit in units if nal_type(unit) == NAL_TYPE_SPS))
        pps = tuple(dict.fromkeys(unit for unit in units if nal_type(unit) == NAL_TYPE_PPS))
        is_count_good = 0 < len(sps) <= PARAMETER_SET_COUNT_MAX and 0 < len(pps) <= PARAMETER_SET_COUNT_MAX
        is_size_good = all(_PROFILE_LENGTH_BYTES <= len(unit) <= PARAMETER_SET_SIZE_BYTES_MAX for unit in sps)
        if not is_count_good or not is_size_good or any(len(unit) > PARAMETER_SET_SIZE_BYTES_MAX for unit in pps):
            raise StreamFault(
                f"found {len(sps)} SPS and {len(pps)} PPS in a key frame of {len(access_unit)} bytes, expected 1 to "
                f"{PARAMETER_SET_COUNT_MAX} whole ones of each; check that the encoder repeats its headers in every "
                "key frame"
            )
        return cls(sps, pps)

    def avcc_payload(self) -> bytes:
        """Return the AVCDecoderConfigurationRecord for NAL units with 4-byte lengths (ISO/IEC 14496-15, 5.3.3.1)."""
        first = self.sps[0]
        record = [bytes([1, *first[1:4], 0xFF, 0xE0 | len(self.sps)])]
        record += [struct.pack(">H", len(unit)) + unit for unit in self.sps]
        record.append(bytes([len(self.pps)]))
        record += [struct.pack(">H", len(unit)) + unit for unit in self.pps]
        if first[1] not in _PROFILES_WITHOUT_CHROMA_FORMAT:
            chroma_format, luma_minus8, chroma_minus8 = _chroma_format_and_depths(first)
            record.append(bytes([0xFC | chroma_format, 0xF8 | luma_minus8, 0xF8 | chroma_minus8, 0]))
        return b"".join(record)


def _chroma_format_and_depths(sps: bytes) -> tuple[int, int, int]:
    """Read chroma_format_idc and the two bit depths (minus 8) of a high-profile SPS (H.264 7.3.2.1.1)."""
    fields = sps[_PROFILE_LENGTH_BYTES : _PROFILE_LENGTH_BYTES + _SPS_FORMAT_BYTES]
    bits = "".join(f"{byte:08b}" for byte in fields)
    try:
        _, position = _exp_golomb(bits, 0)
        chroma_format, position = _exp_golomb(bits, position)
        if chroma_format == 3:
            position += 1  # separate_colour_plane_flag
        luma_minus8, position = _exp_golomb(bits, position)
        chroma_minus8, position = _exp_golomb(bits, position)
    except ValueError as error:
        raise StreamFault(f"found an SPS of {len(sps)} bytes without readable bit depths") from error
    if chroma_format > 3 or luma_minus8 > 6 or chroma_minus8 > 6:
        raise StreamFault(
            f"found chroma format {chroma_format} and bit depths {luma_minus8 + 8} and {chroma_minus8 + 8} in an SPS, "
            "expected at most 3, 14 and 14"
        )
    return chroma_format, luma_minus8, chroma_minus8


def _exp_golomb(bits: str, position: int) -> tuple[int, int]:
    """Return the ue(v) at ``position`` and where it ends (H.264 9.1)."""
    zero_count = bits.index("1", position) - position
    end = position + 2 * zero_count + 1
    if end > len(bits):
        raise ValueError("cut short")
    return int(bits[position + zero_count : end], 2) - 1, end
