"""The key box opens to the content key for vault and escrow, and to nothing for anybody else."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.canonical import decode, digest, encode
from protocol.errors import KeyBoxUnreadable, PeerError
from protocol.keybox import Role, SealingKey, key_box_hash, make_key_box, parse_key_box, sealing_public_key
from protocol.keys import key_id
from protocol.sealing import content_key_commitment
from tests.protocol.shifts import secret

SHIFT_ID, RECORDING_ID, CONTENT_KEY = secret("shift", 16), secret("recording", 16), secret("content key")
VAULT, ESCROW, STRANGER = (SealingKey(secret(name, 96)) for name in ("vault", "escrow", "stranger"))
COMMITMENT = content_key_commitment(RECORDING_ID, CONTENT_KEY)


def box(*, vault: SealingKey = VAULT, content_key: bytes = CONTENT_KEY, recording_id: bytes = RECORDING_ID) -> bytes:
    return make_key_box(
        shift_id=SHIFT_ID,
        recording_id=recording_id,
        content_key=content_key,
        vault_key=vault.public_key,
        escrow_key=ESCROW.public_key,
    )


BOX = box()


@pytest.mark.parametrize(("key", "role"), [(VAULT, "vault"), (ESCROW, "escrow")])
def test_vault_and_escrow_each_open_it(key: SealingKey, role: Role) -> None:
    assert key.open_key_box(BOX, role=role, commitment=COMMITMENT) == CONTENT_KEY


@pytest.mark.parametrize(("key", "role"), [(STRANGER, "vault"), (VAULT, "escrow"), (ESCROW, "vault")])
def test_a_key_opens_its_own_place_only(key: SealingKey, role: Role) -> None:
    with pytest.raises(KeyBoxUnreadable, match=f"not sealed to this {role}'s key"):
        key.open_key_box(BOX, role=role, commitment=COMMITMENT)


def test_a_box_that_names_the_right_key_and_is_sealed_to_another_does_not_open() -> None:
    value = decode(box(vault=STRANGER))
    forged = encode([*value[:3], [["vault", key_id(VAULT.public_key), value[3][0][2]], value[3][1]]])

    with pytest.raises(KeyBoxUnreadable, match="does not open with this vault's key"):
        VAULT.open_key_box(forged, role="vault", commitment=COMMITMENT)


def test_a_box_moved_to_another_recording_or_shift_does_not_open() -> None:
    value = decode(BOX)
    for place in (1, 2):
        moved = [*value]
        moved[place] = secret("other", 16)

        with pytest.raises(KeyBoxUnreadable, match="does not open"):
            VAULT.open_key_box(encode(moved), role="vault", commitment=COMMITMENT)


def test_the_escrows_copy_in_the_vaults_place_does_not_open() -> None:
    value = decode(BOX)
    swapped = [["vault", value[3][0][1], value[3][1][2]], value[3][1]]

    with pytest.raises(KeyBoxUnreadable, match="does not open"):
        VAULT.open_key_box(encode([*value[:3], swapped]), role="vault", commitment=COMMITMENT)


def test_another_content_key_than_the_camera_committed_to_is_refused() -> None:
    with pytest.raises(KeyBoxUnreadable, match="another content key"):
        VAULT.open_key_box(box(content_key=secret("other")), role="vault", commitment=COMMITMENT)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_box_is_unreadable_and_never_crashes(data: st.DataObject) -> None:
    damaged = bytearray(BOX)
    # Up to the end of the vault's copy: damage behind that is the escrow's affair.
    damaged[data.draw(st.integers(0, 1231))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(KeyBoxUnreadable):
        VAULT.open_key_box(bytes(damaged), role="vault", commitment=COMMITMENT)


def test_every_byte_of_a_box_is_in_its_hash() -> None:
    assert key_box_hash(BOX) == digest("sealcam/1 key-box", BOX)
    assert all(key_box_hash(BOX[:at] + bytes([BOX[at] ^ 1]) + BOX[at + 1 :]) != key_box_hash(BOX) for at in (0, 99, -1))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda v: [2, *v[1:]], "version"),
        (lambda v: [*v[:3], []], "recipients"),
        (lambda v: [*v[:3], [v[3][0]] * 5], "recipients"),
        (lambda v: [*v[:3], [["court", *v[3][0][1:]]]], "role"),
        (lambda v: [*v[:3], [[*v[3][0][:2], bytes(1167)]]], "sealed"),
        (lambda v: [*v, 0], "array of 5"),
    ],
)
def test_a_box_of_another_form_is_refused(change: Callable[..., object], why: str) -> None:
    with pytest.raises(PeerError, match=why):
        parse_key_box(encode(change(decode(BOX))))


def test_a_key_of_another_size_or_form_is_refused() -> None:
    with pytest.raises(KeyBoxUnreadable, match="private key of 95 bytes"):
        SealingKey(bytes(95))
    with pytest.raises(PeerError, match="sealing key of 1215 bytes"):
        sealing_public_key(bytes(1215))
    with pytest.raises(PeerError, match="sealing key is not valid"):
        sealing_public_key(b"\xff" * 1216)
    assert len(VAULT.public_key) == 1216
