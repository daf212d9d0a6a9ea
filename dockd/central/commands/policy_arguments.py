"""The command line of `policy`."""

import argparse
from pathlib import Path
from typing import Final

_KEY_HEX_DIGITS: Final = 64
_CAMERA_HEX_DIGITS: Final = 32
_EXAMPLES: Final = """examples:
  sealcam-central policy new agency --out next.policy --revoke-camera 0011…32 hex digits…
  sealcam-central policy show next.policy --against agency/policy/policy
  sealcam-central policy sign next.policy --key root-1.key
  sealcam-central policy sign next.policy --key root-3.key
  sealcam-central policy publish agency next.policy
"""


def add_policy(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `policy` with its four steps."""
    policy = commands.add_parser(
        "policy",
        help="make, sign and publish the next policy: rotate keys, revoke cameras, name witnesses",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    steps = policy.add_subparsers(metavar="STEP", required=True)

    new = steps.add_parser("new", help="write a draft of the next version")
    new.add_argument("agency", metavar="DIR", type=Path, help="the agency's folder")
    new.add_argument("--out", metavar="FILE", type=Path, required=True, help="the draft to make")
    for what in ("central-key", "dock-key", "witness-key"):
        for verb in ("add", "remove"):
            new.add_argument(
                f"--{verb}-{what}", metavar="HEX", type=_key, action="append", default=[], help="Ed25519, 64 hex digits"
            )
    new.add_argument("--witness-threshold", metavar="K", type=int, help="how many witnesses must have cosigned")
    for verb in ("revoke", "restore"):
        new.add_argument(
            f"--{verb}-camera", metavar="ID", type=_camera, action="append", default=[], help="camera id, 32 hex digits"
        )
    new.add_argument("--erase-level", choices=("stored", "locked"), help="what a receipt must say")
    new.set_defaults(run=_new)

    shown = steps.add_parser("show", help="say what a policy or a draft says, and who has signed it")
    shown.add_argument("file", metavar="FILE", type=Path)
    shown.add_argument("--against", metavar="FILE", type=Path, help="say also what is otherwise than in this one")
    shown.set_defaults(run=_show)

    signed = steps.add_parser("sign", help="add the signature of one root key to a draft")
    signed.add_argument("file", metavar="FILE", type=Path, help="the draft; the signature is put into it")
    signed.add_argument("--key", metavar="FILE", type=Path, required=True, help="a root key, mode 0600")
    signed.add_argument("--against", metavar="FILE", type=Path, help="say first what is otherwise than in this one")
    signed.set_defaults(run=_sign)

    published = steps.add_parser("publish", help="put a policy that enough have signed where it is read")
    published.add_argument("agency", metavar="DIR", type=Path, help="the agency's folder")
    published.add_argument("file", metavar="FILE", type=Path)
    published.set_defaults(run=_publish)


def _key(text: str) -> bytes:
    return _hex(text, _KEY_HEX_DIGITS)


def _camera(text: str) -> bytes:
    return _hex(text, _CAMERA_HEX_DIGITS)


def _hex(text: str, digit_count: int) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) * 2 != digit_count:
        raise argparse.ArgumentTypeError(f"{text!r} is not {digit_count} hex digits")
    return value


def _new(options: argparse.Namespace) -> int:
    from dockd.central.adapters.system import SystemClock
    from dockd.central.commands.policy import policy_new
    from dockd.central.core.policy_draft import Changes

    changes = Changes(
        add_central_keys=tuple(options.add_central_key),
        remove_central_keys=tuple(options.remove_central_key),
        add_dock_keys=tuple(options.add_dock_key),
        remove_dock_keys=tuple(options.remove_dock_key),
        add_witness_keys=tuple(options.add_witness_key),
        remove_witness_keys=tuple(options.remove_witness_key),
        witness_threshold=options.witness_threshold,
        revoke_cameras=tuple(options.revoke_camera),
        restore_cameras=tuple(options.restore_camera),
        erase_level=options.erase_level,
    )
    return policy_new(options.agency, options.out, changes, now_ms=SystemClock().unix_ms())


def _show(options: argparse.Namespace) -> int:
    from dockd.central.commands.policy import policy_show

    return policy_show(options.file, against=options.against)


def _sign(options: argparse.Namespace) -> int:
    from dockd.central.commands.policy import policy_sign

    return policy_sign(options.file, key_file=options.key, against=options.against)


def _publish(options: argparse.Namespace) -> int:
    from dockd.central.commands.policy import policy_publish

    return policy_publish(options.agency, options.file)
