"""`sealcam-central`: the agency's storage.

Reads arguments, turns faults into one sentence, and decides nothing else.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dockd.central.commands.ledger_arguments import add_ledger, add_ledger_options, ledger_of
from dockd.central.commands.policy_arguments import add_policy
from dockd.central.commands.witness_options import add_witness
from dockd.central.errors import EvidenceFault, ObjectMissing
from dockd.shared.errors import DockdError, OperatingError
from protocol.errors import SettingsError

REASON_LENGTH_MAX: Final = 500
BROKER_PORT: Final = 8883
_EXAMPLES: Final = """examples:
  sealcam-central provision agency --agency "City of Example" --camera CAM-1
  sealcam-central enrol agency --serial CAM-2 --camera-key CAM-2.pem
  sealcam-central policy new agency --out next.policy --revoke-camera 0011…32 hex digits…
  sealcam-central vault  --config agency/vault/vault.toml
  sealcam-central ingest --config agency/central/central.toml --events
  sealcam-central ledger --config agency/central/central.toml --events
  sealcam-central list   --config agency/central/central.toml
  sealcam-central show 3f9a --config agency/central/central.toml
  sealcam-central play 3f9a --config agency/central/central.toml --out 3f9a.mp4 --reason "case 12-345, review"
  sealcam-central witness init  w --name witness.example.org/w1
  sealcam-central witness trust --config w/witness.toml --policy policy --root FINGERPRINT
  sealcam-central witness run   --config w/witness.toml --events

exit code: 0 fine; 1 findings, or the footage asked for is not what it should be; 2 settings, files or machines cannot
be used
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    os.umask(0o077)
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except (EvidenceFault, ObjectMissing) as error:
        return _complain(error, 1)
    except (OperatingError, SettingsError) as error:
        return _complain(error, 2)
    except DockdError as error:  # what is durable is not known: end, and look again at the next start
        return _complain(error, 1)
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _complain(error: Exception, code: int) -> int:
    print(f"sealcam-central: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sealcam-central",
        description="The agency's storage: verify again, store, receipt; and look at what is stored.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_services(commands)
    _add_looking(commands)
    _add_provisioning(commands)
    add_policy(commands)
    add_witness(commands)
    return parser


def _add_services(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    ingest = commands.add_parser("ingest", help="take files from docks over the broker, until stopped")
    _add_config(ingest)
    ingest.add_argument("--events", action="store_true", help="print what happens, one JSON object a line")
    ingest.set_defaults(run=_ingest)

    vault = commands.add_parser("vault", help="hold the key that opens footage, until stopped; prints every opening")
    _add_config(vault, name="vault.toml")
    vault.set_defaults(run=_vault)

    add_ledger(commands)

    check = commands.add_parser(
        "check",
        help="say whether all that the settings name can be used; a running ingest loses its broker for a second",
    )
    _add_config(check)
    check.set_defaults(run=_check)


def _add_looking(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = commands.add_parser("list", help="list the recordings, and what is in quarantine")
    _add_config(listing)
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    listing.set_defaults(run=_list)

    shown = commands.add_parser("show", help="show one recording, and the verdict on its shift")
    shown.add_argument("recording", metavar="RECORDING", help="the first digits of its id")
    _add_config(shown)
    shown.add_argument("--json", action="store_true", help="print one JSON object")
    shown.set_defaults(run=_show)

    played = commands.add_parser("play", help="have the vault open a recording, and write it as MP4")
    played.add_argument("recording", metavar="RECORDING", help="the first digits of its id")
    _add_config(played)
    played.add_argument("--out", metavar="FILE.mp4", type=Path, required=True, help="the file to make")
    played.add_argument("--reason", type=_reason, required=True, help="why; the vault writes it down")
    played.set_defaults(run=_play)


def _add_provisioning(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    provision = commands.add_parser(
        "provision", help="make a new agency: root, policy, central, vault, escrow, docks, TLS"
    )
    provision.add_argument("folder", metavar="DIR", type=Path, help="a new or an empty folder")
    provision.add_argument("--agency", metavar="NAME", required=True, help="the agency's name, at most 64 characters")
    provision.add_argument(
        "--dock", metavar="NAME", action="append", help="a dock, as dock-…; may be repeated (dock-a)"
    )
    provision.add_argument(
        "--camera", metavar="SERIAL", action="append", default=[], help="enrol a camera; may be repeated"
    )
    provision.add_argument("--broker-host", default="localhost", help="the broker's name (localhost)")
    provision.add_argument("--broker-port", type=int, default=BROKER_PORT, help=f"({BROKER_PORT})")
    add_ledger_options(provision)
    provision.set_defaults(run=_provision)

    enrol = commands.add_parser("enrol", help="enrol one more camera")
    enrol.add_argument("folder", metavar="DIR", type=Path, help="the agency's folder")
    enrol.add_argument("--serial", required=True, help="1 to 32 of A-Z, 0-9 and -")
    enrol.add_argument(
        "--camera-key", metavar="FILE", type=Path, help="the camera's public key (PEM), which it made itself"
    )
    enrol.add_argument(
        "--place-on-camera",
        metavar="DIR",
        type=Path,
        help="where its files will stand on the camera (where they are made)",
    )
    enrol.set_defaults(run=_enrol)


def _add_config(parser: argparse.ArgumentParser, *, name: str = "central.toml") -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, default=Path(name), help=f"the settings ({name})")


def _reason(text: str) -> str:
    if not 1 <= len(text.strip()) <= REASON_LENGTH_MAX:
        raise argparse.ArgumentTypeError(f"write a reason of 1 to {REASON_LENGTH_MAX} characters")
    return text.strip()


def _ingest(options: argparse.Namespace) -> int:
    from dockd.central.commands.ingest import run_ingest

    return run_ingest(options.config, has_events=options.events)


def _vault(options: argparse.Namespace) -> int:
    from dockd.central.commands.vault import run_vault

    return run_vault(options.config)


def _check(options: argparse.Namespace) -> int:
    from dockd.central.commands.ingest import run_check

    return run_check(options.config)


def _list(options: argparse.Namespace) -> int:
    from dockd.central.commands.looking import list_recordings

    return list_recordings(options.config, as_json=options.json)


def _show(options: argparse.Namespace) -> int:
    from dockd.central.commands.looking import show

    return show(options.config, options.recording, as_json=options.json)


def _play(options: argparse.Namespace) -> int:
    from dockd.central.commands.looking import play

    return play(options.config, options.recording, out=options.out, reason=options.reason)


def _provision(options: argparse.Namespace) -> int:
    from dockd.central.adapters.system import SystemClock, SystemEntropy
    from dockd.central.commands.provision import enrol_camera, provision_agency, require_serial

    clock, entropy = SystemClock(), SystemEntropy()
    for serial in options.camera:
        require_serial(serial)
    made = provision_agency(
        options.folder,
        agency=options.agency,
        entropy=entropy,
        now_ms=clock.unix_ms(),
        docks=tuple(options.dock or ("dock-a",)),
        broker_host=options.broker_host,
        broker_port=options.broker_port,
        ledger=ledger_of(options),
    )
    for serial in options.camera:
        enrol_camera(options.folder, serial=serial, entropy=entropy, now_ms=clock.unix_ms())
    print(f"{options.agency}: policy version 1 in {options.folder}")
    print(f"root fingerprint, to be published: {made.policy.root.fingerprint.hex()}")
    print(f"Now move {options.folder / 'root'} and {options.folder / 'escrow'} to where they are kept offline.")
    return 0


def _enrol(options: argparse.Namespace) -> int:
    from dockd.central.adapters.system import SystemClock, SystemEntropy
    from dockd.central.commands.provision import enrol_camera

    camera = enrol_camera(
        options.folder,
        serial=options.serial,
        camera_key_file=options.camera_key,
        place_on_camera=options.place_on_camera,
        entropy=SystemEntropy(),
        now_ms=SystemClock().unix_ms(),
    )
    print(f"camera {options.serial}, id {camera.camera_id.hex()}: copy {camera.folder} to it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
