"""Attacks on media files and key boxes: flipped, cut, exchanged, re-encrypted, taken away."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Final

from protocol.keybox import key_box_hash
from protocol.layout import key_box_name, media_name
from protocol.sealing import PartSealer
from scripts.campaigns.attacks.attack import SECTOR_BYTES, Attack, Registry, Where
from scripts.campaigns.attacks.evidence import Written, agency_of, archive, box_maker
from tests.protocol.folders import report_of
from tests.protocol.shifts import secret

KINDS: Final = Registry()

_HASH: Final = ("part-hash-mismatch",)


@dataclass(frozen=True)
class Region:
    """A part in a media file."""

    written: Written
    file: str
    recording_id: bytes
    chunk_index: int
    part: str
    start: int
    end: int

    @property
    def where(self) -> Where:
        """Return the place that a finding about it must name."""
        return Where(
            recording_id=self.recording_id.hex(), chunk_index=self.chunk_index, part=self.part, file=self.file,
            offsets_bytes=(self.start,),
        )  # fmt: skip

    @property
    def data(self) -> bytes:
        """Return the whole file's bytes."""
        return self.written.folder[self.file]

    def attack(self, data: bytes, done: str, expected: tuple[str, ...] = _HASH) -> Attack:
        """Return an attack that gives the file these bytes."""
        done = f"{self.file}: {done}"
        return Attack(done, self.written.with_files({self.file: data}), self.written.evidence, expected, self.where)


@cache
def regions() -> tuple[Region, ...]:
    """Return every part of every media file."""
    found: list[Region] = []
    for written in archive().shifts:
        for view in report_of(written.shift).recordings:
            for chunk in (each.chunk for each in view.chunks):
                at = chunk.offset_bytes
                for part in chunk.parts:
                    name = media_name(view.recording_id, chunk.media_number)
                    end = at + part.size_bytes
                    found.append(Region(written, name, view.recording_id, chunk.index, part.kind, at, end))
                    at = end
    return tuple(found)


@cache
def _last_of_files() -> tuple[Region, ...]:
    return tuple({(region.written.name, region.file): region for region in regions()}.values())


@KINDS.kind(
    "flip-media",
    "a bit of a media file is flipped: in each part's first and last byte, at sectors' borders, anywhere",
    weight=14,
)
def _flip(random: Random, count: int) -> Iterator[Attack]:
    fixed = [(region, at) for region in regions() for at in (region.start, region.end - 1)]
    fixed += [
        (region, at)
        for region in regions()
        for at in range(region.start, region.end)
        if at % SECTOR_BYTES in (0, SECTOR_BYTES - 1)
    ]
    if len(fixed) > count:
        fixed = random.sample(fixed, count)
    drawn = [random.choice(regions()) for _ in range(count - len(fixed))]
    for region, at in [*fixed, *((region, random.randrange(region.start, region.end)) for region in drawn)]:
        bit = random.randrange(8)
        data = region.data
        yield region.attack(
            data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :], f"bit {bit} of byte {at} flipped"
        )


@KINDS.kind("reencode-media", "a part is exchanged for other ciphertext of the same length, under the true content key")
def _reencode(random: Random, count: int) -> Iterator[Attack]:
    for region in regions():
        shift = region.written.shift
        key = shift.content_keys[shift.recording_ids.index(region.recording_id)]
        sealer = PartSealer(shift_id=shift.shift_id, recording_id=region.recording_id, content_key=key)
        plaintext = random.randbytes(region.end - region.start - 16)
        ciphertext = sealer.seal(region.chunk_index, region.part, plaintext)[1]  # type: ignore[arg-type]
        data = region.data[: region.start] + ciphertext + region.data[region.end :]
        yield region.attack(data, f"{region.part} of chunk {region.chunk_index} is encoded anew")


@KINDS.kind("zero-media", "a part, or a sector of it, reads as zeros")
def _zero(random: Random, count: int) -> Iterator[Attack]:
    for region in regions():
        for end in sorted({region.end, min(region.end, region.start + SECTOR_BYTES)}):
            data = region.data[: region.start] + bytes(end - region.start) + region.data[end:]
            yield region.attack(data, f"bytes {region.start} to {end} are zero")


@KINDS.kind("swap-parts", "two parts exchange their bytes: of one file, and of other recordings, shifts and cameras")
def _swap(random: Random, count: int) -> Iterator[Attack]:
    for region in regions():
        for other in random.sample(regions(), 4):
            if other is region:
                continue
            foreign = other.data[other.start : other.end]
            size = region.end - region.start
            foreign = (foreign * (size // len(foreign) + 1))[:size]
            data = region.data[: region.start] + foreign + region.data[region.end :]
            yield region.attack(data, f"{region.part} of chunk {region.chunk_index} is {other.part} of {other.file}")


@KINDS.kind("insert-media", "bytes are put in before a part")
def _insert(random: Random, count: int) -> Iterator[Attack]:
    for region in regions():
        junk = random.randbytes(random.randint(1, 30))
        data = region.data[: region.start] + junk + region.data[region.start :]
        yield region.attack(data, f"{len(junk)} bytes are put in at byte {region.start}")


@KINDS.kind("drop-media-bytes", "bytes at the start of a part are taken out")
def _drop(random: Random, count: int) -> Iterator[Attack]:
    for region in regions():
        size = random.randint(1, region.end - region.start)
        data = region.data[: region.start] + region.data[region.start + size :]
        done = f"{size} bytes are taken out at byte {region.start}"
        attack = region.attack(data, done, (*_HASH, "media-short"))
        # Of the last part nothing follows that would move up: the file ends early.
        yield replace(attack, where=replace(region.where, offsets_bytes=(region.start, len(data))))


@KINDS.kind("cut-media", "a media file ends early, at some byte of each part")
def _cut(random: Random, count: int) -> Iterator[Attack]:
    for region in regions():
        for at in sorted({region.start, region.end - 1, random.randrange(region.start, region.end)}):
            where = Where(recording_id=region.recording_id.hex(), file=region.file, offsets_bytes=(at,))
            evidence = region.written.with_files({region.file: region.data[:at]})
            done = f"{region.file} ends at byte {at}"
            yield Attack(done, evidence, region.written.evidence, ("media-short",), where)


@KINDS.kind("lengthen-media", "bytes follow the last part of a media file")
def _lengthen(random: Random, count: int) -> Iterator[Attack]:
    for region in _last_of_files():
        for size in (1, SECTOR_BYTES, random.randint(2, 5000)):
            where = Where(recording_id=region.recording_id.hex(), file=region.file, offsets_bytes=(region.end,))
            evidence = region.written.with_files({region.file: region.data + random.randbytes(size)})
            done = f"{size} bytes follow in {region.file}"
            yield Attack(done, evidence, region.written.evidence, ("media-excess",), where)


@KINDS.kind("drop-media", "a media file, or all media of a recording, are taken away")
def _drop_file(random: Random, count: int) -> Iterator[Attack]:
    for region in _last_of_files():
        written = region.written
        prefix = region.recording_id.hex()
        whole = {name: None for name in written.folder if name.startswith(prefix) and name.endswith(".media")}
        for gone in ({region.file: None}, whole):
            where = Where(recording_id=prefix, file=region.file)
            done = f"{', '.join(gone)} are taken away"
            yield Attack(done, written.with_files(gone), written.evidence, ("media-missing",), where)


@KINDS.kind("foreign-media", "a whole media file is that of another recording, shift or camera")
def _foreign(random: Random, count: int) -> Iterator[Attack]:
    for region in _last_of_files():
        for other in _last_of_files():
            if other.data != region.data:
                where = Where(recording_id=region.recording_id.hex(), file=region.file)
                evidence = region.written.with_files({region.file: other.data})
                done = f"{region.file} holds {other.file} of {other.written.name}"
                yield Attack(done, evidence, region.written.evidence, (*_HASH, "media-short"), where)


@KINDS.kind("add-media", "media or a key box of a recording that the chain does not have are put beside it")
def _add(random: Random, count: int) -> Iterator[Attack]:
    for written in archive().shifts:
        nobody = secret("nobody", 16)
        names = [media_name(nobody, 0), key_box_name(nobody)]
        names += [media_name(recording_id, 7) for recording_id in written.shift.recording_ids]
        for name in names:
            evidence = written.with_files({name: random.randbytes(100)})
            done = f"{name} is put in"
            yield Attack(done, evidence, written.evidence, ("file-unknown",), Where(file=name))


def _boxes() -> Iterator[tuple[Written, int, str]]:
    for written in archive().shifts:
        for index, recording_id in enumerate(written.shift.recording_ids):
            yield written, index, key_box_name(recording_id)


def _boxed(written: Written, name: str, data: bytes, done: str) -> Attack:
    assert key_box_hash(data) != key_box_hash(written.folder[name])
    expected = ("key-box-mismatch",)
    return Attack(f"{name}: {done}", written.with_files({name: data}), written.evidence, expected, Where(file=name))


@KINDS.kind("flip-key-box", "a bit of a key box is flipped", weight=4)
def _flip_box(random: Random, count: int) -> Iterator[Attack]:
    boxes = tuple(_boxes())
    for number in range(count):
        written, _, name = boxes[number % len(boxes)]
        data = written.folder[name]
        at = (0, len(data) - 1)[number // len(boxes)] if number < 2 * len(boxes) else random.randrange(len(data))
        bad = data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
        yield _boxed(written, name, bad, f"a bit of byte {at} flipped")


@KINDS.kind(
    "foreign-key-box", "a key box is another recording's, sealed to another vault, cut, or made longer than one may be"
)
def _foreign_box(random: Random, count: int) -> Iterator[Attack]:
    boxes = tuple(_boxes())
    stranger = agency_of("another agency")
    for written, index, name in boxes:
        data, shift = written.folder[name], written.shift
        for other, _, other_name in boxes:
            if (other, other_name) != (written, name):
                yield _boxed(written, name, other.folder[other_name], f"is {other_name}")
        own = box_maker(shift.shift_id.hex(), stranger)
        resealed = own(shift.recording_ids[index], shift.content_keys[index])
        yield _boxed(written, name, resealed, "is sealed to another vault")
        for at in (0, 1, len(data) // 2, len(data) - 1):
            yield _boxed(written, name, data[:at], f"ends at byte {at}")
        yield _boxed(written, name, data + bytes(20_000), "is 20,000 bytes longer")
