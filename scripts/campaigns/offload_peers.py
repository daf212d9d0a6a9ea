"""The peers of the offload: rsync to a daemon, plain and through TLS, and cp; each followed by SHA-256 over what arrived."""

import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hw_sim.bench.agency import DOCK, BenchAgency
from hw_sim.bench.child import tied_to_parent
from scripts.campaigns.command import CannotRun

_HOST: Final = "127.0.0.1"
_START_S_MAX: Final = 10.0
_STOP_S_MAX: Final = 5.0
_COPY_S_MAX: Final = 1800.0
_PIECE_BYTES: Final = 1 << 20
_PACKAGES: Final = {"rsync": "rsync", "stunnel4": "stunnel4", "cp": "coreutils", "sha256sum": "coreutils"}


@dataclass(frozen=True, slots=True)
class Peers:
    """The servers that run, and the programs."""

    programs: Mapping[str, str]
    plain_port: int
    tls_port: int

    def rsync(self, files: Sequence[Path], module: str, target: Path, *, has_tls: bool = False) -> float:
        """Return the seconds from the start of rsync until each file at ``target``, synced there, has the hash of its source."""
        port = self.tls_port if has_tls else self.plain_port
        sources, wanted = [str(file) for file in files], hashes(files)
        began_s = time.monotonic()
        _run([self.programs["rsync"], "--fsync", "--whole-file", *sources, f"rsync://{_HOST}:{port}/{module}/"])
        found = hashes([target / file.name for file in files])
        seconds = time.monotonic() - began_s
        _require_same(found, wanted)
        _clear(target)
        return seconds

    def cp(self, files: Sequence[Path], target: Path) -> float:
        """Return the seconds that cp and sha256sum take; nothing is synced."""
        began_s = time.monotonic()
        _run([self.programs["cp"], "--", *(str(file) for file in files), str(target)])
        _run([self.programs["sha256sum"], "--", *(str(target / file.name) for file in files)])
        seconds = time.monotonic() - began_s
        _clear(target)
        return seconds


def require_programs() -> Mapping[str, str]:
    """Return where each program is.

    Raises:
        CannotRun: it names those that are missing, and how to install them.
    """
    found = {name: shutil.which(name) for name in _PACKAGES}
    missing = sorted({_PACKAGES[name] for name, path in found.items() if path is None})
    if missing:
        raise CannotRun(
            f"the peers need what is not installed: {', '.join(missing)}",
            expected="it on PATH",
            next_step=f"as root: apt-get install {' '.join(missing)}",
        )
    return {name: path for name, path in found.items() if path is not None}


@contextmanager
def serving(
    programs: Mapping[str, str], folder: Path, modules: Mapping[str, Path], agency: BenchAgency
) -> Iterator[Peers]:
    """Run an rsync daemon on loopback that writes into ``modules``, and TLS before it, with the certificates of the broker and dock."""
    folder.mkdir()
    plain, tls, client = _free_ports(3)
    daemon = folder / "rsyncd.conf"
    sections = "".join(f"[{name}]\npath = {path}\nread only = false\n" for name, path in modules.items())
    daemon.write_text(f"use chroot = false\nuid = {os.geteuid()}\ngid = {os.getegid()}\nmax verbosity = 0\n{sections}")
    broker, dock = agency.broker_tls, agency.dock_settings.parent
    both = "foreground = yes\npid =\ndebug = err\nsslVersionMin = TLSv1.3\nverifyChain = yes\n[rsync]\n"
    server_file, client_file = folder / "server.conf", folder / "client.conf"
    server_file.write_text(
        f"{both}accept = {_HOST}:{tls}\nconnect = {_HOST}:{plain}\ncert = {broker.certificate_file}\n"
        f"key = {broker.key_file}\nCAfile = {broker.ca_file}\n"
    )
    client_file.write_text(
        f"{both}client = yes\naccept = {_HOST}:{client}\nconnect = {_HOST}:{tls}\ncert = {dock / DOCK}.pem\n"
        f"key = {dock / DOCK}.key\nCAfile = {dock / 'ca.pem'}\ncheckIP = {_HOST}\n"
    )
    rsync = [
        programs["rsync"],
        "--daemon",
        "--no-detach",
        f"--config={daemon}",
        f"--port={plain}",
        f"--address={_HOST}",
    ]
    with ExitStack() as stack:
        for command, port in (
            (rsync, plain),
            ([programs["stunnel4"], str(server_file)], tls),
            ([programs["stunnel4"], str(client_file)], client),
        ):
            stack.enter_context(_server(command, port, folder / "log"))
        yield Peers(programs, plain, client)


def hashes(files: Sequence[Path]) -> dict[str, str]:
    """Return SHA-256 of each file."""
    found = {}
    for path in files:
        state = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                state.update(piece)
        found[path.name] = state.hexdigest()
    return found


@contextmanager
def _server(command: Sequence[str], port: int, log_file: Path) -> Iterator[None]:
    with log_file.open("ab") as log:
        process = subprocess.Popen(tied_to_parent(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline_s = time.monotonic() + _START_S_MAX
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline_s:
                said = " | ".join(log_file.read_text(errors="replace").splitlines()[-4:])
                raise CannotRun(
                    f"{command[0]} does not listen on port {port} ({said or 'it said nothing'})",
                    expected=f"it within {_START_S_MAX:.0f} s",
                    next_step="try again; another program may have taken the port",
                )
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) == 0


def _free_ports(count: int) -> tuple[int, ...]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((_HOST, 0))
        return tuple(probe.getsockname()[1] for probe in probes)
    finally:
        for probe in probes:
            probe.close()


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=_COPY_S_MAX,
    )
    if done.returncode:
        raise CannotRun(
            f"{command[0]} ended with exit code {done.returncode} ({' | '.join(done.stderr.splitlines()[-3:])})",
            expected="0",
            next_step="look at what it says",
        )


def _require_same(found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    assert found == wanted, "rsync brought other bytes than it was given"


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
