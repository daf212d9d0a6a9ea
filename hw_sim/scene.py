"""What the simulated camera and microphone look at together: one seed, one size, one frame rate, one origin of time.

Frame ``n`` is exposed exactly ``n * 1000 / frame_rate_mhz`` seconds after the origin, sample ``k`` is taken
``k / sample_rate_hz`` seconds after it. Pure arithmetic in integers; nothing here draws, encodes or waits.
"""

from dataclasses import dataclass

from hw_sim.counter import strip_height_px

_NS_PER_MILLIHERTZ_PERIOD = 10**12


@dataclass(frozen=True, slots=True)
class Scene:
    """One stretch of simulated world. Frame and sample numbers count from ``start_mono_ns``."""

    seed: int
    start_mono_ns: int
    width_px: int
    height_px: int
    frame_rate_mhz: int
    """Frames per 1000 s: 29.97 fps is 29970."""

    def __post_init__(self) -> None:
        """Refuse what no camera could deliver."""
        if self.width_px % 2 or self.height_px % 2:
            raise ValueError(f"the picture is {self.width_px}x{self.height_px}; width and height must be even")
        strip_height_px(self.width_px, self.height_px)
        if not 1_000 <= self.frame_rate_mhz <= 240_000:
            raise ValueError(f"the frame rate is {self.frame_rate_mhz / 1000:g} fps; it must be between 1 and 240 fps")

    def exposed_at_mono_ns(self, frame_number: int) -> int:
        """Return when frame ``frame_number`` is exposed, to the nearest nanosecond."""
        return self.start_mono_ns + _rounded(frame_number * _NS_PER_MILLIHERTZ_PERIOD, self.frame_rate_mhz)

    def first_frame_from(self, mono_ns: int) -> int:
        """Return the first frame number that is exposed at or after ``mono_ns``; never below 0."""
        elapsed_ns = mono_ns - self.start_mono_ns
        guess = max(0, elapsed_ns * self.frame_rate_mhz // _NS_PER_MILLIHERTZ_PERIOD - 1)
        while self.exposed_at_mono_ns(guess) < mono_ns:
            guess += 1
        return guess

    def sampled_at_mono_ns(self, sample_number: int, *, sample_rate_hz: int) -> int:
        """Return when sound sample ``sample_number`` is taken, to the nearest nanosecond."""
        return self.start_mono_ns + _rounded(sample_number * 10**9, sample_rate_hz)

    def first_sample_from(self, mono_ns: int, *, sample_rate_hz: int) -> int:
        """Return the first sample number that is taken at or after ``mono_ns``; never below 0."""
        elapsed_ns = max(0, mono_ns - self.start_mono_ns)
        return -(-elapsed_ns * sample_rate_hz // 10**9)


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
