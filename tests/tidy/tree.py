"""The repository's own files, for the checks of this folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("protocol", "firmware", "dockd", "hw_sim")
# What git ignores, by name, since a check must also run where there is no git.
_IGNORED_FOLDERS: Final = frozenset({".git", ".venv", ".cache", "__pycache__", "build", "dist"})
_IGNORED_SUFFIXES: Final = ("_cache", ".egg-info")
_IGNORED_AT_ROOT: Final = frozenset({".git", "o", ".hypothesis", ".coverage"})


def files() -> Iterator[Path]:
    """Give every file of the repository, in order."""
    yield from _files_below(ROOT)


def _files_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            is_ignored = path.name in _IGNORED_FOLDERS or path.name.endswith(_IGNORED_SUFFIXES)
            if not is_ignored and not (folder == ROOT and path.name in _IGNORED_AT_ROOT):
                yield from _files_below(path)
        elif not (folder == ROOT and path.name in _IGNORED_AT_ROOT):
            yield path


def name(file: Path) -> str:
    """Return the path from the root, as it is written in messages."""
    return file.relative_to(ROOT).as_posix()


def python_sources() -> dict[str, str]:
    """Return the text of every Python file, by its path from the root."""
    return {name(file): file.read_text() for file in files() if file.suffix == ".py"}


def text_sources() -> dict[str, str]:
    """Return the text of every file that is text, by its path from the root."""
    found = {}
    for file in files():
        data = file.read_bytes()
        if b"\0" not in data:
            found[name(file)] = data.decode(errors="replace")
    return found


def module_name(path: str) -> str:
    """Return the module that a path from the root holds: `a/b/__init__.py` is `a.b`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def modules() -> dict[str, str]:
    """Return the text of every module of the packages, by its name."""
    return {
        module_name(path): text for path, text in python_sources().items() if path.split("/", maxsplit=1)[0] in PACKAGES
    }
