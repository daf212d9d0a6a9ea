"""The rules of the house that a linter does not know, as functions: text in, sentences out."""

import ast
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE_LINES_MAX: Final = 400
# Longer ones, each with its reason; an entry that is no longer needed is a defect too.
LONGER_FILES: Final[Mapping[str, str]] = {
    "tests/firmware/test_capture.py": "every case of one class, each short; split, one would look for a case in two files",
}

FOLDERS: Final = frozenset({"firmware", "dockd", "protocol", "hw_sim", "scripts", "tests"})
DOCUMENTS: Final = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "SECURITY.md",
    "THIRD-PARTY.md",
    "pyproject.toml",
    ".ci/run",
)
# Written in pieces, so that this file does not hold what it looks for.
_MACHINE_WORDS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<![\w.])/wo" + r"rk\b",
        r"(?<![\w.])/ro" + r"ot/",
        r"(?<![\w.])/ho" + r"me/\w",
        r"(?<![\w.])/op" + r"t/\w",
        r"\.\./sha" + r"red\b",
        r"\bpy" + r"pi\.org\b",
        r"\bpython" + r"hosted\.org\b",
        r"\bdebi" + r"an\.org\b",
        r"\bnpm" + r"js\.org\b",
        r"\bpy" + r"env\b",
    )
)
_CITATION: Final = re.compile(r"spec/(\d\d-[a-z0-9-]+\.md)((?:(?:,| and| to) \d+(?:\.\d+)+)*)")
_HEADING: Final = re.compile(r"^#+ (\d+(?:\.\d+)*)\.? ", flags=re.MULTILINE)
_PIN: Final = re.compile(
    r"^([A-Za-z0-9._-]+)(?:\[[A-Za-z0-9._,-]+\])?==(\S+)((?:.*\\\n)(?: {4}--hash=.*\n)+)?", flags=re.MULTILINE
)


def long_files(sources: Mapping[str, str], longer: Mapping[str, str]) -> list[str]:
    """Return a sentence for each file over the limit, and for each exception that is none."""
    lengths = {path: text.count("\n") for path, text in sources.items()}
    found = [
        f"{path}: {length} lines, at most {FILE_LINES_MAX}; split it, or give the reason in LONGER_FILES"
        for path, length in lengths.items()
        if length > FILE_LINES_MAX and path not in longer
    ]
    found += [f"{path}: needs no exception" for path in longer if lengths.get(path, 0) <= FILE_LINES_MAX]
    return found + [f"{path}: the exception has no reason" for path, reason in longer.items() if not reason]


def broken_citations(sources: Mapping[str, str], pages: Mapping[str, str]) -> list[str]:
    """Return a sentence for each `spec/NN-name.md, X.Y` that leads nowhere; ``pages`` by name."""
    sections = {page: set(_HEADING.findall(text)) for page, text in pages.items()}
    found = []
    for path, text in sources.items():
        for match in _CITATION.finditer(text):
            page, numbers = match[1], re.findall(r"\d+(?:\.\d+)+", match[2])
            if page not in sections:
                found.append(f"{path}: cites spec/{page}, which is not there")
            else:
                found += [
                    f"{path}: cites spec/{page}, {number}, which is not there"
                    for number in numbers
                    if number not in sections[page]
                ]
    return found


def machine_words(sources: Mapping[str, str]) -> list[str]:
    """Return a sentence for each place that names one machine's folders, or a package registry's host."""
    return [
        f"{path}, line {number}: {match[0]!r} belongs to one machine"
        for path, text in sources.items()
        for number, line in enumerate(text.splitlines(), start=1)
        for word in _MACHINE_WORDS
        if (match := word.search(line)) is not None
    ]


def undocumented_modules(sources: Mapping[str, str]) -> list[str]:
    """Return each public module whose first statement is not a docstring."""
    return [
        path
        for path, text in sources.items()
        if (name := path.rsplit("/", maxsplit=1)[-1]) in {"__init__.py", "__main__.py"} or not name.startswith("_")
        if not ast.get_docstring(ast.parse(text))
    ]


def wrong_modes(programs: Mapping[str, tuple[str, bool]]) -> list[str]:
    """Return a sentence for each program that cannot be run, or that says not with what; values are text and mode."""
    found = []
    for path, (text, is_executable) in programs.items():
        has_first_line = text.startswith("#!")
        if has_first_line and not is_executable:
            found.append(f"{path}: is a program by its first line, but not executable")
        if is_executable and not has_first_line:
            found.append(f"{path}: is executable, but its first line does not say with what")
    return found


def unlocked(project: str, locks: Mapping[str, str]) -> list[str]:
    """Return a sentence for each requirement that its lock does not hold, and for each pin without a hash."""
    settings = tomllib.loads(project)
    base = settings["project"]["dependencies"]
    extras = settings["project"]["optional-dependencies"]
    wanted = {"verify": base, "build": settings["dependency-groups"]["build"]}
    wanted |= {extra: [*base, *_flat(extra, extras)] for extra in extras}
    wanted["dev"] = [*wanted["dev"], *_flat("bench", extras)]
    found = [f"scripts/lock/{lock}.txt is not there" for lock in wanted if lock not in locks]
    pins: dict[str, set[str]] = {}
    for lock, text in locks.items():
        held: dict[str, list[str]] = {}
        for match in _PIN.finditer(text):
            held.setdefault(canonicalize_name(match[1]), []).append(match[2])
            if not match[3]:
                found.append(f"{lock}.txt: {match[1]} has no hash")
            pins.setdefault(canonicalize_name(match[1]), set())
        for name, versions in held.items():
            pins[name] |= set(versions) if lock == "dev" else set()
            if lock != "dev" and pins.get(name) and not set(versions) <= pins[name]:
                found.append(f"{lock}.txt: {name} {versions} is not what dev.txt tests, {sorted(pins[name])}")
        for text_requirement in wanted.get(lock, ()):
            requirement = Requirement(text_requirement)
            versions = held.get(canonicalize_name(requirement.name), [])
            if not versions or not all(requirement.specifier.contains(version) for version in versions):
                found.append(
                    f"{lock}.txt: has {versions or 'nothing'} for {requirement}; run scripts/lock_dependencies"
                )
    return found


def _flat(extra: str, extras: Mapping[str, Iterable[str]]) -> list[str]:
    """Return an extra's requirements, with those of the extras of ours that it names."""
    flat = []
    for text in extras[extra]:
        requirement = Requirement(text)
        if requirement.name == "sealcam":
            flat += [inner for name in sorted(requirement.extras) for inner in _flat(name, extras)]
        else:
            flat.append(text)
    return flat


def unlisted_packages(third_party: str, locks: Mapping[str, str]) -> list[str]:
    """Return each locked package that THIRD-PARTY.md has no row for, or has with another version."""
    rows = {
        (canonicalize_name(cells[0]), version)
        for line in third_party.splitlines()
        if line.startswith("| ")
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) > 1
        for version in re.split(r",\s*", cells[1])
    }
    pins = {(canonicalize_name(match[1]), match[2]) for text in locks.values() for match in _PIN.finditer(text)}
    return [f"{name} {version}" for name, version in sorted(pins - rows)]
