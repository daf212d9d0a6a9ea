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


def decode(data: Buffer, *, size_bytes_max: int = CBOR_SIZE_BYTES_MAX, items_max: int = CBOR_SIZE_BYTES_MAX) -> Any:
    """Return the value of ``data``, arrays as tuples; ``items_max`` counts everything in it, at any depth.

    Raises:
        NotCanonical: too large, too deep, of a forbidden type, cut, or not the deterministic encoding.
    """
    if memoryview(data).nbytes > size_bytes_max:
        raise NotCanonical(f"structure of {memoryview(data).nbytes} bytes, at most {size_bytes_max} expected")
    received = bytes(data)
    end = _Walk(received, items_max).item(0, CBOR_DEPTH_MAX)
    if end != len(received):
        raise NotCanonical(f"{len(received) - end} bytes after the end of the structure")
    try:
        value = cbor2.loads(received)
    except (cbor2.CBORDecodeError, UnicodeDecodeError, ValueError) as error:
        raise NotCanonical(f"undecodable CBOR: {error}") from None
    if encode(value) != received:
        raise NotCanonical("bytes differ from the deterministic encoding of what they say")
    return _freeze(value)


class _Walk:
    """Goes over an encoding once and refuses every forbidden type and length before anything is allocated."""

    def __init__(self, data: bytes, items_max: int) -> None:
        self._data = data
        self._items_max = items_max
        self._items_left = items_max

    def item(self, at: int, depth_left: int) -> int:
        """Return where the item at ``at`` ends."""
        data = self._data
        if depth_left == 0:
            raise NotCanonical(f"nested deeper than {CBOR_DEPTH_MAX}")
        if self._items_left == 0:
            raise NotCanonical(f"more than {self._items_max} items")
        if at >= len(data):
            raise NotCanonical("cut in the middle of a structure")
        self._items_left -= 1
        major = data[at] >> 5
        if major == 7:
            if data[at] & 31 not in _SIMPLE_ALLOWED:
                raise NotCanonical(f"simple value or float {data[at] & 31} where only false, true and null may stand")
            return at + 1
        at, argument = self._argument(at)
        if major <= 1:
            return at
        if major <= 3:
            if argument > len(data) - at:
                raise NotCanonical(f"string of {argument} bytes where {len(data) - at} are left")
            return at + argument
        if major == 6:
            raise NotCanonical(f"tag {argument}")
        return self._members(at, argument, depth_left, is_map=major == 5)

    def _argument(self, at: int) -> tuple[int, int]:
        low = self._data[at] & 31
        at += 1
        if low < 24:
            return at, low
        size = _ARGUMENT_SIZES.get(low)
        if size is None:
            raise NotCanonical("indefinite length or reserved argument")
        if size > len(self._data) - at:
            raise NotCanonical("cut in the middle of a number")
        argument = int.from_bytes(self._data[at : at + size], "big")
        if argument < (24 if size == 1 else 1 << 4 * size):
            raise NotCanonical(f"{argument} is not in its shortest form")
        return at + size, argument

    def _members(self, at: int, count: int, depth_left: int, *, is_map: bool) -> int:
        items = 2 * count if is_map else count
        if count > CBOR_MEMBERS_MAX or items > len(self._data) - at:
            raise NotCanonical(f"array or map of {count} members")
        for position in range(items):
            if is_map and position % 2 == 0 and (at >= len(self._data) or self._data[at] >> 5 != 3):
                raise NotCanonical("map key that is not text")
            at = self.item(at, depth_left - 1)
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
        parsed = model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "structure"
        raise PeerError(f"{model.__name__}: {place}: {first['msg']}", section=section) from None
    # The model is more lenient than the page: it takes `true` for 1, a map for a row, and a default for a missing key.
    if parsed.encoded() != encode(value):
        raise PeerError(f"{model.__name__}: says in another form what the page gives one form for", section=section)
    return parsed


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
