"""What a camera does with a card that it finds at start: power cuts, bit rot, cards of other cameras (ARCHITECTURE.md, I1, I2)."""

import pytest

from firmware.core.recovery import LeaveAlone, NeverOpened, RecoveryPlan, plan_recovery
from hw_sim.crash_store import CrashStore
from protocol.chain import RecordReader
from protocol.entries import Resumed
from protocol.layout import CHAIN_NAME, key_box_name, media_name, parse_shift_folder
from protocol.verify.chain import ChainReport, verify_chain
from tests.builders import make_device
from tests.firmware.crash_world import KEY, Life, Parts

Files = dict[str, bytes]


def cards() -> dict[str, Files]:
    """Return a card with a closed shift and an open one, in which a recording runs: four chunks are durable, and a mark after them."""
    life = Life(CrashStore(), "first life")
    life.start()
    life.record(1)
    life.dock()
    life.live(2)
    life.capture.open("press", life.clock.mono_ns() // 1000, continues=None)
    life.live(2)
    life.capture.mark(life.clock.mono_ns() // 1000)
    return {folder: dict(files) for folder, files in life.store.disk.live().items()}


@pytest.fixture
def card() -> dict[str, Files]:
    return cards()


def open_folder(card: dict[str, Files]) -> str:
    return max(card)


def plan_of(files: Files, folder: str, *, key: bytes = KEY) -> RecoveryPlan | NeverOpened | LeaveAlone:
    parsed = parse_shift_folder(folder)
    assert parsed is not None
    sizes = {name: len(data) for name, data in files.items()}
    return plan_recovery(files.get(CHAIN_NAME, b""), shift_id=parsed[1], file_sizes_bytes=sizes, camera_key=key)


def recovered(card: dict[str, Files], *, parts: Parts | None = None) -> Life:
    life = Life(CrashStore(card), "second life", parts)
    life.start()
    return life


def record_ends(chain: bytes) -> list[int]:
    return [record.end_bytes for record in RecordReader().feed(chain)]


def chain_report(life: Life, folder: str) -> ChainReport:
    report = verify_chain(life.store.disk.live()[folder][CHAIN_NAME], camera_key=KEY)
    assert report is not None
    return report


def resumed_of(life: Life) -> Resumed:
    bodies = chain_report(life, life.log.folder).bodies
    return next(body for _, body in reversed(bodies) if isinstance(body, Resumed))


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def test_a_running_recording_is_named_and_nothing_is_cut(card: dict[str, Files]) -> None:
    plan = plan_of(card[open_folder(card)], open_folder(card))

    assert isinstance(plan, RecoveryPlan)
    assert plan.interrupted_recording_id == plan.report.recordings[-1].recording_id
    assert (plan.trimmed_chain_bytes, plan.media_sizes_bytes, plan.orphans, plan.is_clean) == (0, {}, (), False)


@pytest.mark.parametrize("kept_bytes", [1, 3, 4, 5, 100, -1])
def test_a_torn_entry_is_cut_with_the_media_that_it_describes(card: dict[str, Files], kept_bytes: int) -> None:
    files = card[open_folder(card)]
    chain = files[CHAIN_NAME]
    whole, end, _ = record_ends(chain)[-3:]  # The mark after the last chunk was never begun.
    files[CHAIN_NAME] = chain[: whole + kept_bytes] if kept_bytes > 0 else chain[: end - 1]
    plan = plan_of(files, open_folder(card))

    assert isinstance(plan, RecoveryPlan)
    assert plan.chain_size_bytes == whole
    (view,) = plan.report.recordings
    assert plan.media_sizes_bytes == {media_name(view.recording_id, 0): view.size_bytes}
    assert plan.trimmed_media_bytes > 0


@pytest.mark.parametrize("rubbish", [b"\0", b"\xf5", b"\x40", b"\xff"])
def test_an_entry_whose_last_byte_alone_is_torn_is_cut(card: dict[str, Files], rubbish: bytes) -> None:
    """A sector may begin with it: it is the null in place of a second signature, and many a byte is readable there."""
    files = card[open_folder(card)]
    whole, end = record_ends(files[CHAIN_NAME])[-2:]
    files[CHAIN_NAME] = files[CHAIN_NAME][: end - 1] + rubbish
    life = recovered(card)

    assert resumed_of(life).trimmed_chain_bytes == end - whole
    assert not [
        finding for finding in chain_report(life, life.log.folder).findings if finding.finding_class == "altered"
    ]


def test_resumed_says_what_was_cut(card: dict[str, Files]) -> None:
    files = card[open_folder(card)]
    files[CHAIN_NAME] += b"\0\0\2\1torn"
    media = next(name for name in files if name.endswith(".media"))
    files[media] += bytes(77)
    resumed = resumed_of(recovered(card))

    assert (resumed.trimmed_chain_bytes, resumed.trimmed_media_bytes, resumed.is_clean) == (8, 77, False)


def test_what_no_entry_describes_is_removed(card: dict[str, Files]) -> None:
    folder = open_folder(card)
    orphan = bytes(16)
    card[folder] |= {
        key_box_name(orphan): b"box",
        media_name(orphan, 0): b"",
        f"{key_box_name(orphan)}.partial": b"bo",
        "note.txt": b"not ours",
    }
    kept = set(card[folder]) - {key_box_name(orphan), media_name(orphan, 0), f"{key_box_name(orphan)}.partial"}
    life = recovered(card)

    assert {file.name for file in life.store.files(folder)} == kept


def test_a_recording_without_a_chunk_leaves_no_empty_file(card: dict[str, Files]) -> None:
    """The verifier would ask what it is."""
    folder = open_folder(card)
    chain = card[folder][CHAIN_NAME]
    card[folder][CHAIN_NAME] = chain[: record_ends(chain)[2]]
    media = next(name for name in card[folder] if name.endswith(".media"))
    life = recovered(card)

    assert chain_report(life, folder).recordings[0].chunks == ()
    assert media not in {file.name for file in life.store.files(folder)}


def test_a_clean_power_off_is_said_to_be_clean() -> None:
    first = Life(CrashStore(), "first life")
    first.start()
    first.log.event("power-off")

    assert resumed_of(recovered({key: dict(files) for key, files in first.store.disk.live().items()})).is_clean


def test_a_mute_is_remembered(card: dict[str, Files]) -> None:
    life = Life(CrashStore(), "first life")
    life.start()
    life.live(2)
    life.capture.open("press", life.clock.mono_ns() // 1000, continues=None)
    life.live(1)
    life.capture.mute(life.clock.mono_ns() // 1000)
    muted = plan_of(dict(life.store.disk.live()[life.log.folder]), life.log.folder)
    life.capture.unmute(life.clock.mono_ns() // 1000)
    unmuted = plan_of(dict(life.store.disk.live()[life.log.folder]), life.log.folder)

    assert isinstance(muted, RecoveryPlan)
    assert isinstance(unmuted, RecoveryPlan)
    assert (muted.was_muted, unmuted.was_muted) == (True, False)


def test_a_folder_in_which_nothing_was_ever_durable_is_given_up(card: dict[str, Files]) -> None:
    before = open_folder(card)
    closed = min(card)
    card = {closed: card[closed], before: {CHAIN_NAME: card[before][CHAIN_NAME][:200]}}
    life = recovered(card)

    assert before not in life.store.folders()
    assert life.log.number == 2
    opened = chain_report(life, life.log.folder).opened
    assert opened is not None
    assert opened.previous_shift is not None
    assert opened.previous_shift.head_hash == chain_report(life, closed).head_hash


def test_a_new_card_begins_with_shift_one() -> None:
    life = recovered({})
    opened = chain_report(life, life.log.folder).opened

    assert opened is not None
    assert (opened.shift_number, opened.previous_shift) == (1, None)


def test_a_closed_shift_with_rubbish_behind_it_is_not_taken_up_again(card: dict[str, Files]) -> None:
    closed = min(card)
    whole = card[closed][CHAIN_NAME]
    life = recovered({closed: {**card[closed], CHAIN_NAME: whole + b"\0" * 30}})

    assert life.store.disk.live()[closed][CHAIN_NAME] == whole
    assert life.log.number == 2


# Damage that no power cut makes: nothing goes.


@pytest.mark.parametrize("entry", range(7))
def test_no_flipped_bit_makes_a_camera_drop_footage(card: dict[str, Files], entry: int) -> None:
    """I2: a hole in the chain must not turn what it described into an orphan. (The last entry may be a torn write.)"""
    folder = open_folder(card)
    before = {name: len(data) for name, data in card[folder].items() if name != CHAIN_NAME}
    starts = [0, *record_ends(card[folder][CHAIN_NAME])]
    assert len(starts) == 9
    for offset in (0, 2, 12, 40, 130, (starts[entry + 1] - starts[entry]) // 2, starts[entry + 1] - starts[entry] - 3):
        damaged = {**card[folder], CHAIN_NAME: flip(card[folder][CHAIN_NAME], starts[entry] + offset)}
        life = recovered({**card, folder: damaged})
        after = {file.name: file.size_bytes for file in life.store.files(folder) if file.name != CHAIN_NAME}

        assert after == before, f"entry {entry}, byte {offset}"


def test_behind_a_flipped_bit_the_chain_goes_on_and_vouches_for_what_follows(card: dict[str, Files]) -> None:
    folder = open_folder(card)
    chain = card[folder][CHAIN_NAME]
    card[folder][CHAIN_NAME] = flip(chain, record_ends(chain)[3] + 60)
    life = recovered(card)
    report = chain_report(life, folder)

    assert life.log.folder == folder
    assert [view.chunk.index for view in report.recordings[0].chunks] == [0, 2, 3]
    assert report.recordings[0].ending_sequence == report.head_sequence - 1


def test_a_chain_that_cannot_be_read_is_left_alone_and_the_next_shift_opened(card: dict[str, Files]) -> None:
    folder = open_folder(card)
    card[folder][CHAIN_NAME] = bytes(len(card[folder][CHAIN_NAME]))
    life = recovered(card)

    assert dict(life.store.disk.live()[folder]) == card[folder]
    assert [(alone.folder, alone.reason) for alone in life.log.left_alone] == [(folder, "its chain cannot be read")]
    assert life.log.number == 3
    life.record(1)


@pytest.mark.parametrize("has_footage", [True, False])
def test_a_card_of_another_camera_is_left_alone(card: dict[str, Files], has_footage: bool) -> None:
    """I2: to this camera its entries verify nothing, so all its files would look like orphans."""
    folder = open_folder(card)
    if not has_footage:
        card[folder] = {CHAIN_NAME: card[folder][CHAIN_NAME][: record_ends(card[folder][CHAIN_NAME])[0]]}
    life = Life(CrashStore(card), "second life")
    life.log._device = make_device("another camera")
    life.start()

    now = life.store.disk.live()
    assert {key: dict(now[key]) for key in card} == card
    assert {alone.folder for alone in life.log.left_alone} == set(card)
    assert life.log.number == 1
    life.record(1)


def test_another_camera_s_shift_on_top_does_not_keep_a_camera_from_its_own(card: dict[str, Files]) -> None:
    foreign = Life(CrashStore(), "another")
    foreign.log._device = make_device("another camera")
    foreign.start()
    theirs = "shift-000900" + foreign.log.folder[12:]
    files = dict(foreign.store.disk.live()[foreign.log.folder])
    life = recovered({**card, theirs: files})

    assert life.log.folder == open_folder(card)
    assert dict(life.store.disk.live()[theirs]) == files


def test_a_chain_in_a_folder_of_another_name_is_left_alone(card: dict[str, Files]) -> None:
    folder = open_folder(card)
    renamed = folder[:-2] + ("00" if not folder.endswith("00") else "11")
    life = recovered({renamed: card[folder]})

    assert dict(life.store.disk.live()[renamed]) == card[folder]
    assert life.log.left_alone[0].reason.startswith("its chain is of shift")


def test_folders_that_are_no_shifts_are_not_looked_at(card: dict[str, Files]) -> None:
    life = recovered({**card, "lost+found": {"x": b"1"}, "zzz": {"x": b"1"}})

    assert life.log.folder == open_folder(card)
    assert life.store.read("zzz", "x", 0, 9) == b"1"


def test_a_shift_goes_on_aging_over_a_restart_within_one_boot() -> None:
    first = Life(CrashStore(), "same boot")
    first.start()
    opened_at = first.log.opened_at_mono_ns
    second = Life(CrashStore.of_killed(first.store.disk), "same boot")
    second.clock.advance(3_600_000_000_000)
    second.start()
    other_boot = Life(CrashStore.of_killed(first.store.disk), "other boot")
    other_boot.clock.advance(3_600_000_000_000)
    other_boot.start()

    assert second.log.opened_at_mono_ns == opened_at
    assert other_boot.log.opened_at_mono_ns > opened_at
