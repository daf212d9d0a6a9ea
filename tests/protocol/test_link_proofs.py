"""Who may dock where: every wrong key, name and replay is refused, and nothing is read (spec/06-dock-link.md, 6.3)."""

import pytest

from protocol.errors import PeerError
from protocol.link.camera_effects import CloseShift, DockRefused
from protocol.link.dock_effects import (
    CameraRefused,
    SessionOpened,
    Vacant,
)
from protocol.link.messages import (
    Knock,
    encode_message,
)
from protocol.link.transcript import sign_as_camera, sign_as_dock, transcript_of, verify_camera, verify_dock
from tests.builders import make_agency, make_camera, make_device
from tests.protocol.link_pair import LinkPair


def test_a_dock_that_the_camera_does_not_know_is_refused_and_both_say_why() -> None:
    stranger = make_agency("strangers")
    agency = make_agency()
    pair = LinkPair(agency=agency.with_policy(dock_keys=(stranger.dock.public_key,)))
    pair.pass_time(1000)

    (refused,) = pair.seen_by_dock(CameraRefused)
    assert isinstance(refused, CameraRefused)
    assert "does not name this dock's key" in refused.reason
    assert pair.seen_by_dock(SessionOpened) == []
    assert pair.seen_by_camera(CloseShift) == []


def test_a_dock_with_a_stolen_name_but_not_its_key_is_refused() -> None:
    pair = LinkPair()
    impostor = make_agency("impostor").dock
    pair.agency = pair.agency.with_policy()
    object.__setattr__(pair.agency, "dock", impostor)
    pair.pass_time(1000)

    (refused,) = pair.seen_by_camera(DockRefused)
    assert isinstance(refused, DockRefused)
    assert "proof does not hold" in refused.reason
    assert pair.seen_by_camera(CloseShift) == []


def test_a_camera_without_its_key_is_refused() -> None:
    pair = LinkPair()
    assert pair.camera is not None
    thief = make_device("thief")
    object.__setattr__(pair.camera, "device", thief)
    pair.start_camera()
    pair.camera_link._camera_key = make_camera(pair.agency).device.public_key
    pair.pass_time(1000)

    (refused,) = pair.seen_by_dock(CameraRefused)
    assert isinstance(refused, CameraRefused)
    assert "the camera's proof does not hold" in refused.reason
    assert pair.seen_by_dock(SessionOpened) == []


def test_a_camera_with_another_ones_enrolment_is_refused() -> None:
    agency = make_agency()
    camera = make_camera(agency, "CAM-2")
    object.__setattr__(camera, "enrolment", make_camera(agency, "CAM-1").enrolment)
    pair = LinkPair(agency=agency, camera=camera)
    pair.pass_time(1000)

    (refused,) = pair.seen_by_dock(CameraRefused)
    assert isinstance(refused, CameraRefused)
    assert "enrolment of another camera, CAM-1" in refused.reason


def test_a_camera_of_another_agency_is_refused() -> None:
    pair = LinkPair(camera=make_camera(make_agency("elsewhere")))
    pair.pass_time(1000)

    (refused,) = pair.seen_by_dock(CameraRefused)
    assert isinstance(refused, CameraRefused)
    assert "no good enrolment" in refused.reason


def test_a_revoked_camera_is_refused_and_nothing_is_read() -> None:
    agency = make_agency()
    camera = make_camera(agency)
    pair = LinkPair(agency=agency.with_policy(revoked_cameras=(camera.camera_id,)), camera=camera)
    pair.pass_time(1000)

    (refused,) = pair.seen_by_dock(CameraRefused)
    assert isinstance(refused, CameraRefused)
    assert "CAM-1 is revoked by policy 2" in refused.reason
    assert pair.seen_by_camera(CloseShift) == []


def test_a_refused_camera_is_asked_again_after_five_seconds() -> None:
    pair = LinkPair(camera=make_camera(make_agency("elsewhere")))
    pair.pass_time(9000)

    assert len(pair.seen_by_dock(CameraRefused)) == 2


def test_a_refused_camera_that_is_taken_away_leaves_the_bay_vacant() -> None:
    pair = LinkPair(camera=make_camera(make_agency("elsewhere")))
    pair.pass_time(1000)
    pair.to_camera = lambda data: b""
    pair.pass_time(12_000)

    assert len(pair.seen_by_dock(Vacant)) == 1


def test_every_start_of_a_session_has_fresh_nonces() -> None:
    said: list[bytes] = []
    pair = LinkPair()

    def listen(data: bytes) -> bytes:
        said.append(data)
        return data

    pair.to_dock = listen
    pair.dock()
    pair.cut()
    pair.dock()

    hellos = [frame for frame in said if b"camera-hello" in frame]
    assert len(set(hellos)) == 2


def test_a_replayed_dock_proof_does_not_open_a_session() -> None:
    pair = LinkPair()
    recorded: list[bytes] = []

    def tap(data: bytes) -> bytes:
        recorded.append(data)
        return data

    pair.to_camera = tap
    pair.dock()
    pair.cut()
    proof = next(frame for frame in recorded if b"dock-hello" in frame)
    pair.send_to_camera(encode_message(Knock()))
    pair.camera_saw.clear()
    pair.send_to_camera(proof)

    assert pair.seen_by_camera(CloseShift) == []
    assert len(pair.seen_by_camera(DockRefused)) == 1


def test_a_proof_holds_for_its_own_transcript_and_side_only() -> None:
    agency = make_agency()
    camera = make_camera(agency)
    transcript = transcript_of(b"camera hello", b"dock hello")
    by_dock, by_camera = sign_as_dock(agency.dock, transcript), sign_as_camera(camera.device, transcript)
    verify_dock(by_dock, agency.dock.public_key, transcript)
    verify_camera(by_camera, camera.device.public_key, transcript)

    for other in (transcript_of(b"camera hell", b"odock hello"), transcript_of(b"", b"")):
        with pytest.raises(PeerError):
            verify_dock(by_dock, agency.dock.public_key, other)
        with pytest.raises(PeerError):
            verify_camera(by_camera, camera.device.public_key, other)
