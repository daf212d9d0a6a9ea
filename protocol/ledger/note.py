"""Signed notes, verifier keys, Ed25519 signatures and timestamped cosignatures.

Implements spec/08-ledger.md, 8.6 and 8.8 (C2SP signed-note and tlog-cosignature). What a note says is looked at in `protocol.ledger.checkpoint`.
A note says nothing until somebody has asked which of the keys that he knows signed it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from protocol.errors import BadSignature, LedgerRefused
from protocol.keys import EntryKey, check_point, verify_ed25519
from protocol.ledger.text import decode_text, first_control, format_base64, malformed, parse_base64
from protocol.units import KEY_NAME_CHARS_MAX, NOTE_SIGNATURES_MAX, NOTE_SIZE_BYTES_MAX, UINT_MAX

_SECTION: Final = "spec/08-ledger.md, 8.6"
_COSIGNATURE_SECTION: Final = "spec/08-ledger.md, 8.8"

ED25519_TYPE: Final = 0x01
COSIGNATURE_TYPE: Final = 0x04
_DASH: Final = "\u2014 "
_KEY_ID_SIZE_BYTES: Final = 4
_TIME_SIZE_BYTES: Final = 8


def check_key_name(name: str) -> None:
    """Refuse what cannot stand as a key's name in a signature line.

    Raises:
        LedgerRefused: ``form``.
    """
    if not 1 <= len(name) <= KEY_NAME_CHARS_MAX:
        raise malformed(f"key name of {len(name)} characters, 1 to {KEY_NAME_CHARS_MAX} expected", section=_SECTION)
    if "+" in name or any(character.isspace() for character in name) or first_control(name) is not None:
        raise malformed(f"key name {name[:80]!r} holds a plus, a space or a control character", section=_SECTION)


def note_key_id(name: str, signature_type: int, public_key: bytes) -> bytes:
    """Return the 4 bytes that name a key in a signature line; they bind its name, its type and the key."""
    return hashlib.sha256(name.encode("utf-8") + b"\n" + bytes([signature_type]) + public_key).digest()[:4]


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: whose it claims to be, and the signature, not verified."""

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        """Refuse what does not fit into a line."""
        check_key_name(self.name)
        if len(self.key_id) != _KEY_ID_SIZE_BYTES or not self.signature:
            found = f"key id of {len(self.key_id)} and signature of {len(self.signature)} bytes"
            raise malformed(f"{found}, {_KEY_ID_SIZE_BYTES} and at least 1 expected", section=_SECTION)

    @property
    def line(self) -> str:
        """Return the line, with its newline."""
        return f"{_DASH}{self.name} {format_base64(self.key_id + self.signature)}\n"

    def claims(self, signature_type: int, public_key: bytes) -> bool:
        """Say whether name and key id of the line are those of this key, for this type of signature."""
        return self.key_id == note_key_id(self.name, signature_type, public_key)


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures below it."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        """Refuse what is no note."""
        if not self.text.endswith("\n"):
            raise malformed("text of the note does not end in a newline", section=_SECTION)
        if not 1 <= len(self.signatures) <= NOTE_SIGNATURES_MAX:
            raise malformed(f"{len(self.signatures)} signatures, 1 to {NOTE_SIGNATURES_MAX} expected", section=_SECTION)

    def encoded(self) -> bytes:
        """Return the bytes of the note."""
        return (self.text + "\n" + "".join(signature.line for signature in self.signatures)).encode("utf-8")


def parse_note(data: bytes) -> Note:
    """Return the note that these are the one form of; nothing is verified.

    Raises:
        LedgerRefused: ``form``.
    """
    whole = decode_text(data, size_bytes_max=NOTE_SIZE_BYTES_MAX, section=_SECTION)
    # The last empty line: the text may have others, signature lines are never empty.
    text, separator, lines = whole.rpartition("\n\n")
    if not separator:
        raise malformed("no empty line between text and signatures", section=_SECTION)
    return Note(text + "\n", _parse_lines(lines))


def parse_signatures(data: bytes) -> tuple[NoteSignature, ...]:
    """Return signature lines that came without a note, as a witness answers them (8.11).

    Raises:
        LedgerRefused: ``form``.
    """
    return _parse_lines(decode_text(data, size_bytes_max=NOTE_SIZE_BYTES_MAX, section=_SECTION))


def _parse_lines(text: str) -> tuple[NoteSignature, ...]:
    if not text.endswith("\n"):
        raise malformed("signatures are missing, or the last one does not end in a newline", section=_SECTION)
    count = text.count("\n")
    if count > NOTE_SIGNATURES_MAX:
        raise malformed(f"{count} signatures, at most {NOTE_SIGNATURES_MAX} expected", section=_SECTION)
    return tuple(_parse_line(line) for line in text[:-1].split("\n"))


def _parse_line(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise malformed(f"line {line[:80]!r}, an em dash, a name and a signature expected", section=_SECTION)
    signed = parse_base64(encoded, what="signature", section=_SECTION)
    return NoteSignature(name, signed[:_KEY_ID_SIZE_BYTES], signed[_KEY_ID_SIZE_BYTES:])


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under its name, for one type of signature: what is given to who has to know it."""

    name: str
    signature_type: int
    public_key: bytes

    def __post_init__(self) -> None:
        """Refuse another type of key, and keys with which one signature fits every message."""
        check_key_name(self.name)
        if self.signature_type not in (ED25519_TYPE, COSIGNATURE_TYPE) or len(self.public_key) != 32:
            found = f"key of type {self.signature_type:#04x} and {len(self.public_key)} bytes"
            raise LedgerRefused(f"{found}, type 0x01 or 0x04 and 32 bytes expected", kind="key", section=_SECTION)
        try:
            check_point(self.public_key, what=f"public key of {self.name}")
        except BadSignature as error:
            raise LedgerRefused(str(error), kind="key", section=_SECTION) from None

    @property
    def key_id(self) -> bytes:
        """Return the 4 bytes that stand in this key's signatures."""
        return note_key_id(self.name, self.signature_type, self.public_key)

    @property
    def text(self) -> str:
        """Return the key as text."""
        return f"{self.name}+{self.key_id.hex()}+{format_base64(bytes([self.signature_type]) + self.public_key)}"


def parse_verifier_key(text: str) -> VerifierKey:
    """Return the key that this is the text of.

    Raises:
        LedgerRefused: ``form``, or ``key`` where it is no Ed25519 key that can be trusted.
    """
    name, _, rest = text.partition("+")
    _, separator, encoded = rest.partition("+")
    key = parse_base64(encoded, what="key", section=_SECTION)
    if not separator or not key:
        raise malformed(f"verifier key {text[:120]!r}, a name, an id and a key expected", section=_SECTION)
    found = VerifierKey(name, key[0], key[1:])
    if found.text != text:
        raise malformed(f"verifier key {text[:120]!r}, {found.text!r} expected", section=_SECTION)
    return found


def sign_text(text: str, name: str, key: EntryKey) -> NoteSignature:
    """Return the Ed25519 signature of a note's text."""
    return NoteSignature(name, note_key_id(name, ED25519_TYPE, key.public_key), key.sign(text.encode("utf-8")))


def cosignature_message(text: str, at_s: int) -> bytes:
    """Return what a witness signs: that it has seen no larger checkpoint of this log at this time."""
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def cosign_text(text: str, name: str, key: EntryKey, *, at_s: int) -> NoteSignature:
    """Return a witness's cosignature of a checkpoint's text; ``at_s`` is the time in seconds since 1970."""
    assert 1 <= at_s <= UINT_MAX, f"cosignature at {at_s}"
    signature = at_s.to_bytes(_TIME_SIZE_BYTES, "big") + key.sign(cosignature_message(text, at_s))
    return NoteSignature(name, note_key_id(name, COSIGNATURE_TYPE, key.public_key), signature)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's word, verified: at this time it had seen nothing larger, and nothing else."""

    witness_key: bytes
    at_s: int


def signers(note: Note, keys: Sequence[bytes]) -> frozenset[bytes]:
    """Return which of these Ed25519 keys signed the note; signatures by others are passed over.

    Raises:
        LedgerRefused: ``signature``, where one that claims to be by one of these keys does not hold.
    """
    found = set()
    for signature, key in _claimed(note, ED25519_TYPE, keys):
        _verify(key, note.text.encode("utf-8"), signature.signature, name=signature.name)
        found.add(key)
    return frozenset(found)


def cosigners(note: Note, keys: Sequence[bytes]) -> tuple[Cosignature, ...]:
    """Return the cosignatures by these keys, one for each key, sorted by it; of several by one key the newest.

    Raises:
        LedgerRefused: ``signature``, where one that claims to be by one of these keys does not hold.
    """
    found: dict[bytes, int] = {}
    for signature, key in _claimed(note, COSIGNATURE_TYPE, keys):
        at_s = int.from_bytes(signature.signature[:_TIME_SIZE_BYTES], "big")
        if not 1 <= at_s <= UINT_MAX:
            raise _unfit(signature.name, f"its time is {at_s}, 1 to 2^63 - 1 expected", _COSIGNATURE_SECTION)
        message = cosignature_message(note.text, at_s)
        _verify(key, message, signature.signature[_TIME_SIZE_BYTES:], name=signature.name)
        found[key] = max(at_s, found.get(key, 0))
    return tuple(Cosignature(key, found[key]) for key in sorted(found))


def _claimed(note: Note, signature_type: int, keys: Sequence[bytes]) -> Iterator[tuple[NoteSignature, bytes]]:
    for signature in note.signatures:
        for key in set(keys):
            if signature.claims(signature_type, key):
                yield signature, key


def _verify(key: bytes, message: bytes, signature: bytes, *, name: str) -> None:
    try:
        verify_ed25519(key, message, signature)
    except BadSignature as error:
        raise _unfit(name, str(error), _SECTION) from None


def _unfit(name: str, why: str, section: str) -> LedgerRefused:
    return LedgerRefused(f"signature by {name} does not hold: {why}", kind="signature", section=section)
