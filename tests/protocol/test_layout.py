"""Names of folders and files: one form each, and nothing else is taken for one."""

import pytest

from protocol.layout import FileName, key_box_name, media_name, parse_file_name, parse_shift_folder, shift_folder_name

ID = bytes(range(16))
HEX = ID.hex()


def test_names_come_back_from_what_they_are_made_of() -> None:
    assert parse_shift_folder(shift_folder_name(7, ID)) == (7, ID)
    assert parse_shift_folder(shift_folder_name(1_234_567, ID)) == (1_234_567, ID)
    assert parse_file_name("chain") == FileName("chain", None, None)
    assert parse_file_name(media_name(ID, 3)) == FileName("media", ID, 3)
    assert parse_file_name(key_box_name(ID)) == FileName("key-box", ID, None)


def test_the_names_are_those_of_the_page() -> None:
    assert shift_folder_name(7, ID) == f"shift-000007-{HEX}"
    assert media_name(ID, 3) == f"{HEX}.0003.media"
    assert key_box_name(ID) == f"{HEX}.keybox"


@pytest.mark.parametrize(
    "name",
    ["", "chain2", "Chain", f"{HEX}.media", f"{HEX}.003.media", f"{HEX.upper()}.0003.media", f"{HEX}.0003.media\n",
     f"../{HEX}.keybox", f"{HEX[2:]}.keybox", f"{HEX}.keybox.partial", "policy", "00.receipt"],
)  # fmt: skip
def test_no_other_name_is_taken_for_a_file_of_a_shift(name: str) -> None:
    assert parse_file_name(name) is None


@pytest.mark.parametrize(
    "name", ["", "shift", f"shift-7-{HEX}", f"shift-000007-{HEX[2:]}", f"shift-000007-{HEX}x", f"shift-00000a-{HEX}"]
)
def test_no_other_name_is_taken_for_a_shift(name: str) -> None:
    assert parse_shift_folder(name) is None
