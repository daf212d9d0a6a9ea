"""What a witness signed before a power cut, and whether what it signs after it goes on from there. For tests and the campaign."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final

from dockd.central.errors import StateFault
from hw_sim.crash_disk import Image, Model
from hw_sim.crash_state_disk import CrashStateDisk
from tests.dockd.witnesses import World, cosigned_at_s, forked_at, request_bytes
from tests.protocol.ledger_log import AT_S, TREE

FORKED_AT: Final = 40
FORK: Final = forked_at(FORKED_AT)
TREES: Final = (TREE, FORK)


@dataclass(frozen=True, slots=True)
class Release:
    """A cosignature that left: before which step of the disk, for which tree (0 the true one) and size, and its time."""

    step: int
    tree: int
    size: int
    at_s: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: grow to this size in this tree, at so many seconds after the one before."""

    tree: int
    size: int
    later_s: int = 60


USUAL: Final = (Ask(0, 40), Ask(0, 50), Ask(1, 50), Ask(0, 60), Ask(0, 60, -3600), Ask(0, 70))


def played(disk: CrashStateDisk, asks: Sequence[Ask], *, answers_first: bool = False) -> list[Release]:
    """Send requests to a witness on ``disk``; return what was cosigned. With ``answers_first`` each leaves before it is kept."""
    world = World(disk=disk)
    witness = world.start()
    released: list[Release] = []
    known = 0
    for ask in asks:
        world.clock.at_s += ask.later_s
        step = len(disk.before)
        tree = TREES[ask.tree]
        answer = witness.add_checkpoint(request_bytes(known, ask.size, tree=tree))
        if answer.status == 200:
            at_s = cosigned_at_s(answer.body, ask.size, tree)
            released.append(Release(step if answers_first else len(disk.before), ask.tree, ask.size, at_s))
            known = ask.size
    return released


def violations(image: Image, released: Sequence[Release]) -> list[str]:
    """Start a witness on what a cut left, let a dishonest log try all that it has, and say what is taken back or is signed twice."""
    world = World(disk=CrashStateDisk(image))
    world.clock.at_s = AT_S - 86_400  # the clock of a small computer without a battery
    try:
        witness = world.start()
    except StateFault as error:
        return [f"the witness does not start: {error}"]
    after: list[Release] = []
    known = 0
    # The forked tree first, and sizes that were cosigned already: whatever was forgotten would be signed now.
    for size in sorted({*(one.size for one in released), 50, 90}):
        for number in (1, 0):
            for _ in range(2):  # told the known size, a log asks again
                answer = witness.add_checkpoint(request_bytes(known, max(size, known), tree=TREES[number]))
                if answer.status != 409:
                    break
                known = int(answer.body)
            if answer.status == 200:
                at_s = cosigned_at_s(answer.body, max(size, known), TREES[number])
                known = max(size, known)
                after.append(Release(0, number, known, at_s))
    return list(_contradictions([*released, *after]))


def _contradictions(signed: Sequence[Release]) -> Iterator[str]:
    roots: dict[int, bytes] = {}
    for one in signed:
        root = TREES[one.tree].roots[one.size]
        if roots.setdefault(one.size, root) != root:
            yield f"two trees of {one.size} leaves are cosigned"
    if {one.tree for one in signed if one.size > FORKED_AT} == {0, 1}:
        yield "two histories are cosigned"
    for before, one in pairwise(signed):
        if one.at_s < before.at_s:
            yield f"a cosignature at {one.at_s} follows one at {before.at_s}"


def cuts(
    disk: CrashStateDisk, released: Sequence[Release], random: Random, *, torn_count: int = 4
) -> Iterator[tuple[Image, list[Release]]]:
    """Give what may be left after a power cut before each step, with what had left by then."""
    for step in range(len(disk.before) + 1):
        gone = [one for one in released if one.step <= step]
        for model in Model:
            for image in disk.after_cut(step, model, random, torn_count=torn_count):
                yield image, gone


class ForgetsSync(CrashStateDisk):
    """Known bad: the bytes are not synced before they are renamed."""

    def sync(self, name: str) -> None:
        self._step(self.disk)


class ForgetsFolder(CrashStateDisk):
    """Known bad: the folder is not synced after the rename."""

    def sync_folder(self) -> None:
        self._step(self.disk)
