"""Parts: sealed once, opened only in their own place, and shown one by one."""

from typing import get_args

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import digest, encode
from protocol.entries import PartKind
from protocol.errors import BadSignature
from protocol.sealing import PartSealer, content_key_commitment, part_hash
from tests.protocol.shifts import secret

SHIFT_ID, RECORDING_ID, CONTENT_KEY = secret("shift", 16), secret("recording", 16), secret("content key")
KINDS: tuple[PartKind, ...] = get_args(PartKind)


def sealer(
    *, shift_id: bytes = SHIFT_ID, recording_id: bytes = RECORDING_ID, content_key: bytes = CONTENT_KEY
) -> PartSealer:
    return PartSealer(shift_id=shift_id, recording_id=recording_id, content_key=content_key)


@given(st.binary(min_size=1, max_size=2000), st.integers(0, 999_999), st.sampled_from(KINDS))
def test_a_part_opens_to_what_was_sealed(plaintext: bytes, index: int, kind: PartKind) -> None:
    part, ciphertext = sealer().seal(index, kind, plaintext)

    assert sealer().open(index, part, ciphertext) == plaintext
    assert part.size_bytes == len(ciphertext) == len(plaintext) + 16
    assert part.hash == part_hash(ciphertext)


def test_a_part_is_made_as_the_page_says() -> None:
    """Written out from page 3.5 with the library alone."""
    context = encode([1, SHIFT_ID, RECORDING_ID, 7, "audio"])

    def derive(purpose: bytes, size_bytes: int) -> bytes:
        return HKDF(SHA256(), size_bytes, RECORDING_ID, purpose + b"\0" + context).derive(CONTENT_KEY)

    material, salt = derive(b"sealcam/1 part-key", 44), derive(b"sealcam/1 part-salt", 32)

    part, ciphertext = sealer().seal(7, "audio", b"sound")

    assert ciphertext == AESGCM(material[:32]).encrypt(material[32:], b"sound", context)
    assert part.commitment == digest("sealcam/1 part-commitment", salt, b"sound")
    assert sealer().disclosure(7, "audio") == salt


def test_a_retry_seals_the_same_bytes() -> None:
    assert sealer().seal(3, "video", b"frame") == sealer().seal(3, "video", b"frame")


@given(st.data())
def test_a_flipped_byte_does_not_open(data: st.DataObject) -> None:
    part, ciphertext = sealer().seal(0, "video", b"a fragment of video")
    ciphertext[data.draw(st.integers(0, len(ciphertext) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(BadSignature, match="does not open"):
        sealer().open(0, part, ciphertext)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 34])
def test_a_cut_part_does_not_open(size: int) -> None:
    part, ciphertext = sealer().seal(0, "video", b"a fragment of video")

    with pytest.raises(BadSignature):
        sealer().open(0, part, ciphertext[:size])


def test_a_part_opens_in_no_other_place() -> None:
    part, ciphertext = sealer().seal(4, "video", b"frame")

    elsewhere = (
        (sealer(), 5, part),
        (sealer(), 4, part.model_copy(update={"kind": "audio"})),
        (sealer(shift_id=secret("other", 16)), 4, part),
        (sealer(recording_id=secret("other", 16)), 4, part),
        (sealer(content_key=secret("other")), 4, part),
    )
    for place, index, row in elsewhere:
        with pytest.raises(BadSignature, match="does not open"):
            place.open(index, row, ciphertext)


def test_a_plaintext_that_was_not_committed_to_is_refused_though_it_opens() -> None:
    """Two keys can open one ciphertext to two plaintexts (AES-GCM does not commit); the commitment settles it."""
    part, ciphertext = sealer().seal(4, "video", b"frame")

    with pytest.raises(BadSignature, match="not the one committed to"):
        sealer().open(4, part.model_copy(update={"commitment": bytes(32)}), ciphertext)


def test_every_part_has_its_own_salt_key_and_nonce() -> None:
    salts = {sealer().disclosure(index, kind) for index in range(20) for kind in KINDS}
    ciphertexts = {bytes(sealer().seal(index, kind, bytes(40))[1]) for index in range(20) for kind in KINDS}

    assert len(salts) == len(ciphertexts) == 20 * len(KINDS)


def test_a_content_key_is_committed_to_for_one_recording() -> None:
    commitment = content_key_commitment(RECORDING_ID, CONTENT_KEY)

    assert commitment == digest("sealcam/1 content-key", RECORDING_ID, CONTENT_KEY)
    assert commitment != content_key_commitment(secret("other", 16), CONTENT_KEY)
