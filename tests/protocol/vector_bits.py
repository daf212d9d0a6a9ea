"""The test vectors below the level of files: bytes that no reader may accept."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.protocol.shifts import Device
from tests.protocol.trust import AGENCY
from tests.protocol.vector_recipes import (
    NEUTRAL,
)


@dataclass(frozen=True)
class Bits:
    """A vector below the level of files: bytes that are refused, and the words of the reason."""

    name: str
    test: str
    reason: str
    comment: str
    values: tuple[tuple[str, bytes], ...]


def bits() -> Iterator[Bits]:
    for name, reason, data, comment in (
        ("duplicate-key", "deterministic encoding", "a2616100616101", "A map with one key twice."),
        ("key-order", "deterministic encoding", "a2616200616100", "Map keys out of order."),
        ("long-integer", "shortest form", "1817", "23 in two bytes."),
        ("indefinite-array", "indefinite length", "9f00ff", "An array of indefinite length."),
        ("tag", "tag", "c000", "A tagged value."),
        ("float", "simple value or float", "f93c00", "A float."),
        ("undefined", "simple value or float", "f7", "The simple value undefined."),
        ("integer-key", "not text", "a10000", "A map key that is not text."),
        ("bad-utf8", "undecodable", "62c328", "A text that is not UTF-8."),
        ("deep", "nested deeper", "81" * 8 + "00", "Nine levels."),
        ("trailing", "after the end", "0000", "A byte after the end."),
        ("huge-array", "members", "9a7fffffff00", "An array that claims two thousand million members."),
    ):
        yield Bits(f"cbor-{name}", "cbor", reason, comment, (("bytes", bytes.fromhex(data)),))
    key, message = AGENCY.central, b"what is signed"
    good = key.sign(message)
    order = 2**252 + 27742317777372353535851937790883648493
    second = good[:32] + (int.from_bytes(good[32:], "little") + order).to_bytes(32, "little")
    non_canonical = (2**255 - 18).to_bytes(32, "little")
    for name, reason, public, signature, comment in (
        (
            "small-order-key",
            "point of small order",
            NEUTRAL,
            NEUTRAL + bytes(32),
            "The neutral point as key and R, with S = 0: libraries accept it for every message.",
        ),
        ("non-canonical-key", "not canonical", non_canonical, NEUTRAL + bytes(32), "The neutral point with y + p."),
        ("small-order-r", "point of small order", key.public_key, NEUTRAL + good[32:], "R is the neutral point."),
        ("non-canonical-r", "not canonical", key.public_key, non_canonical + good[32:], "R has a y not below p."),
        ("large-s", "does not fit", key.public_key, second, "S + L: the same signature in a second form."),
    ):
        values = (("public-key", public), ("message", message), ("signature", signature))
        yield Bits(f"ed25519-{name}", "ed25519", reason, comment, values)
    device = Device("camera")
    values = (("public-key", device.public_key), ("message", message), ("signature", bytes(64)))
    yield Bits("p256-zero", "p256", "does not fit", "r = s = 0.", values)
    values = (("public-key", b"\x04" + bytes(64)), ("message", message), ("signature", device.sign(message)))
    yield Bits("p256-no-point", "p256", "does not fit", "A key that is no point of the curve.", values)
