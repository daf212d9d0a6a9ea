"""Which audio goes into the chunk of which GOP, and how long a GOP waits for it."""

from firmware.core.pairing import AUDIO_WAIT_US, AudioPairer, GopWithAudio
from tests.firmware.streams import START_US, blocks, numbers, second_gops

END_US = START_US + 1_000_000


def audio_of(pairs: tuple[GopWithAudio, ...]) -> list[list[int]]:
    return [numbers(pair.audio) for pair in pairs]


def test_a_block_belongs_to_the_gop_that_holds_its_start() -> None:
    pairer = AudioPairer(is_audio_expected=True)
    for gop in second_gops(2):
        pairer.add_gop(gop)
    # Blocks of exactly a quarter of a second: number 4 starts on the border.
    for block in blocks(9, rate_hz=4096):
        pairer.add_audio(block)

    assert audio_of(pairer.take_ready(START_US)) == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_gop_waits_until_the_audio_has_passed_its_end() -> None:
    pairer = AudioPairer(is_audio_expected=True)
    pairer.add_gop(second_gops(1)[0])
    audio = blocks(5, rate_hz=4096)
    for block in audio[:4]:
        pairer.add_audio(block)
    early = pairer.take_ready(END_US)
    pairer.add_audio(audio[4])

    assert early == ()
    assert audio_of(pairer.take_ready(END_US)) == [[0, 1, 2, 3]]


def test_a_gop_does_not_wait_longer_than_the_limit() -> None:
    pairer = AudioPairer(is_audio_expected=True)
    pairer.add_gop(second_gops(1)[0])
    deadline_us = pairer.next_deadline_mono_us()

    assert deadline_us == END_US + AUDIO_WAIT_US
    assert pairer.take_ready(deadline_us - 1) == ()
    assert len(pairer.take_ready(deadline_us)) == 1
    assert pairer.next_deadline_mono_us() is None


def test_without_a_microphone_no_gop_waits() -> None:
    pairer = AudioPairer(is_audio_expected=False)
    pairer.add_gop(second_gops(1)[0])

    assert audio_of(pairer.take_ready(END_US)) == [[]]


def test_the_end_of_a_recording_waits_for_nothing_and_keeps_what_is_there() -> None:
    pairer = AudioPairer(is_audio_expected=True)
    for gop in second_gops(2):
        pairer.add_gop(gop)
    for block in blocks(6, rate_hz=4096):
        pairer.add_audio(block)

    assert audio_of(pairer.take_all()) == [[0, 1, 2, 3], [4, 5]]


def test_audio_that_comes_after_its_gop_has_left_is_counted() -> None:
    pairer = AudioPairer(is_audio_expected=True)
    first, second = second_gops(2)
    audio = blocks(9, rate_hz=4096)
    pairer.add_gop(first)
    for block in audio[:2]:
        pairer.add_audio(block)
    (before,) = pairer.take_ready(END_US + AUDIO_WAIT_US)
    pairer.add_gop(second)
    for block in audio[2:]:
        pairer.add_audio(block)
    (after,) = pairer.take_ready(END_US)

    assert (numbers(before.audio), before.late_block_count) == ([0, 1], 0)
    assert (numbers(after.audio), after.late_block_count) == ([4, 5, 6, 7], 2)


def test_without_video_audio_does_not_pile_up() -> None:
    pairer = AudioPairer(is_audio_expected=True)
    for block in blocks(32_768 + 10):
        pairer.add_audio(block)
    pairer.add_gop(second_gops(1)[0])
    (pair,) = pairer.take_ready(END_US)

    assert (numbers(pair.audio)[0], pair.late_block_count) == (10, 10)


def test_more_gops_than_the_limit_do_not_wait() -> None:
    pairer = AudioPairer(is_audio_expected=True)
    for gop in second_gops(1026):
        pairer.add_gop(gop)

    assert len(pairer.take_ready(START_US)) == 2
