"""Writes small TOML files: keys and values, tables of them, and arrays of tables. Pure."""

import json
from collections.abc import Mapping, Sequence

Value = str | int | float | bool | Sequence[str]
Table = Mapping[str, Value]
Settings = Mapping[str, Value | Table | Sequence[Table]]


def toml_text(values: Settings, *, comment: str) -> str:
    """Return a TOML file with ``comment`` at its head; tables stand after the plain values."""
    head = [f"# {line}".rstrip() for line in comment.splitlines()]
    plain: list[str] = []
    tables: list[str] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            tables += ["", f"[{key}]", *_lines(value)]
        elif not isinstance(value, str | int | float | bool) and any(isinstance(item, Mapping) for item in value):
            for item in value:
                assert isinstance(item, Mapping)
                tables += ["", f"[[{key}]]", *_lines(item)]
        else:
            plain.append(f"{key} = {_value(value)}")
    return "\n".join([*head, "", *plain, *tables]) + "\n"


def _lines(table: Table) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in table.items()]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # JSON's strings are TOML's basic strings, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    assert isinstance(value, Sequence)
    return f"[{', '.join(map(_value, value))}]"
