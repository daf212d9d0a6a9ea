"""`perf chunk-profile` and `perf offload-profile`: where CPU time goes, by thread and function, for those who make it less.

A profile costs time itself, most where many small functions are called; what `perf chunk` and `perf offload` say is without it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from hw_sim.bench.agency import BenchAgency
from hw_sim.bench.brokers import MOSQUITTO_CACHE
from hw_sim.bench.mosquitto import locate
from scripts.campaigns.command import Campaign, Order
from scripts.campaigns.ground import Ground, ground
from scripts.campaigns.media import LAP_S, encode
from scripts.campaigns.offload_world import bench_faults, offload, spool_shift
from scripts.campaigns.result import Row, measured
from scripts.campaigns.shift_maker import ShiftMaker
from scripts.campaigns.thread_profile import Cost, profiled_threads, read_costs
from tests.builders import make_agency, make_camera

_FULL_BUDGET_S: Final = 30.0
_FULL_BYTES: Final = 512 << 20
_SHORT_BYTES: Final = 8 << 20
_RECORDINGS_MAX: Final = 4
_FUNCTIONS_MAX: Final = 6
_CHUNK_FUNCTIONS_MAX: Final = 15
_CHUNK_LAPS: Final = 15
_THREADS: Final = {"dock": ("uploader", "paho"), "ingest": ("main", "keeper", "paho")}
"""Those that do something, under the names that they give themselves; the worker's main thread imports the program as well."""
_UNIT: Final = "CPU s per GB"


def run_chunk(order: Order) -> Sequence[Row]:
    """Seal once, profiled."""
    laps = _CHUNK_LAPS if order.budget_s >= _FULL_BUDGET_S else 1
    agency = make_agency("perf")
    with ground(1 << 28, 0) as place:
        media = encode(order)
        maker = ShiftMaker(place.fast, media, device=make_camera(agency).device, policy=agency.trusted)
        stream = media.stream(laps)
        with profiled_threads() as costs:
            maker.record(stream)
        maker.close()
    minutes, unit = laps * LAP_S / 60, "CPU s per minute of video"
    costs.sort(key=lambda cost: -cost.cpu_s)
    return (
        measured("video", laps * LAP_S, "s of 720p30"),
        measured("all", sum(cost.cpu_s for cost in costs) / minutes, unit),
        *(measured(cost.function, cost.cpu_s / minutes, unit) for cost in costs[:_CHUNK_FUNCTIONS_MAX]),
    )


def run_offload(order: Order) -> Sequence[Row]:
    """Offload once, with every thread of dock and ingest profiled."""
    wanted_bytes = _FULL_BYTES if order.budget_s >= _FULL_BUDGET_S else _SHORT_BYTES
    with bench_faults(), ground(3 * wanted_bytes, 0) as place:
        return _run(order, place, wanted_bytes)


def _run(order: Order, place: Ground, wanted_bytes: int) -> Sequence[Row]:
    program = locate(MOSQUITTO_CACHE, order.progress.say)
    media = encode(order)
    template, profile_file = place.fast / "agency", place.fast / "ingest.json"
    agency = BenchAgency.provision(template, order.progress.say)
    laps = -(-wanted_bytes // media.lap_bytes)
    shift = spool_shift(place.fast, agency, media, laps=laps, recordings=min(laps, _RECORDINGS_MAX), order=order)
    order.progress.say("offloads, profiled")
    with profiled_threads() as dock_costs:
        done = offload(shift, place.fast / "run", template, program, ingest_profile=profile_file)
    gigabytes = shift.size_bytes / 1e9
    rows = [*_thread_rows("dock", dock_costs, gigabytes), *_thread_rows("ingest", read_costs(profile_file), gigabytes)]
    return (
        measured("size of the shift", shift.size_bytes, "B"),
        measured("broker", done.cpu_s["broker"] / gigabytes, _UNIT),
        *rows,
    )


def _thread_rows(program: str, costs: Sequence[Cost], gigabytes: float) -> Iterator[Row]:
    """Return a row for each thread of the program, and behind it the functions that took most of its time."""
    for thread in _THREADS[program]:
        # A name may end in the thread's number or the connection's name.
        found = [cost for cost in costs if cost.thread.partition("-")[0] == thread]
        yield measured(f"{program}, {thread}", sum(cost.cpu_s for cost in found) / gigabytes, _UNIT)
        for cost in sorted(found, key=lambda cost: -cost.cpu_s)[:_FUNCTIONS_MAX]:
            yield measured(f"{program}, {thread}: {cost.function}", cost.cpu_s / gigabytes, _UNIT)


CHUNK_CAMPAIGN: Final = Campaign("where the CPU time of the camera's path goes, by function", 30.0, run_chunk)
OFFLOAD_CAMPAIGN: Final = Campaign(
    "where the CPU time of an offload goes, by program, thread and function", 60.0, run_offload
)
