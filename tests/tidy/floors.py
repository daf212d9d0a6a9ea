"""The floors of the design as data, and what breaks them. Source text in, sentences out.

An import may only go down; cores and the protocol are pure; each foreign library has the floors that may use it.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

# What a module may import of ours, by the longest name here that it begins with. Everything may import its own package
# as far as INNER allows. The errors modules belong to the ports: a port's promise names what it raises.
FLOORS: Final[Mapping[str, tuple[str, ...]]] = {
    "protocol": ("protocol",),
    "firmware": ("protocol", "firmware"),
    "dockd": (),
    "dockd.shared": ("protocol", "dockd.shared"),
    "dockd.station": ("protocol", "dockd.shared", "dockd.station"),
    "dockd.central": ("protocol", "dockd.shared", "dockd.central"),
    "hw_sim": (
        "protocol",
        "firmware.ports",
        "firmware.errors",
        "dockd.shared.ports",
        "dockd.shared.errors",
        "dockd.station.ports",
        "dockd.station.errors",
        "dockd.central.ports",
        "dockd.central.ledger_ports",
        "dockd.central.witness_ports",
        "dockd.central.errors",
        "hw_sim",
    ),
    "hw_sim.bench": ("protocol", "firmware", "dockd", "hw_sim"),
}
# Inside a package: what may not be imported from below. The core knows neither devices nor loops, adapters know no
# loops, and the app is handed its adapters by `__main__`.
INNER: Final[Mapping[str, tuple[str, ...]]] = {
    "core": ("adapters", "app", "__main__"),
    "adapters": ("app", "__main__"),
    "app": ("adapters", "__main__"),
}
PROGRAMS: Final = ("firmware", "dockd.station", "dockd.central")
# Only the root of composition may lean on the bench.
BENCH: Final = "hw_sim.bench"

LIBRARIES_OF_ALL: Final = frozenset({"pydantic", "pydantic_core", "cryptography", "cbor2"})
LIBRARIES: Final[Mapping[str, frozenset[str]]] = {
    "protocol": frozenset(),
    "firmware.adapters": frozenset({"serial", "picamera2", "libcamera", "pkcs11", "av"}),
    "dockd.shared.adapters": frozenset({"serial", "paho"}),
    "dockd.station.adapters": frozenset({"serial", "paho"}),
    "dockd.central.adapters": frozenset({"paho", "sqlalchemy", "alembic", "obstore", "starlette", "uvicorn"}),
    "hw_sim": frozenset({"av", "iotcore", "numpy", "picamera2", "serial"}),
    BENCH: frozenset({"av", "iotcore", "numpy", "serial", "paho", "picamera2", "rich"}),
}

IMPURE_MODULES: Final = frozenset(
    {
        *("asyncio", "concurrent", "contextvars", "multiprocessing", "queue", "subprocess", "threading"),
        *("fcntl", "glob", "io", "mmap", "os", "pathlib.Path", "pathlib.PosixPath", "shutil", "sqlite3", "tempfile"),
        *("http", "select", "selectors", "signal", "socket", "ssl", "urllib"),
        *("pty", "termios", "tty", "serial", "paho", "av"),
        *("random", "secrets", "time"),
        *("ctypes", "getpass", "logging", "sys", "warnings"),
    }
)
IMPURE_CALLS: Final = frozenset({"open", "print", "input", "exec", "eval", "compile", "breakpoint"})
# On any object: drawing a key, asking the clock, and files by way of a path.
IMPURE_METHODS: Final = frozenset(
    {
        *("generate", "generate_key", "generate_private_key", "uuid1", "uuid4"),
        *("now", "utcnow", "today"),
        *("read_bytes", "read_text", "write_bytes", "write_text"),
    }
)
UNNAMED: Final = "?"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: ``from a import b`` is ``a.b``, since b may be a module."""

    name: str
    line: int


def imports_of(module: str, source: str) -> Iterator[Import]:
    """Give what a module imports, wherever in it, and by whatever means it names in its text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: a relative import; name the module in full"
            yield from (Import(f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and _is_import_call(node.func):
            argument = node.args[0]
            yield Import(str(argument.value) if isinstance(argument, ast.Constant) else UNNAMED, node.lineno)


def _is_import_call(function: ast.expr) -> bool:
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return called in {"import_module", "__import__"}


def _is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _longest(name: str, prefixes: Mapping[str, object]) -> str | None:
    return max((prefix for prefix in prefixes if _is_below(name, prefix)), key=len, default=None)


def upward_imports(modules: Mapping[str, str]) -> list[str]:
    """Return a sentence for each import that goes up, or sideways where it may not."""
    found = []
    ours = {floor.split(".")[0] for floor in FLOORS} | {"tests", "scripts"}
    for module, source in modules.items():
        floor = _longest(module, FLOORS)
        assert floor is not None, f"{module} stands on no floor"
        for one in imports_of(module, source):
            if one.name == UNNAMED:
                found.append(f"{module}, line {one.line}: imports what its text does not name")
            if one.name.split(".")[0] not in ours:
                continue
            is_allowed = any(_is_below(one.name, prefix) for prefix in FLOORS[floor])
            if floor != BENCH and _is_below(one.name, BENCH):
                is_allowed = False
            if not is_allowed or _breaks_inner_floor(module, one.name):
                found.append(f"{module}, line {one.line}: may not import {one.name}")
    return found


def _breaks_inner_floor(module: str, imported: str) -> bool:
    for program in PROGRAMS:
        if _is_below(module, program) and _is_below(imported, program):
            own = module.removeprefix(program).strip(".").split(".")[0]
            target = imported.removeprefix(program).strip(".").split(".")[0]
            if own == "__main__":
                return False
            return target == "__main__" or target in INNER.get(own, ())
    return False


def foreign_imports(modules: Mapping[str, str]) -> list[str]:
    """Return a sentence for each foreign library that is used on a floor where it does not belong."""
    found = []
    ours = {floor.split(".")[0] for floor in FLOORS} | {"tests", "scripts", UNNAMED}
    for module, source in modules.items():
        floor = _longest(module, LIBRARIES)
        allowed = LIBRARIES_OF_ALL | (LIBRARIES[floor] if floor is not None else frozenset())
        for one in imports_of(module, source):
            library = one.name.split(".")[0]
            if library not in sys.stdlib_module_names and library not in ours and library not in allowed:
                found.append(f"{module}, line {one.line}: may not use {library}")
    return found


def is_pure_floor(module: str) -> bool:
    """Say whether a module must be pure: values in, values out."""
    if _is_below(module, "protocol"):
        return not module.endswith(".__main__")
    return any(_is_below(module, f"{program}.core") for program in PROGRAMS)


def impurities(modules: Mapping[str, str]) -> list[str]:
    """Return a sentence for each file, socket, thread, clock or die that a pure module reaches for."""
    found = []
    for module, source in modules.items():
        if not is_pure_floor(module):
            continue
        for one in imports_of(module, source):
            if any(_is_below(one.name, impure) for impure in IMPURE_MODULES) or one.name == "pathlib":
                found.append(f"{module}, line {one.line}: a pure module may not import {one.name}")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                plain = node.func.id if isinstance(node.func, ast.Name) else ""
                method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                if plain in IMPURE_CALLS or method in IMPURE_METHODS:
                    found.append(f"{module}, line {node.lineno}: a pure module may not call {plain or method}()")
    return found


def reached_from(module: str, modules: Mapping[str, str]) -> set[str]:
    """Return all of our modules that importing ``module`` brings in, itself included."""
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        target = _longest(current, modules)
        if target is None or target in reached:
            continue
        reached.add(target)
        parts = target.split(".")
        waiting.extend(".".join(parts[:count]) for count in range(1, len(parts)))
        waiting.extend(one.name for one in imports_of(target, modules[target]))
    return reached
