"""A serial cable between camera and dock: two pseudo-terminals and a pump that carries, and may spoil, what passes.

Both programs open their end as they would a USB or UART port. As udev does for a real adapter, a link with a lasting name
stands for the port while the cable is plugged in.
"""

import os
import selectors
import threading
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hw_sim.streams import Streams

HELD_BYTES_MAX: Final = 256 * 1024
READ_BYTES: Final = 256 * 1024
_WAKE: Final = b"w"
TO_DOCK: Final = "to-dock"
TO_CAMERA: Final = "to-camera"


@dataclass(frozen=True, slots=True)
class Noise:
    """What happens to bytes on the way, as means for a million of them."""

    flips_per_million: float = 0.0
    drops_per_million: float = 0.0
    inserts_per_million: float = 0.0

    @property
    def per_byte(self) -> float:
        """Return the chance of anything at one byte."""
        return (self.flips_per_million + self.drops_per_million + self.inserts_per_million) / 1e6


class _Wire:
    """One direction: what it holds, what it spoils, and when it is cut."""

    def __init__(self, name: str, streams: Streams) -> None:
        self._random = streams.stream(f"cable/{name}")
        self._noise = Noise()
        self._to_next_fault_bytes: float = float("inf")
        self.to_cut_bytes: int | None = None
        self.held = bytearray()
        self.passed_bytes = 0

    def set_noise(self, noise: Noise) -> None:
        self._noise = noise
        self._draw_distance()

    def carry(self, data: bytes) -> None:
        """Take bytes in at one end; what comes out at the other waits in ``held``."""
        if self.to_cut_bytes is not None:
            data = data[: self.to_cut_bytes]
            self.to_cut_bytes -= len(data)
        self.passed_bytes += len(data)
        at = 0
        while self._to_next_fault_bytes < len(data) - at:
            hit = at + int(self._to_next_fault_bytes)
            self.held += data[at:hit]
            self.held += self._spoilt(data[hit])
            at = hit + 1
            self._draw_distance()
        self.held += data[at:]
        self._to_next_fault_bytes -= len(data) - at

    def _spoilt(self, byte: int) -> bytes:
        noise = self._noise
        at = self._random.uniform(0.0, noise.per_byte * 1e6)
        if at < noise.flips_per_million:
            return bytes([byte ^ 1 << self._random.randrange(8)])
        if at < noise.flips_per_million + noise.drops_per_million:
            return b""
        return bytes([byte, self._random.randrange(256)])

    def _draw_distance(self) -> None:
        # By distance, not by a draw for each byte, so that the same bytes are hit however they are cut into reads.
        rate = self._noise.per_byte
        self._to_next_fault_bytes = self._random.expovariate(rate) if rate > 0 else float("inf")


class _Ends:
    """The pseudo-terminals of one plugging in."""

    def __init__(self) -> None:
        self.camera, self._camera_slave = os.openpty()
        self.dock, self._dock_slave = os.openpty()
        for descriptor in (self._camera_slave, self._dock_slave):
            tty.setraw(descriptor)
        for descriptor in (self.camera, self.dock):
            os.set_blocking(descriptor, False)
        self.camera_path = os.ttyname(self._camera_slave)
        self.dock_path = os.ttyname(self._dock_slave)

    def close(self) -> None:
        # The far ends stay open here until now: without them a program that is not there yet would look like a fault.
        for descriptor in (self._camera_slave, self._dock_slave, self.camera, self.dock):
            os.close(descriptor)


class SerialCable:
    """A cable with two ends. Plug it in, and open ``camera_port`` and ``dock_port`` with any serial library.

    May break: flip, drop and insert bytes, hang up after a number of bytes, hold everything back, be unplugged; by itself
    it breaks nothing. May not: reorder or repeat bytes, hold more than HELD_BYTES_MAX in a direction and what the kernel's
    terminals hold, or outlive ``close``.
    """

    def __init__(self, folder: Path, *, seed: int = 0) -> None:
        """Make the ports' names below ``folder``; nothing is plugged in yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self.camera_port: Final = folder / "camera-port"
        self.dock_port: Final = folder / "dock-port"
        streams = Streams(seed)
        self._wires = {name: _Wire(name, streams) for name in (TO_DOCK, TO_CAMERA)}
        self._lock = threading.Lock()
        self._ends: _Ends | None = None
        self._pump: threading.Thread | None = None
        self._is_stuck = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._is_closed = False

    def plug(self) -> None:
        """Connect both ends; the ports appear. An already plugged cable is fine."""
        assert not self._is_closed, "the cable is closed"
        if self.is_plugged:
            return
        self._join()
        ends = self._ends = _Ends()
        for wire in self._wires.values():
            wire.held.clear()
        for port, path in ((self.camera_port, ends.camera_path), (self.dock_port, ends.dock_path)):
            port.unlink(missing_ok=True)
            port.symlink_to(path)
        self._pump = threading.Thread(target=self._run, args=(ends,), name="cable", daemon=True)
        self._pump.start()

    def unplug(self) -> None:
        """Hang up at both ends, as when the camera is taken out; what is on the way is lost. Safe to call twice."""
        with self._lock:
            self._ends = None
        os.write(self._wake_write, _WAKE)
        self._join()

    def close(self) -> None:
        """Unplug for good. Safe to call twice."""
        if self._is_closed:
            return
        self.unplug()
        self._is_closed = True
        os.close(self._wake_read)
        os.close(self._wake_write)

    @property
    def is_plugged(self) -> bool:
        """Say whether the ends are connected."""
        with self._lock:
            return self._ends is not None

    def passed_bytes(self, direction: str) -> int:
        """Return how many bytes were ever taken in for ``TO_DOCK`` or ``TO_CAMERA``."""
        with self._lock:
            return self._wires[direction].passed_bytes

    def set_noise(self, direction: str, noise: Noise) -> None:
        """Spoil bytes of a direction from now on."""
        with self._lock:
            self._wires[direction].set_noise(noise)

    def cut_after(self, direction: str, size_bytes: int) -> None:
        """Hang up once ``size_bytes`` more bytes have come out of a direction."""
        with self._lock:
            self._wires[direction].to_cut_bytes = size_bytes
        os.write(self._wake_write, _WAKE)

    def stick(self, *, is_stuck: bool) -> None:
        """Hold everything back from now on, or no longer."""
        with self._lock:
            self._is_stuck = is_stuck
        os.write(self._wake_write, _WAKE)

    def _join(self) -> None:
        if self._pump is not None:
            self._pump.join()
            self._pump = None

    def _run(self, ends: _Ends) -> None:
        routes = ((self._wires[TO_DOCK], ends.camera, ends.dock), (self._wires[TO_CAMERA], ends.dock, ends.camera))
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._wake_read, selectors.EVENT_READ)
                while self._turn(selector, ends, routes):
                    pass
        finally:
            for port in (self.camera_port, self.dock_port):
                port.unlink(missing_ok=True)
            ends.close()
            with self._lock:
                for wire in self._wires.values():
                    wire.to_cut_bytes = None

    def _turn(self, selector: selectors.BaseSelector, ends: _Ends, routes: tuple[tuple[_Wire, int, int], ...]) -> bool:
        """Wait for what can be done and do it; False when the cable is unplugged."""
        with self._lock:
            if self._ends is not ends:
                return False
            if any(wire.to_cut_bytes == 0 and not wire.held for wire, _, _ in routes):
                self._ends = None
                return False
            wanted = {} if self._is_stuck else self._wanted(routes)
        for descriptor in (ends.camera, ends.dock):
            _watch(selector, descriptor, wanted.get(descriptor, 0))
        ready = {key.fd: events for key, events in selector.select()}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
            return True
        with self._lock:
            for wire, source, sink in routes:
                if ready.get(source, 0) & selectors.EVENT_READ:
                    wire.carry(_read(source))
                if ready.get(sink, 0) & selectors.EVENT_WRITE and wire.held:
                    del wire.held[: _write(sink, wire.held)]
        return True

    @staticmethod
    def _wanted(routes: tuple[tuple[_Wire, int, int], ...]) -> dict[int, int]:
        wanted: dict[int, int] = {}
        for wire, source, sink in routes:
            if len(wire.held) < HELD_BYTES_MAX - READ_BYTES // 2 and wire.to_cut_bytes != 0:
                wanted[source] = wanted.get(source, 0) | selectors.EVENT_READ
            if wire.held:
                wanted[sink] = wanted.get(sink, 0) | selectors.EVENT_WRITE
        return wanted


def _watch(selector: selectors.BaseSelector, descriptor: int, events: int) -> None:
    """Watch ``descriptor`` for ``events`` alone."""
    present = selector.get_map().get(descriptor)
    if present is None:
        if events:
            selector.register(descriptor, events)
    elif not events:
        selector.unregister(descriptor)
    elif present.events != events:
        selector.modify(descriptor, events)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_BYTES // 2)
    except BlockingIOError:
        return b""


def _write(descriptor: int, data: bytearray) -> int:
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0
