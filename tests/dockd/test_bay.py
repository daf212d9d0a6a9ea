"""A docked camera end to end: real pseudo-terminals, real folders, both programs' own loops."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockd.station.adapters.spool import FolderSpool
from dockd.station.app.freeing import Freer
from dockd.station.app.notes import ShiftNotes
from dockd.station.errors import SpoolFull
from dockd.station.ports import ShiftPlace
from firmware.app.eraser import ReceiptOutcome
from hw_sim.cable import TO_CAMERA, TO_DOCK, Noise
from protocol.layout import CHAIN_NAME, media_name
from protocol.receipt import receipt_hash
from tests.builders import BuiltShift, build_shift, make_agency, make_camera, receipts_of
from tests.dockd.docking import Docking
from tests.protocol.ledgers import bare

AGENCY = make_agency()
CAMERA = make_camera(AGENCY)


@pytest.fixture
def docking(tmp_path: Path) -> Iterator[Docking]:
    docking = Docking(tmp_path, AGENCY, CAMERA)
    yield docking
    docking.stop()
    assert docking.faults == []
    assert docking.client is None or docking.client.fault is None


def fill(docking: Docking, **options: object) -> BuiltShift:
    options = {"recordings": 2, "chunks": 2, "part_bytes": 3000} | options
    return build_shift(docking.card, agency=AGENCY, camera=CAMERA, **options)  # type: ignore[arg-type]


def bring_receipts(docking: Docking, shift: BuiltShift) -> None:
    for brought in bare(*receipts_of(shift, agency=AGENCY, camera=CAMERA)):
        docking.spool.add_receipt(docking.place(shift), brought)
    assert docking.bay is not None
    docking.bay.look_for_receipts()


def test_a_docked_camera_is_read_verified_and_ready(docking: Docking) -> None:
    shift = fill(docking)
    docking.start()
    docked, ready = docking.heard.wait("docked"), docking.heard.wait("ready")

    assert docked["camera"] == "CAM-1"
    assert docking.spooled(shift) == shift.files
    (verified,) = docking.heard.named("shift-verified")
    assert (verified["folder"], verified["recording_count"], verified["finding_count"]) == (shift.folder, 2, 0)
    assert ready["bytes_read"] == sum(len(data) for data in shift.files.values())
    assert docking.camera_heard.wait("ready") == {"is_ready": True}
    assert docking.spool.note(docking.place(shift), "enrolment") == CAMERA.enrolment


def test_an_empty_card_is_ready_at_once(docking: Docking) -> None:
    docking.start()

    assert docking.heard.wait("ready")["shift_count"] == 0


def test_the_open_shift_is_not_read(docking: Docking) -> None:
    shift = fill(docking)
    docking.open_folder = fill(docking, number=2, previous=shift.last, is_closed=False).folder
    docking.start()
    docking.heard.wait("ready")

    assert docking.spool.shifts() == (docking.place(shift),)


def test_nothing_is_read_before_the_shift_is_closed(docking: Docking) -> None:
    docking.is_shift_closed.clear()
    docking.start()
    docking.heard.wait("docked")
    shift = fill(docking)
    docking.is_shift_closed.set()
    docking.heard.wait("shift-verified")

    assert docking.camera_heard.events[-1][0] != "undocked"
    assert docking.spooled(shift) == shift.files


def test_the_chain_travels_first_then_key_boxes_then_marked_media(tmp_path: Path) -> None:
    order: list[str] = []

    class Watched(FolderSpool):
        def complete(self, place: ShiftPlace, name: str) -> None:
            order.append(name)
            super().complete(place, name)

    (tmp_path / "spool").mkdir()
    docking = Docking(tmp_path, AGENCY, CAMERA, spool=Watched(tmp_path / "spool"))
    shift = fill(docking, recordings=3, marked=(2,))
    docking.start()
    docking.heard.wait("ready")
    docking.stop()

    ids = [recording.recording_id for recording in shift.recordings]
    assert order[0] == CHAIN_NAME
    assert all(name.endswith(".keybox") for name in order[1:4])
    assert order[4:] == [media_name(ids[index], 0) for index in (2, 0, 1)]


def test_media_with_a_flipped_byte_are_read_twice_and_kept_with_the_finding(docking: Docking) -> None:
    shift = fill(docking)
    name = media_name(shift.recordings[1].recording_id, 0)
    hurt = bytearray(shift.files[name])
    hurt[4000] ^= 1
    (shift.path / name).write_bytes(hurt)
    docking.start()
    docking.heard.wait("ready")

    assert docking.spooled(shift)[name] == bytes(hurt)
    assert docking.heard.named("shift-verified")[0]["finding_count"] == 1
    assert len(docking.heard.named("reading-again")) == 1
    note = docking.spool.note(docking.place(shift), "findings")
    assert note is not None
    (finding,) = json.loads(note)[name]["findings"]
    assert (finding["kind"], finding["class"]) == ("part-hash-mismatch", "altered")
    assert finding["place"]["file"] == f"{shift.folder}/{name}"


@pytest.mark.parametrize("damage", [b"", b"not a chain at all"])
def test_footage_without_a_readable_chain_is_taken_all_the_same(docking: Docking, damage: bytes) -> None:
    shift = fill(docking)
    (shift.path / CHAIN_NAME).write_bytes(damage)
    docking.start()
    docking.heard.wait("ready")

    assert docking.spooled(shift) == shift.files | {CHAIN_NAME: damage}
    count = docking.heard.named("shift-verified")[0]["finding_count"]
    assert count == len(shift.files), "one for the chain, and one for each file that nothing vouches for"


def test_a_chain_of_another_camera_is_a_finding_and_is_kept(docking: Docking) -> None:
    other = make_camera(AGENCY, "CAM-9")
    shift = build_shift(docking.card, agency=AGENCY, camera=other, recordings=1)
    docking.start()
    docking.heard.wait("ready")

    assert docking.spooled(shift) == shift.files
    note = docking.spool.note(docking.place(shift), "findings")
    assert note is not None
    assert b"camera-mismatch" in note


def test_a_foreign_key_box_is_a_finding(docking: Docking) -> None:
    shift = fill(docking)
    one, two = sorted(name for name in shift.files if name.endswith(".keybox"))
    (shift.path / one).write_bytes(shift.files[two])
    docking.start()
    docking.heard.wait("ready")

    note = docking.spool.note(docking.place(shift), "findings")
    assert note is not None
    assert [each["kind"] for each in json.loads(note)[one]["findings"]] == ["key-box-mismatch"]


def test_a_read_is_taken_up_where_the_line_was_cut(docking: Docking) -> None:
    shift = fill(docking, recordings=1, chunks=4, part_bytes=200_000)
    docking.cable.plug()
    docking.cable.cut_after(TO_DOCK, 700_000)
    docking.start()
    docking.heard.wait("undocked")
    docking.cable.plug()
    docking.heard.wait("ready")

    assert docking.spooled(shift) == shift.files
    total = sum(len(data) for data in shift.files.values())
    assert docking.cable.passed_bytes(TO_DOCK) < total + 400_000, "what had arrived is not sent again"
    assert docking.camera_heard.named("undocked") != []


def test_a_dock_that_starts_anew_feeds_its_verifier_with_what_it_has(docking: Docking) -> None:
    shift = fill(docking, recordings=1, chunks=4, part_bytes=200_000)
    name = media_name(shift.recordings[0].recording_id, 0)
    place = docking.place(shift)
    docking.spool.open_shift(place)
    docking.spool.append(place, CHAIN_NAME, 0, shift.files[CHAIN_NAME])
    docking.spool.complete(place, CHAIN_NAME)
    docking.spool.append(place, name, 0, shift.files[name][:500_000])
    docking.start()
    ready = docking.heard.wait("ready")

    assert docking.spooled(shift) == shift.files
    assert docking.heard.named("shift-verified")[0]["finding_count"] == 0
    assert ready["bytes_read"] == sum(map(len, shift.files.values())) - len(shift.files[CHAIN_NAME]) - 500_000


def test_a_spooled_beginning_that_a_power_cut_spoilt_is_read_anew(docking: Docking) -> None:
    shift = fill(docking, recordings=1, chunks=4, part_bytes=20_000)
    name = media_name(shift.recordings[0].recording_id, 0)
    place = docking.place(shift)
    docking.spool.open_shift(place)
    docking.spool.append(place, name, 0, bytes(30_000))
    docking.start()
    docking.heard.wait("ready")

    assert docking.spooled(shift) == shift.files
    assert len(docking.heard.named("reading-again")) == 1
    assert docking.heard.named("shift-verified")[0]["finding_count"] == 0


def test_a_noisy_line_delivers_byte_for_byte(docking: Docking) -> None:
    shift = fill(docking, recordings=1, chunks=3, part_bytes=150_000)
    docking.cable.plug()
    for direction in (TO_DOCK, TO_CAMERA):
        docking.cable.set_noise(direction, Noise(flips_per_million=5, drops_per_million=5, inserts_per_million=5))
    docking.start()
    docking.heard.wait("ready")

    assert docking.spooled(shift) == shift.files
    assert docking.heard.named("shift-verified")[0]["finding_count"] == 0


def test_a_full_spool_loses_nothing_and_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dockd.station.app.custody.FULL_NS", 50_000_000)

    class Full(FolderSpool):
        room_bytes = 20_000

        def append(self, place: ShiftPlace, name: str, offset_bytes: int, data: bytes) -> None:
            if name.endswith(".media"):
                if self.room_bytes < len(data):
                    self.room_bytes += 15_000
                    raise SpoolFull("no room", expected="room", next_step="wait")
                self.room_bytes -= len(data)
            super().append(place, name, offset_bytes, data)

    (tmp_path / "spool").mkdir()
    docking = Docking(tmp_path, AGENCY, CAMERA, spool=Full(tmp_path / "spool"))
    shift = fill(docking, chunks=4, part_bytes=20_000)
    docking.start()
    docking.heard.wait("ready")
    docking.stop()

    assert docking.spooled(shift) == shift.files
    assert "no room" in str(docking.heard.named("trouble")[0]["text"])
    assert docking.faults == []


def test_receipts_that_come_later_reach_the_camera_in_the_same_session(docking: Docking) -> None:
    shift = fill(docking)
    docking.start()
    docking.heard.wait("ready")
    bring_receipts(docking, shift)
    docking.heard.wait("erased", count=3)

    assert list(shift.path.iterdir()) == []
    recordings = [recording.recording_id.hex() for recording in shift.recordings]
    said = [event["recording_id"] for event in docking.heard.named("erased")]
    assert sorted(map(str, said[:2])) == sorted(recordings)
    assert said[2] is None, "the chain goes last"
    assert len(docking.heard.named("docked")) == 1


def test_a_chains_receipt_that_came_too_early_is_brought_again_after_the_recordings(docking: Docking) -> None:
    shift = fill(docking)
    *recordings, chain = receipts_of(shift, agency=AGENCY, camera=CAMERA)
    docking.start()
    docking.heard.wait("ready")
    docking.spool.add_receipt(docking.place(shift), *bare(chain))
    assert "the chain goes last" in str(docking.heard.wait("receipt-refused")["text"])
    for brought in bare(*recordings):
        docking.spool.add_receipt(docking.place(shift), brought)
    docking.heard.wait("erased", count=3)

    assert list(shift.path.iterdir()) == []


def test_the_spool_drops_media_only_when_all_is_receipted_and_erased(docking: Docking) -> None:
    shift = fill(docking)
    docking.start()
    docking.heard.wait("ready")
    bring_receipts(docking, shift)
    docking.heard.wait("freed")

    kept = docking.spooled(shift)
    assert kept == {name: data for name, data in shift.files.items() if not name.endswith(".media")}
    assert len(docking.spool.receipts(docking.place(shift))) == 3


def test_a_camera_that_does_not_erase_keeps_its_footage_in_the_spool_too(docking: Docking) -> None:
    shift = fill(docking)
    docking.gate = lambda signed: ReceiptOutcome(is_erased=False, reason="this camera has its own mind")
    docking.start()
    docking.heard.wait("ready")
    bring_receipts(docking, shift)
    refused = docking.heard.wait("receipt-refused", count=3)

    assert "own mind" in str(refused["text"])
    assert docking.spooled(shift) == shift.files
    assert docking.heard.named("freed") == []


def test_receipts_are_brought_to_a_camera_that_docks_again_later(docking: Docking) -> None:
    shift = fill(docking)
    docking.start()
    docking.heard.wait("ready")
    docking.cable.unplug()
    docking.heard.wait("undocked")
    bring_receipts(docking, shift)
    docking.cable.plug()
    docking.heard.wait("freed")

    assert list(shift.path.iterdir()) == []


def test_a_freeing_that_a_power_cut_interrupted_is_finished_at_the_next_start(docking: Docking) -> None:
    shift = fill(docking)
    docking.start()
    docking.heard.wait("ready")
    place, notes = docking.place(shift), ShiftNotes(docking.spool)
    for signed in receipts_of(shift, agency=AGENCY, camera=CAMERA):
        docking.spool.add_receipt(place, *bare(signed))
        notes.add_erased(place, receipt_hash(signed))

    assert Freer(spool=docking.spool, policy=AGENCY.policy).redo() == 2
    assert Freer(spool=docking.spool, policy=AGENCY.policy).redo() == 0
    assert not any(name.endswith(".media") for name in docking.spooled(shift))


def test_a_revoked_camera_is_refused_and_nothing_is_read(tmp_path: Path) -> None:
    revoking = AGENCY.with_policy(revoked_cameras=(CAMERA.camera_id,))
    docking = Docking(tmp_path, AGENCY, CAMERA, dock_policy=revoking.policy)
    fill(docking)
    docking.start()
    trouble = docking.heard.wait("trouble")
    docking.stop()

    assert trouble["text"] == "camera CAM-1 is revoked by policy 2; nothing was read"
    assert docking.spool.shifts() == ()
    assert docking.shifts_closed == 0
    assert json.loads(docking.status[-1])["bays"][0]["state"] == "trouble"


def test_a_dock_that_starts_anew_does_not_close_a_shift_again(docking: Docking) -> None:
    docking.start()
    docking.heard.wait("ready")
    assert docking.bay is not None
    docking.bay.stop()
    docking.start_bay()
    docking.heard.wait("ready", count=2)

    assert docking.shifts_closed == 1
    assert docking.camera_heard.named("undocked") == []


def test_a_camera_that_starts_anew_docks_again(docking: Docking) -> None:
    shift = fill(docking)
    docking.start()
    docking.heard.wait("ready")
    assert docking.client is not None
    docking.client.stop()
    docking.start_camera()
    docking.heard.wait("ready", count=2)

    assert docking.spooled(shift) == shift.files
    assert docking.shifts_closed == 2


def test_the_status_tells_the_bays_story(docking: Docking) -> None:
    shift = fill(docking)
    docking.start()
    docking.heard.wait("ready")
    bring_receipts(docking, shift)
    docking.heard.wait("freed")
    docking.heard.wait("erased", count=3)
    docking.stop()

    states = [json.loads(data)["bays"][0] for data in docking.status]
    words = [bay["state"] for bay in states]
    assert words[0] == "empty"
    assert "waiting-for-receipt" in words
    waiting = states[words.index("waiting-for-receipt")]
    assert waiting["is_ready"]
    assert (waiting["camera"], waiting["bytes_held"]) == ("CAM-1", waiting["bytes_listed"])


def test_stopping_is_quick_whatever_is_under_way(docking: Docking) -> None:
    fill(docking, recordings=1, chunks=4, part_bytes=2_000_000)
    docking.start()
    docking.heard.wait("docked")
    assert docking.bay is not None
    assert docking.client is not None
    docking.bay.stop()
    docking.client.stop()
