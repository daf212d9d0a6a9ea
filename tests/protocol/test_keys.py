"""Keys and signatures that libraries accept and we do not, and those that both refuse."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import digest
from protocol.errors import BadSignature
from protocol.keys import (
    FIELD_PRIME,
    SoftwareEd25519,
    SoftwareP256,
    camera_id,
    check_point,
    key_id,
    verify_ed25519,
    verify_p256,
)
from tests.protocol.shifts import Device, secret

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
KEY = SoftwareEd25519(secret("key"))
MESSAGE = b"what is signed"
# The y coordinates of the points of order 1, 2, 4 and 8 on edwards25519, little-endian, computed below from the curve.
D = -121665 * pow(121666, -1, FIELD_PRIME) % FIELD_PRIME


def on_curve_x(y: int) -> int | None:
    """Return an x for y, or None."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, FIELD_PRIME) % FIELD_PRIME
    root = pow(square, (FIELD_PRIME + 3) // 8, FIELD_PRIME)
    for candidate in (root, root * pow(2, (FIELD_PRIME - 1) // 4, FIELD_PRIME) % FIELD_PRIME):
        if candidate * candidate % FIELD_PRIME == square:
            return candidate
    return None


def add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, FIELD_PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, FIELD_PRIME)
    return x % FIELD_PRIME, y % FIELD_PRIME


def times(factor: int, point: tuple[int, int]) -> tuple[int, int]:
    result = (0, 1)
    while factor:
        if factor & 1:
            result = add(result, point)
        point, factor = add(point, point), factor >> 1
    return result


def small_order_points() -> set[tuple[int, int]]:
    """Return the torsion of the curve: multiples of a point of order 8, found by clearing the large factor."""
    for y in range(2, 100):
        x = on_curve_x(y)
        generator = (0, 1) if x is None else times(GROUP_ORDER, (x, y))
        if times(4, generator) != (0, 1):
            return {times(factor, generator) for factor in range(8)}
    raise AssertionError("no point of order 8 found")


def encoded(y: int, sign: int) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


SMALL_ORDER = sorted(
    {encoded(y, sign) for _, y in small_order_points() for sign in (0, 1)}
    # The same points written with y + p, where that still fits in 255 bits.
    | {encoded(y + FIELD_PRIME, sign) for _, y in small_order_points() for sign in (0, 1) if y + FIELD_PRIME < 1 << 255}
)
NON_CANONICAL = [encoded(FIELD_PRIME + y, sign) for y in range(19) for sign in (0, 1)]


def test_an_honest_signature_holds() -> None:
    verify_ed25519(KEY.public_key, MESSAGE, KEY.sign(MESSAGE))


def test_the_curve_has_eight_points_of_small_order_and_two_more_ways_to_write_some() -> None:
    assert len(small_order_points()) == 8
    assert len(SMALL_ORDER) == 14


@pytest.mark.parametrize("point", SMALL_ORDER, ids=bytes.hex)
def test_a_key_of_small_order_is_refused(point: bytes) -> None:
    with pytest.raises(BadSignature, match=r"public key is (a point of small order|not canonical)"):
        verify_ed25519(point, MESSAGE, KEY.sign(MESSAGE))


@pytest.mark.parametrize("point", SMALL_ORDER, ids=bytes.hex)
def test_an_r_of_small_order_is_refused(point: bytes) -> None:
    signature = point + KEY.sign(MESSAGE)[32:]

    with pytest.raises(BadSignature, match=r"R of the signature is (a point of small order|not canonical)"):
        verify_ed25519(KEY.public_key, MESSAGE, signature)


@pytest.mark.parametrize("point", NON_CANONICAL, ids=bytes.hex)
def test_a_key_or_r_that_is_not_canonical_is_refused(point: bytes) -> None:
    with pytest.raises(BadSignature, match="public key is not canonical"):
        verify_ed25519(point, MESSAGE, KEY.sign(MESSAGE))
    with pytest.raises(BadSignature, match="R of the signature is not canonical"):
        verify_ed25519(KEY.public_key, MESSAGE, point + KEY.sign(MESSAGE)[32:])


def test_the_forgery_for_every_message_that_the_library_accepts_is_refused() -> None:
    """With the neutral point as key and as R, S = 0 fits any message."""
    neutral = encoded(1, 0)
    signature = neutral + bytes(32)
    Ed25519PublicKey.from_public_bytes(neutral).verify(signature, b"any message at all")

    with pytest.raises(BadSignature, match="public key is a point of small order"):
        verify_ed25519(neutral, b"any message at all", signature)


def test_the_largest_canonical_y_is_not_mistaken_for_one_that_is_not() -> None:
    check_point(encoded(FIELD_PRIME - 2, 0), what="point")
    check_point(encoded(2, 1), what="point")


def test_an_s_not_below_the_group_order_is_refused() -> None:
    """Otherwise each signature would have a second form."""
    signature = KEY.sign(MESSAGE)
    second = int.from_bytes(signature[32:], "little") + GROUP_ORDER

    with pytest.raises(BadSignature):
        verify_ed25519(KEY.public_key, MESSAGE, signature[:32] + second.to_bytes(32, "little"))


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_any_key_and_signature_are_refused_in_one_way(key: bytes, signature: bytes) -> None:
    with pytest.raises(BadSignature):
        verify_ed25519(key, MESSAGE, signature)


@pytest.mark.parametrize(("key_size", "signature_size"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_ed25519_sizes_are_held(key_size: int, signature_size: int) -> None:
    with pytest.raises(BadSignature, match="32 and 64 expected"):
        verify_ed25519(bytes(key_size), MESSAGE, bytes(signature_size))


def test_a_device_signature_holds_for_its_own_message_and_key_only() -> None:
    device, other = Device("camera"), Device("other")
    signature = device.sign(MESSAGE)
    verify_p256(device.public_key, MESSAGE, signature)

    for key, message in ((device.public_key, MESSAGE + b"!"), (other.public_key, MESSAGE)):
        with pytest.raises(BadSignature, match="does not fit"):
            verify_p256(key, message, signature)


def test_the_software_device_key_signs_what_verifies() -> None:
    device = SoftwareP256(ec.derive_private_key(7, ec.SECP256R1()))

    verify_p256(device.public_key, MESSAGE, device.sign(MESSAGE))
    assert len(device.sign(MESSAGE)) == 64


@pytest.mark.parametrize(
    "key",
    [
        bytes(65),
        b"\x04" + bytes(64),
        b"\x05" + Device("camera").public_key[1:],
        b"\x02" + Device("camera").public_key[1:],
        Device("camera").public_key[:64] + b"\x00",
    ],
)
def test_a_device_key_that_is_no_point_is_refused(key: bytes) -> None:
    with pytest.raises(BadSignature, match="does not fit"):
        verify_p256(key, MESSAGE, Device("camera").sign(MESSAGE))


@pytest.mark.parametrize("r", [0, P256_ORDER, P256_ORDER + 5, 2**256 - 1])
@pytest.mark.parametrize("s", [0, P256_ORDER, 1])
def test_r_and_s_out_of_range_are_refused(r: int, s: int) -> None:
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")

    with pytest.raises(BadSignature):
        verify_p256(Device("camera").public_key, MESSAGE, signature)


@pytest.mark.parametrize(("key_size", "signature_size"), [(64, 64), (33, 64), (65, 63), (65, 72)])
def test_p256_sizes_are_held(key_size: int, signature_size: int) -> None:
    with pytest.raises(BadSignature, match="65 and 64 expected"):
        verify_p256(bytes(key_size), MESSAGE, bytes(signature_size))


def test_a_camera_and_another_key_of_the_same_bytes_have_different_names() -> None:
    point = Device("camera").public_key

    assert camera_id(point) == digest("sealcam/1 camera", point)[:16]
    assert key_id(point) == digest("sealcam/1 key", point)[:16]
    assert camera_id(point) != key_id(point)
