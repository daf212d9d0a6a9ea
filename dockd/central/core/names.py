"""Names of central's objects.

A shift's folder below `objects/` is what `sealcam-verify` takes: chain, media, policy, enrolment and receipts side by
side. Key boxes stand apart, so that destroying them disposes of a recording while its folder is under retention
(architecture.md, 5).
"""

from dockd.central.ports import ShiftRow
from protocol.layout import parse_file_name, shift_folder_name
from protocol.offload.messages import Description

POLICY_NAME = "policy"
ENROLMENT_NAME = "enrolment"


def folder_of(description: Description) -> str:
    """Return the name of the shift's folder."""
    return shift_folder_name(description.shift_number, description.shift_id)


def described_object(description: Description) -> str:
    """Return the name of a described file's object."""
    prefix = "keyboxes" if description.kind == "key-box" else "objects"
    return f"{prefix}/{description.camera_id.hex()}/{folder_of(description)}/{description.name}"


def shift_prefix(camera_id: bytes, folder: str) -> str:
    """Return the folder of a shift's objects."""
    return f"objects/{camera_id.hex()}/{folder}"


def object_in(shift: ShiftRow, name: str) -> str:
    """Return the name of an object beside a shift's chain."""
    return f"{shift_prefix(shift.key.camera_id, shift.folder)}/{name}"


def file_object(shift: ShiftRow, name: str) -> str:
    """Return the name of the object of a shift's file: chain, media or key box."""
    parsed = parse_file_name(name)
    if parsed is not None and parsed.kind == "key-box":
        return f"keyboxes/{shift.key.camera_id.hex()}/{shift.folder}/{name}"
    return object_in(shift, name)


def quarantine_object(description: Description, sha256: bytes) -> str:
    """Return the name under which refused bytes are kept: one for each content, so that nothing replaces anything."""
    folder = f"quarantine/{description.camera_id.hex()}/{folder_of(description)}"
    return f"{folder}/{description.name}.{sha256.hex()}"
