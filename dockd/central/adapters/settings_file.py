"""Reads a settings file, and the small public files that settings name."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from dockd.central.errors import SettingsFault
from protocol.errors import PeerError
from protocol.policy import TrustedPolicy, verify_policy
from protocol.settings import SettingsModel, load_settings
from protocol.units import CBOR_SIZE_BYTES_MAX

AnySettings = TypeVar("AnySettings", bound=SettingsModel)


def read_settings(file: Path, model: type[AnySettings]) -> AnySettings:
    """Return the settings in ``file``, relative paths made absolute by its folder.

    Raises:
        SettingsFault: it cannot be read.
        SettingsError: it can, and cannot be used.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsFault(
            f"settings {file} cannot be read ({why})",
            expected="a TOML file like those in deploy/, central.example.toml and the others",
            next_step="name the file with --config",
        ) from error
    return _placed(load_settings(text, str(file), model), file.resolve().parent)


def _placed(settings: AnySettings, folder: Path) -> AnySettings:
    changes: dict[str, object] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Path):
            changes[name] = folder / value
        elif isinstance(value, BaseModel):
            assert isinstance(value, SettingsModel)
            changes[name] = _placed(value, folder)
    return settings.model_copy(update=changes)


def read_policy(file: Path, *, root_fingerprint: str) -> TrustedPolicy:
    """Return the signed policy in ``file``, by the root that the settings pin.

    Raises:
        SettingsFault: it cannot be read, does not hold, or is another root's.
    """
    data = read_public(file, what="policy", size_bytes_max=CBOR_SIZE_BYTES_MAX)
    try:
        policy = verify_policy(data)
    except PeerError as error:
        raise SettingsFault(
            f"policy {file} does not hold ({error})",
            expected="a policy signed by enough of the agency's root keys",
            next_step="copy the signed policy from where it was made again",
        ) from error
    found = policy.root.fingerprint.hex()
    if found != root_fingerprint:
        raise SettingsFault(
            f"policy {file} is of root {found}",
            expected=f"root {root_fingerprint}, as root_fingerprint in the settings says",
            next_step="find out which is the agency's before anything else",
        )
    return policy


def read_public(file: Path, *, what: str, size_bytes_max: int) -> bytes:
    """Return a small file that is no secret.

    Raises:
        SettingsFault: it cannot be read, or is too large to be what it should be.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(size_bytes_max + 1)
    except OSError as error:
        raise SettingsFault(
            f"{what} {file} cannot be read ({error.strerror})",
            expected="a file that this user may read",
            next_step="check the path",
        ) from error
    if len(data) > size_bytes_max:
        raise SettingsFault(
            f"{what} {file} has more than {size_bytes_max} bytes", expected=f"a {what}", next_step="check the path"
        )
    return data
