"""Signed notes: one form, bounded, and believed only as far as a known key signed them."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import LedgerFault, LedgerRefused
from protocol.keys import SoftwareEd25519
from protocol.ledger.checkpoint import Checkpoint
from protocol.ledger.merkle import EMPTY_ROOT
from protocol.ledger.note import (
    Cosignature,
    Note,
    NoteSignature,
    VerifierKey,
    cosign_text,
    cosigners,
    note_key_id,
    parse_note,
    parse_signatures,
    parse_verifier_key,
    sign_text,
    signers,
)
from tests.protocol.shifts import secret

KEY = SoftwareEd25519(secret("ledger/log"))
WITNESS = SoftwareEd25519(secret("ledger/witness"))
OTHER = SoftwareEd25519(secret("ledger/other"))
TEXT = "log.example\n1\nabc\n"
LINE = sign_text(TEXT, "log.example", KEY).line
WHOLE = Note(
    TEXT, (sign_text(TEXT, "log.example", KEY), cosign_text(TEXT, "witness.example/w1", WITNESS, at_s=1_790_000_000))
)

# The example of c2sp.org/signed-note.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = """This is an example message.

\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
# The example of c2sp.org/tlog-cosignature; that page gives no keys.
EXAMPLE_CHECKPOINT = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
# Made once by aics-tlog 0.2.1 (on Python 3.12), which is not ours, over the checkpoint of an empty tree; its seed is in the test below.
FOREIGN_WITNESS = "witness.example/w1+4c557b6d+BEaArrVT7s6S1+HFEZwk+xwqVNokjXQg2gt5x+Es6JL3"
FOREIGN_LINE = (
    "\u2014 witness.example/w1 TFV7bQAAAABqsTuAkav/ZjxlSWKX3g+2eN/+rN4bEMZd+MFNkwPtBQTmg66o"
    "wdFS/I2dWmhiAdXBfczPD191IXC2oHMmIVtpETGaAA==\n"
)


def refusal(data: bytes) -> str:
    with pytest.raises(LedgerRefused) as caught:
        parse_note(data)
    assert caught.value.kind == "form"
    return str(caught.value)


def test_the_example_of_the_page_holds_under_its_key() -> None:
    key = parse_verifier_key(EXAMPLE_KEY)

    note = parse_note(EXAMPLE_NOTE.encode())

    assert note.text == "This is an example message.\n"
    assert signers(note, [key.public_key]) == {key.public_key}
    assert note.encoded() == EXAMPLE_NOTE.encode()


def test_the_example_of_a_cosignature_has_the_time_that_the_page_names() -> None:
    witness = parse_note(EXAMPLE_CHECKPOINT.encode()).signatures[1]

    assert witness.name == "witness.example.com/w1"
    assert len(witness.signature) == 72
    assert int.from_bytes(witness.signature[:8], "big") == 1679315147


def test_a_witness_key_that_others_published_is_read_and_written() -> None:
    # Of github.com/transparency-dev/formats, note_cosigv1_test.go.
    text = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"

    assert parse_verifier_key(text).signature_type == 4
    assert parse_verifier_key(text).text == text


def test_a_cosignature_is_byte_for_byte_that_of_another_implementation() -> None:
    key = SoftwareEd25519(sha256(b"sealcam ledger known answer").digest())
    text = Checkpoint("ledger.example/city", 0, EMPTY_ROOT).text
    note = parse_note((text + "\n" + FOREIGN_LINE).encode())

    assert VerifierKey("witness.example/w1", 4, key.public_key).text == FOREIGN_WITNESS
    assert cosign_text(text, "witness.example/w1", key, at_s=1_790_000_000).line == FOREIGN_LINE
    assert cosigners(note, [key.public_key]) == (Cosignature(key.public_key, 1_790_000_000),)


def test_a_note_is_found_again_as_it_was() -> None:
    assert parse_note(WHOLE.encoded()) == WHOLE


def test_the_text_ends_at_the_last_empty_line() -> None:
    text = "one\n\n\ntwo\n\n"
    note = Note(text, (sign_text(text, "log.example", KEY),))

    assert parse_note(note.encoded()) == note


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        TEXT.encode(),
        (TEXT + "\n").encode(),
        (TEXT + LINE).encode(),
        (TEXT + "\n" + LINE[:-1]).encode(),
        (TEXT + "\n" + LINE + "\n").encode(),
        (TEXT + "\n" + LINE + "more\n").encode(),
        (TEXT + "\n-" + LINE[1:]).encode(),
        (TEXT + "\n\u2013" + LINE[1:]).encode(),
        (TEXT + "\n " + LINE).encode(),
        (TEXT + "\n" + LINE.replace("log.example ", "")).encode(),
        (TEXT + "\n" + LINE.replace("log.example", "log+example")).encode(),
        (TEXT + "\n" + LINE.replace("log.example", "log\u2003example")).encode(),
        (TEXT + "\n" + LINE.replace("log.example", "")).encode(),
        (TEXT + "\n" + LINE.replace("log.example", "n" * 256)).encode(),
        (TEXT + "\n" + LINE.replace("=\n", "\n")).encode(),
        (TEXT + "\n" + LINE.replace("\n", " \n")).encode(),
        (TEXT + "\n\u2014 log.example AAAAAA==\n").encode(),
        (TEXT + "\n\u2014 log.example AAAA\n").encode(),
        (TEXT + "\n\u2014 log.example AAAAAAB=\n").encode(),
        (TEXT + "\n\u2014 log.example AAAA_AA=\n").encode(),
        (TEXT + "\n" + LINE).replace("\n", "\r\n").encode(),
        (TEXT + "\t\n\n" + LINE).encode(),
        TEXT.encode() + b"\xff\n\n" + LINE.encode(),
        TEXT.encode() + b"\xed\xa0\x80\n\n" + LINE.encode(),
        (TEXT + "\n" + LINE * 101).encode(),
        b"x" * 262_000 + b"\n\n" + LINE.encode() * 3,
    ],
)
def test_what_is_not_in_the_one_form_of_a_note_is_refused(data: bytes) -> None:
    assert "spec/08-ledger.md, 8.6" in refusal(data)


def test_as_many_and_as_large_signatures_as_the_page_demands_are_read() -> None:
    long = tuple(NoteSignature(f"w{number}", b"abcd", bytes(5000)) for number in range(16))
    many = tuple(NoteSignature(f"w{number}", b"abcd", b"s") for number in range(100))

    assert parse_note(Note(TEXT, long).encoded()).signatures == long
    assert parse_note(Note(TEXT, many).encoded()).signatures == many


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    strange = NoteSignature("log.example", b"\0\0\0\0", b"of another type")
    note = Note(TEXT, (strange, *WHOLE.signatures))

    assert signers(note, [KEY.public_key, OTHER.public_key]) == {KEY.public_key}
    assert signers(note, [OTHER.public_key]) == frozenset()
    assert cosigners(note, [OTHER.public_key]) == ()


def test_neither_type_of_signature_stands_for_the_other() -> None:
    assert signers(WHOLE, [WITNESS.public_key]) == frozenset()
    assert cosigners(WHOLE, [KEY.public_key]) == ()


def test_two_cosignatures_by_one_key_are_one_with_the_newer_time() -> None:
    times = (1_790_000_000, 1_790_000_500, 1_790_000_100)
    note = Note(TEXT, tuple(cosign_text(TEXT, f"w{at_s}", WITNESS, at_s=at_s) for at_s in times))

    assert [found.at_s for found in cosigners(note, [WITNESS.public_key, WITNESS.public_key])] == [1_790_000_500]


@pytest.mark.parametrize("place", [0, 1])
def test_a_known_keys_signature_that_does_not_hold_refuses_the_note(place: int) -> None:
    good = WHOLE.signatures[place]
    for at in range(len(good.signature)):
        flipped = bytearray(good.signature)
        flipped[at] ^= 1
        # Below a good one by the same key: one that fails is never made good by another.
        note = Note(TEXT, (*WHOLE.signatures, NoteSignature(good.name, good.key_id, bytes(flipped))))

        with pytest.raises(LedgerRefused) as caught:
            signers(note, [KEY.public_key]) if place == 0 else cosigners(note, [WITNESS.public_key])
        assert caught.value.kind == "signature"


@pytest.mark.parametrize("signature", [b"s", bytes(64), bytes(71), bytes(72), bytes(73), b"\xff" * 72])
def test_a_cosignature_of_another_length_or_time_is_refused(signature: bytes) -> None:
    line = NoteSignature("w", note_key_id("w", 4, WITNESS.public_key), signature)

    with pytest.raises(LedgerRefused) as caught:
        cosigners(Note(TEXT, (line,)), [WITNESS.public_key])
    assert caught.value.kind == "signature"


def test_a_key_with_which_everything_is_signed_is_refused() -> None:
    one = b"\1" + bytes(31)
    forged = NoteSignature("w", note_key_id("w", 1, one), one + bytes(32))

    with pytest.raises(LedgerRefused, match="small order") as caught:
        signers(Note(TEXT, (forged,)), [one])
    assert caught.value.kind == "signature"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "form"),
        ("example.com/foo", "form"),
        ("example.com/foo+530d903a", "form"),
        (EXAMPLE_KEY.replace("530d903a", "530D903A"), "form"),
        (EXAMPLE_KEY.replace("530d903a", "530d903b"), "form"),
        (EXAMPLE_KEY.replace("530d903a", "+530d903"), "key"),
        (EXAMPLE_KEY.replace("foo", "bar"), "form"),
        (EXAMPLE_KEY.replace("foo", "f o"), "form"),
        (EXAMPLE_KEY + "\n", "form"),
        (EXAMPLE_KEY.replace("Aeky", "Beky"), "key"),
        (EXAMPLE_KEY.replace("U2k", "U2kAAAA"), "key"),
        ("w+00000000+AQ==", "key"),
        ("w+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "key"),
        ("w+00000000+Ae////////////////////////////////////////9/", "key"),
    ],
)
def test_a_verifier_key_of_another_form_or_kind_is_refused(text: str, kind: LedgerFault) -> None:
    with pytest.raises(LedgerRefused) as caught:
        parse_verifier_key(text)
    assert caught.value.kind == kind


def test_a_verifier_key_is_found_again_with_pluses_in_its_base64() -> None:
    keys = [VerifierKey(f"w{number}", 4, SoftwareEd25519(secret(f"w{number}")).public_key) for number in range(40)]

    assert any("+" in key.text.split("+", maxsplit=2)[2] for key in keys)
    assert [parse_verifier_key(key.text) for key in keys] == keys


def test_signature_lines_of_a_witness_are_read_without_a_note() -> None:
    lines = "".join(signature.line for signature in WHOLE.signatures)

    assert parse_signatures(lines.encode()) == WHOLE.signatures
    for bad in (b"", lines[:-1].encode(), b"\n" + lines.encode(), lines.encode() + b"\n"):
        with pytest.raises(LedgerRefused):
            parse_signatures(bad)


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_note_in_its_one_form_or_refused(data: bytes) -> None:
    for tail in (data, TEXT.encode() + b"\n" + data, WHOLE.encoded() + data):
        try:
            note = parse_note(tail)
        except LedgerRefused:
            continue
        assert note.encoded() == tail
