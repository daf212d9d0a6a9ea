"""What a new agency's ledger is called, and who witnesses it (spec/08-ledger.md, 8.6 and 8.9). Pure."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from dockd.central.errors import SettingsFault
from protocol.errors import LedgerRefused
from protocol.ledger.note import COSIGNATURE_TYPE, parse_verifier_key

_ORIGIN: Final = re.compile(r"[a-z0-9][a-z0-9./-]{0,126}")
_URL: Final = re.compile(r"https?://[!-~]{1,500}")
_NAME: Final = "/sealcam"


@dataclass(frozen=True, slots=True)
class NewWitness:
    """A witness as it made itself known: its verifier key and where it answers."""

    verifier_key: str
    url: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class NewLedger:
    """The ledger that an agency begins with."""

    origin: str
    witnesses: tuple[NewWitness, ...] = ()
    witness_threshold: int = 0


def default_origin(agency: str) -> str:
    """Return the agency's name in the letters that an origin may have, and what it is the ledger of.

    Raises:
        SettingsFault: nothing is left of the name.
    """
    plain = unicodedata.normalize("NFKD", agency).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not slug:
        raise SettingsFault(
            f"no ledger can be named after {agency!r}",
            expected="a name with letters a-z or digits in it",
            next_step="name the ledger with --ledger-origin, like example.org/sealcam",
        )
    return slug + _NAME


def new_ledger(
    agency: str,
    *,
    origin: str | None = None,
    witnesses: tuple[tuple[str, str], ...] = (),
    witness_threshold: int | None = None,
) -> NewLedger:
    """Return the ledger of a new agency; ``witnesses`` are verifier keys with their URLs, and all of them must cosign
    unless ``witness_threshold`` says fewer.

    Raises:
        SettingsFault: a name, key, URL or number cannot be one.
    """
    origin = default_origin(agency) if origin is None else origin
    if _ORIGIN.fullmatch(origin) is None:
        raise SettingsFault(
            f"ledger origin {origin!r}",
            expected="1 to 127 of a-z, 0-9, dot, slash and hyphen, beginning with a letter or a digit",
            next_step="write another; nothing was made",
        )
    made = tuple(_witness(key, url) for key, url in witnesses)
    if len({witness.public_key for witness in made}) != len(made):
        raise SettingsFault(
            "a witness is named twice", expected="each key once", next_step="name each witness once; nothing was made"
        )
    threshold = len(made) if witness_threshold is None else witness_threshold
    if not 0 <= threshold <= len(made):
        raise SettingsFault(
            f"{threshold} witnesses are to cosign, and {len(made)} are named",
            expected="a number that is not negative and not above that of the witnesses",
            next_step="name more with --witness and --witness-url, or ask for fewer; nothing was made",
        )
    return NewLedger(origin, made, threshold)


def _witness(verifier_key: str, url: str) -> NewWitness:
    try:
        key = parse_verifier_key(verifier_key)
    except LedgerRefused as error:
        raise SettingsFault(
            f"witness {verifier_key[:80]!r}: {error}",
            expected="name+id+key, as the witness published it",
            next_step="copy it again; nothing was made",
        ) from error
    if key.signature_type != COSIGNATURE_TYPE:
        raise SettingsFault(
            f"{key.name} is a key of type {key.signature_type:#04x}",
            expected="a cosigner's key, type 0x04",
            next_step="ask the witness for its cosigner's key; nothing was made",
        )
    if _URL.fullmatch(url) is None:
        raise SettingsFault(
            f"witness URL {url[:80]!r}",
            expected="a URL with http or https, below which the witness takes add-checkpoint",
            next_step="copy it from where the witness published it; nothing was made",
        )
    return NewWitness(verifier_key, url, key.public_key)
