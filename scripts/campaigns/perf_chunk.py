"""`perf chunk`: the camera's path after its encoders, against hashing alone and against a plain MP4 that proves nothing.

Ours: whole GOPs, fragments, AES-256-GCM, commitment and hash of each part, a signed entry, media and entry written to the real card
store, each with its fdatasync. Opening and closing the recording, with its key box, is in the figure.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from firmware.ports import EncodedFrame
from scripts.campaigns.alternating import medians
from scripts.campaigns.command import Campaign, Order
from scripts.campaigns.ground import Ground, ground
from scripts.campaigns.media import LAP_S, Item, Media, encode
from scripts.campaigns.plain_muxer import PlainMuxer
from scripts.campaigns.process_facts import peak_growth_bytes
from scripts.campaigns.result import Row, against, at_least, measured
from scripts.campaigns.shift_maker import ShiftMaker
from tests.builders import make_agency, make_camera

CHUNK_SIZE_BYTES_MIN: Final = 750_000
"""The mean at the default profile: what a chunk costs, whatever its size, is then paid about once a second."""
_LAPS_PER_RUN: Final = 7
_LAPS_PER_SHORT_RUN: Final = 2
_SHORT_BUDGET_S: Final = 10.0
_MB: Final = 1e6


@dataclass
class _Bench:
    """One stream, and everything that is done with it."""

    media: Media
    stream: tuple[Item, ...]
    place: Ground
    cpu_s: list[float] = field(default_factory=list)
    chunk_bytes: float = 0.0

    def __post_init__(self) -> None:
        """Count once what all runs take in."""
        self.input_bytes = sum(len(item.data) for item in self.stream)
        self.muxer = PlainMuxer(self.media)

    def ours(self, folder: Path) -> float:
        """Return MB/s of encoded input, sealed and durable."""
        agency = make_agency("perf")
        card = folder / "card"
        card.mkdir()
        maker = ShiftMaker(card, self.media, device=make_camera(agency).device, policy=agency.trusted)
        cpu_before_s = time.process_time()
        speed = self._timed(lambda: maker.record(self.stream))
        if folder == self.place.fast:
            self.cpu_s.append(time.process_time() - cpu_before_s)
        self.chunk_bytes = maker.media_bytes / maker.chunk_count
        maker.close()
        shutil.rmtree(card)
        return speed

    def hashing(self) -> float:
        """Return MB/s of SHA-256 over the same bytes."""

        def run() -> None:
            state = hashlib.sha256()
            for item in self.stream:
                state.update(item.data)
            state.digest()

        return self._timed(run)

    def plain(self) -> float:
        """Return MB/s of PyAV's muxer, which seals nothing, into a file in the same place."""
        file = self.place.fast / "plain.mp4"
        speed = self._timed(lambda: self.muxer.write(file, self.stream))
        file.unlink()
        return speed

    def bare_disk(self) -> float:
        """Return MB/s of the disk alone: the same bytes, one write and one fdatasync for each GOP."""
        file = self.place.disk / "bare"
        gops: list[bytearray] = []
        for item in self.stream:
            if isinstance(item, EncodedFrame) and item.is_key:
                gops.append(bytearray())
            (gops or [bytearray()])[-1].extend(item.data)

        def run() -> None:
            with file.open("wb", buffering=0) as stream:
                for gop in gops:
                    stream.write(gop)
                    os.fdatasync(stream.fileno())

        speed = self._timed(run)
        file.unlink()
        return speed

    def _timed(self, run: Callable[[], None]) -> float:
        began_s = time.perf_counter()
        run()
        return self.input_bytes / _MB / (time.perf_counter() - began_s)


def run(order: Order) -> Sequence[Row]:
    """Measure."""
    laps = _LAPS_PER_SHORT_RUN if order.budget_s < _SHORT_BUDGET_S else _LAPS_PER_RUN
    with ground(1 << 28, 1 << 28) as place:
        media = encode(order)
        bench = _Bench(media, media.stream(laps), place)
        growth_bytes = peak_growth_bytes(lambda: bench.ours(place.fast))
        found = medians(
            {
                "ours": lambda: bench.ours(place.fast),
                "sha256": bench.hashing,
                "pyav": bench.plain,
                "ours on disk": lambda: bench.ours(place.disk),
                "disk": bench.bare_disk,
            },
            order,
        )
    seconds = laps * LAP_S
    unit = "MB/s"
    return (
        measured("video in each run", seconds, "s of 720p30"),
        measured("encoded rate", round(bench.input_bytes * 8 / seconds / _MB, 2), "Mb/s"),
        against("sealed", found["ours"], unit, peer="hashlib.sha256 alone", peer_value=found["sha256"]),
        against("sealed, beside a plain MP4", found["ours"], unit, peer="PyAV's muxer", peer_value=found["pyav"]),
        against("sealed, on disk", found["ours on disk"], unit, peer="write + fdatasync", peer_value=found["disk"]),
        measured("CPU per minute of video", median(bench.cpu_s) * 60 / seconds, "s"),
        at_least("mean chunk", round(bench.chunk_bytes), "B", CHUNK_SIZE_BYTES_MIN),
        *(() if growth_bytes is None else (measured("memory above the stream's own, at most", growth_bytes, "B"),)),
        place.row(),
    )


CAMPAIGN: Final = Campaign(
    "the camera's path after its encoders: MB/s sealed and durable, beside SHA-256 and a plain MP4", 30.0, run
)
