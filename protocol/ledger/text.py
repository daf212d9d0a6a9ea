"""What the ledger's texts are made of: lines of UTF-8, decimal numbers and base64, each in its one form (spec/08-ledger.md, 8.6)."""

import base64
import binascii
import re
from typing import Final

from protocol.errors import LedgerRefused
from protocol.units import UINT_MAX

HASH_SIZE_BYTES: Final = 32
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")


def malformed(message: str, *, section: str) -> LedgerRefused:
    """Return the fault for what is not in its one form."""
    return LedgerRefused(message, kind="form", section=section)


def decode_text(data: bytes, *, size_bytes_max: int, section: str) -> str:
    """Return ``data`` as text without control characters but newlines.

    Raises:
        LedgerRefused: it is larger, no UTF-8, or holds a control character.
    """
    if len(data) > size_bytes_max:
        raise malformed(f"text of {len(data)} bytes, at most {size_bytes_max} expected", section=section)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed(f"byte {error.start} is no UTF-8", section=section) from None
    if (control := first_control(text.replace("\n", " "))) is not None:
        raise malformed(f"control character {ord(control):#04x}, only newlines expected", section=section)
    return text


def first_control(text: str) -> str | None:
    """Return the first control character of a text, newlines included."""
    return next((character for character in text if character < " "), None)


def parse_decimal(text: str, *, what: str, section: str) -> int:
    """Return a number below 2^63 that is written without sign and without leading zeros.

    Raises:
        LedgerRefused: it is not.
    """
    if _DECIMAL.fullmatch(text) is None or int(text) > UINT_MAX:
        raise malformed(f"{what} {text[:40]!r}, a decimal number below 2^63 expected", section=section)
    return int(text)


def parse_base64(text: str, *, what: str, section: str) -> bytes:
    """Return the bytes of standard base64 with padding, in the one form that encodes them.

    Raises:
        LedgerRefused: it is not.
    """
    try:
        data = base64.b64decode(text.encode("utf-8"), validate=True)
    except binascii.Error:
        data = None
    # Decoders ignore the unused bits of the last character, so that several texts would give the same bytes.
    if data is None or format_base64(data) != text:
        raise malformed(f"{what} {text[:60]!r}, padded standard base64 expected", section=section)
    return data


def parse_hash(text: str, *, what: str, section: str) -> bytes:
    """Return the 32 bytes of a hash in base64.

    Raises:
        LedgerRefused: it is no base64, or of another length.
    """
    data = parse_base64(text, what=what, section=section)
    if len(data) != HASH_SIZE_BYTES:
        raise malformed(f"{what} of {len(data)} bytes, {HASH_SIZE_BYTES} expected", section=section)
    return data


def format_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")
