"""The bench's witnesses: outsiders, each with a folder, a key and a state of its own, which the agency knows by key and address only."""

import contextlib
import io
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dockd.central.adapters.settings_file import read_settings
from dockd.central.adapters.system import SystemEntropy
from dockd.central.commands.witness import SETTINGS_FILE, init_witness, trust_policy
from dockd.central.witness_settings import WitnessProgramSettings

WITNESSES_MAX: Final = 8
_HOST: Final = "127.0.0.1"
_PORT_LINE: Final = re.compile(r"^port = \d+\n", flags=re.MULTILINE)
_KEY_FILE: Final = "verifier-key"


@dataclass(frozen=True, slots=True)
class BenchWitness:
    """One witness in one folder."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "BenchWitness":
        """Make a witness, as `sealcam-central witness init` does."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            init_witness(folder, name=f"{folder.name}.example", entropy=SystemEntropy())
        (folder / _KEY_FILE).write_text(said.getvalue().strip() + "\n")
        return cls(folder)

    @property
    def name(self) -> str:
        """Return what the bench calls it."""
        return self.folder.name

    @property
    def settings(self) -> Path:
        """Return its settings."""
        return self.folder / SETTINGS_FILE

    @property
    def verifier_key(self) -> str:
        """Return the line that it gave to the agency."""
        return (self.folder / _KEY_FILE).read_text().strip()

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://{_HOST}:{read_settings(self.settings, WitnessProgramSettings).port}"

    def trust(self, policy_file: Path, fingerprint: str) -> None:
        """Have it watch the ledger that the agency's policy names."""
        with contextlib.redirect_stdout(io.StringIO()):
            trust_policy(self.settings, policy_file, fingerprint, has_more=False)

    def move_to_free_port(self) -> None:
        """Let it answer at a port that nobody uses now; another start may find the last one taken."""
        with socket.socket() as listener:
            listener.bind((_HOST, 0))
            port = listener.getsockname()[1]
        text = _PORT_LINE.sub("", self.settings.read_text())
        # Before the tables: a key behind one would be the table's.
        head, bracket, tables = text.partition("\n[[")
        self.settings.write_text(f"{head.rstrip()}\nport = {port}\n{bracket}{tables}")


def make_witnesses(out: Path, count: int) -> tuple[BenchWitness, ...]:
    """Make so many witnesses below the bench's folder, each of them elsewhere as far as the agency is concerned."""
    return tuple(BenchWitness.make(out / f"witness-{number}") for number in range(1, count + 1))


def find_witnesses(out: Path) -> tuple[BenchWitness, ...]:
    """Return the witnesses that an earlier run made."""
    return tuple(BenchWitness(path.parent) for path in sorted(out.glob(f"witness-*/{SETTINGS_FILE}")))
