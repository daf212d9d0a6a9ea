"""`perf offload-profile`: where the CPU time of one offload goes, by program, thread and function, for those who make it faster.

A profile costs time itself, most where many small functions are called; what `perf offload` says of whole programs is without it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from hw_sim.bench.agency import BenchAgency
from hw_sim.bench.brokers import MOSQUITTO_CACHE
from hw_sim.bench.errors import BenchError
from hw_sim.bench.mosquitto import locate
from scripts.campaigns.command import Campaign, CannotRun, Order
from scripts.campaigns.ground import Ground, ground
from scripts.campaigns.media import encode
from scripts.campaigns.offload_world import offload, spool_shift
from scripts.campaigns.result import Row, measured
from scripts.campaigns.thread_profile import Cost, profiled_threads, read_costs

_FULL_BUDGET_S: Final = 30.0
_FULL_BYTES: Final = 512 << 20
_SHORT_BYTES: Final = 8 << 20
_RECORDINGS_MAX: Final = 4
_FUNCTIONS_MAX: Final = 6
_THREADS: Final = {"dock": ("uploader", "paho"), "ingest": ("main", "keeper", "paho")}
"""Those that do something, under the names that they give themselves; the worker's main thread imports the program as well."""
_UNIT: Final = "CPU s per GB"


def run(order: Order) -> Sequence[Row]:
    """Offload once, with every thread of dock and ingest profiled."""
    wanted_bytes = _FULL_BYTES if order.budget_s >= _FULL_BUDGET_S else _SHORT_BYTES
    try:
        with ground(3 * wanted_bytes, 0) as place:
            return _run(order, place, wanted_bytes)
    except BenchError as error:
        raise CannotRun(str(error), expected="the programs of a bench to run", next_step=error.diagnosis()) from error


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


CAMPAIGN: Final = Campaign("where the CPU time of an offload goes, by program, thread and function", 60.0, run)
