"""The command line of `ledger`, and what `provision` asks about the ledger of a new agency."""

import argparse
from pathlib import Path

from dockd.central.core.ledger_plan import NewLedger, new_ledger
from dockd.central.errors import SettingsFault


def add_ledger(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `ledger`."""
    ledger = commands.add_parser("ledger", help="keep the ledger that receipts are proved by, until stopped")
    ledger.add_argument("--config", metavar="FILE", type=Path, default=Path("central.toml"), help="the settings")
    ledger.add_argument("--events", action="store_true", help="print what happens, one JSON object a line")
    ledger.set_defaults(run=_ledger)


def add_ledger_options(provision: argparse.ArgumentParser) -> None:
    """Add what a new agency's ledger is."""
    provision.add_argument("--ledger", action="store_true", help="keep a ledger; cameras erase only what stands in it")
    provision.add_argument("--ledger-origin", metavar="NAME", help="its name (the agency's, and /sealcam)")
    provision.add_argument(
        "--witness", metavar="VKEY", action="append", default=[], help="a witness's verifier key; may be repeated"
    )
    provision.add_argument(
        "--witness-url", metavar="URL", action="append", default=[], help="where it answers; as often as --witness"
    )
    provision.add_argument(
        "--witness-threshold", metavar="K", type=int, help="how many must cosign (all that are named)"
    )


def ledger_of(options: argparse.Namespace) -> NewLedger | None:
    """Return the ledger that the options ask for.

    Raises:
        SettingsFault: they contradict each other, or cannot be.
    """
    said = options.ledger_origin, options.witness, options.witness_url, options.witness_threshold
    if not options.ledger:
        if any(value not in (None, []) for value in said):
            raise SettingsFault(
                "there is an option about a ledger, and none is to be kept",
                expected="--ledger with it",
                next_step="add --ledger; nothing was made",
            )
        return None
    if len(options.witness) != len(options.witness_url):
        raise SettingsFault(
            f"{len(options.witness)} witnesses and {len(options.witness_url)} URLs",
            expected="one --witness-url for each --witness, in the same order",
            next_step="write what is missing; nothing was made",
        )
    return new_ledger(
        options.agency,
        origin=options.ledger_origin,
        witnesses=tuple(zip(options.witness, options.witness_url, strict=True)),
        witness_threshold=options.witness_threshold,
    )


def _ledger(options: argparse.Namespace) -> int:
    from dockd.central.commands.ledger import run_ledger

    return run_ledger(options.config, has_events=options.events)
