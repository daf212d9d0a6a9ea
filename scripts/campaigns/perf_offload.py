"""`perf offload`: a shift from the dock's spool to central's receipts, against rsync and cp that prove nothing.

Ours runs from the uploader's start, over mosquitto with mutual TLS 1.3, until the dock has verified a receipt for each recording and
for the chain: central has verified, synced, stored and receipted it all by then. No target stands here yet: the ratio is measured.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from hw_sim.bench.agency import BenchAgency
from hw_sim.bench.brokers import MOSQUITTO_CACHE
from hw_sim.bench.mosquitto import MosquittoProgram, locate
from scripts.campaigns.alternating import medians
from scripts.campaigns.command import Campaign, Order
from scripts.campaigns.ground import Ground, ground
from scripts.campaigns.media import encode
from scripts.campaigns.offload_peers import Peers, require_programs, serving
from scripts.campaigns.offload_world import Offload, SpooledShift, bench_faults, offload, spool_shift
from scripts.campaigns.result import Row, against, measured

_MIB: Final = 1 << 20
_MB: Final = 1e6
_SIZES: Final = ((200.0, 1024 * _MIB), (30.0, 128 * _MIB), (0.0, 8 * _MIB))
"""What is offloaded with a budget of so many seconds or more."""
_RECORDINGS_MAX: Final = 4
"""A shift of several recordings, as real ones are: central verifies one while the next arrives."""
_COPIES: Final = 4
"""Spool, staged or stored, a peer's copy, and room to breathe."""


@dataclass
class _Bench:
    """A shift in two spools, and all who carry it."""

    place: Ground
    template: Path
    program: MosquittoProgram
    peers: Peers
    in_memory: SpooledShift
    on_disk: SpooledShift
    runs: list[Offload] = field(default_factory=list)

    def ours(self) -> float:
        """Return MB/s in memory, and keep what else was measured."""
        done = offload(self.in_memory, self.place.fast / "run", self.template, self.program)
        self.runs.append(done)
        return self._mb_per_s(done.seconds)

    def ours_on_disk(self) -> float:
        """Return MB/s with spool and central's storage on disk."""
        return self._mb_per_s(offload(self.on_disk, self.place.disk / "run", self.template, self.program).seconds)

    def rsync(self, *, has_tls: bool) -> float:
        """Return rsync's MB/s in memory."""
        files, target = self.in_memory.files(), self.place.fast / "to"
        return self._mb_per_s(self.peers.rsync(files, "memory", target, has_tls=has_tls))

    def rsync_on_disk(self) -> float:
        """Return rsync's MB/s on disk."""
        return self._mb_per_s(self.peers.rsync(self.on_disk.files(), "disk", self.place.disk / "to"))

    def cp(self) -> float:
        """Return the MB/s of cp and sha256sum in memory."""
        return self._mb_per_s(self.peers.cp(self.in_memory.files(), self.place.fast / "to"))

    def _mb_per_s(self, seconds: float) -> float:
        return self.in_memory.size_bytes / _MB / seconds


def run(order: Order) -> Sequence[Row]:
    """Measure."""
    programs = require_programs()
    wanted_bytes = next(size for budget_s, size in _SIZES if order.budget_s >= budget_s)
    with bench_faults(), ground(_COPIES * wanted_bytes, _COPIES * wanted_bytes) as place:
        return _run(order, programs, place, wanted_bytes)


def _run(order: Order, programs: Mapping[str, str], place: Ground, wanted_bytes: int) -> Sequence[Row]:
    program = locate(MOSQUITTO_CACHE, order.progress.say)
    media = encode(order)
    template = place.fast / "agency"
    agency = BenchAgency.provision(template, order.progress.say)
    laps = -(-wanted_bytes // media.lap_bytes)
    shift = spool_shift(place.fast, agency, media, laps=laps, recordings=min(laps, _RECORDINGS_MAX), order=order)
    on_disk = shift.copied_to(place.disk / "spool")
    targets = {"memory": place.fast / "to", "disk": place.disk / "to"}
    for target in targets.values():
        target.mkdir()
    with serving(programs, place.fast / "peers", targets, agency) as peers:
        bench = _Bench(place, template, program, peers, shift, on_disk)
        runs: dict[str, Callable[[], float]] = {
            "ours": bench.ours,
            "rsync": lambda: bench.rsync(has_tls=False),
            "rsync over TLS": lambda: bench.rsync(has_tls=True),
            "cp": bench.cp,
            "ours on disk": bench.ours_on_disk,
            "rsync on disk": bench.rsync_on_disk,
        }
        return _rows(bench, medians(runs, order), place)


def _rows(bench: _Bench, found: Mapping[str, float], place: Ground) -> Sequence[Row]:
    unit, shift, runs = "MB/s", bench.in_memory, bench.runs
    gigabytes = shift.size_bytes / 1e9
    cpu_rows = [
        measured(f"CPU, {name}", median(done.cpu_s[name] for done in runs) / gigabytes, "s per GB")
        for name in runs[0].cpu_s
    ]
    peak_rows = [
        measured(f"memory of {name}, at most", max(done.peak_bytes[name] for done in runs), "B")
        for name in ("ingest", "broker")
    ]
    return (
        measured("size of the shift", shift.size_bytes, "B"),
        measured("recordings", shift.recording_count, "recordings"),
        against("receipted", found["ours"], unit, peer="rsync + SHA-256", peer_value=found["rsync"]),
        against(
            "receipted, beside TLS", found["ours"], unit, peer="rsync, TLS 1.3", peer_value=found["rsync over TLS"]
        ),
        against("receipted, beside cp", found["ours"], unit, peer="cp + sha256sum", peer_value=found["cp"]),
        against(
            "receipted, on disk", found["ours on disk"], unit, peer="rsync + SHA-256", peer_value=found["rsync on disk"]
        ),
        measured("last receipt after the last byte", median(done.receipt_latency_s for done in runs), "s"),
        *peak_rows,
        *cpu_rows,
        place.row(),
    )


CAMPAIGN: Final = Campaign(
    "a shift from spool to receipts over mosquitto with mutual TLS 1.3, beside rsync, rsync over TLS, and cp",
    300.0,
    run,
)
