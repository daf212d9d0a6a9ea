"""Deterministic CBOR and purposeful digests: the one place that turns values into bytes that are hashed or signed.

Implements spec/01-encoding.md, 1.1 and 1.2. Knows nothing of what the values mean.
"""

import hashlib
from typing import Any, Final, TypeVar

import cbor2
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from protocol.errors import NotCanonical, PeerError
from protocol.units import CBOR_DEPTH_MAX, CBOR_MEMBERS_MAX, CBOR_SIZE_BYTES_MAX

Buffer = bytes | bytearray | memoryview

_ARGUMENT_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_SIMPLE_ALLOWED: Final = frozenset({20, 21, 22})


def digest(purpose: str, *parts: Buffer) -> bytes:
    """Return SHA-256 over ``purpose``, a zero byte and ``parts`` (spec/01-encoding.md, 1.2)."""
    state = digest_state(purpose)
    for part in parts:
        state.update(part)
    return state.digest()


def digest_state(purpose: str) -> "hashlib._Hash":
    """Return a running digest that already holds ``purpose``, for bytes that come piece by piece."""
    return hashlib.sha256(purpose.encode("ascii") + b"\0")


def encode(value: object) -> bytes:
    """Return the deterministic CBOR of plain values: int, bytes, str, bool, None, tuple, list, dict with text keys."""
    return cbor2.dumps(value, canonical=True)


def decode(data: Buffer, *, size_bytes_max: int = CBOR_SIZE_BYTES_MAX) -> Any:
    """Return the value of ``data``, arrays as tuples.

    Raises:
        NotCanonical: too large, too deep, of a forbidden type, cut, or not the deterministic encoding.
    """
    received = bytes(data)
    if len(received) > size_bytes_max:
        raise NotCanonical(f"structure of {len(received)} bytes, at most {size_bytes_max} expected")
    end = _walk(received, 0, CBOR_DEPTH_MAX)
    if end != len(received):
        raise NotCanonical(f"{len(received) - end} bytes after the end of the structure")
    try:
        value = cbor2.loads(received)
    except (cbor2.CBORDecodeError, UnicodeDecodeError, ValueError) as error:
        raise NotCanonical(f"undecodable CBOR: {error}") from None
    if encode(value) != received:
        raise NotCanonical("bytes differ from the deterministic encoding of what they say")
    return _freeze(value)


def _walk(data: bytes, at: int, depth_left: int) -> int:
    """Return where the item at ``at`` ends, refusing every forbidden type and length before anything is allocated."""
    if depth_left == 0:
        raise NotCanonical(f"nested deeper than {CBOR_DEPTH_MAX}")
    if at >= len(data):
        raise NotCanonical("cut in the middle of a structure")
    major, low = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        if low not in _SIMPLE_ALLOWED:
            raise NotCanonical(f"simple value or float {low} where only false, true and null may stand")
        return at
    if low >= 24:
        size = _ARGUMENT_SIZES.get(low)
        if size is None:
            raise NotCanonical("indefinite length or reserved argument")
        argument = int.from_bytes(data[at : at + size], "big")
        at += size
        if at > len(data):
            raise NotCanonical("cut in the middle of a number")
    else:
        argument = low
    if major <= 1:
        return at
    if major <= 3:
        if argument > len(data) - at:
            raise NotCanonical(f"string of {argument} bytes where {len(data) - at} are left")
        return at + argument
    if major == 6:
        raise NotCanonical(f"tag {argument}")
    members = argument * (major - 3)
    if members > CBOR_MEMBERS_MAX or members > len(data) - at:
        raise NotCanonical(f"array or map of {argument} members")
    for position in range(members):
        if major == 5 and position % 2 == 0 and (at >= len(data) or data[at] >> 5 != 3):
            raise NotCanonical("map key that is not text")
        at = _walk(data, at, depth_left - 1)
    return at


def _freeze(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_freeze(item) for item in value)
    if isinstance(value, dict):
        return {key: _freeze(item) for key, item in value.items()}
    return value


class Structure(BaseModel):
    """A frozen, strict model that stands on the wire as a map with all its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def to_wire(self) -> object:
        """Return the plain value that `encode` takes."""
        return {name: _plain(getattr(self, name)) for name in type(self).model_fields}

    def encoded(self) -> bytes:
        """Return the deterministic CBOR."""
        return encode(self.to_wire())


AnyStructure = TypeVar("AnyStructure", bound=Structure)


def parse(model: type[AnyStructure], value: object, *, section: str) -> AnyStructure:
    """Return ``value``, as `decode` gave it, as a ``model``.

    Raises:
        PeerError: a field is missing, unknown, of another type or out of its range.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "structure"
        raise PeerError(f"{model.__name__}: {place}: {first['msg']}", section=section) from None


class Row(Structure):
    """A structure that stands on the wire as an array of its fields, in their order."""

    @model_validator(mode="before")
    @classmethod
    def _from_array(cls, value: object) -> object:
        if isinstance(value, tuple):
            names = tuple(cls.model_fields)
            if len(value) != len(names):
                raise ValueError(f"array of {len(value)}, {len(names)} expected: {', '.join(names)}")
            return dict(zip(names, value, strict=True))
        return value

    def to_wire(self) -> object:
        """Return the plain array that `encode` takes."""
        return [_plain(getattr(self, name)) for name in type(self).model_fields]


def _plain(value: object) -> object:
    if isinstance(value, Structure):
        return value.to_wire()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
