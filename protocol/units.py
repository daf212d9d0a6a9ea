"""Named limits, and the types that carry them into every model. Sizes in bytes unless the name says otherwise."""

from typing import Annotated, Final

from pydantic import Field

UINT_MAX: Final = 2**63 - 1
CBOR_SIZE_BYTES_MAX: Final = 1024 * 1024
CBOR_DEPTH_MAX: Final = 8
CBOR_MEMBERS_MAX: Final = 65_536
ENTRY_SIZE_BYTES_MAX: Final = 65_536
CHAIN_SIZE_BYTES_MAX: Final = 256 * 1024 * 1024
PART_SIZE_BYTES_MAX: Final = 64 * 1024 * 1024
PARTS_PER_CHUNK_MAX: Final = 8
SPANS_PER_CHUNK_MAX: Final = 256
MEDIA_FILES_PER_RECORDING_MAX: Final = 4096
CHUNKS_PER_RECORDING_MAX: Final = 1_000_000
ROOT_KEYS_MAX: Final = 16
POLICY_KEYS_MAX: Final = 256
REVOKED_CAMERAS_MAX: Final = 16_384
EXTENSIONS_MAX: Final = 32
KEY_BOX_SIZE_BYTES_MAX: Final = 16_384
RECEIPT_SIZE_BYTES_MAX: Final = 131_072
RECEIPTS_PER_SHIFT_MAX: Final = 4096
HELD_ENTRIES_MAX: Final = 200_000
FINDINGS_PER_KIND_MAX: Final = 100
PROOF_HASHES_MAX: Final = 63
NOTE_SIZE_BYTES_MAX: Final = 262_144
NOTE_SIGNATURES_MAX: Final = 100
KEY_NAME_CHARS_MAX: Final = 255
PROOF_EXTRA_SIZE_BYTES_MAX: Final = 131_072
OPENING_SIZE_BYTES_MAX: Final = 65_536
LEAF_SIZE_BYTES_MAX: Final = 128
LEAF_SALT_SIZE_BYTES: Final = 32
BODY_SALT_SIZE_BYTES: Final = 16
GCM_TAG_SIZE_BYTES: Final = 16
SEALED_KEY_SIZE_BYTES: Final = 1168
SEALING_KEY_SIZE_BYTES: Final = 1216

Uint = Annotated[int, Field(ge=0, le=UINT_MAX)]
Positive = Annotated[int, Field(ge=1, le=UINT_MAX)]
Int = Annotated[int, Field(ge=-UINT_MAX - 1, le=UINT_MAX)]
Id = Annotated[bytes, Field(min_length=16, max_length=16)]
Hash = Annotated[bytes, Field(min_length=32, max_length=32)]
Ed25519Key = Annotated[bytes, Field(min_length=32, max_length=32)]
DeviceKey = Annotated[bytes, Field(min_length=65, max_length=65)]
SealingPublicKey = Annotated[bytes, Field(min_length=SEALING_KEY_SIZE_BYTES, max_length=SEALING_KEY_SIZE_BYTES)]
Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
Serial = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{0,31}$")]
LedgerOrigin = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9./-]{0,126}$")]
PersonText = Annotated[str, Field(min_length=1, max_length=200)]
Extensions = Annotated[
    dict[Kind, Int | Annotated[str, Field(max_length=1024)] | Annotated[bytes, Field(max_length=1024)]],
    Field(max_length=EXTENSIONS_MAX),
]
