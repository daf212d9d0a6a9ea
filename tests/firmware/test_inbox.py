"""What waits for the recorder's loop: nobody blocks, memory is bounded, a drop is whole, and the end tells everybody."""

import threading

import pytest

from firmware.app.inbox import Call, GestureAt, Inbox, Item
from firmware.ports import EncodedAudio, EncodedFrame, Gesture
from tests.firmware.streams import delta_frame, key_frame

PRESS = GestureAt(Gesture.START, 0)


def inbox(count: int = 100, size_bytes: int = 1_000_000) -> Inbox:
    box = Inbox(media_count_max=count, media_size_bytes_max=size_bytes)
    box.open()
    return box


def items(box: Inbox) -> list[Item]:
    found = []
    while (item := box.get(0)) is not None:
        found.append(item)
    return found


def shape(found: list[Item]) -> str:
    letters = {True: "I", False: "P"}
    return "".join(letters[item.is_key] if isinstance(item, EncodedFrame) else "-" for item in found)


def put(box: Inbox, pattern: str) -> None:
    for number, letter in enumerate(pattern):
        box.put_media(key_frame(number) if letter == "I" else delta_frame(number))


def test_what_goes_in_comes_out_in_order() -> None:
    box = inbox()
    put(box, "IP")
    box.put(PRESS)
    put(box, "P")

    assert shape(items(box)) == "IP-P"


def test_before_it_is_opened_and_after_it_is_closed_nothing_goes_in() -> None:
    box = Inbox()
    put(box, "IP")
    was_taken_before = box.put(PRESS)
    box.open()
    box.close()
    put(box, "IP")

    assert (was_taken_before, box.put(PRESS), items(box)) == (False, False, [])


def test_an_empty_inbox_gives_nothing_in_time() -> None:
    assert inbox().get(0.001) is None


def test_a_waiter_is_woken_by_what_comes() -> None:
    box = inbox()
    found: list[Item | None] = []
    waiter = threading.Thread(target=lambda: found.append(box.get(30)))
    waiter.start()
    box.put(PRESS)
    waiter.join(5)

    assert found == [PRESS]


def test_a_full_inbox_drops_frames_up_to_the_next_key_frame() -> None:
    """A frame that leans on a dropped one decodes to rubbish."""
    box = inbox(count=4)
    put(box, "IPPP" + "PP")
    first = shape(items(box))
    needs_key_frame = box.needs_key_frame
    put(box, "PPIPP")

    assert (first, needs_key_frame) == ("IPPP", True)
    assert shape(items(box)) == "IPP"
    assert not box.needs_key_frame


def test_a_key_frame_without_room_is_dropped_with_what_follows() -> None:
    box = inbox(count=2)
    put(box, "IP" + "IP")
    assert shape(items(box)) == "IP"
    put(box, "PP")

    assert items(box) == []
    assert box.needs_key_frame


def test_bytes_are_bounded_too() -> None:
    box = inbox(size_bytes=1000)
    for number in range(10):
        box.put_media(key_frame(number, 300))

    assert len(items(box)) == 3


def test_dropped_sound_drops_no_frames() -> None:
    box = inbox(count=1)
    box.put_media(EncodedAudio(b"a", 0, 1024))
    box.put_media(EncodedAudio(b"b", 1, 1024))

    assert not box.needs_key_frame
    assert len(items(box)) == 1


def test_gestures_and_calls_are_taken_however_full_it_is() -> None:
    box = inbox(count=1)
    put(box, "IPPP")

    assert all(box.put(PRESS) for _ in range(1000))
    assert len(items(box)) == 1001


def test_room_comes_back_as_items_are_taken() -> None:
    box = inbox(count=2, size_bytes=100)
    for _ in range(50):
        put(box, "IP")
        assert shape(items(box)) == "IP"


@pytest.mark.parametrize("is_before_put", [True, False])
def test_a_call_that_nobody_will_do_ends_undone(is_before_put: bool) -> None:
    box = inbox()
    call = Call(lambda: None)
    if is_before_put:
        box.close()
        assert not box.put(call)
    else:
        assert box.put(call)
        box.close()
        assert call.ended.is_set()
    assert not call.is_done
