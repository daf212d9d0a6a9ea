from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, model_validator

from protocol.errors import SettingsError
from protocol.settings import SETTINGS_SIZE_BYTES_MAX, SettingsModel, load_settings


class Line(SettingsModel):
    name: str
    baud_rate: Annotated[int, Field(ge=9600)] = 115_200


class Inner(SettingsModel):
    host: str = Field(description="the broker's name")
    port: int = 8883


class Dock(SettingsModel):
    folder: Path = Field(description="the spool's folder")
    line: tuple[Line, ...]
    broker: Inner | None = None

    @model_validator(mode="after")
    def _check(self) -> "Dock":
        if len({line.name for line in self.line}) < len(self.line):
            raise ValueError("two lines have the same name")
        return self


GOOD = 'folder = "spool"\n\n[[line]]\nname = "one"\n'


def fault(text: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(text, "dock.toml", Dock)
    return str(raised.value)


def test_good_settings_are_typed() -> None:
    settings = load_settings(GOOD + '[broker]\nhost = "b"\n', "dock.toml", Dock)

    assert settings == Dock(folder=Path("spool"), line=(Line(name="one"),), broker=Inner(host="b"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD + "baud_rat = 9600\n", "dock.toml line 5: line.0.baud_rat: unknown key, did you mean baud_rate?"),
        ("fodler = 1\n" + GOOD, "dock.toml line 1: fodler: unknown key, did you mean folder?"),
        ("zzz = 1\n" + GOOD, "dock.toml line 1: zzz: unknown key; known here: folder, line, broker"),
        (
            GOOD + 'baud_rate = "9600"\n',
            'dock.toml line 5: line.0.baud_rate: input should be a valid integer, found "9600"',
        ),
        (
            GOOD + "baud_rate = 300\n",
            "dock.toml line 5: line.0.baud_rate: input should be greater than or equal to 9600, found 300",
        ),
        ("line = []\n", "dock.toml: folder: missing; expected the spool's folder"),
        (GOOD + "\n[broker]\nport = 1\n", "dock.toml line 6: broker.host: missing; expected the broker's name"),
        (GOOD + '[[line]]\nname = "one"\n', "dock.toml: two lines have the same name"),
        ("folder = \n", "dock.toml line 1: not TOML: invalid value"),
        ('folder = "a"\nfolder = "b"\n', "dock.toml line 2: not TOML: cannot overwrite a value"),
        ('folder = "a\n', "dock.toml line 1: not TOML: illegal character '\\n'"),
        ("[line\n", "dock.toml line 1: not TOML: expected ']' at the end of a table declaration"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(text: str, sentence: str) -> None:
    assert fault(text) == sentence


def test_the_line_is_right_behind_strings_and_arrays_over_several_lines() -> None:
    text = (
        'folder = """\nbaud_rat = 1\n"""\nline = [\n  { name = "one" },\n  { name = "two", baud_rat = 1 },\n]\nx = 1\n'
    )

    assert fault(text).startswith("dock.toml line 4: line.1.baud_rat: unknown key")


def test_the_first_fault_in_the_file_is_named() -> None:
    text = "folder = 3\n[[line]]\nname = 4\n[broker]\nhost = 5\n"

    assert fault(text) == "dock.toml line 1: folder: input should be a valid string, found 3"


def test_a_long_value_is_shown_short() -> None:
    assert len(fault(f'folder = "a"\nline = "{"x" * 500}"\n')) < 200


def test_a_file_that_is_far_too_large_is_no_settings_file() -> None:
    assert fault("#" * (SETTINGS_SIZE_BYTES_MAX + 1)).endswith("this is not a settings file")
