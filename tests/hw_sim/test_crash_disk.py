"""What the simulated disk may and may not hold after a power cut: synced bytes stand, all else is open."""

from random import Random

import pytest

from firmware.errors import StoreFull, StoreUncertain
from hw_sim.crash_disk import Image, Model, NameChange
from hw_sim.crash_store import CrashStore, Faults


def after_cut(store: CrashStore, model: Model = Model.WEAKEST, *, torn_count: int = 40) -> list[Image]:
    return list(store.after_cut(store.step, model, Random(1), torn_count=torn_count))


def chain_store(durable: bytes = b"") -> CrashStore:
    return CrashStore({"shift": {"chain": durable}})


def contents(store: CrashStore, model: Model = Model.WEAKEST) -> set[bytes]:
    return {image["shift"]["chain"] for image in after_cut(store, model)}


def test_what_is_synced_stands_in_every_state() -> None:
    store = chain_store()
    store.append("shift", "chain", b"a" * 700)
    store.sync("shift", "chain")
    store.append("shift", "chain", b"b" * 700)

    assert all(data.startswith(b"a" * 700) for data in contents(store))


def test_what_is_not_synced_may_be_absent_whole_or_torn() -> None:
    store = chain_store()
    store.append("shift", "chain", b"b" * 1500)
    found = contents(store)

    assert {b"", b"b" * 1500} <= found
    assert any(data[:512] == b"b" * 512 and data[512:1024] == bytes(512) for data in found), "a sector of zeros"
    assert any(len(data) == 1500 and data[:512] not in (b"b" * 512, bytes(512)) for data in found), "a stale sector"
    assert any(0 < len(data) < 1500 for data in found), "a size of its own"


def test_a_cut_file_may_still_be_whole_until_it_is_synced() -> None:
    store = chain_store(b"whole+torn")
    store.truncate("shift", "chain", 5)
    before_sync = store.step - 1

    states = store.after_cut(before_sync, Model.WEAKEST, Random(1))
    assert {image["shift"]["chain"] for image in states} == {b"whole+torn", b"whole"}
    assert contents(store) == {b"whole"}


def test_each_content_is_given_once() -> None:
    store = chain_store()
    store.append("shift", "chain", b"x")
    images = after_cut(store)

    assert len(images) == len({image["shift"]["chain"] for image in images})


def test_a_small_file_is_never_there_in_part() -> None:
    store = CrashStore({"shift": {}})
    store.write_once("shift", "keybox", b"k" * 1200)

    for step in range(store.step + 1):
        for model in Model:
            for image in store.after_cut(step, model, Random(step), torn_count=10):
                assert image["shift"].get("keybox") in (None, b"k" * 1200)


def names(image: Image) -> frozenset[str]:
    return frozenset(f"{folder}/{name}" for folder, files in image.items() for name in files)


def two_names_unsynced() -> CrashStore:
    """Return a store that made two files in two folders, of which no folder is synced yet."""
    store = CrashStore({"one": {}, "two": {}})
    store._link("one", "a")
    store._link("two", "b")
    return store


def test_names_persist_in_order_by_model_a() -> None:
    found = {names(image) for image in after_cut(two_names_unsynced(), Model.ORDERED)}

    assert found == {frozenset(), frozenset({"one/a"}), frozenset({"one/a", "two/b"})}


def test_names_persist_each_for_itself_by_model_b() -> None:
    found = {names(image) for image in after_cut(two_names_unsynced(), Model.WEAKEST)}

    assert found == {frozenset(), frozenset({"one/a"}), frozenset({"two/b"}), frozenset({"one/a", "two/b"})}


def test_any_sync_takes_earlier_names_with_it_by_model_a_only() -> None:
    store = two_names_unsynced()
    store.sync("one", "a")

    assert {names(image) for image in after_cut(store, Model.ORDERED)} == {frozenset({"one/a", "two/b"})}
    assert frozenset() in {names(image) for image in after_cut(store, Model.WEAKEST)}


def test_the_sync_of_a_folder_makes_its_own_names_durable() -> None:
    store = two_names_unsynced()
    store._sync_folder("two")

    found = {names(image) for image in after_cut(store, Model.WEAKEST)}
    assert found == {frozenset({"two/b"}), frozenset({"one/a", "two/b"})}


def test_a_removed_file_may_come_back_until_its_folder_is_synced() -> None:
    store = CrashStore({"shift": {"media": b"m"}})
    store.remove("shift", "media")

    assert {names(image) for image in store.after_cut(1, Model.WEAKEST, Random(1))} == {
        frozenset({"shift/media"}),
        frozenset(),
    }
    assert {names(image) for image in after_cut(store)} == {frozenset()}


def test_a_file_in_a_folder_that_is_not_durable_is_gone_with_it() -> None:
    store = CrashStore()
    store.disk = store.disk.renamed(NameChange(None, "new", 0))
    store._link("new", "a")
    store._sync_folder("new")

    assert {tuple(image) for image in after_cut(store)} == {(), ("new",)}


def test_a_full_card_takes_half_of_the_write_that_it_is_told_to_refuse() -> None:
    store = CrashStore({"shift": {"media": b""}}, faults=Faults(full_at_write=1))
    store.append("shift", "media", b"first.")

    with pytest.raises(StoreFull):
        store.append("shift", "media", b"second")
    assert store.read("shift", "media", 0, 100) == b"first.sec"
    assert store.free_bytes() == 0
    with pytest.raises(StoreFull):
        store.append("shift", "media", b"third")
    store.truncate("shift", "media", 6)
    store.append("shift", "media", b"fourth")
    assert store.read("shift", "media", 0, 100) == b"first.fourth"


def test_a_small_card_is_full_when_it_is() -> None:
    store = CrashStore({"shift": {"media": bytes(90)}}, size_bytes=100)

    assert store.free_bytes() == 10
    with pytest.raises(StoreFull):
        store.append("shift", "media", bytes(11))


def test_bytes_whose_sync_failed_are_shown_but_never_written() -> None:
    store = CrashStore({"shift": {"chain": b""}}, faults=Faults(fail_at_sync=0))
    store.append("shift", "chain", b"lost")
    with pytest.raises(StoreUncertain):
        store.sync("shift", "chain")
    store.append("shift", "chain", b"kept")
    store.sync("shift", "chain")

    assert store.read("shift", "chain", 0, 100) == b"lostkept"
    assert b"\0\0\0\0kept" in contents(store)
    store.settle()
    assert store.read("shift", "chain", 0, 100) == b"\0\0\0\0kept"
    assert contents(store) == {b"\0\0\0\0kept"}


def test_bytes_whose_sync_failed_are_gone_where_the_file_was_cut_before_them_and_that_is_durable() -> None:
    store = CrashStore({"shift": {"chain": b"kept"}}, faults=Faults(fail_at_sync=0))
    store.append("shift", "chain", b"lost")
    with pytest.raises(StoreUncertain):
        store.sync("shift", "chain")
    before_cut = contents(store)

    store.truncate("shift", "chain", 6)

    assert any(len(data) > 6 for data in before_cut)
    assert all(len(data) <= 6 for data in contents(store))
    store.truncate("shift", "chain", 4)
    assert contents(store) == {b"kept"}


def test_a_killed_process_leaves_everything_in_sight_and_nothing_more_durable() -> None:
    first = chain_store()
    first.append("shift", "chain", b"unsynced")
    second = CrashStore.of_killed(first.disk)

    assert second.read("shift", "chain", 0, 100) == b"unsynced"
    assert b"" in contents(second)
    second.settle()
    assert contents(second) == {b"unsynced"}
