"""`witness init` and `witness trust`: a witness's key and settings, and which logs it watches."""

import sys
from pathlib import Path
from typing import Final

from dockd.central.adapters.private_files import replace, write_new
from dockd.central.adapters.settings_file import read_policy, read_settings
from dockd.central.core.toml_text import toml_text
from dockd.central.errors import SettingsFault
from dockd.central.ports import Entropy
from dockd.central.witness_settings import WitnessProgramSettings
from protocol.errors import LedgerRefused
from protocol.keys import SoftwareEd25519
from protocol.ledger.note import COSIGNATURE_TYPE, ED25519_TYPE, VerifierKey
from protocol.settings import load_settings

KEY_SIZE_BYTES: Final = 32
KEY_FILE: Final = "witness.key"
STATE_FOLDER: Final = "state"
SETTINGS_FILE: Final = "witness.toml"
_COMMENT: Final = """Settings of `sealcam-central witness`. Relative paths begin at this file's folder.

state_folder holds what this witness has cosigned. Never empty it, never restore it from a backup: a witness that
forgets what it signed would sign a second history. If it is lost, retire the key.

It answers at 127.0.0.1, port 8380, unless host and port stand here; a reverse proxy brings TLS, or
certificate_file and tls_key_file do."""


def init_witness(folder: Path, *, name: str, entropy: Entropy) -> int:
    """Make a witness in a new folder, and print its verifier key, to give to the agencies that it shall watch."""
    seed = entropy.take(KEY_SIZE_BYTES)
    try:
        verifier = VerifierKey(name, COSIGNATURE_TYPE, SoftwareEd25519(seed).public_key)
    except LedgerRefused as error:
        raise SettingsFault(
            f"{name!r} cannot be a witness's name ({error})",
            expected="1 to 255 characters without spaces and without a plus, best like an address",
            next_step="choose another, for example witness.example.org/w1",
        ) from error
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise SettingsFault(
            f"{folder} is not an empty folder",
            expected="a new folder, or an empty one",
            next_step="name another: a witness's key and state are never written over",
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        (folder / STATE_FOLDER).mkdir(mode=0o700)
    except OSError as error:
        raise SettingsFault(
            f"{folder} cannot be made ({error.strerror})",
            expected="a place that this user may write to",
            next_step="name another folder",
        ) from error
    write_new(folder / KEY_FILE, seed)
    values = {"name": name, "key_file": KEY_FILE, "state_folder": STATE_FOLDER}
    write_new(folder / SETTINGS_FILE, toml_text(values, comment=_COMMENT).encode(), mode=0o644)
    print(verifier.text)
    print(
        f"Give this line to the agencies. Next: sealcam-central witness trust --config {folder / SETTINGS_FILE}",
        file=sys.stderr,
    )
    return 0


def trust_policy(config: Path, policy_file: Path | None, root: str | None, *, has_more: bool) -> int:
    """Watch the log that an agency's policy names."""
    if policy_file is None or root is None or has_more:
        raise SettingsFault(
            "--policy and --root do not stand together and alone",
            expected="both, without --origin and --key: the policy names these",
            next_step="take the fingerprint from where the agency published it, never from who brought the policy",
        )
    ledger = read_policy(policy_file, root_fingerprint=root).policy.ledger
    if ledger is None:
        raise SettingsFault(
            f"policy {policy_file} names no ledger",
            expected="the policy of an agency that keeps one",
            next_step="ask the agency for its newest policy",
        )
    try:
        keys = tuple(VerifierKey(ledger.origin, ED25519_TYPE, key).text for key in ledger.keys)
    except LedgerRefused as error:
        raise SettingsFault(
            f"policy {policy_file} names a key that cannot be trusted ({error})",
            expected="Ed25519 keys",
            next_step="tell the agency",
        ) from error
    return trust_log(config, ledger.origin, keys)


def trust_log(config: Path, origin: str | None, keys: tuple[str, ...]) -> int:
    """Add a log to the settings; the file is the old one or the new one at every instant."""
    if origin is None or not keys:
        raise SettingsFault(
            "no ledger is named",
            expected="--origin with at least one --key, or --policy with --root",
            next_step="ask the agency for them",
        )
    settings = read_settings(config, WitnessProgramSettings)
    known = next((log for log in settings.logs if log.origin == origin), None)
    if known is not None:
        if set(known.keys) == set(keys):
            print(f"{origin} is watched already, with these keys")
            return 0
        raise SettingsFault(
            f"{config} names {origin} already, with other keys",
            expected="a ledger that is new here",
            next_step=f"find out why the agency has a new key; then change the keys of this ledger in {config} by hand",
        )
    text = config.read_text(encoding="utf-8") + toml_text({"logs": [{"origin": origin, "keys": keys}]}, comment="")[1:]
    load_settings(text, str(config), WitnessProgramSettings)
    replace(config, text.encode())
    print(f"{origin} is watched from the next start of the witness on")
    return 0
