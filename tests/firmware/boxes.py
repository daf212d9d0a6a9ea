"""A strict reader of fragmented MP4, which shares nothing with the fragmenter: every byte must be accounted for."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Bytes between the header of a box and its first child.
CONTAINERS = {
    "moov": 0, "trak": 0, "mdia": 0, "minf": 0, "dinf": 0, "stbl": 0, "mvex": 0, "moof": 0, "traf": 0,
    "stsd": 8, "dref": 8, "avc1": 78, "mp4a": 28,
}  # fmt: skip


@dataclass(frozen=True)
class Box:
    """A box at ``start`` of its file; ``payload`` is all behind its header."""

    kind: str
    start: int
    payload: bytes
    children: tuple["Box", ...]

    def all(self, path: str) -> list["Box"]:
        kind, _, rest = path.partition("/")
        found = [child for child in self.children if child.kind == kind]
        return [each for child in found for each in child.all(rest)] if rest else found

    def one(self, path: str) -> "Box":
        (found,) = self.all(path)
        return found


@dataclass(frozen=True)
class Sample:
    time: int
    duration: int
    flags: int | None
    data: bytes


@dataclass(frozen=True)
class Fragment:
    sequence: int
    track_id: int
    samples: tuple[Sample, ...]

    @property
    def end(self) -> int:
        return self.samples[-1].time + self.samples[-1].duration


def boxes(data: bytes, start: int = 0) -> tuple[Box, ...]:
    """Read boxes that fill ``data`` to its last byte."""
    found, position = [], 0
    while position < len(data):
        size, kind_bytes = struct.unpack_from(">I4s", data, position)
        assert 8 <= size <= len(data) - position, f"box of {size} bytes at {start + position}"
        kind, payload = kind_bytes.decode("ascii"), data[position + 8 : position + size]
        skip = CONTAINERS.get(kind)
        children = () if skip is None else boxes(payload[skip:], start + position + 8 + skip)
        found.append(Box(kind, start + position, payload, children))
        position += size
    return tuple(found)


def fragments(data: bytes) -> list[Fragment]:
    """Read a run of moof and mdat pairs, each with one traf of one trun."""
    top = boxes(data)
    assert [box.kind for box in top] == ["moof", "mdat"] * (len(top) // 2)
    return [_fragment(moof, mdat) for moof, mdat in zip(top[::2], top[1::2], strict=True)]


def _fragment(moof: Box, mdat: Box) -> Fragment:
    assert [box.kind for box in moof.children] == ["mfhd", "traf"]
    assert [box.kind for box in moof.one("traf").children] == ["tfhd", "tfdt", "trun"]
    _, sequence = struct.unpack(">II", moof.one("mfhd").payload)
    tfhd_flags, track_id = struct.unpack(">II", moof.one("traf/tfhd").payload)
    tfdt_head, time = struct.unpack(">IQ", moof.one("traf/tfdt").payload)
    assert (tfhd_flags, tfdt_head) == (0x020000, 0x01000000), "default-base-is-moof and a 64-bit tfdt"
    trun = moof.one("traf/trun").payload
    trun_flags, sample_count, data_offset = struct.unpack_from(">IIi", trun)
    assert moof.start + data_offset == mdat.start + 8, "the run begins where mdat does"
    fields = {0x000301: ">II", 0x000701: ">III"}[trun_flags]
    rows = list(struct.iter_unpack(fields, trun[12:]))
    assert len(rows) == sample_count
    return Fragment(sequence, track_id, tuple(_samples(rows, time, mdat.payload)))


def _samples(rows: list[tuple[int, ...]], time: int, payload: bytes) -> Iterator[Sample]:
    position = 0
    for duration, size, *flags in rows:
        yield Sample(time, duration, flags[0] if flags else None, payload[position : position + size])
        time, position = time + duration, position + size
    assert position == len(payload), "the samples fill mdat"
