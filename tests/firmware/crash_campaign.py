"""Cuts a story of the camera at every step, recovers, judges; cuts the recovery too, or kills the process instead.

Every state that counts was judged as it stood against what had been promised, recovered by the firmware, and judged again by
the verifier (`tests.firmware.crash_judge`). Two states are the same where every folder, name and byte is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from hw_sim.crash_disk import Image, Model, digest
from hw_sim.crash_store import Appended, CrashStore
from tests.firmware.crash_judge import Card, KeyWatch, damaged, lost
from tests.firmware.crash_stories import Played, Story
from tests.firmware.crash_world import Life, Parts, Promise

TORN_COUNT: Final = 6
SECOND_CUTS_ONE_IN: Final = 16
LIVED_ON_ONE_IN: Final = 8
KILLED_ONE_IN: Final = 8
_RARE_BELOW: Final = 3
"""A recovery that makes a call which was cut fewer times than this is always cut."""
DIGEST_SIZE_BYTES: Final = 16


@dataclass
class Found:
    """What a campaign found; several add up."""

    states: set[bytes] = field(default_factory=set)
    """Contents after a power cut, by digest."""
    second_states: set[bytes] = field(default_factory=set)
    """Contents after a power cut within a recovery."""
    points: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often the power was cut before a step: by what kind of step it is, and which call of the firmware asked for it."""
    violations: list[str] = field(default_factory=list)

    @property
    def all_states(self) -> set[bytes]:
        """Return all contents, each once."""
        return self.states | self.second_states

    def points_by(self, part: int) -> Counter[str]:
        """Return the crash points by kind of step (0) or by call site (1)."""
        found: Counter[str] = Counter()
        for point, count in self.points.items():
            found[point[part]] += count
        return found

    def add(self, other: "Found") -> None:
        """Take in what another found."""
        self.states |= other.states
        self.second_states |= other.second_states
        self.points += other.points
        self.violations += other.violations


class Campaign:
    """Cuts one story; ends at the first violation that begins with ``sought``, where that is given."""

    def __init__(
        self,
        played: Played,
        parts: Parts | None = None,
        *,
        random: Random,
        first_step: int = 0,
        sought: str | None = None,
    ) -> None:
        """Take a story that was lived through; it is cut from ``first_step`` on."""
        self._played, self._store, self._parts = played, played.store, parts or Parts()
        self._random, self._first_step, self._sought = random, first_step, sought
        self._judged: set[bytes] = set()
        self.found = Found()

    def cut_everywhere(self) -> "Campaign":
        """Cut the power before each step and after the last, by both models."""
        for step in self._steps():
            for model in Model:
                for image in self._store.after_cut(step, model, self._random, torn_count=TORN_COUNT):
                    self._judge_cut(image, step, model)
            self._count_point(self._store, step)
            if self.has_found:
                break
        return self

    def kill(self, *, one_in: int = 1) -> "Campaign":
        """Kill the process at steps, ``one_in`` so many; the system runs on, and the power goes in the recovery."""
        for step in self._steps():
            if self._random.randrange(one_in):
                continue
            store = self._parts.make_store()
            store.disk = self._store.disk_before(step)
            self._note(f"killed before {self._words(step)}", self._recover(store, "second life", step)[1])
            self._cut_again(store, step)
            if self.has_found:
                break
        return self

    @property
    def has_found(self) -> bool:
        """Say whether what is sought was found."""
        sought = self._sought
        return sought is not None and any(sentence.startswith(sought) for sentence in self.found.violations)

    def _steps(self) -> list[int]:
        """Return the steps to cut; in any order where one violation is enough."""
        steps = list(range(self._first_step, self._store.step + 1))
        if self._sought is not None:
            self._random.shuffle(steps)
        return steps

    def _judge_cut(self, image: Image, step: int, model: Model) -> None:
        promises = self._promises(step)
        if not self._is_new(image, promises, self.found.states):
            return
        words = f"cut before {self._words(step)}, model {model}"
        self._note(words, lost(Card.of(image), promises))
        store = CrashStore(image)
        life, wrong = self._recover(store, "second life", step)
        self._note(words, wrong)
        is_cut_again = self._random.randrange(SECOND_CUTS_ONE_IN) == 0 or self._has_rare_step(store)
        if self._sought is None and is_cut_again:
            self._cut_again(store, step)
        if life is not None and self._random.randrange(LIVED_ON_ONE_IN) == 0:
            self._note(f"{words}, lived on", self._live_on(life))

    def _cut_again(self, store: CrashStore, first_step: int) -> None:
        """Cut the power at each step of a recovery that went through."""
        promises = self._promises(first_step)
        for step in range(store.step + 1):
            for model in Model:
                for image in store.after_cut(step, model, self._random, torn_count=1):
                    if self._is_new(image, promises, self.found.second_states):
                        words = f"cut before {self._words(first_step)}, again in the recovery at step {step}"
                        self._note(words, lost(Card.of(image), promises))
                        again = CrashStore(image)
                        self._note(words, self._recover(again, "third life", first_step, before=store.appended)[1])
            self._count_point(store, step)

    def _is_new(self, image: Image, promises: list[Promise], states: set[bytes]) -> bool:
        """Count a state; say whether it must be judged: a known one is, when more was promised than before."""
        content = digest(image)[:DIGEST_SIZE_BYTES]
        key = content + len(promises).to_bytes(4, "big") + (b"2" if states is self.found.second_states else b"1")
        is_judged = key in self._judged
        self._judged.add(key)
        states.add(content)
        return not is_judged

    def _recover(
        self, store: CrashStore, name: str, step: int, *, before: list[Appended] | None = None
    ) -> tuple[Life | None, list[str]]:
        life = Life(store, name, self._parts)
        try:
            life.start()
        except Exception as error:
            return None, [f"I7: recovery ends with {type(error).__name__}: {error}"]
        card = Card.of(store.disk.live(), is_recovered=True)
        wrong = [*lost(card, self._promises(step)), *damaged(card, open_folder=life.log.folder)]
        first = [item for item in self._store.appended if item.step < step]
        return life, wrong + list(KeyWatch().watch([*first, *(before or []), *store.appended]))

    def _live_on(self, life: Life) -> Iterator[str]:
        life.record(1)
        life.dock()
        card = Card.of(life.store.disk.live(), is_recovered=True)
        yield from lost(card, life.promises)
        yield from damaged(card, open_folder=life.log.folder)

    def _promises(self, step: int) -> list[Promise]:
        return [promise for promise in self._played.promises if promise.step <= step]

    def _count_point(self, store: CrashStore, step: int) -> None:
        if step < store.step:
            self.found.points[_point(store, step)] += 1

    def _has_rare_step(self, store: CrashStore) -> bool:
        return any(self.found.points[_point(store, step)] < _RARE_BELOW for step in range(store.step))

    def _words(self, step: int) -> str:
        steps = self._store.steps
        name = f"step {step} ({steps[step][0]})" if step < len(steps) else "nothing: all is done"
        return f"{name} of {self._played.story}"

    def _note(self, words: str, wrong: Iterable[str]) -> None:
        self.found.violations += [f"{sentence} [{words}]" for sentence in wrong]


def _point(store: CrashStore, step: int) -> tuple[str, str]:
    return store.steps[step][0].split()[0], store.asked_by[step]


def cut_story(story: Story, shared_acts: int, seed: str) -> Found:
    """Cut a story from where it is its own, and kill it now and then. What the camera raises where it may not is a violation."""
    try:
        played = Played(story)
        first_step = played.first_step(shared_acts=shared_acts)
        campaign = Campaign(played, random=Random(seed), first_step=first_step)
        return campaign.cut_everywhere().kill(one_in=KILLED_ONE_IN).found
    except Exception as error:
        return Found(violations=[f"I7: the story ends with {type(error).__name__}: {error} [{story}]"])
