"""The command line of `witness`: reads arguments, and imports what does the work only when it is asked for."""

import argparse
from pathlib import Path


def add_witness(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `witness` with its actions."""
    witness = commands.add_parser("witness", help="watch ledgers of others, on a machine of one's own, and cosign them")
    actions = witness.add_subparsers(metavar="ACTION", required=True)

    made = actions.add_parser("init", help="make a witness: its key, its state folder and its settings")
    made.add_argument("folder", metavar="DIR", type=Path, help="a new or an empty folder")
    made.add_argument("--name", required=True, help="its name for ever, best like an address: witness.example.org/w1")
    made.set_defaults(run=_witness_init)

    trusted = actions.add_parser("trust", help="add a ledger to those that it watches")
    _add_config(trusted)
    trusted.add_argument("--origin", help="the ledger's name, the first line of its checkpoints")
    trusted.add_argument(
        "--key", metavar="VKEY", action="append", default=[], help="a key of the ledger; may be repeated"
    )
    trusted.add_argument("--policy", metavar="FILE", type=Path, help="or an agency's signed policy, which names both")
    trusted.add_argument("--root", metavar="FINGERPRINT", help="the agency's root fingerprint, as it published it")
    trusted.set_defaults(run=_witness_trust)

    served = actions.add_parser("run", help="serve until stopped")
    _add_config(served)
    served.add_argument("--events", action="store_true", help="print what happens, one JSON object a line")
    served.set_defaults(run=_witness_run)

    shown = actions.add_parser("show", help="show what it last saw; the server need not run")
    _add_config(shown)
    shown.add_argument("--json", action="store_true", help="print one JSON object")
    shown.set_defaults(run=_witness_show)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", type=Path, default=Path("witness.toml"), help="the settings (witness.toml)"
    )


def _witness_init(options: argparse.Namespace) -> int:
    from dockd.central.adapters.system import SystemEntropy
    from dockd.central.commands.witness import init_witness

    return init_witness(options.folder, name=options.name, entropy=SystemEntropy())


def _witness_trust(options: argparse.Namespace) -> int:
    from dockd.central.commands.witness import trust_log, trust_policy

    if options.policy is not None or options.root is not None:
        return trust_policy(options.config, options.policy, options.root, has_more=bool(options.origin or options.key))
    return trust_log(options.config, options.origin, tuple(options.key))


def _witness_run(options: argparse.Namespace) -> int:
    from dockd.central.commands.witness_run import run_witness

    return run_witness(options.config, has_events=options.events)


def _witness_show(options: argparse.Namespace) -> int:
    from dockd.central.commands.witness_run import show_witness

    return show_witness(options.config, as_json=options.json)
