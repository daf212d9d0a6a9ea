"""Reads a settings file (TOML) into a strict model, and says what is wrong with it so that a person can mend it.

Every program of ours uses it. Pure: the caller reads the file. Secrets never stand in a settings file, only paths to
them.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Sequence
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from protocol.errors import SettingsError

SETTINGS_SIZE_BYTES_MAX: Final = 65_536
_TOML_PLACE: Final = re.compile(r"^(?P<what>.*?) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)

KeyPath = tuple[str | int, ...]


class SettingsModel(BaseModel):
    """The root of every settings model: frozen, strict, and closed against keys that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


M = TypeVar("M", bound=BaseModel)


def load_settings(text: str, file_name: str, model: type[M]) -> M:
    """Return the settings in ``text``; ``file_name`` is for messages.

    Raises:
        SettingsError: one sentence that names file, line and key, what was found and what to write.
    """
    if len(text.encode()) > SETTINGS_SIZE_BYTES_MAX:
        raise SettingsError(f"{file_name}: larger than {SETTINGS_SIZE_BYTES_MAX} bytes; this is not a settings file")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_toml_message(str(error), text, file_name)) from None
    try:
        # By way of JSON, since strict validation of JSON takes a string for a path and an array for a tuple.
        return model.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        raise SettingsError(_first_message(error.errors(), text, file_name, model)) from None


def _toml_message(message: str, text: str, file_name: str) -> str:
    place = _TOML_PLACE.match(message)
    if place is None:
        return f"{file_name}: not TOML: {message}"
    line = int(place["line"]) if place["line"] else len(text.splitlines())
    return f"{file_name} line {line}: not TOML: {place['what'][:1].lower()}{place['what'][1:]}"


def _first_message(errors: Sequence[ErrorDetails], text: str, file_name: str, model: type[BaseModel]) -> str:
    """Return the message about the error that stands first in the file, missing keys last."""
    paths = [error["loc"] for error in errors]
    # What is wrong with a whole array or table follows from what is wrong inside it.
    innermost = [error for error in errors if not any(_is_above(error["loc"], path) for path in paths)]
    placed = [(_line_of(text, error["loc"]), error) for error in innermost]
    line, error = min(placed, key=lambda item: (item[1]["type"] == "missing", item[0] or 0))
    place = file_name if line is None else f"{file_name} line {line}"
    key = "".join(f"{step}." for step in error["loc"])[:-1]
    return f"{place}: {key}: {_complaint(error, model)}" if key else f"{place}: {_complaint(error, model)}"


def _is_above(path: KeyPath, other: KeyPath) -> bool:
    return len(path) < len(other) and other[: len(path)] == path


def _complaint(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown_key(error["loc"], model)
    if kind == "missing":
        return _missing_key(error["loc"], model)
    if kind == "value_error":
        # A model's own words: they say what was found.
        return error["msg"].removeprefix("Value error, ")
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, found {_shown(error['input'])}"


def _unknown_key(path: KeyPath, model: type[BaseModel]) -> str:
    owner = _model_at(model, path[:-1])
    known = () if owner is None else tuple(owner.model_fields)
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    if close:
        return f"unknown key, did you mean {close[0]}?"
    return f"unknown key; known here: {', '.join(known)}" if known else "unknown key"


def _missing_key(path: KeyPath, model: type[BaseModel]) -> str:
    owner = _model_at(model, path[:-1])
    field = None if owner is None else owner.model_fields.get(str(path[-1]))
    return "missing" if field is None or not field.description else f"missing; expected {field.description}"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _model_at(model: type[BaseModel] | None, path: KeyPath) -> type[BaseModel] | None:
    """Return the model that the keys below ``path`` belong to."""
    for step in path:
        if isinstance(step, str) and model is not None:
            field = model.model_fields.get(step)
            model = None if field is None else _model_in(field.annotation)
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for item in get_args(annotation) if (found := _model_in(item)) is not None), None)


def _line_of(text: str, path: KeyPath) -> int | None:
    """Return the line on which the statement that makes ``path`` begins, or the nearest key above it that stands there.

    TOML's own parser is asked with ever more lines: a search of our own would be fooled by strings and arrays that
    go over several lines.
    """
    lines = text.splitlines()
    found: dict[int, int] = {}
    begin = 1
    for count in range(1, len(lines) + 1):
        try:
            values = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        depth = _depth(values, path)
        for reached in range(1, depth + 1):
            found.setdefault(reached, begin)
        if depth == len(path):
            break
        begin = count + 1
    return found[max(found)] if found else None


def _depth(values: Any, path: KeyPath) -> int:
    """Return how many steps of ``path`` exist in ``values``."""
    for index, step in enumerate(path):
        is_there = (
            step in values if isinstance(values, dict) else isinstance(values, list) and step in range(len(values))
        )
        if not is_there:
            return index
        values = values[step]
    return len(path)
