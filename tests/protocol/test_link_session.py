import pytest

from protocol.link import camera_states, dock_states
from protocol.link.camera import CameraLink
from protocol.link.camera_effects import CloseShift, ShowReady, Undocked
from protocol.link.camera_states import Docking
from protocol.link.dock_effects import (
    Listed,
    ReceiptAnswered,
    SessionEnded,
    SessionOpened,
)
from protocol.link.frames import FrameReader, encode_frame
from protocol.link.messages import (
    Bye,
    CameraProof,
    DockHello,
    Hello,
    ListFiles,
    Ping,
    encode_message,
    parse_from_camera,
    parse_from_dock,
)
from protocol.link.steps import IllegalTransition, Send
from tests.builders import make_agency, secret
from tests.protocol.link_pair import LinkPair


def test_a_docked_camera_is_known_to_both_sides() -> None:
    pair = LinkPair()
    pair.dock()

    (opened,) = pair.seen_by_dock(SessionOpened)
    assert isinstance(opened, SessionOpened)
    assert pair.camera is not None
    assert (opened.camera_key, opened.serial) == (pair.camera.device.public_key, "CAM-1")
    assert pair.seen_by_camera(CloseShift) == [CloseShift(1, pair.agency.dock.public_key)]
    assert pair.complaints == []


def test_no_files_are_listed_before_the_shift_is_closed() -> None:
    pair = LinkPair(card={("shift", "chain"): b"abc"}, is_shift_closed_at_once=False)
    pair.dock()
    pair.ask_listing()
    pair.pass_time(8000)

    assert pair.seen_by_dock(Listed) == []
    assert pair.dock_link.state is dock_states.State.OPEN, "the session must live while the shift is closed"
    pair.at_camera(pair.camera_link.on_shift_closed(1))
    pair.settle()
    assert len(pair.seen_by_dock(Listed)) == 1, "and then it comes without being asked for again"


def test_a_listing_that_the_last_session_asked_for_does_not_come_in_the_next() -> None:
    pair = LinkPair(is_shift_closed_at_once=False)
    pair.dock()
    pair.ask_listing()
    pair.start_dock()
    pair.dock()
    pair.at_camera(pair.camera_link.on_shift_closed(1))

    assert pair.frames_to_dock == []


def test_an_old_closing_does_not_open_the_listing_of_the_next_docking() -> None:
    pair = LinkPair(is_shift_closed_at_once=False)
    pair.dock()
    pair.cut()
    pair.dock()
    pair.at_camera(pair.camera_link.on_shift_closed(1))

    assert pair.camera_link.docking is Docking.CLOSING


def test_a_session_lives_as_long_as_the_line_does() -> None:
    pair = LinkPair()
    pair.dock()
    pair.pass_time(600_000, step_ms=500)

    assert pair.seen_by_dock(SessionEnded) == []
    assert pair.seen_by_camera(Undocked) == []


def test_the_end_of_the_line_undocks_at_once() -> None:
    pair = LinkPair()
    pair.dock()
    pair.cut()

    assert pair.seen_by_camera(Undocked) == [Undocked()]
    assert len(pair.seen_by_dock(SessionEnded)) == 1


def test_silence_undocks_after_five_seconds_and_not_before() -> None:
    pair = LinkPair()
    pair.dock()
    pair.pass_time(1000)
    pair.to_camera = pair.to_dock = lambda data: b""
    pair.pass_time(4000)
    assert pair.seen_by_camera(Undocked) == []
    pair.pass_time(2000)

    assert pair.seen_by_camera(Undocked) == [Undocked()]
    (ended,) = pair.seen_by_dock(SessionEnded)
    assert isinstance(ended, SessionEnded)
    assert "not answered for 5 s" in ended.reason


def test_a_dock_that_starts_anew_gets_a_session_and_closes_no_second_shift() -> None:
    pair = LinkPair()
    pair.dock()
    pair.start_dock()
    pair.dock()

    assert len(pair.seen_by_camera(CloseShift)) == 1
    assert pair.seen_by_camera(Undocked) == []


def test_a_dock_that_says_goodbye_leaves_the_camera_docked_for_the_time_of_silence() -> None:
    pair = LinkPair()
    pair.dock()
    pair.at_dock(pair.dock_link.hang_up("the dock stops"))
    pair.start_dock()
    pair.settle()
    assert pair.seen_by_camera(Undocked) == []
    pair.dock()

    assert len(pair.seen_by_camera(CloseShift)) == 1


def test_a_camera_that_starts_anew_is_found_within_a_second() -> None:
    pair = LinkPair()
    pair.dock()
    pair.start_camera()
    pair.pass_time(2000)

    assert len(pair.seen_by_dock(SessionOpened)) == 2
    (ended,) = pair.seen_by_dock(SessionEnded)
    assert isinstance(ended, SessionEnded)
    assert "no such session" in ended.reason


def test_a_camera_moved_to_another_dock_is_undocked_and_docked() -> None:
    agency = make_agency()
    other = make_agency("other").dock
    agency = agency.with_policy(dock_keys=(agency.dock.public_key, other.public_key))
    pair = LinkPair(agency=agency)
    pair.dock()
    pair.agency = agency.with_policy()
    object.__setattr__(pair.agency, "dock", other)
    pair.start_dock()
    pair.dock()

    closings = pair.seen_by_camera(CloseShift)
    assert closings == [CloseShift(1, make_agency().dock.public_key), CloseShift(2, other.public_key)]
    assert pair.seen_by_camera(Undocked) == [Undocked()]


@pytest.mark.parametrize("times", [2, 3])
def test_every_message_may_arrive_more_than_once(times: int) -> None:
    files = {("shift", "chain"): secret("chain", 5000), ("shift", "media"): b"abc"}
    pair = LinkPair(card=files, to_camera=lambda data: data * times, to_dock=lambda data: data * times)
    pair.dock()
    pair.ask_listing()
    pair.read("shift", "chain")
    pair.bring(b"a receipt")
    pair.pass_time(3000)

    assert bytes(pair.spool) == files["shift", "chain"]
    assert len(pair.seen_by_dock(Listed)) == 1
    assert len(pair.seen_by_dock(ReceiptAnswered)) == 1
    assert len(pair.seen_by_camera(CloseShift)) == 1
    assert pair.complaints == []


def test_what_breaks_the_specification_ends_the_session_and_both_meet_again() -> None:
    pair = LinkPair()
    pair.dock()
    pair.send_to_camera(encode_frame(1, b"\xff\xff"))
    pair.pass_time(3000)

    assert len(pair.complaints) == 1
    assert len(pair.seen_by_dock(SessionOpened)) == 2
    assert len(pair.seen_by_camera(CloseShift)) == 1


def test_an_unknown_kind_of_frame_is_passed_over() -> None:
    pair = LinkPair()
    pair.dock()
    pair.send_to_camera(encode_frame(9, b"later"))
    pair.send_to_dock(encode_frame(9, b"later"))

    assert pair.complaints == []
    assert pair.dock_link.state is dock_states.State.OPEN


def test_the_ready_light_follows_the_dock() -> None:
    pair = LinkPair()
    pair.dock()
    pair.dock_link.asking.show_ready(is_ready=True, now_mono_ns=pair.now_mono_ns)
    pair.pass_time(3000)
    pair.dock_link.asking.show_ready(is_ready=False, now_mono_ns=pair.now_mono_ns)
    pair.pass_time(3000)

    assert pair.seen_by_camera(ShowReady) == [ShowReady(True), ShowReady(False)]


def test_a_line_that_only_echoes_is_no_camera() -> None:
    pair = LinkPair()
    for _ in range(50):
        pair.now_mono_ns += 100_000_000
        pair.at_dock(pair.dock_link.on_time(pair.now_mono_ns))
        echoes, pair.frames_to_camera = pair.frames_to_camera, []
        for frame in echoes:
            pair.send_to_dock(frame)

    assert pair.dock_link.state is dock_states.State.KNOCKING
    assert pair.seen_by_dock(SessionOpened) == []


# The tables.

OWN_TO_CAMERA = {camera_states.Event.SIGNED}
OWN_TO_DOCK = {dock_states.Event.SIGNED, dock_states.Event.RESTED}


def test_whatever_line_or_dock_may_do_has_a_row_in_every_state_of_the_camera() -> None:
    for state in camera_states.State:
        for event in set(camera_states.Event) - OWN_TO_CAMERA:
            assert (state, event) in camera_states.TRANSITIONS, f"{event} in {state}"


def test_whatever_line_or_camera_may_do_has_a_row_in_every_state_of_the_dock() -> None:
    for state in dock_states.State:
        for event in set(dock_states.Event) - OWN_TO_DOCK - {dock_states.Event.SILENT}:
            assert (state, event) in dock_states.TRANSITIONS, f"{event} in {state}"
        is_timed = state is not dock_states.State.RESTING
        assert ((state, dock_states.Event.SILENT) in dock_states.TRANSITIONS) == is_timed


def test_a_camera_docks_from_away_only_and_leaves_from_anywhere() -> None:
    for docking in Docking:
        assert (docking, camera_states.DockingEvent.LEFT) in camera_states.DOCKING_TRANSITIONS
        step = camera_states.DOCKING_TRANSITIONS[docking, camera_states.DockingEvent.PROVED]
        closes = step[1] is camera_states.DockingAction.CLOSE_SHIFT
        assert closes == (docking is Docking.AWAY)


def test_a_signature_that_nobody_asked_for_is_our_bug() -> None:
    pair = LinkPair()

    with pytest.raises(IllegalTransition, match="signed in idle"):
        pair.camera_link.on_signed(b"", b"")
    with pytest.raises(IllegalTransition, match="signed in knocking"):
        pair.dock_link.on_signed(b"", b"", 0)


def test_nothing_is_said_before_the_dock_knocks() -> None:
    pair = LinkPair()
    link: CameraLink = pair.camera_link

    assert link.next_deadline() is None
    assert link.on_time(10**18) == ()


def test_a_stranger_hears_nothing_but_that_there_is_no_session() -> None:
    pair = LinkPair()
    reader = FrameReader()
    asked = ListFiles(session=b"sessions", request=1, after=None)
    (frame,) = reader.feed(encode_message(asked), now_mono_ns=0)

    (answer,) = pair.camera_link.receive(frame, now_mono_ns=0)
    assert isinstance(answer, Send)
    (said,) = reader.feed(answer.frame, now_mono_ns=0)
    assert parse_from_camera(said.payload) == Bye(session=b"sessions", reason="no such session")


def test_messages_survive_the_wire() -> None:
    hello = Hello(dock_key=bytes(32), policy_version=1, nonce=bytes(32)).encoded()
    for message in (DockHello(hello=hello, signature=b"s"), Ping(session=b"sessions", is_ready=True)):
        assert parse_from_dock(message.encoded()) == message
    assert parse_from_camera(CameraProof(signature=b"s").encoded()) == CameraProof(signature=b"s")
