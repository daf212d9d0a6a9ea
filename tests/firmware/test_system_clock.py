"""The kernel's clocks and random numbers behind their ports."""

import time
from pathlib import Path

from firmware.adapters.os_entropy import OsEntropy
from firmware.adapters.system_clock import SystemClock


def test_monotonic_time_is_the_kernel_s() -> None:
    clock = SystemClock(utc_source="none", utc_uncertainty_ms=None)
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    assert before <= clock.mono_ns() <= time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def test_the_boot_id_is_the_kernel_s() -> None:
    clock = SystemClock(utc_source="none", utc_uncertainty_ms=None)
    text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")

    assert clock.boot_id.hex() == text.strip().replace("-", "")
    assert len(clock.boot_id) == 16


def test_wall_time_is_a_claim_with_its_source() -> None:
    claimed = SystemClock(utc_source="rtc", utc_uncertainty_ms=2000).utc()

    assert (claimed.source, claimed.uncertainty_ms) == ("rtc", 2000)
    assert abs(claimed.unix_ms - time.time() * 1000) < 5000


def test_entropy_gives_as_much_as_is_asked_for_and_never_the_same() -> None:
    entropy = OsEntropy()

    assert [len(entropy.take(size)) for size in (0, 1, 16, 1000)] == [0, 1, 16, 1000]
    assert entropy.take(32) != entropy.take(32)
