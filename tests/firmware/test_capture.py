"""What becomes of every GOP and every block of sound between the camera and the card: sealed once, kept, or said to be lost."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from firmware.app.capture import Capture
from firmware.app.recording_writer import MediaUncertain
from firmware.core.session import Event
from firmware.errors import StoreUncertain
from firmware.ports import EncodedAudio, EncodedFrame
from hw_sim.crash_store import CrashStore, Faults
from protocol.entries import CloseReason, OpenReason
from protocol.layout import key_box_name, media_name
from tests.firmware.crash_judge import Card, damaged
from tests.firmware.crash_world import AGENCY, AUDIO, VIDEO, Life, SeededEntropy
from tests.firmware.streams import START_CODE, delta_frame, key_frame
from tests.firmware.unsealed import Recording, events, recordings

BLOCK_US = 128_000


class Set:
    """A camera without its loop: time is told, and what `write_next` reports is collected."""

    def __init__(
        self, *, pre_event_s: int = 3, has_pre_event_audio: bool = True, store: CrashStore | None = None
    ) -> None:
        self.store = CrashStore() if store is None else store
        self.life = Life(self.store, "first life")
        self.life.start()
        self.heard: list[str] = []
        self.capture = self.life.capture = Capture(
            store=self.store,
            log=self.life.log,
            entropy=SeededEntropy("capture"),
            policy=AGENCY.policy,
            video=VIDEO,
            audio=AUDIO,
            pre_event_s=pre_event_s,
            is_pre_event_audio_on=has_pre_event_audio,
            reserve_bytes=1 << 20,
            say=lambda name, _: self.heard.append(name),
        )
        self.second = 10
        self.frames_behind_s = 0
        self.frame: Callable[[int], EncodedFrame] = lambda at_us: key_frame(at_us, 400)

    @property
    def now_us(self) -> int:
        return self.second * 1_000_000

    def live(self, seconds: int = 1, *, is_written: bool = True) -> "Set":
        """Let time pass: a GOP of two frames a second, and sound that tells the second in which it was made."""
        for _ in range(seconds):
            captured_us = self.now_us - self.frames_behind_s * 1_000_000
            self.capture.take_frame(self.frame(captured_us))
            self.capture.take_frame(delta_frame(captured_us + 500_000))
            for number in range(8):
                block = EncodedAudio(f"<{self.second}>".encode(), self.now_us + number * BLOCK_US, 1024)
                self.capture.take_audio(block)
            self.second += 1
            if is_written:
                self.write()
        return self

    def write(self) -> Event | None:
        """Write all that is ready; return the first event, which is not acted upon."""
        while True:
            event = self.capture.write_next(self.now_us + 300_000)
            if event is not None or not self.capture.is_behind:
                return event

    def open(self, reason: OpenReason = "press") -> "Set":
        continues = None if reason == "press" else self.capture.last_recording_id
        self.capture.open(reason, self.now_us, continues=continues)
        self.write()
        return self

    def end(self, reason: CloseReason = "stop") -> "Set":
        """Close the GOP that is open with the next key frame, and end."""
        self.capture.take_frame(self.frame(self.now_us - self.frames_behind_s * 1_000_000))
        self.capture.end_audio()
        self.write()
        self.capture.end(reason)
        return self

    @property
    def recordings(self) -> list[Recording]:
        """Return what stands on the card, every part of it opened."""
        return recordings(self.store.disk.live())

    def sound_of(self, recording: Recording) -> set[int]:
        """Return of which seconds there is sound."""
        return {second for second in range(100) if f"<{second}>".encode() in recording.sound}

    def check(self) -> None:
        """What stands verifies."""
        card = Card.of(self.store.disk.live())
        wrong = damaged(card, open_folder=self.life.log.folder)
        assert [sentence for sentence in wrong if "frames-dropped" not in sentence] == []


def test_the_ring_comes_first_and_the_rest_follows_without_a_hole() -> None:
    studio = Set().live(5).open().live(2).end()
    (recording,) = studio.recordings

    assert (recording.begins_us, recording.ends_us) == (12_000_000, 17_000_000)
    assert recording.gaps == []
    assert [each.chunk.is_pre_event for each in recording.view.chunks] == [True, True, True, False, False]
    assert studio.sound_of(recording) == {12, 13, 14, 15, 16}


def test_the_next_recording_begins_where_the_last_one_ended() -> None:
    """A frame is sealed once."""
    studio = Set().live(3).open().live(2).end().live(2).open().live(1).end()
    first, second = studio.recordings

    assert first.ends_us == second.begins_us == 15_000_000
    assert second.view.opened is not None
    assert second.view.opened.pre_event_ms == 2000
    studio.check()


def test_one_call_writes_one_gop() -> None:
    """So a gesture never waits for a whole ring."""
    studio = Set(pre_event_s=5).live(5)
    studio.capture.open("press", studio.now_us, continues=None)
    counts = []
    while studio.capture.write_next(studio.now_us + 300_000) is None and studio.capture.is_behind:
        counts.append(studio.heard.count("chunk"))

    assert counts == [1, 2, 3]
    assert studio.heard.count("chunk") == 4


def test_what_a_full_card_did_not_take_is_in_the_ring_again() -> None:
    """And is no ghost in a recording made much later."""
    studio = Set().live(3).open().live(1)
    used = studio.store._size_bytes - studio.store.free_bytes()
    studio.store._size_bytes = used + (1 << 20)
    event = studio.live(1, is_written=False).write()
    studio.capture.end("full")
    studio.store._size_bytes = 1 << 30
    studio.open().live(1).end()
    first, second = studio.recordings

    assert event is Event.CARD_FULL
    assert first.ends_us == second.begins_us
    studio.check()


def test_a_gop_that_waited_for_its_sound_is_no_ghost_either() -> None:
    studio = Set(pre_event_s=2).live(3).open().live(1)
    studio.capture.take_frame(studio.frame(studio.now_us))
    studio.capture.end("full")
    studio.live(20).open().live(1).end()
    first, second = studio.recordings

    assert first.ends_us < 15_000_000
    assert second.begins_us >= 30_000_000


def fail_media_sync(*, after: Set) -> None:
    """Let the next sync but none after it fail."""
    after.store._faults = Faults(fail_at_sync=after.store.sync_count)


def test_a_media_file_that_fails_is_closed_and_the_gop_goes_into_a_new_one() -> None:
    studio = Set().live(2).open().live(2)
    fail_media_sync(after=studio)
    event = studio.live(1, is_written=False).write()
    studio.capture.end("write-error")
    studio.open("write-error").live(1).end()
    first, second = studio.recordings

    assert event is Event.WRITE_FAILED
    assert (first.reason, second.reason) == (("press", "write-error"), ("write-error", "stop"))
    assert second.view.opened is not None
    assert second.view.opened.continues == first.view.recording_id
    assert first.ends_us == second.begins_us
    studio.check()


def test_a_second_file_that_fails_at_once_ends_the_process() -> None:
    """It is not the file then, and trying on would fill the card with key boxes."""
    studio = Set().live(2).open().live(1)
    fail_media_sync(after=studio)
    studio.live(1, is_written=False).write()
    studio.capture.end("write-error")
    studio.capture.open("write-error", studio.now_us, continues=None)
    # A key box and an empty file: four syncs, the opening's is the fifth.
    studio.store._faults = Faults(fail_at_sync=studio.store.sync_count + 4)

    with pytest.raises(MediaUncertain):
        studio.write()


def test_a_failed_entry_ends_the_process() -> None:
    studio = Set().live(2).open()
    studio.store._faults = Faults(fail_at_sync=studio.store.sync_count + 1)

    with pytest.raises(StoreUncertain) as caught:
        studio.live(1, is_written=False).write()
    assert not isinstance(caught.value, MediaUncertain)


def test_sound_that_was_muted_stays_out_of_the_recording_that_goes_on() -> None:
    """The GOP that is written again was captured while the officer had muted."""
    studio = Set().live(2).open().live(1)
    studio.capture.mute(studio.now_us)
    muted = studio.second
    fail_media_sync(after=studio)
    studio.live(1, is_written=False).write()
    studio.capture.end("write-error")
    studio.open("write-error")
    studio.capture.mute(studio.now_us)  # As the session's table says.
    studio.live(1).capture.unmute(studio.now_us)
    studio.live(1).end()
    second = studio.recordings[1]

    assert studio.sound_of(second) & {muted, muted + 1} == set()
    assert muted + 2 in studio.sound_of(second)
    assert {span.state for span in second.spans} == {"muted", "present"}


def test_sound_before_the_press_stays_out_of_the_recording_that_goes_on() -> None:
    """And what was said after the press stays in, though the second recording was opened later."""
    studio = Set(has_pre_event_audio=False).live(3)
    studio.store._faults = Faults(fail_at_sync=studio.store.sync_count + 6)
    studio.capture.open("press", studio.now_us, continues=None)
    pressed = studio.second
    studio.live(2, is_written=False)
    assert studio.write() is Event.WRITE_FAILED
    studio.capture.end("write-error")
    studio.open("write-error").live(1).end()
    heard = [studio.sound_of(recording) for recording in studio.recordings]

    assert heard == [set(), {pressed, pressed + 1, pressed + 2}]
    studio.check()


def test_a_recording_of_which_not_one_chunk_was_written_leaves_no_empty_file() -> None:
    studio = Set().live(3)
    studio.store._faults = Faults(fail_at_sync=studio.store.sync_count + 4)
    studio.capture.open("press", studio.now_us, continues=None)
    assert studio.write() is Event.WRITE_FAILED
    studio.capture.end("write-error")
    studio.open("write-error").live(1).end()
    first, second = studio.recordings

    names = {file.name for file in studio.store.files(studio.life.log.folder)}

    assert (len(first.view.chunks), len(second.view.chunks)) == (0, 4)
    assert key_box_name(first.view.recording_id) in names
    assert media_name(first.view.recording_id, 0) not in names
    studio.check()


def test_a_mute_ends_with_its_recording() -> None:
    studio = Set().live(2).open().live(1)
    studio.capture.mute(studio.now_us)
    studio.live(1).end().live(3).open().live(1).end()
    second = studio.recordings[1]

    assert {span.state for span in second.spans} == {"present"}
    assert studio.second - 1 in studio.sound_of(second)


def test_a_mute_and_unmute_before_there_is_a_whole_gop_is_kept() -> None:
    """With an empty ring the recording begins a second later; what was muted until then was muted."""
    studio = Set(pre_event_s=0)
    studio.capture.take_frame(studio.frame(studio.now_us))
    studio.capture.open("press", studio.now_us + 10_000, continues=None)
    studio.capture.mute(studio.now_us + 100_000)
    for number in range(8):
        studio.capture.take_audio(EncodedAudio(b"<10>", studio.now_us + number * BLOCK_US, 1024))
    studio.capture.unmute(studio.now_us + 950_000)
    studio.second += 1
    studio.live(2).end()
    (recording,) = studio.recordings

    assert studio.sound_of(recording) == {11, 12}
    assert [span.state for span in recording.spans][:2] == ["muted", "present"]
    assert [event.name for event in events(studio.store.disk.live()) if event.name.startswith("mute")] == [
        "mute-on",
        "mute-off",
    ]


def test_a_mark_before_there_is_a_recording_is_put_into_it() -> None:
    studio = Set(pre_event_s=0)
    studio.capture.take_frame(studio.frame(studio.now_us))
    studio.capture.open("press", studio.now_us + 10_000, continues=None)
    studio.capture.mark(studio.now_us + 300_000)
    studio.second += 1
    studio.live(1).end()
    (recording,) = studio.recordings
    (mark,) = [event for event in events(studio.store.disk.live()) if event.name == "mark"]

    assert (mark.recording_id, mark.value) == (recording.view.recording_id, 300_000)


def test_a_press_of_which_nothing_came_is_signed_as_refused() -> None:
    studio = Set(pre_event_s=0).open()
    studio.capture.mark(studio.now_us)
    studio.capture.end("stop")

    assert [event.name for event in events(studio.store.disk.live())][-2:] == ["mark", "press-refused"]
    assert studio.recordings == []


def test_times_that_step_back_begin_a_new_recording() -> None:
    studio = Set().live(3).open().live(2)
    studio.frames_behind_s = 4
    studio.live(1, is_written=False)
    event = studio.live(1, is_written=False).write()
    studio.capture.end("format-change")
    studio.open("format-change").live(1).end()
    first, second = studio.recordings

    assert event is Event.FORMAT_CHANGED
    assert second.reason == ("format-change", "stop")
    assert second.begins_us < first.ends_us
    studio.check()


def test_new_parameter_sets_begin_a_new_recording_that_goes_on_from_the_last() -> None:
    studio = Set().live(2).open().live(2)
    other = key_frame(0).data.replace(bytes.fromhex("6742c01e"), bytes.fromhex("6742c028"))
    studio.frame = lambda at_us: EncodedFrame(other, True, at_us)
    event = studio.live(2, is_written=False).write()
    studio.capture.end("format-change")
    studio.open("format-change").live(1).end()
    first, second = studio.recordings

    assert event is Event.FORMAT_CHANGED
    assert second.view.opened is not None
    assert second.view.opened.continues == first.view.recording_id
    assert first.ends_us == second.begins_us
    assert bytes.fromhex("6742c028") in second.mp4
    studio.check()


def test_an_unreadable_gop_is_lost_and_said_to_be() -> None:
    studio = Set().live(2).open().live(1)
    good = studio.frame
    studio.frame = lambda at_us: replace(good(at_us), data=b"no annex b")
    studio.live(1)
    studio.frame = good
    studio.live(2).end()
    (recording,) = studio.recordings

    assert recording.gaps == [(2, "unreadable")]
    studio.check()


def test_the_pre_event_part_is_counted_from_what_is_there() -> None:
    """The oldest GOP of the ring is unreadable: it was kept, and is not in the recording."""
    studio = Set()
    good = studio.frame
    studio.frame = lambda at_us: replace(good(at_us), data=START_CODE + b"\x65 no parameter sets")
    studio.live(1)
    studio.frame = good
    studio.live(2).open().live(1).end()
    (recording,) = studio.recordings

    assert recording.view.opened is not None
    assert (recording.view.opened.pre_event_wanted_ms, recording.view.opened.pre_event_ms) == (3000, 2000)


def test_a_recording_that_goes_on_over_the_end_of_a_shift_misses_nothing() -> None:
    studio = Set().live(2).open().live(2)
    studio.capture.take_frame(studio.frame(studio.now_us))
    studio.capture.end_audio()
    studio.write()
    studio.capture.end("shift-end")
    studio.life.log.close_and_open_next("age")
    studio.open("shift-end")
    studio.live(2).end()
    first, second = studio.recordings

    assert (first.shift_number, second.shift_number) == (1, 2)
    assert first.ends_us == second.begins_us
    assert not any(each.chunk.is_pre_event for each in second.view.chunks)
    studio.check()


def test_a_press_at_the_end_of_a_shift_is_recorded_in_the_next_as_the_press_that_it_is() -> None:
    studio = Set(pre_event_s=0).open()
    studio.capture.end("shift-end")
    studio.life.log.close_and_open_next("age")
    studio.open("shift-end").live(2).end()
    (recording,) = studio.recordings

    assert recording.reason == ("press", "stop")
    assert not any(event.name == "press-refused" for event in events(studio.store.disk.live()))


def test_a_card_full_at_the_opening_leaves_nothing_half_made() -> None:
    probe = Set().live(2)
    writes = probe.store.write_count
    for write in (writes, writes + 1):
        studio = Set(store=CrashStore(faults=Faults(full_at_write=write))).live(2)
        before = {file.name for file in studio.store.files(studio.life.log.folder)}
        studio.capture.open("press", studio.now_us, continues=None)
        if write == writes:
            assert studio.write() is Event.CARD_FULL
            assert {file.name for file in studio.store.files(studio.life.log.folder)} == before
        else:
            with pytest.raises(StoreUncertain, match="no space"):
                studio.write()


def test_a_card_that_fills_up_within_a_chunk_keeps_the_chunks_before() -> None:
    studio = Set().live(2).open().live(1)
    studio.store._faults = Faults(full_at_write=studio.store.write_count + 1)
    event = studio.live(1, is_written=False).write()
    studio.store._is_full = False
    studio.capture.end("full")
    (recording,) = studio.recordings

    assert event is Event.CARD_FULL
    assert recording.reason == ("press", "full")
    assert len(recording.view.chunks) == 2
    studio.check()
