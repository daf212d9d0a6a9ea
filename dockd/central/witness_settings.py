"""`witness.toml`: the settings of the witness, which is another's program on another's machine than central's.

Paths may be relative to the file's own folder. Secrets never stand here, only where they are.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from protocol.errors import LedgerRefused
from protocol.ledger.note import ED25519_TYPE, check_key_name, parse_verifier_key
from protocol.settings import SettingsModel


class WatchedLogSettings(SettingsModel):
    """One log that a witness watches: its origin, and the keys (C2SP text) that sign its checkpoints."""

    origin: Annotated[str, Field(min_length=1, max_length=255, description="the first line of the log's checkpoints")]
    keys: Annotated[
        tuple[str, ...], Field(min_length=1, max_length=16, description="the log's keys, each as NAME+ID+KEY")
    ]

    @field_validator("keys")
    @classmethod
    def _check_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for text in keys:
            if _parsed_key(text, ED25519_TYPE) is None:
                raise ValueError(
                    f"{text[:120]!r} is no key of a log; expected NAME+ID+KEY of type 0x01, as its agency gives it"
                )
        return keys

    @property
    def public_keys(self) -> tuple[bytes, ...]:
        """Return the 32 bytes of each key."""
        return tuple(parse_verifier_key(text).public_key for text in self.keys)


class WitnessProgramSettings(SettingsModel):
    """`witness.toml`: what a witness reads, on a machine that is not the agency's."""

    name: Annotated[str, Field(description="the witness's name, as it stands in its cosignatures")]
    key_file: Path = Field(description="the witness's private key, 32 bytes, mode 0600")
    state_folder: Path = Field(description="the folder of what it has cosigned; never to be emptied")
    host: Annotated[str, Field(min_length=1, max_length=253)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8380
    certificate_file: Path | None = None
    tls_key_file: Path | None = None
    logs: Annotated[tuple[WatchedLogSettings, ...], Field(max_length=256)] = ()

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        try:
            check_key_name(name)
        except LedgerRefused as error:
            raise ValueError(str(error)) from None
        return name

    @model_validator(mode="after")
    def _check(self) -> "WitnessProgramSettings":
        if (self.certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("certificate_file and tls_key_file: one stands without the other; write both or none")
        origins = [log.origin for log in self.logs]
        if len(set(origins)) != len(origins):
            raise ValueError("logs: an origin stands twice; write all keys of a log into one table")
        return self


def _parsed_key(text: str, signature_type: int) -> bytes | None:
    try:
        key = parse_verifier_key(text)
    except LedgerRefused:
        return None
    return key.public_key if key.signature_type == signature_type else None
