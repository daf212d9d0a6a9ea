"""Random numbers by name, and secrets that can be found again."""

import os
import threading

from hw_sim.entropy import RecordingEntropy
from hw_sim.streams import Streams


class SystemEntropy:
    """What the operating system gives."""

    def take(self, size_bytes: int) -> bytes:
        return os.urandom(size_bytes)


def test_the_same_name_gives_the_same_draws() -> None:
    assert Streams(4).stream("line").getrandbits(64) == Streams(4).stream("line").getrandbits(64)


def test_another_name_or_seed_gives_other_draws() -> None:
    draws = {Streams(seed).stream(name).getrandbits(64) for seed in (4, 5) for name in ("line", "disk")}

    assert len(draws) == 4


def test_a_new_draw_in_one_stream_does_not_shift_another() -> None:
    streams = Streams(4)
    expected = [streams.stream("disk").random()]

    streams.stream("line").random()

    assert [streams.stream("disk").random()] == expected


def test_every_secret_drawn_is_kept_in_order() -> None:
    entropy = RecordingEntropy(SystemEntropy())

    drawn = [entropy.take(size) for size in (16, 32, 0)]

    assert entropy.drawn == tuple(drawn)
    assert [len(value) for value in drawn] == [16, 32, 0]


def test_secrets_drawn_by_many_threads_are_all_kept() -> None:
    entropy = RecordingEntropy(SystemEntropy())
    drawn: list[bytes] = []
    threads = [threading.Thread(target=lambda: drawn.extend(entropy.take(16) for _ in range(200))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(entropy.drawn) == 800
    assert set(entropy.drawn) == set(drawn)
