"""COSE_Sign1 with constant headers: one form for each kind of key, and nothing negotiable."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import decode, encode
from protocol.cose import (
    ED25519_HEADER,
    ESP256_HEADER,
    payload_of,
    sign_attached,
    sign_detached,
    sign_detached_by_device,
    signed_bytes,
    verify_attached,
    verify_detached,
)
from protocol.errors import BadSignature, NotCanonical, PeerError
from tests.protocol.shifts import Device, entry_key

KEY, OTHER, DEVICE = entry_key("key"), entry_key("other"), Device("camera")
PURPOSE, PAYLOAD = "sealcam/1 chunk", b"head"
Change = Callable[[list[object]], object]


def test_what_is_signed_is_the_sig_structure_of_rfc_9052() -> None:
    assert signed_bytes(ED25519_HEADER, PURPOSE, PAYLOAD) == (
        bytes.fromhex("84 6a 5369676e617475726531 43 a10132 4f") + PURPOSE.encode() + bytes.fromhex("44") + PAYLOAD
    )


def test_a_detached_signature_holds_for_its_key_purpose_and_payload_only() -> None:
    sign1 = sign_detached(KEY, PURPOSE, PAYLOAD)
    verify_detached(sign1, KEY.public_key, PURPOSE, PAYLOAD)

    for key, purpose, payload in (
        (OTHER.public_key, PURPOSE, PAYLOAD),
        (KEY.public_key, "sealcam/1 event", PAYLOAD),
        (KEY.public_key, PURPOSE, b"heaf"),
    ):
        with pytest.raises(BadSignature):
            verify_detached(sign1, key, purpose, payload)


def test_a_device_signature_holds_for_its_key_purpose_and_payload_only() -> None:
    sign1 = sign_detached_by_device(DEVICE, PURPOSE, PAYLOAD)
    verify_detached(sign1, DEVICE.public_key, PURPOSE, PAYLOAD)

    for key, purpose, payload in (
        (Device("other").public_key, PURPOSE, PAYLOAD),
        (DEVICE.public_key, "sealcam/1 device chunk", PAYLOAD),
        (DEVICE.public_key, PURPOSE, b"heaf"),
    ):
        with pytest.raises(BadSignature):
            verify_detached(sign1, key, purpose, payload)


def test_the_header_of_one_kind_of_key_does_not_pass_for_the_other() -> None:
    with pytest.raises(PeerError, match="headers"):
        verify_detached(sign_detached(KEY, PURPOSE, PAYLOAD), DEVICE.public_key, PURPOSE, PAYLOAD)
    with pytest.raises(PeerError, match="headers"):
        verify_detached(sign_detached_by_device(DEVICE, PURPOSE, PAYLOAD), KEY.public_key, PURPOSE, PAYLOAD)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: s[:3], "array of four"),
        (lambda s: [*s, 0], "array of four"),
        (lambda s: None, "array of four"),
        (lambda s: {"a": 0}, "array of four"),
        (lambda s: [b"", *s[1:]], "headers"),
        (lambda s: [ESP256_HEADER, *s[1:]], "headers"),
        (lambda s: ["a", *s[1:]], "headers"),
        (lambda s: [s[0], {"a": 0}, *s[2:]], "headers"),
        (lambda s: [s[0], None, *s[2:]], "headers"),
        (lambda s: [*s[:2], PAYLOAD, s[3]], "carries a payload"),
        (lambda s: [*s[:2], "text", s[3]], "no byte string"),
        (lambda s: [*s[:3], None], "no byte string"),
        (lambda s: [*s[:3], b""], "signature of 0 bytes"),
        (lambda s: [*s[:3], bytes(65)], "signature of 65 bytes"),
    ],
)
def test_another_form_of_a_detached_signature_is_refused(change: Change, why: str) -> None:
    with pytest.raises(PeerError, match=why):
        verify_detached(change(sign_detached(KEY, PURPOSE, PAYLOAD)), KEY.public_key, PURPOSE, PAYLOAD)


def test_an_attached_signature_gives_its_payload_back() -> None:
    sign1 = decode(sign_attached(KEY, PURPOSE, PAYLOAD))

    assert payload_of(sign1) == PAYLOAD
    assert verify_attached(sign1, KEY.public_key, PURPOSE) == PAYLOAD


def test_an_attached_signature_holds_for_its_key_and_purpose_only() -> None:
    sign1 = decode(sign_attached(KEY, PURPOSE, PAYLOAD))

    with pytest.raises(BadSignature):
        verify_attached(sign1, OTHER.public_key, PURPOSE)
    with pytest.raises(BadSignature):
        verify_attached(sign1, KEY.public_key, "sealcam/1 policy")


def test_a_detached_signature_does_not_pass_for_an_attached_one() -> None:
    sign1 = sign_detached(KEY, PURPOSE, PAYLOAD)

    with pytest.raises(PeerError, match="without payload"):
        payload_of(sign1)
    with pytest.raises(PeerError, match="without payload"):
        verify_attached(sign1, KEY.public_key, PURPOSE)


@given(st.data())
def test_every_flipped_byte_of_an_attached_signature_is_refused(data: st.DataObject) -> None:
    signed = bytearray(sign_attached(KEY, PURPOSE, PAYLOAD))
    signed[data.draw(st.integers(0, len(signed) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises((NotCanonical, PeerError)):
        verify_attached(decode(bytes(signed)), KEY.public_key, PURPOSE)


def test_two_signatures_of_one_thing_are_the_same_bytes() -> None:
    """A retry must write what the first try wrote."""
    assert encode(sign_detached(KEY, PURPOSE, PAYLOAD)) == encode(sign_detached(KEY, PURPOSE, PAYLOAD))
