"""Finds the mosquitto broker, or fetches it from the system's own apt sources without root.

Fetching installs nothing: apt works in private folders, the packages are unpacked below the cache folder, and only
the bench uses them (architecture.md, 8). Run as a program it does just that: `python -m hw_sim.bench.mosquitto CACHE`.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hw_sim.bench.errors import BenchError, ToolMissing

VERSION_MIN: Final = (2, 0)
APT_SECONDS_MAX: Final = 300
PROBE_SECONDS_MAX: Final = 10
_SYSTEM_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_INSTALL: Final = (
    "install it yourself (on Debian: apt-get install mosquitto; elsewhere the package of that name), "
    "or run the bench with --broker embedded"
)
# A machine may have hooks that write to system folders after an update; these runs have nothing to do with those.
_APT_CONFIGURATION: Final = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"""


@dataclass(frozen=True, slots=True)
class MosquittoProgram:
    """A mosquitto that runs: ``env`` is what must be added to its environment."""

    path: Path
    env: Mapping[str, str]
    version: str


def locate(cache_dir: Path, say: Callable[[str], None], *, search_path: str | None = None) -> MosquittoProgram:
    """Return the installed mosquitto, else the one in the cache, else fetch it there.

    Only the last needs a network. ``search_path`` replaces PATH and the folders of system programs.

    Raises:
        ToolMissing: there is none and it cannot be fetched.
    """
    if search_path is None:
        search_path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])
    installed = shutil.which("mosquitto", path=search_path)
    if installed is not None:
        program = _probe(Path(installed), {})
        if program is not None:
            return program
        say(f"{installed} is too old or does not run; looking for another")
    unpacked = cache_dir / "unpacked"
    program = _unpacked_program(unpacked)
    if program is not None:
        return program
    with _locked(cache_dir):
        program = _unpacked_program(unpacked)  # another process may have fetched it while this one waited
        if program is None:
            _fetch(cache_dir, unpacked, say, search_path)
            program = _unpacked_program(unpacked)
    if program is None:
        raise ToolMissing(
            f"mosquitto was unpacked into {unpacked} but does not run there",
            expected="a program that prints its version",
            next_step=_INSTALL,
        )
    return program


def _probe(path: Path, env: Mapping[str, str]) -> MosquittoProgram | None:
    """Return the program with its version, or None where it does not run or is too old."""
    try:
        result = subprocess.run(  # exits with 3 after its help
            [path, "-h"],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS_MAX,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"mosquitto version ((\d+)\.(\d+)\S*)", result.stdout)
    if match is None or (int(match[2]), int(match[3])) < VERSION_MIN:
        return None
    return MosquittoProgram(path=path, env=dict(env), version=match[1])


def _unpacked_program(unpacked: Path) -> MosquittoProgram | None:
    libraries = sorted({str(file.parent.resolve()) for file in unpacked.glob("**/lib/**/*.so*")})
    # The loader splits this list at colons and semicolons; a folder whose name has one cannot be named in it.
    return _probe(unpacked.resolve() / "usr/sbin/mosquitto", {"LD_LIBRARY_PATH": ":".join(libraries)})


@contextmanager
def _locked(cache_dir: Path) -> Iterator[None]:
    """Let one process at a time fetch into ``cache_dir``."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        lock = (cache_dir / "lock").open("w")
    except OSError as error:
        raise ToolMissing(
            f"mosquitto is not installed, and {cache_dir} cannot be written ({error.strerror})",
            expected="a mosquitto on PATH, or a folder to unpack one into",
            next_step=_INSTALL,
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(cache_dir: Path, unpacked: Path, say: Callable[[str], None], search_path: str) -> None:
    """Download and unpack; ``unpacked`` appears only when it is complete. Call it under the lock."""
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool, path=search_path) is None]
    if missing:
        raise ToolMissing(
            f"mosquitto is not installed, and this system has no {' and no '.join(missing)} to fetch it with",
            expected="a mosquitto 2 on PATH, or a system that is made of Debian packages",
            next_step=_INSTALL,
        )
    for left_over in cache_dir.glob("fetch-*"):  # of a process that was killed: the lock is ours
        shutil.rmtree(left_over, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix="fetch-", dir=cache_dir.resolve()))
    try:
        _unpack_packages(work, say, search_path)
        shutil.rmtree(unpacked, ignore_errors=True)  # one that no longer runs, e.g. after a system upgrade
        (work / "root").rename(unpacked)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unpack_packages(work: Path, say: Callable[[str], None], search_path: str) -> None:
    """Fill ``work``/root with mosquitto and those of its libraries that the system has not."""
    for folder in ("state/lists/partial", "cache/archives/partial", "packages", "root"):
        (work / folder).mkdir(parents=True)
    (work / "apt.conf").write_text(_APT_CONFIGURATION)
    apt = ["apt-get", "-q", "-c", str(work / "apt.conf")]
    apt += ["-o", f"Dir::State={work / 'state'}", "-o", f"Dir::Cache={work / 'cache'}"]

    def run(step: str, command: list[str]) -> str:
        return _run(step, command, folder=work / "packages", search_path=search_path)

    say("mosquitto is not installed: fetching it for the bench alone (package lists first, about 10 MB)")
    update_fault = ""
    try:
        run("apt-get update", [*apt, "update"])
    except ToolMissing as error:
        # One source of many may be out of reach, and the others enough: the next step tells.
        update_fault = f"{error}\n"
    try:
        plan = run(
            "apt-get --simulate install", [*apt, "--simulate", "--no-install-recommends", "install", "mosquitto"]
        )
    except ToolMissing as error:
        raise ToolMissing(
            f"{update_fault}{error}", expected="apt sources that offer mosquitto, and a network", next_step=_INSTALL
        ) from error
    packages = re.findall(r"^Inst (\S+)", plan, flags=re.MULTILINE)
    say(f"downloading {', '.join(packages)}")
    run("apt-get download", [*apt, "download", *packages])
    for package in sorted((work / "packages").glob("*.deb")):
        run("dpkg-deb", ["dpkg-deb", "--extract", str(package), str(work / "root")])
    say("unpacked; nothing was installed on the system")


def _run(step: str, command: list[str], *, folder: Path, search_path: str) -> str:
    """Return what the command printed; a failure, or a run without an end, is a ToolMissing with its last lines."""
    environment = {**os.environ, "PATH": search_path, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=APT_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolMissing(
            f"{step} did not end within {APT_SECONDS_MAX} s",
            expected="a reachable package source",
            next_step=f"look at the network and try again, or {_INSTALL}",
        ) from error
    if result.returncode != 0:
        last_lines = " | ".join(result.stdout.strip().splitlines()[-4:])
        raise ToolMissing(
            f"{step} failed ({last_lines})",
            expected="it to fetch mosquitto",
            next_step=f"look at the network and try again, or {_INSTALL}",
        )
    return result.stdout


def main(arguments: list[str] | None = None) -> int:
    """Make sure that a mosquitto is there, as scripts/bench asks at set-up; exit code 2 where there is none."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1:
        print("usage: python -m hw_sim.bench.mosquitto CACHE_FOLDER", file=sys.stderr)
        return 2
    try:
        program = locate(Path(arguments[0]), lambda line: print(f"[setup] {line}", flush=True))
    except BenchError as error:
        print(f"[setup] {error}", file=sys.stderr)
        return 2
    print(f"[setup] broker: mosquitto {program.version}, {program.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
