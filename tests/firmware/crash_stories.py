"""Stories of a camera on one card, as words that repeat them: "record 2, dock, receipts". Each act is below.

When a fault ends a process, the next one starts on the same card, and the story goes on with the act after.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from firmware.errors import StoreFull, StoreUncertain
from hw_sim.crash_disk import Inode
from hw_sim.crash_store import CrashStore, Faults
from protocol.layout import RECEIPT_SUFFIX
from protocol.receipt import receipt_hash
from tests.firmware.crash_world import DayCutShort, Life, Parts, Promise, receipts_for

_ACTS_MIN: Final = 3
_ACTS_MAX: Final = 5
_DRAWN: Final = (
    *("record 1", "record 1", "record 2", "dock", "dock", "restart", "refuse"),
    *("receipts", "receipts late", "recordings", "early", "rot"),
)
_FAULTS_PER_ACT: Final = 14
"""Faults are drawn up to this many writes or syncs an act: about as many as a recording takes."""


@dataclass(frozen=True, slots=True)
class Story:
    """What happens, in order, after the camera was switched on, and what goes wrong meanwhile."""

    acts: tuple[str, ...]
    faults: Faults = field(default_factory=Faults)

    @classmethod
    def of(cls, acts: str, faults: Faults | None = None) -> "Story":
        """Return the story that these words tell."""
        return cls(tuple(acts.split(", ")), Faults() if faults is None else faults)

    @classmethod
    def drawn(cls, random: Random) -> "Story":
        """Return one that begins with a recording; every second has a fault."""
        acts = ("record 1", *random.choices(_DRAWN, k=random.randint(_ACTS_MIN, _ACTS_MAX) - 1))
        number = random.randrange(_FAULTS_PER_ACT * len(acts))
        faults = (Faults(), Faults(), Faults(full_at_write=number), Faults(fail_at_sync=number))
        return cls(acts, random.choice(faults))

    def __str__(self) -> str:
        """Return the words."""
        full, failing = self.faults.full_at_write, self.faults.fail_at_sync
        said = "" if full is None else f"; full at write {full}"
        return f"{', '.join(self.acts)}{said if failing is None else f'; sync {failing} fails'}"

    def shared_acts(self, other: "Story") -> int:
        """Return how many acts this one begins with that are another's too, switching on among them."""
        if self.faults != other.faults:
            return 0
        pairs = enumerate(zip(self.acts, other.acts, strict=False))
        shared = min(len(self.acts), len(other.acts))
        return 1 + next((index for index, (mine, its) in pairs if mine != its), shared)


DAY: Final = Story.of("record 2, record 1, dock, record 1, receipts, dock, recordings, off")
"""Everything that a camera does on a day without faults, twice where the second time differs."""


class Played:
    """A story that was lived through: the card with all its steps, and what was promised."""

    def __init__(self, story: Story, parts: Parts | None = None, *, is_restarted: bool = True) -> None:
        """Live through it; without a restart it ends where a fault ends the process."""
        self.story, self._parts = story, parts or Parts()
        self._life = Life(self._parts.make_store(faults=story.faults), "first life", self._parts)
        self._shifts: list[bytes] = []
        self._life_count = 1
        self.act_ends: list[int] = []
        """The step after each act, that of switching on first."""
        for act in ("start", *story.acts):
            if not self._does(act) and not (is_restarted and self._does("restart")):
                break  # Not even the next process can write: the card is full to the last byte.
            self.act_ends.append(self.store.step)

    @property
    def store(self) -> CrashStore:
        """Return the card."""
        return self._life.store

    @property
    def promises(self) -> list[Promise]:
        """Return all that was durable, by step."""
        return self._life.promises

    def first_step(self, *, shared_acts: int) -> int:
        """Return the step from which on this is a story of its own: before its fault it is the one without."""
        own = self.act_ends[min(shared_acts, len(self.act_ends)) - 1] if shared_acts and self.act_ends else 0
        if self.story.faults == Faults():
            return own
        struck = self.store.fault_step
        return self.store.step + 1 if struck is None else max(struck, own)

    def _does(self, act: str) -> bool:
        verb, _, how = act.partition(" ")
        try:
            _ACTS[verb](self, how)
        except (StoreFull, StoreUncertain, DayCutShort):
            return False
        return True

    def _start(self, _: str) -> None:
        self._life.start()

    def _restart(self, _: str) -> None:
        """Kill the process and begin another; the system runs on."""
        before = self._life
        self._life = Life(before.store, f"life {self._life_count}", self._parts)
        self._life.promises = before.promises
        self._life_count += 1
        self._life.start()

    def _record(self, seconds: str) -> None:
        self._life.record(int(seconds))

    def _dock(self, _: str) -> None:
        self._shifts.append(self._life.log.shift_id)
        self._life.dock()

    def _refuse(self, _: str) -> None:
        self._life.log.event("press-refused")

    def _off(self, _: str) -> None:
        self._life.log.event("power-off")

    def _receipts(self, how: str) -> None:
        """Bring all receipts of the oldest closed shift, the chain's own first, or last."""
        receipts = self._receipts_of_oldest()
        self._life.receive(*(receipts if how != "late" else receipts[::-1]))

    def _recordings(self, _: str) -> None:
        self._life.receive(*self._receipts_of_oldest()[1:])

    def _early(self, _: str) -> None:
        """Bring the chain's receipt while its recordings are there."""
        self._life.receive(*self._receipts_of_oldest()[:1])

    def _rot(self, _: str) -> None:
        """Let a bit of the chain's kept receipt flip, durably, and bring it again."""
        store = self.store
        names = {receipt_hash(signed).hex()[:16] + RECEIPT_SUFFIX for signed in self._receipts_of_oldest()[:1]}
        for (_folder, name), number in store.disk.live_names().entries.items():
            if name in names:
                data = store.disk.inodes[number].live
                flipped = bytes([data[0] ^ 1]) + data[1:]
                store.disk = store.disk.with_inode(number, Inode(flipped, (), flipped))
        self._early("")

    def _receipts_of_oldest(self) -> tuple[bytes, ...]:
        found = (self._life.log.report(shift_id) for shift_id in self._shifts)
        report = next((one[1] for one in found if one is not None), None)
        return () if report is None else receipts_for(report)


_ACTS: Final[Mapping[str, Callable[[Played, str], None]]] = {
    "start": Played._start,
    "restart": Played._restart,
    "record": Played._record,
    "dock": Played._dock,
    "receipts": Played._receipts,
    "recordings": Played._recordings,
    "early": Played._early,
    "rot": Played._rot,
    "refuse": Played._refuse,
    "off": Played._off,
}
