"""`sealcam-camera`: what can be said of this camera without a sensor. Recording needs the board's camera and buttons, whose
adapters are still to come; until then the bench records, with this firmware over simulated ones.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from firmware.adapters.device_key import new_device_key, open_device_key, public_pem
from firmware.adapters.file_store import FileStore
from firmware.adapters.settings_file import read_settings
from firmware.adapters.trust_files import load_enrolment, load_policy
from firmware.errors import CameraSoftwareError
from firmware.settings import CameraSettings
from protocol.errors import SettingsError
from protocol.keys import camera_id
from protocol.layout import CHAIN_NAME, parse_shift_folder
from protocol.units import CHAIN_SIZE_BYTES_MAX
from protocol.verify.chain import verify_chain

_EXAMPLES: Final = """examples:
  sealcam-camera make-key --config /etc/sealcam/camera.toml --out camera-key.pem
  sealcam-camera check    --config /etc/sealcam/camera.toml

exit code: 0 ready; 1 something is not; 2 the settings cannot be used"""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the camera, and whether it is ready."""

    part: str
    is_ready: bool
    words: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="sealcam-camera",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="say part by part whether this camera is ready")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.set_defaults(run=_check)
    made = commands.add_parser(
        "make-key", help="make this camera's device key, in a file or in a token as the settings say"
    )
    made.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE.pem",
        help="where the public half goes, for sealcam-central enrol",
    )
    made.set_defaults(run=_make_key)
    for command in (check, made):
        command.add_argument(
            "--config", type=Path, default=Path("camera.toml"), metavar="FILE", help="the settings (camera.toml)"
        )
    options = parser.parse_args(arguments)
    try:
        settings = read_settings(options.config)
    except CameraSoftwareError as error:
        print(f"sealcam-camera: {error}. {error.diagnosis()}", file=sys.stderr)
        return 2
    except SettingsError as error:
        print(f"sealcam-camera: {error}", file=sys.stderr)
        return 2
    return int(options.run(settings, options))


def _make_key(settings: CameraSettings, options: argparse.Namespace) -> int:
    try:
        key = new_device_key(settings)
        options.out.write_bytes(public_pem(key.public_key))
    except CameraSoftwareError as error:
        print(f"sealcam-camera: {error}. {error.diagnosis()}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"sealcam-camera: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"camera {camera_id(key.public_key).hex()}: give {options.out} to sealcam-central enrol --camera-key")
    return 0


def _check(settings: CameraSettings, options: argparse.Namespace) -> int:
    parts = [_checked(name, look, settings) for name, look in _LOOKS]
    if options.json:
        print(
            json.dumps(
                {"is_ready": all(part.is_ready for part in parts), "parts": [asdict(part) for part in parts]}, indent=2
            )
        )
    else:
        for part in parts:
            print(f"{'ready    ' if part.is_ready else 'NOT READY'}  {part.part:10} {part.words}")
    return 0 if all(part.is_ready for part in parts) else 1


def _checked(name: str, look: Callable[[CameraSettings], str], settings: CameraSettings) -> Part:
    try:
        return Part(name, True, look(settings))
    except CameraSoftwareError as error:
        return Part(name, False, f"{error}. {error.diagnosis()}")
    except OSError as error:
        return Part(name, False, f"{error.filename}: {error.strerror}")


def _device_key(settings: CameraSettings) -> str:
    return f"camera {camera_id(open_device_key(settings).public_key).hex()}"


def _policy(settings: CameraSettings) -> str:
    policy = load_policy(settings.policy_file, root_fingerprint=bytes.fromhex(settings.root_fingerprint)).policy
    return f"{policy.agency}, version {policy.version}; erases behind receipts that say {policy.erase_level}"


def _enrolment(settings: CameraSettings) -> str:
    policy = load_policy(settings.policy_file, root_fingerprint=bytes.fromhex(settings.root_fingerprint))
    load_enrolment(settings.enrolment_file, policy=policy, camera_key=open_device_key(settings).public_key)
    return "this camera is enrolled"


def _card(settings: CameraSettings) -> str:
    store = FileStore(settings.card_folder)
    free = store.free_bytes()
    if free <= settings.reserve_bytes:
        raise CameraSoftwareError(
            f"{free:,d} bytes free, more than {settings.reserve_bytes:,d} expected: dock the camera"
        )
    if not os.access(settings.card_folder, os.W_OK | os.X_OK):
        raise CameraSoftwareError(f"{settings.card_folder} cannot be written by this user")
    shifts = [folder for folder in store.folders() if parse_shift_folder(folder) is not None]
    unread = [folder for folder in shifts if not _is_sound(store, folder)]
    if unread:
        raise CameraSoftwareError(
            f"{len(unread)} of {len(shifts)} shifts have findings, the first in {unread[0]}: dock the camera"
        )
    held = sum(file.size_bytes for folder in shifts for file in store.files(folder))
    return f"{free:,d} bytes free; {len(shifts)} shifts with {held:,d} bytes that are not erased"


def _is_sound(store: FileStore, folder: str) -> bool:
    report = verify_chain(store.read(folder, CHAIN_NAME, 0, CHAIN_SIZE_BYTES_MAX))
    return report is not None and not any(
        finding.finding_class in ("altered", "incomplete")
        and finding.kind not in ("chain-not-closed", "recording-not-ended")
        for finding in report.findings
    )


def _dock_port(settings: CameraSettings) -> str:
    if not Path(settings.dock_port).exists():
        raise CameraSoftwareError(
            f"{settings.dock_port} is not there: load the USB gadget (g_serial), or name another port"
        )
    return settings.dock_port


_LOOKS: Final = (
    ("device key", _device_key),
    ("policy", _policy),
    ("enrolment", _enrolment),
    ("card", _card),
    ("dock port", _dock_port),
)

if __name__ == "__main__":
    sys.exit(main())
