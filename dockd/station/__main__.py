"""`sealcam-dock`: the docking station.

Reads arguments, turns faults into one sentence, and decides nothing else.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dockd.shared.errors import DockdError, OperatingError
from dockd.station.commands.look import check, status
from dockd.station.commands.run import run
from protocol.errors import SettingsError

_EXAMPLES: Final = """examples:
  sealcam-dock check  --config /etc/sealcam/dock.toml
  sealcam-dock run    --config /etc/sealcam/dock.toml
  sealcam-dock run    --config dock.toml --events        one JSON object a line, for programs
  sealcam-dock status --config /etc/sealcam/dock.toml
  sealcam-dock status --config /etc/sealcam/dock.toml --json

exit code: 0 fine; 1 something is in trouble, or a fault ended the dock; 2 settings, files or ports cannot be used
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    os.umask(0o077)
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except (OperatingError, SettingsError) as error:
        return _complain(str(error), 2)
    except DockdError as error:  # what is durable is not known: end, and look again at the next start
        return _complain(f"{error}. Next: start the dock again; cameras keep what has no receipt", 1)
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _complain(text: str, code: int) -> int:
    print(f"sealcam-dock: {text}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sealcam-dock",
        description="The docking station: take custody of docked cameras, verify, hold, offload, bring receipts back.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    config = argparse.ArgumentParser(add_help=False)
    config.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="settings, as in deploy/dock.example.toml"
    )
    runs = commands.add_parser("run", parents=[config], help="serve all bays until told to end")
    runs.add_argument("--events", action="store_true", help="say what happens as JSON lines on standard output")
    runs.set_defaults(run=lambda options: run(options.config, has_events=options.events))
    checks = commands.add_parser("check", parents=[config], help="try settings, key, spool, ports and broker")
    checks.set_defaults(run=lambda options: check(options.config))
    looks = commands.add_parser("status", parents=[config], help="say what each bay of the running dock does")
    looks.add_argument("--json", action="store_true", help="the whole status as JSON")
    looks.set_defaults(run=lambda options: status(options.config, is_json=options.json))
    return parser


if __name__ == "__main__":
    sys.exit(main())
