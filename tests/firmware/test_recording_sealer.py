"""From GOPs to sealed chunks: spans that cover, sound that is absent where it is muted, gaps that are signed, keys used once."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from firmware.core.fmp4 import ParameterSetsChanged
from firmware.core.gop import Gap, Gop, Lost, LostReason
from firmware.core.h264 import StreamFault
from firmware.core.pairing import GopWithAudio
from firmware.core.recording_sealer import RecordingSealer, SealedChunk
from firmware.ports import AudioDescription, EncodedAudio
from protocol.entries import AudioSpan, Chunk, Moment
from protocol.sealing import PartSealer
from tests.builders import BOOT_ID, secret
from tests.firmware.encoded import RATE_HZ, START_US, VIDEO, audio, video_gops

RECORDING_ID = secret("recording", 16)
PARTS = PartSealer(shift_id=secret("shift", 16), recording_id=RECORDING_ID, content_key=secret("content"))
AT = Moment(mono_ns=1, boot_id=BOOT_ID, utc_ms=1, utc_source="none", utc_uncertainty_ms=None)
SECOND_US = 1_000_000


class Film:
    """A recording of 2.5 s of moving picture and noise."""

    def __init__(
        self,
        *,
        pressed_us: int = 0,
        is_pre_event_audio_on: bool = True,
        has_microphone: bool = True,
        blocks: Sequence[EncodedAudio] | None = None,
    ) -> None:
        heard, self.sound = audio()
        self.blocks = heard if blocks is None else blocks
        self.gops = video_gops()
        self.sealer = self._sealer(pressed_us, is_pre_event_audio_on, self.sound if has_microphone else None)
        self.chunks: list[SealedChunk] = []

    def _sealer(self, pressed_us: int, is_on: bool, sound: AudioDescription | None) -> RecordingSealer:
        return RecordingSealer(
            part_sealer=PARTS,
            first_gop=self.gops[0],
            pressed_at_mono_us=START_US + pressed_us,
            video=VIDEO,
            audio=sound,
            is_pre_event_audio_on=is_on,
        )

    def paired(self, gop: Gop) -> GopWithAudio:
        own = [block for block in self.blocks if gop.start_mono_us <= block.captured_at_mono_us < gop.end_mono_us]
        return GopWithAudio(gop, tuple(own), 0)

    def seal(self, *indexes: int) -> "Film":
        for index in indexes or range(len(self.gops)):
            self.chunks.append(self.sealer.seal(self.paired(self.gops[index])))
        return self

    def spans(self) -> list[tuple[int, int, str]]:
        """Return the spans of all chunks in milliseconds, joined where one goes on in the next."""
        joined: list[tuple[int, int, str]] = []
        for span in (span for chunk in self.chunks for span in chunk.audio):
            if joined and joined[-1][2] == span.state:
                joined[-1] = (joined[-1][0], span.end_us // 1000, span.state)
            else:
                joined.append((span.start_us // 1000, span.end_us // 1000, span.state))
        return joined

    def plain(self) -> bytes:
        return b"".join(
            PARTS.open(chunk.index, part, ciphertext) for chunk in self.chunks for part, ciphertext in chunk.parts
        )

    def loudness(self, folder: Path) -> NDArray[np.float32]:
        """Return the loudness of each millisecond, as a player hears it."""
        (folder / "film.mp4").write_bytes(self.plain())
        heard = np.zeros(3 * RATE_HZ, np.float32)
        with av.open(str(folder / "film.mp4")) as film:
            for frame in film.decode(audio=0):
                samples = frame.to_ndarray()[0]
                assert frame.pts is not None
                assert frame.time_base is not None
                at = round(float(frame.pts * frame.time_base) * RATE_HZ)
                heard[at : at + len(samples)] = samples[: max(0, len(heard) - at)]
        return np.asarray(np.abs(heard).reshape(-1, RATE_HZ // 1000).max(axis=1), np.float32)


def covers(spans: Sequence[AudioSpan], chunk: SealedChunk) -> bool:
    edges = [chunk.start_us, *(span.end_us for span in spans)]
    return [span.start_us for span in spans] == edges[:-1] and edges[-1] == chunk.start_us + chunk.duration_us


def test_chunks_follow_each_other_without_a_hole() -> None:
    chunks = Film().seal().chunks

    assert [chunk.index for chunk in chunks] == [0, 1, 2]
    for before, after in pairwise(chunks):
        assert after.start_us == before.start_us + before.duration_us
        assert after.offset_bytes == before.offset_bytes + before.size_bytes
    assert chunks[0].start_us == chunks[0].offset_bytes == 0
    assert sum(chunk.frame_count for chunk in chunks) == 75


def test_a_chunk_s_entry_takes_what_was_sealed() -> None:
    for chunk in Film().seal().chunks:
        body = chunk.body(RECORDING_ID, AT)

        assert isinstance(body, Chunk)
        assert body.size_bytes == chunk.size_bytes == sum(len(data) for _, data in chunk.parts)


def test_the_first_chunk_alone_has_the_init_segment_and_it_comes_first() -> None:
    kinds = [[part.kind for part, _ in chunk.parts] for chunk in Film().seal().chunks]

    assert kinds == [["init", "video", "audio"], ["video", "audio"], ["video", "audio"]]


@pytest.mark.parametrize("muted_ms", [(), (300, 700), (0, 2600), (900, 1100), (1000, 2000), (1500, 1501)])
@pytest.mark.parametrize("pressed_ms", [0, 400, 1000, 5000])
@pytest.mark.parametrize("lost_ms", [(), (600, 1400), (0, 3000)])
def test_spans_cover_every_chunk_exactly(muted_ms: tuple[int, ...], pressed_ms: int, lost_ms: tuple[int, ...]) -> None:
    heard = audio()[0]
    if lost_ms:
        first_us, last_us = (START_US + each * 1000 for each in lost_ms)
        heard = [block for block in heard if not first_us <= block.captured_at_mono_us < last_us]
    film = Film(pressed_us=pressed_ms * 1000, is_pre_event_audio_on=False, blocks=heard)
    if muted_ms:
        film.sealer.mute(START_US + muted_ms[0] * 1000)
        film.sealer.unmute(START_US + muted_ms[1] * 1000)

    assert all(covers(chunk.audio, chunk) for chunk in film.seal().chunks)


def test_sound_that_is_there_is_present() -> None:
    assert Film().seal().spans() == [(0, 2500, "present")]


def test_muted_sound_is_signed_and_absent(tmp_path: Path) -> None:
    film = Film()
    film.sealer.mute(START_US + 700_000)
    film.sealer.unmute(START_US + 1_600_000)
    loudness = film.seal().loudness(tmp_path)

    assert film.spans() == [(0, 700, "present"), (700, 1600, "muted"), (1600, 2500, "present")]
    assert not loudness[700:1600].any()
    assert loudness[100:600].min() > 0
    assert loudness[1700:2300].min() > 0


def test_no_muted_block_is_among_the_sealed_bytes() -> None:
    film = Film()
    film.sealer.mute(START_US + 700_000)
    film.sealer.unmute(START_US + 1_600_000)
    plain = film.seal().plain()
    inside = [block for block in film.blocks if 700_000 <= block.captured_at_mono_us - START_US < 1_600_000]
    outside = [block for block in film.blocks if 100_000 <= block.captured_at_mono_us - START_US < 600_000]

    assert len(inside) > 40
    assert not any(block.data in plain for block in inside)
    assert all(block.data in plain for block in outside)


def test_a_mute_that_lasts_holds_over_all_chunks() -> None:
    film = Film()
    film.sealer.mute(START_US + 1_000_000)

    assert film.seal().spans()[-1] == (1000, 2500, "muted")


def test_an_unmute_alone_changes_nothing() -> None:
    film = Film()
    film.sealer.mute(START_US + 500_000)
    film.sealer.unmute(START_US + 800_000)
    film.sealer.unmute(START_US + 2_000_000)

    assert film.seal().spans() == [(0, 500, "present"), (500, 800, "muted"), (800, 2500, "present")]


def test_sound_before_the_press_is_left_out_where_the_policy_says_so(tmp_path: Path) -> None:
    film = Film(pressed_us=1_200_000, is_pre_event_audio_on=False)
    loudness = film.seal().loudness(tmp_path)

    assert film.spans() == [(0, 1200, "off-by-policy"), (1200, 2500, "present")]
    assert not loudness[:1200].any()
    assert loudness[1300:2300].min() > 0
    assert not any(
        block.data in film.plain() for block in film.blocks if block.captured_at_mono_us < START_US + 1_200_000
    )


def test_the_edge_of_a_policy_is_no_failure() -> None:
    """The chunk of the press has no whole block left: what remains of it belongs to the part before."""
    film = Film(pressed_us=995_000, is_pre_event_audio_on=False)

    assert [state for _, _, state in film.seal().spans()] == ["off-by-policy", "present"]


def test_a_microphone_that_falls_silent_is_signed_as_failed() -> None:
    blocks = [block for block in audio()[0] if not 600_000 <= block.captured_at_mono_us - START_US < 1_400_000]
    spans = Film(blocks=blocks).seal().spans()

    assert [state for _, _, state in spans] == ["present", "failed", "present"]
    assert spans[1][0] == pytest.approx(600, abs=30)
    assert spans[1][1] == pytest.approx(1400, abs=30)


def test_no_sound_at_all_is_signed_as_failed() -> None:
    assert Film(blocks=()).seal().spans() == [(0, 2500, "failed")]


def test_a_camera_without_a_microphone_is_silent_by_policy() -> None:
    film = Film(has_microphone=False, blocks=()).seal()

    assert film.spans() == [(0, 2500, "off-by-policy")]
    assert all(part.kind != "audio" for chunk in film.chunks for part, _ in chunk.parts)


def test_a_chunk_that_begins_before_the_press_says_so() -> None:
    assert [chunk.is_pre_event for chunk in Film(pressed_us=1_200_000).seal().chunks] == [True, True, False]


def test_frames_that_never_came_are_signed() -> None:
    film = Film()
    gop = film.gops[1]
    missing = replace(gop, gaps=(Gap(gop.start_mono_us, gop.start_mono_us + 133_000, 3),))
    film.seal(0)
    chunk = film.sealer.seal(film.paired(missing))

    assert [(gap.missing_frame_count, gap.reason) for gap in chunk.gaps] == [(3, "not-delivered")]
    assert chunk.gaps[0].start_us == gop.start_mono_us - START_US


def test_what_was_dropped_between_two_chunks_is_signed_with_its_count_and_reason() -> None:
    film = Film().seal(0)
    lost = film.gops[1]
    film.sealer.note_loss(Lost(lost.start_mono_us, lost.end_mono_us, 30, LostReason.UNREADABLE))
    film.seal(2)
    (gap,) = film.chunks[-1].gaps

    assert (gap.start_us, gap.end_us) == (lost.start_mono_us - START_US, lost.end_mono_us - START_US)
    assert (gap.missing_frame_count, gap.reason) == (30, "unreadable")
    assert film.chunks[-1].start_us == film.chunks[0].duration_us


def test_a_hole_that_nobody_explains_is_counted_by_the_nominal_rate() -> None:
    film = Film().seal(0).seal(2)
    (gap,) = film.chunks[-1].gaps

    assert (gap.missing_frame_count, gap.reason) == (30, "not-delivered")


def test_a_loss_is_signed_once() -> None:
    film = Film().seal(0)
    film.sealer.note_loss(Lost(0, 1, 5, LostReason.TOO_LONG))
    film.seal(1, 2)

    assert film.chunks[-1].gaps == ()


def test_new_parameter_sets_seal_nothing() -> None:
    film = Film().seal(0)
    other = video_gops("baseline")[0]
    with pytest.raises(ParameterSetsChanged):
        film.sealer.seal(GopWithAudio(other, (), 0))

    assert film.seal(1).chunks[-1].index == 1


def test_rubbish_seals_nothing() -> None:
    film = Film().seal(0)
    bad = replace(film.gops[1], frames=(replace(film.gops[1].frames[0], data=b"no annex b"),))
    with pytest.raises(StreamFault):
        film.sealer.seal(GopWithAudio(bad, (), 0))

    assert film.seal(1).chunks[-1].index == 1


def test_a_recording_cannot_begin_with_rubbish() -> None:
    film = Film()
    film.gops = [replace(film.gops[0], frames=(replace(film.gops[0].frames[0], data=b"\0\0\1\x65abc"),))]
    with pytest.raises(StreamFault):
        film._sealer(0, True, None)


def test_two_chunks_never_share_a_key() -> None:
    """The same GOP twice, as two chunks: nothing in their ciphertexts is equal."""
    film = Film(blocks=()).seal(0)
    again = replace(
        film.gops[0],
        frames=tuple(replace(frame, captured_at_mono_us=frame.captured_at_mono_us + SECOND_US) for frame in film.gops[0].frames),
        end_mono_us=film.gops[0].end_mono_us + SECOND_US,
    )  # fmt: skip
    chunk = film.sealer.seal(GopWithAudio(again, (), 0))
    first, second = bytes(film.chunks[0].parts[1][1]), bytes(chunk.parts[0][1])

    assert not any(first[at : at + 16] == second[at : at + 16] for at in range(0, min(len(first), len(second)), 16))
