"""The command line that all campaigns share: --seed, --budget, --json, progress, and exit codes that mean the same everywhere."""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from scripts.campaigns.result import Row, save, show

TABLE_WIDTH: Final = 120
_QUIET_SECONDS: Final = 10.0
"""Where nobody watches a terminal, progress is a line this often."""
_EXIT_CODES: Final = "exit code: 0 it ran and every target holds; 1 it ran, and something falls short or was violated; 2 it could not run"


class CannotRun(Exception):
    """The campaign could not run: what was found, what was expected, and what to do next."""

    def __init__(self, found: str, *, expected: str, next_step: str) -> None:
        """Take the three."""
        super().__init__(f"{found}; expected {expected}. Next: {next_step}")


class Progress:
    """Says what goes on, to whoever waits: on a terminal a line that changes, elsewhere a line now and then."""

    def __init__(self, console: Console) -> None:
        """Take where to say it."""
        self._console, self._status = console, console.status("starting") if console.is_terminal else None
        self._said_at_s = self._began_s = time.monotonic()

    def __enter__(self) -> "Progress":
        """Begin."""
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        if self._status is not None:
            self._status.stop()

    def say(self, words: str) -> None:
        """Say what is being done now; cheap enough to call often."""
        now_s = time.monotonic()
        if self._status is not None:
            self._status.update(f"{now_s - self._began_s:5.0f} s  {words}")
        elif now_s - self._said_at_s >= _QUIET_SECONDS:
            self._said_at_s = now_s
            self._console.print(f"{now_s - self._began_s:5.0f} s  {words}", highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Order:
    """What a campaign is told. ``budget_s`` is the time it may take, about; what it does at least, it does without one."""

    seed: int
    budget_s: float
    progress: Progress
    only: str | None = None
    """The one part that is asked for, of those that the campaign names."""

    def stream(self, name: str) -> random.Random:
        """Return a generator of its own for each part, so that a new draw in one does not shift another's."""
        return random.Random(f"{self.seed}/{name}")


@dataclass(frozen=True, slots=True)
class Campaign:
    """Something to run: a sentence for --help, the budget where none is given, and the run itself.

    The run raises `CannotRun` where something that it needs is not there.
    """

    summary: str
    budget_s: float
    run: Callable[[Order], Sequence[Row]]
    parts: tuple[str, ...] = ()
    """Names of parts that can be run alone with --only."""


def main(program: str, campaigns: Mapping[str, Campaign] | Campaign, arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names and return the exit code."""
    options = _parser(program, campaigns).parse_args(arguments)
    campaign = campaigns if isinstance(campaigns, Campaign) else campaigns[options.name]
    title = program if isinstance(campaigns, Campaign) else f"{program} {options.name}"
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    console = Console(stderr=True)
    try:
        _require_writable(options.json)
        with Progress(console) as progress:
            budget_s = campaign.budget_s if options.budget is None else options.budget
            rows = campaign.run(Order(seed, budget_s, progress, getattr(options, "only", None)))
        if options.json is not None:
            save(rows, options.json)
    except (CannotRun, OSError) as error:
        print(f"{title}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{title}: stopped; nothing was written", file=sys.stderr)
        return 2
    if sys.stdout.isatty():
        show(f"{title}, seed {seed}", rows, Console())
    else:
        show(f"{title}, seed {seed}", rows, Console(width=TABLE_WIDTH))
    return 1 if any(row.holds is False for row in rows) else 0


def _require_writable(path: Path | None) -> None:
    """Find out before the run, not after it, that its result cannot be written."""
    if path is None:
        return
    folder = path.absolute().parent
    if path.is_dir() or not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise CannotRun(
            f"--json {path} cannot be written", expected="a file in a folder that is there", next_step="name another"
        )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 7 * 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no budget: write seconds, more than 0 and at most a week")
    return seconds


def _parser(program: str, campaigns: Mapping[str, Campaign] | Campaign) -> argparse.ArgumentParser:
    if isinstance(campaigns, Campaign):
        description, example = campaigns.summary, f"  ./scripts/{program} --budget 60 --seed 1 --json f.json"
    else:
        width = max(len(name) for name in campaigns) + 2
        lines = (f"  {name:{width}}{campaign.summary}" for name, campaign in campaigns.items())
        description = "\n".join(("names:", *lines))
        example = f"  ./scripts/{program} {next(iter(campaigns))} --budget 60 --seed 1 --json f.json"
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=f"example:\n{example}\n\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if not isinstance(campaigns, Campaign):
        parser.add_argument("name", choices=tuple(campaigns), metavar="NAME", help="one of the names above")
    parser.add_argument("--seed", type=int, help="decides everything drawn; printed at the end (default: a new one)")
    parser.add_argument(
        "--budget", type=_seconds, metavar="SECONDS", help="how long it may take, about; more finds more"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the result for machines")
    if isinstance(campaigns, Campaign) and campaigns.parts:
        only = "one part alone; a word that is none names them all"
        parser.add_argument("--only", metavar="PART", choices=campaigns.parts, help=only)
    return parser
