"""Splitting Annex B against a reference that does it byte by byte, and what the parameter sets say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.h264 import ParameterSets, StreamFault, nal_units
from tests.firmware.streams import PPS, SPS, START_CODE

# Mostly the bytes that start codes and padding are made of.
RAW = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 0x65]), max_size=60).map(bytes)


def reference_split(data: bytes) -> list[bytes]:
    """Split as H.264 B.1.1 reads: one byte at a time."""
    units: list[bytearray] = []
    position = 0
    while position < len(data):
        if data[position : position + 3] == b"\x00\x00\x01":
            units.append(bytearray())
            position += 3
            continue
        if units:
            units[-1].append(data[position])
        position += 1
    return [bytes(unit).rstrip(b"\x00") for unit in units if bytes(unit).rstrip(b"\x00")]


@given(RAW)
def test_any_bytes_behind_a_start_code_are_split_as_the_reference_does(tail: bytes) -> None:
    data = b"\x00\x00\x01\x65" + tail

    assert nal_units(data) == reference_split(data)


@given(st.lists(st.binary(min_size=1, max_size=12).filter(lambda unit: b"\x00\x00\x01" not in unit), min_size=1))
def test_units_come_back_whatever_start_codes_and_padding_are_used(bodies: list[bytes]) -> None:
    units = [b"\x41" + body + b"\x80" for body in bodies]
    data = b"".join(b"\x00" * (index % 4) + b"\x00\x00\x01" + unit for index, unit in enumerate(units)) + b"\x00\x00"

    assert nal_units(data) == units


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x00", b"\x65\x88", b"\x00\x00\x00\x05\x65\x88\x80\x10\x00", b"\x65\x00\x00\x01\x65"]
)
def test_what_does_not_begin_with_a_start_code_is_refused(data: bytes) -> None:
    with pytest.raises(StreamFault, match="expected an Annex B start code"):
        nal_units(data)


def test_empty_units_are_left_out() -> None:
    assert nal_units(b"\x00\x00\x01\x00\x00\x01\x65\x80\x00\x00\x01") == [b"\x65\x80"]


@pytest.mark.parametrize("units", [(SPS,), (PPS,), (SPS[:3], PPS), (), tuple(SPS + bytes([i]) for i in range(1, 33))])
def test_a_key_frame_without_whole_parameter_sets_is_refused(units: tuple[bytes, ...]) -> None:
    with pytest.raises(StreamFault, match="check that the encoder repeats its headers"):
        ParameterSets.of_key_frame(b"".join(START_CODE + unit for unit in (*units, b"\x65\x80")))


def test_several_parameter_sets_are_kept_in_order_and_repeated_ones_once() -> None:
    others = (b"\x67\x42\xc0\x1f\x80", b"\x68\xee\x80")
    units = (SPS, PPS, others[0], others[1], SPS, PPS, b"\x65\x80")
    sets = ParameterSets.of_key_frame(b"".join(START_CODE + unit for unit in units))

    assert (sets.sps, sets.pps) == ((SPS, others[0]), (PPS, others[1]))
    assert sets.avcc_payload().hex(" ") == (
        "01 42 c0 1e ff e2 00 04 67 42 c0 1e 00 05 67 42 c0 1f 80 02 00 04 68 ce 3c 80 00 03 68 ee 80"
    )


@pytest.mark.parametrize(
    ("bits", "tail"),
    [
        # seq_parameter_set_id, chroma_format_idc, (separate_colour_plane_flag,) bit depths; ue(0) is 1, ue(1) is 010.
        ("1 010 1 1", "fd f8 f8 00"),
        ("1 011 011 011", "fe fa fa 00"),
        ("1 00100 0 011 1", "ff fa f8 00"),
        ("00101 010 010 011", "fd f9 fa 00"),
        ("00000100000 00100 1 00111 00111", "ff fe fe 00"),
    ],
)
def test_a_high_profile_names_its_chroma_format_and_depths(bits: str, tail: str) -> None:
    packed = bits.replace(" ", "").ljust(32, "1")
    sps = b"\x67\x64\x00\x1e" + int(packed, 2).to_bytes(4, "big")
    record = ParameterSets((sps,), (PPS,)).avcc_payload()

    assert record[-4:] == bytes.fromhex(tail)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x80\x00\x00\x03\x00", b"\x84\xff"])
def test_a_high_profile_cut_before_its_depths_or_out_of_range_is_refused(body: bytes) -> None:
    with pytest.raises(StreamFault, match="found"):
        ParameterSets((b"\x67\x64\x00\x1e" + body,), (PPS,)).avcc_payload()
