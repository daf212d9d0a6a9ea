"""The simulated sensor as libcamera drives it: its buffers are the requests, and a frame may be lost after it was taken."""

from bisect import insort

from hw_sim.scene import Scene
from hw_sim.sensor import SimulatedSensor


class RequestSensor(SimulatedSensor):
    """A sensor whose buffers are made by the application, and whose frames a fault may take away."""

    def __init__(self, scene: Scene) -> None:
        """Make a sensor that does not stream yet."""
        super().__init__(scene, buffer_count=1)

    def set_buffer_count(self, buffer_count: int) -> None:
        """Have that many buffers from the next start on."""
        with self._lock:
            self._buffer_count = buffer_count

    def lose(self, number: int, now_mono_ns: int) -> None:
        """Count a frame that was taken as dropped instead, and free its buffer."""
        with self._lock:
            self._expose_until(now_mono_ns)
            self._held_count = max(0, self._held_count - 1)
            self._taken_count -= 1
            insort(self._dropped, range(number, number + 1), key=lambda span: span.start)
