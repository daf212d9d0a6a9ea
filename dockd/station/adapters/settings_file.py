"""Reads the dock's settings, and the policy and the key that they name."""

import os
import stat
from pathlib import Path
from typing import Final

from dockd.station.errors import SettingsFault
from dockd.station.settings import BrokerSettings, DockSettings
from protocol.errors import PeerError
from protocol.keys import SoftwareEd25519
from protocol.policy import TrustedPolicy, verify_policy
from protocol.settings import SETTINGS_SIZE_BYTES_MAX, load_settings
from protocol.units import CBOR_SIZE_BYTES_MAX

KEY_SIZE_BYTES: Final = 32


def read_settings(file: Path) -> DockSettings:
    """Return the settings in ``file``, relative paths made absolute by its folder.

    Raises:
        SettingsFault: it cannot be read.
        SettingsError: it can, and cannot be used.
    """
    data = _read(file, what="settings", size_bytes_max=SETTINGS_SIZE_BYTES_MAX, next_step="name the file with --config")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise SettingsFault(
            f"settings {file} are not text in UTF-8",
            expected="a TOML file like deploy/dock.example.toml",
            next_step="name the file with --config",
        ) from None
    settings = load_settings(text, str(file), DockSettings)
    return _placed(settings, file.resolve().parent)


def _placed(settings: DockSettings, folder: Path) -> DockSettings:
    broker = settings.broker
    if broker is not None:
        broker = BrokerSettings(
            host=broker.host,
            port=broker.port,
            ca_file=folder / broker.ca_file,
            certificate_file=folder / broker.certificate_file,
            key_file=folder / broker.key_file,
            password_file=None if broker.password_file is None else folder / broker.password_file,
        )
    bays = tuple(bay.model_copy(update={"port": folder / bay.port}) for bay in settings.bay)
    return settings.model_copy(
        update={
            "policy_file": folder / settings.policy_file,
            "dock_key_file": folder / settings.dock_key_file,
            "spool_folder": folder / settings.spool_folder,
            "status_file": folder / settings.status_file,
            "broker": broker,
            "bay": bays,
        }
    )


def read_policy(settings: DockSettings) -> TrustedPolicy:
    """Return the signed policy, by the root that the settings pin.

    Raises:
        SettingsFault: it cannot be read, does not hold, or is another root's.
    """
    file = settings.policy_file
    data = _read(file, what="policy", size_bytes_max=CBOR_SIZE_BYTES_MAX, next_step="check policy_file in the settings")
    try:
        trusted = verify_policy(data)
    except PeerError as error:
        raise SettingsFault(
            f"policy {file} does not hold ({error})",
            expected="a policy signed by enough of the agency's root keys",
            next_step="copy the signed policy from central again",
        ) from error
    found = trusted.root.fingerprint.hex()
    if found != settings.root_fingerprint:
        raise SettingsFault(
            f"policy {file} is of root {found}",
            expected=f"root {settings.root_fingerprint}, as root_fingerprint in the settings says",
            next_step="find out which is the agency's before anything else",
        )
    return trusted


def read_dock_key(settings: DockSettings, trusted: TrustedPolicy) -> SoftwareEd25519:
    """Return the dock's key, which the policy must name: no camera would dock otherwise.

    Raises:
        SettingsFault: it cannot be read, others can read it too, or the policy does not name it.
    """
    file = settings.dock_key_file
    seed = _read(file, what="dock key", size_bytes_max=KEY_SIZE_BYTES, next_step="check dock_key_file", is_private=True)
    if len(seed) != KEY_SIZE_BYTES:
        raise SettingsFault(
            f"dock key {file} has {len(seed)} bytes",
            expected=f"{KEY_SIZE_BYTES} bytes",
            next_step="check dock_key_file in the settings, or copy the key from where it was made again",
        )
    key = SoftwareEd25519(seed)
    if key.public_key not in trusted.policy.dock_keys:
        raise SettingsFault(
            f"policy {trusted.policy.version} does not name the key in {file}",
            expected="a key that the policy lists under dock_keys",
            next_step="copy the newest policy, or this dock's own key",
        )
    return key


def _read(file: Path, *, what: str, size_bytes_max: int, next_step: str, is_private: bool = False) -> bytes:
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(size_bytes_max + 1)
    except OSError as error:
        raise SettingsFault(
            f"{what} {file} cannot be read ({error.strerror})",
            expected="a file that this user may read",
            next_step=next_step,
        ) from error
    if is_private and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsFault(
            f"{what} {file} has mode {stat.S_IMODE(mode):04o}",
            expected="mode 0600, since it is a secret",
            next_step=f"find out who could read it; if nobody did: chmod 600 {file}",
        )
    if len(data) > size_bytes_max:
        raise SettingsFault(
            f"{what} {file} has more than {size_bytes_max} bytes", expected=f"a {what}", next_step=next_step
        )
    return data
