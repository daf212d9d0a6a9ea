"""The text form of a test vector: headers, then files in base64. `protocol/vectors/README.md` says how to read it."""

import base64
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[2] / "protocol" / "vectors"
_LINE_LENGTH = 100


@dataclass(frozen=True)
class Vector:
    """``headers`` in order, a name may stand more than once; ``files`` by name."""

    headers: tuple[tuple[str, str], ...]
    files: Mapping[str, bytes]

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found == name]

    def one(self, name: str) -> str:
        (value,) = self.all(name)
        return value


def written(headers: Sequence[tuple[str, str]], files: Mapping[str, bytes]) -> str:
    lines = [f"{name}: {value}" for name, value in headers]
    for name, data in files.items():
        lines += ["", f"file: {name}", *textwrap.wrap(base64.b64encode(data).decode("ascii"), _LINE_LENGTH)]
    return "\n".join(lines) + "\n"


def read_vector(text: str) -> Vector:
    blocks = text.rstrip("\n").split("\n\n")
    headers = []
    for line in blocks[0].split("\n"):
        name, value = line.split(": ", 1)
        headers.append((name, value))
    files = {}
    for block in blocks[1:]:
        first, *lines = block.split("\n")
        files[first.removeprefix("file: ")] = base64.b64decode("".join(lines), validate=True)
    return Vector(tuple(headers), files)
