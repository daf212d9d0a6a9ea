"""Where the fields of an entry stand in its record, so that a flipped byte has the finding that its field asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from protocol.canonical import decode, encode
from protocol.chain import RECORD_HEADER_SIZE_BYTES, Entry, encode_entry
from protocol.units import BODY_SALT_SIZE_BYTES

_HEAD_FIELDS = ("version", "shift_id", "sequence", "previous", "kind", "next_key", "body_hash")
_OUTER_FIELDS = ("head", "body", "entry_signature", "device_signature")


@dataclass(frozen=True)
class Field:
    """Some bytes of a record that mean one thing."""

    name: str
    start: int
    end: int


def fields_of(entry: Entry) -> Iterator[Field]:
    """Yield the fields of an entry's record; bytes between them are CBOR's own."""
    data = encode_entry(entry)
    yield Field("size", 0, RECORD_HEADER_SIZE_BYTES)
    outer = decode(data)
    for name, start, end, value in _items(_OUTER_FIELDS, outer, RECORD_HEADER_SIZE_BYTES, data):
        if value is None:
            continue
        if name == "head":
            content = start + _header_size(value)
            for inner, first, last, item in _items(_HEAD_FIELDS, decode(value), content, value):
                if item is not None:
                    yield Field(inner, first + _header_size(item), last)
        elif name == "body":
            content = start + _header_size(value)
            yield Field("body_salt", content, content + BODY_SALT_SIZE_BYTES)
            yield Field("body_content", content + BODY_SALT_SIZE_BYTES, end)
        else:
            yield Field(name, end - len(value[3]), end)


def _items(
    names: Sequence[str], values: Sequence[object], start: int, data: bytes
) -> Iterator[tuple[str, int, int, Any]]:
    at = start + 1
    for name, value in zip(names, values, strict=True):
        size = len(encode(value))
        yield name, at, at + size, value
        at += size
    assert at == start + len(data), "the walk does not end where the structure does"


def _header_size(value: object) -> int:
    """Return the bytes that CBOR puts before the content; numbers have none apart from their content."""
    return len(encode(value)) - len(value) if isinstance(value, bytes | str) else 0
