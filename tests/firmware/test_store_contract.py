"""What every card must do, the real one and the one that simulates power cuts: one suite for both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.adapters.file_store import FileStore
from firmware.errors import StoreUncertain
from firmware.ports import Store, StoredFile
from hw_sim.crash_store import CrashStore

FOLDER = "shift-000001-00"


@pytest.fixture(params=["file", "crash"])
def card(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "crash":
        yield CrashStore()
        return
    store = FileStore(tmp_path)
    yield store
    store.close()


@pytest.fixture
def store(card: Store) -> Store:
    """Return a card with one folder."""
    card.make_folder(FOLDER)
    return card


def test_a_new_card_is_empty(card: Store) -> None:
    assert card.folders() == ()


def test_folders_are_listed_sorted_and_made_once(card: Store) -> None:
    for folder in ("b", "a", "b"):
        card.make_folder(folder)

    assert card.folders() == ("a", "b")


def test_files_are_listed_with_their_sizes_sorted_by_name(store: Store) -> None:
    store.create(FOLDER, "b")
    store.append(FOLDER, "b", b"12345")
    store.write_once(FOLDER, "a", b"123")

    assert store.files(FOLDER) == (StoredFile("a", 3), StoredFile("b", 5))


def test_what_is_appended_is_read_back_at_once(store: Store) -> None:
    store.create(FOLDER, "chain")
    store.append(FOLDER, "chain", b"one")
    store.append(FOLDER, "chain", bytearray(b"two"))

    assert store.read(FOLDER, "chain", 0, 100) == b"onetwo"
    assert store.read(FOLDER, "chain", 2, 2) == b"et"
    assert store.read(FOLDER, "chain", 6, 1) == b""


def test_more_files_can_be_open_than_are_kept_open(store: Store) -> None:
    names = [f"file-{number:02}" for number in range(20)]
    for name in names:
        store.create(FOLDER, name)
    for name in (*names, *names):
        store.append(FOLDER, name, name.encode())
        store.sync(FOLDER, name)

    assert {store.read(FOLDER, name, 0, 100) for name in names} == {name.encode() * 2 for name in names}


def test_a_file_is_created_once(store: Store) -> None:
    store.create(FOLDER, "chain")
    store.append(FOLDER, "chain", b"evidence")

    with pytest.raises(FileExistsError):
        store.create(FOLDER, "chain")
    assert store.read(FOLDER, "chain", 0, 100) == b"evidence"


def test_a_small_file_is_written_once(store: Store) -> None:
    store.write_once(FOLDER, "keybox", b"first")

    with pytest.raises(FileExistsError):
        store.write_once(FOLDER, "keybox", b"second")
    assert store.read(FOLDER, "keybox", 0, 100) == b"first"
    assert store.files(FOLDER) == (StoredFile("keybox", 5),)


def test_a_file_is_cut_and_goes_on_where_it_was_cut(store: Store) -> None:
    store.create(FOLDER, "media")
    store.append(FOLDER, "media", b"whole+torn")
    store.truncate(FOLDER, "media", 5)
    store.append(FOLDER, "media", b"-next")

    assert store.read(FOLDER, "media", 0, 100) == b"whole-next"


def test_cutting_never_makes_a_file_longer(store: Store) -> None:
    store.create(FOLDER, "media")
    store.append(FOLDER, "media", b"four")

    with pytest.raises(ValueError, match="cannot be cut to 5"):
        store.truncate(FOLDER, "media", 5)
    store.truncate(FOLDER, "media", 4)
    assert store.read(FOLDER, "media", 0, 100) == b"four"


def test_a_removed_file_is_gone_and_may_be_removed_again(store: Store) -> None:
    store.write_once(FOLDER, "keybox", b"x")
    store.remove(FOLDER, "keybox")
    store.remove(FOLDER, "keybox")
    store.remove("no-such-folder", "keybox")

    assert store.files(FOLDER) == ()
    store.create(FOLDER, "keybox")


def test_a_removed_folder_is_gone_and_may_be_removed_again(store: Store) -> None:
    store.remove_folder(FOLDER)
    store.remove_folder(FOLDER)

    assert store.folders() == ()


def test_a_folder_with_files_is_not_removed(store: Store) -> None:
    store.create(FOLDER, "chain")

    with pytest.raises(StoreUncertain, match="cannot be removed"):
        store.remove_folder(FOLDER)
    assert store.files(FOLDER) == (StoredFile("chain", 0),)


@pytest.mark.parametrize("name", ["chain", "no-such-folder"])
def test_what_is_absent_is_said_to_be_absent(store: Store, name: str) -> None:
    folder = FOLDER if name == "chain" else name

    for ask in (
        lambda: store.read(folder, "chain", 0, 1),
        lambda: store.append(folder, "chain", b"x"),
        lambda: store.truncate(folder, "chain", 0),
        lambda: store.sync(folder, "chain"),
    ):
        with pytest.raises(FileNotFoundError):
            ask()


def test_the_files_of_an_absent_folder_are_said_to_be_absent(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.files("no-such-folder")
    with pytest.raises(FileNotFoundError):
        store.create("no-such-folder", "chain")


def test_settling_changes_nothing_that_can_be_seen(store: Store) -> None:
    store.create(FOLDER, "chain")
    store.append(FOLDER, "chain", b"not yet synced")
    store.make_folder("b")
    store.settle()

    assert store.folders() == ("b", FOLDER)
    assert store.read(FOLDER, "chain", 0, 100) == b"not yet synced"


def test_the_room_that_is_left_is_told(store: Store) -> None:
    assert store.free_bytes() > 0
