"""The two ends of the requests, each by itself: what is old, repeated or out of order has no effect."""

import pytest

from protocol.errors import PeerError
from protocol.link.asking import Asking
from protocol.link.camera import CameraLink
from protocol.link.camera_effects import JudgeReceipt
from protocol.link.dock import DockLink
from protocol.link.dock_effects import Arrived, Listed, ReadEnded
from protocol.link.frames import Frame, FrameReader
from protocol.link.messages import (
    BringReceipt,
    Data,
    Knock,
    ListedFile,
    Listing,
    ReadFile,
    Taken,
    encode_message,
    parse_from_dock,
)
from protocol.link.serving import Serving
from protocol.link.steps import Send, WantNonce
from protocol.receipt import ReceiptWithProof, receipt_hash
from tests.builders import make_agency, make_camera, secret
from tests.protocol.link_pair import LinkPair

SESSION = b"sessions"
ONE, TWO = (ListedFile(folder="s", name=name, size_bytes=5000) for name in ("one", "two"))


def asking() -> Asking:
    asking = Asking(window_bytes=4096)
    asking.begin(SESSION, 0)
    return asking


def serving() -> Serving:
    serving = Serving()
    serving.begin(SESSION)
    serving.on_listing(1, [ONE, TWO])
    return serving


def read(request: int, *, offset: int = 0, name: str = "one") -> ReadFile:
    return ReadFile(
        session=SESSION,
        request=request,
        folder="s",
        name=name,
        offset_bytes=offset,
        window_bytes=2048,
        frame_bytes=1024,
    )


def said(effects: tuple[object, ...]) -> list[object]:
    frames = b"".join(effect.frame for effect in effects if isinstance(effect, Send))
    return [parse_from_dock(frame.payload) for frame in FrameReader().feed(frames, now_mono_ns=0)]


def test_data_of_an_earlier_read_are_passed_over() -> None:
    dock = asking()
    dock.read("s", "one", offset_bytes=0, size_bytes=5000, now_mono_ns=0)
    dock.stop_reading()
    (ask,) = said(dock.read("s", "two", offset_bytes=0, size_bytes=5000, now_mono_ns=0))
    assert isinstance(ask, ReadFile)

    assert dock.take_data(Data(SESSION, ask.request - 1, 0, b"of one"), 0) == ()
    assert dock.take_data(Data(SESSION, ask.request, 0, b"of two"), 0) == (Arrived(0, b"of two"),)


def test_data_that_come_twice_arrive_once() -> None:
    dock = asking()
    (ask,) = said(dock.read("s", "one", offset_bytes=0, size_bytes=5000, now_mono_ns=0))
    assert isinstance(ask, ReadFile)
    data = Data(SESSION, ask.request, 0, b"bytes")

    assert dock.take_data(data, 0) == (Arrived(0, b"bytes"),)
    assert dock.take_data(data, 0) == ()


def test_a_hole_in_the_data_is_asked_for_again_from_where_it_begins() -> None:
    dock = asking()
    dock.read("s", "one", offset_bytes=100, size_bytes=5000, now_mono_ns=0)
    (again,) = said(dock.take_data(Data(SESSION, 1, 300, b"later"), 0))

    assert isinstance(again, ReadFile)
    assert (again.request, again.offset_bytes) == (2, 100)


def test_what_stalls_is_asked_for_again_with_smaller_frames() -> None:
    dock = Asking(window_bytes=1024 * 1024)
    dock.begin(SESSION, 0)
    (first,) = said(dock.read("s", "one", offset_bytes=0, size_bytes=5000, now_mono_ns=0))
    later = [message for message in said(dock.on_time(2_000_000_000)) if isinstance(message, ReadFile)]

    assert isinstance(first, ReadFile)
    assert [message.frame_bytes * 2 for message in later] == [first.frame_bytes]


@pytest.mark.parametrize("files", [(TWO, ONE), (ONE, ONE)])
def test_a_listing_that_is_not_in_order_is_refused(files: tuple[ListedFile, ...]) -> None:
    dock = asking()
    dock.ask_listing(0)

    with pytest.raises(PeerError, match="not in order"):
        dock.take(Listing(session=SESSION, request=1, files=files, is_last=True), 0)


def test_a_listing_that_nobody_asked_for_is_passed_over() -> None:
    dock = asking()
    dock.ask_listing(0)

    assert dock.take(Listing(session=SESSION, request=7, files=(ONE,), is_last=True), 0) == ()
    assert dock.take(Listing(session=SESSION, request=1, files=(ONE,), is_last=True), 0) == (Listed((ONE,)),)
    assert dock.take(Listing(session=SESSION, request=1, files=(ONE,), is_last=True), 0) == ()


def test_a_read_that_comes_twice_does_not_begin_again() -> None:
    camera = serving()
    camera.serve(read(1))
    asked = camera.next_range()
    assert asked is not None
    camera.on_bytes(asked, bytes(1024))
    camera.serve(read(1))
    asked = camera.next_range()

    assert asked is not None
    assert asked.offset_bytes == 1024


def test_a_read_that_was_overtaken_does_not_come_back() -> None:
    camera = serving()
    camera.serve(read(2, name="two"))
    camera.serve(read(1, name="one"))
    asked = camera.next_range()

    assert asked is not None
    assert asked.name == "two"


@pytest.mark.parametrize("offset", [4000, 5001])
def test_the_window_does_not_move_for_bytes_that_were_never_sent(offset: int) -> None:
    camera = serving()
    camera.serve(read(1))
    camera.serve(Taken(session=SESSION, request=1, offset_bytes=offset))
    sent = 0
    while (asked := camera.next_range()) is not None:
        camera.on_bytes(asked, bytes(asked.size_bytes))
        sent += asked.size_bytes

    assert sent == 2048


def test_a_late_word_about_less_does_not_take_the_window_back() -> None:
    camera = serving()
    camera.serve(read(1))
    for _ in range(2):
        asked = camera.next_range()
        assert asked is not None
        camera.on_bytes(asked, bytes(1024))
    camera.serve(Taken(session=SESSION, request=1, offset_bytes=2048))
    camera.serve(Taken(session=SESSION, request=1, offset_bytes=512))

    assert camera.next_range() is not None


def test_a_receipt_that_is_being_judged_is_not_judged_twice() -> None:
    camera = serving()
    ask = BringReceipt(session=SESSION, receipt=b"receipt", proof=b"proof")

    assert camera.serve(ask) == (
        JudgeReceipt(receipt_hash(b"receipt"), ReceiptWithProof(signed=b"receipt", proof=b"proof")),
    )
    assert camera.serve(ask) == ()


def test_what_the_gate_decides_after_the_session_is_answered_in_the_next() -> None:
    camera = serving()
    camera.serve(BringReceipt(session=SESSION, receipt=b"receipt", proof=b"proof"))
    camera.end()
    named = receipt_hash(b"receipt")
    assert camera.on_receipt_judged(named, is_erased=True, is_proof_wanted=False, reason="erased") == ()
    camera.begin(b"the next")

    (answer,) = camera.serve(BringReceipt(session=b"the next", receipt=b"receipt", proof=None))
    assert isinstance(answer, Send)


def test_a_nonce_is_used_once_on_both_sides() -> None:
    agency = make_agency()
    camera = make_camera(agency)
    link = CameraLink(
        camera_key=camera.device.public_key,
        enrolment=camera.enrolment,
        policy=agency.policy,
        nonce=secret("nonce"),
        now_mono_ns=0,
    )
    dock = DockLink(dock_key=agency.dock.public_key, policy=agency.policy, nonce=secret("other"), now_mono_ns=0)
    (knock,) = FrameReader().feed(encode_message(Knock()), now_mono_ns=0)
    hello = link.receive(knock, now_mono_ns=0)[0]
    link.on_line_lost()
    assert isinstance(hello, Send)
    frame = FrameReader().feed(hello.frame, now_mono_ns=0)[0]
    assert dock.receive(frame, now_mono_ns=0) != ()
    dock.on_line_lost(0)

    assert link.receive(knock, now_mono_ns=0) == (WantNonce(),)
    assert dock.receive(frame, now_mono_ns=0) == (WantNonce(),)


def test_what_an_earlier_session_said_is_no_answer_in_the_next_even_with_the_same_numbers() -> None:
    pair = LinkPair(card={("s", "chain"): b"old bytes"})
    to_dock: list[Frame] = []
    to_camera: list[Frame] = []

    def record(frames: list[Frame], data: bytes) -> bytes:
        frames += FrameReader().feed(data, now_mono_ns=0)
        return data

    pair.dock()
    pair.to_dock = lambda data: record(to_dock, data)
    pair.to_camera = lambda data: record(to_camera, data)
    pair.ask_listing()
    pair.read("s", "chain")
    pair.to_dock = pair.to_camera = bytes
    assert to_dock
    assert to_camera
    pair.cut()
    pair.dock()
    # The same requests with the same numbers, but nothing of them gets through.
    pair.to_camera = lambda data: b""
    pair.dock_saw.clear()
    pair.spool.clear()
    pair.ask_listing()
    asks = pair.dock_link.asking.read("s", "chain", offset_bytes=0, size_bytes=9, now_mono_ns=pair.now_mono_ns)
    assert asks != ()
    for frame in to_dock:
        pair.at_dock(pair.dock_link.receive(frame, now_mono_ns=pair.now_mono_ns))
    for frame in to_camera:
        pair.at_camera(pair.camera_link.receive(frame, now_mono_ns=pair.now_mono_ns))

    assert [effect for effect in pair.dock_saw if isinstance(effect, Listed | Arrived | ReadEnded)] == []
    assert pair.frames_to_dock == []
    assert pair.camera_link.next_range() is None
