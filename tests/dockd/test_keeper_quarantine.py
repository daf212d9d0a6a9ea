"""What central does not accept is kept apart, with what was found, and makes no receipt; what is true still arrives."""

import json
from pathlib import Path

import pytest

from dockd.central.ports import ShiftKey
from protocol.canonical import encode
from protocol.chain import RecordReader, encode_entry, record_of
from protocol.layout import CHAIN_NAME
from tests.builders import Agency, BuiltShift, Camera, build_shift, make_agency, make_camera
from tests.dockd.evidence import Central, Offer, chain_of, flipped, new_central, offers_of, part_of


@pytest.fixture
def agency() -> Agency:
    return make_agency()


@pytest.fixture
def camera(agency: Agency) -> Camera:
    return make_camera(agency)


@pytest.fixture
def shift(tmp_path: Path, agency: Agency, camera: Camera) -> BuiltShift:
    return build_shift(tmp_path / "card", agency=agency, camera=camera, media_files=2)


@pytest.fixture
def offers(shift: BuiltShift, camera: Camera) -> tuple[Offer, ...]:
    return offers_of(shift, camera)


@pytest.fixture
def central(tmp_path: Path, agency: Agency, camera: Camera) -> Central:
    made = new_central(tmp_path / "central", agency)
    made.enrol(camera)
    return made


def test_a_damaged_media_file_is_kept_apart_with_its_finding_and_never_receipted(
    central: Central, offers: tuple[Offer, ...]
) -> None:
    media = part_of(offers, "media", 1)
    bad = media.changed(flipped(media.data, 40))
    sent = [bad if offer is media else offer for offer in offers]

    kept = [central.keep(offer) for offer in sent]

    held = [each.held_reason for each in kept if each.held_reason is not None]
    assert len(held) == 1
    assert held[0].startswith("quarantined: part-hash-mismatch")
    quarantine = central.objects_below("quarantine")
    name = next(name for name in quarantine if not name.endswith(".json"))
    assert quarantine[name] == bad.data
    findings = json.loads(quarantine[f"{name}.json"])["findings"]
    assert findings[0]["kind"] == "part-hash-mismatch"
    assert findings[0]["place"]["chunk_index"] is not None
    assert len(central.catalogue.receipts(key_of(offers))) == 2  # the chain's and the other recording's


def test_the_true_bytes_are_taken_after_damaged_ones(central: Central, offers: tuple[Offer, ...]) -> None:
    media = part_of(offers, "media")
    central.keep_all(tuple(offer for offer in offers if offer is not media))
    central.keep(media.changed(flipped(media.data)))

    assert central.keeper.receipts_for(media.description) is None
    assert len(central.keep(media).receipts) == 1


def test_the_same_damaged_bytes_are_stored_once_and_asked_for_twice_and_then_once_an_hour(
    central: Central, offers: tuple[Offer, ...]
) -> None:
    media = part_of(offers, "media")
    bad = media.changed(flipped(media.data))
    central.keep(chain_of(offers))

    answers = []
    for _ in range(2):
        central.keep(bad)
        answers.append(central.keeper.receipts_for(bad.description))

    assert answers[0] is None
    assert answers[1] is not None
    assert answers[1].receipts == ()
    assert str(answers[1].held_reason).startswith("quarantined: ")
    assert len(central.objects_below("quarantine")) == 2  # the bytes and their findings
    central.clock.advance(3_600_000)
    assert central.keeper.receipts_for(bad.description) is None


def test_other_bytes_under_a_stored_name_are_both_kept(central: Central, offers: tuple[Offer, ...]) -> None:
    central.keep_all(offers)
    media = part_of(offers, "media")

    kept = central.keep(media.changed(flipped(media.data)))

    assert kept.receipts == ()
    assert "another media is stored under this name already" in str(kept.held_reason)
    assert flipped(media.data) in central.objects_below("quarantine").values()
    assert media.data in central.objects_below("objects").values()
    assert ("quarantined", kept.held_reason) == (
        central.events[-1][0],
        f"quarantined: {central.events[-1][1]['reason']}",
    )


def test_two_chains_of_one_shift_are_both_kept(
    tmp_path: Path, central: Central, offers: tuple[Offer, ...], agency: Agency, camera: Camera
) -> None:
    """A cloned card makes two continuations of one shift; both are true to their signatures."""
    other = build_shift(tmp_path / "clone", agency=agency, camera=camera, recordings=1)
    central.keep(chain_of(offers))

    kept = central.keep(chain_of(offers_of(other, camera)))

    assert kept.receipts == ()
    assert other.files[CHAIN_NAME] in central.objects_below("quarantine").values()
    assert chain_of(offers).data in central.objects_below("objects").values()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "noise"])
def test_a_chain_that_does_not_hold_is_kept_apart(central: Central, offers: tuple[Offer, ...], damage: str) -> None:
    chain = chain_of(offers)
    data = {
        "flip": flipped(chain.data, len(chain.data) // 2),
        "cut": chain.data[:-200],
        "empty": b"",
        "noise": b"\xff" * 999,
    }

    kept = central.keep(chain.changed(data[damage]))

    assert kept.receipts == ()
    assert str(kept.held_reason).startswith("quarantined: ")
    assert data[damage] in central.objects_below("quarantine").values()
    assert central.objects_below("objects") == {}


def test_a_chain_with_withheld_bodies_is_kept_apart(central: Central, offers: tuple[Offer, ...]) -> None:
    """Its signatures hold without them, but a dock could hide recordings in this way."""
    chain = chain_of(offers)
    reader = RecordReader()
    records = [*reader.feed(chain.data), *reader.finish()]
    entries = [record.entry for record in records if record.entry is not None]
    stripped = b"".join(record_of(encode_entry(entry, is_body_withheld=True)) for entry in entries[1:-1])
    first, last = (record_of(encode_entry(entries[index])) for index in (0, -1))

    kept = central.keep(chain.changed(first + stripped + last))

    assert str(kept.held_reason).startswith("quarantined: body-withheld")


def test_a_chain_of_another_camera_is_kept_apart(
    tmp_path: Path, central: Central, agency: Agency, camera: Camera
) -> None:
    stranger = make_camera(agency, "CAM-2")
    shift = build_shift(tmp_path / "other", agency=agency, camera=stranger)
    chain = chain_of(offers_of(shift, stranger)).described(camera_id=camera.camera_id)

    kept = central.keep(chain)

    assert str(kept.held_reason).startswith("quarantined: ")
    assert central.catalogue.shifts() == ()


def test_a_chain_of_another_camera_is_kept_apart_also_where_neither_is_enrolled(
    tmp_path: Path, agency: Agency, camera: Camera
) -> None:
    central = new_central(tmp_path / "fresh", agency)
    stranger = make_camera(agency, "CAM-2")
    shift = build_shift(tmp_path / "other", agency=agency, camera=stranger)
    chain = chain_of(offers_of(shift, stranger)).described(camera_id=camera.camera_id)

    kept = central.keep(chain)

    assert f"it is the chain of camera {stranger.camera_id.hex()}" in str(kept.held_reason)
    assert central.catalogue.shifts() == ()


def test_a_key_box_that_the_camera_did_not_name_is_kept_apart(central: Central, offers: tuple[Offer, ...]) -> None:
    box = part_of(offers, "key-box")
    central.keep(chain_of(offers))

    kept = central.keep(box.changed(flipped(box.data)))

    assert "not the key box that the camera's entry names" in str(kept.held_reason)


def test_media_of_an_unknown_recording_are_kept_apart(central: Central, offers: tuple[Offer, ...]) -> None:
    media = part_of(offers, "media")
    central.keep(chain_of(offers))

    kept = central.keep(media.described(name=f"{bytes(16).hex()}.0000.media"))

    assert "tells of no such recording" in str(kept.held_reason)


def test_media_behind_a_quarantined_chain_are_kept_and_sent_again_only_when_a_good_chain_came(
    central: Central, offers: tuple[Offer, ...]
) -> None:
    chain, media = chain_of(offers), part_of(offers, "media")
    central.keep(chain.changed(flipped(chain.data, 500)))

    kept = central.keep(media)
    while_bad = central.keeper.receipts_for(media.description)
    central.keep(chain)

    assert kept.receipts == ()
    assert media.data in central.objects_below("quarantine").values()
    assert while_bad == kept
    assert central.keeper.receipts_for(media.description) is None


def test_a_strange_object_in_a_files_place_is_set_aside_for_the_true_file(
    central: Central, offers: tuple[Offer, ...], camera: Camera, shift: BuiltShift
) -> None:
    chain = chain_of(offers)
    path = central.objects / f"objects/{camera.camera_id.hex()}/{shift.folder}/{CHAIN_NAME}"
    path.parent.mkdir(parents=True)
    path.write_bytes(encode("not a chain"))

    kept = central.keep(chain)

    assert len(kept.receipts) == 1
    assert path.read_bytes() == chain.data
    assert encode("not a chain") in central.objects_below("quarantine").values()


def key_of(offers: tuple[Offer, ...]) -> ShiftKey:
    return ShiftKey(offers[0].description.camera_id, offers[0].description.shift_id)
