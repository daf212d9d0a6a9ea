"""`./scripts/faults store`, as small as it gets: power cuts at every step, and what makes the campaign fail."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from hw_sim.crash_store import Faults
from scripts.campaigns.command import Campaign, Order, Progress, main
from scripts.campaigns.faults import CAMPAIGNS
from scripts.campaigns.faults_store import KINDS, STATES_MIN, catch, site_rows, state_rows, unlike
from scripts.campaigns.result import Row
from tests.firmware.crash_campaign import Found, cut_story
from tests.firmware.crash_memory import remember
from tests.firmware.crash_sites import UNKNOWN, sites_in
from tests.firmware.crash_stories import DAY, Played, Story
from tests.firmware.crash_variants import VARIANTS, Variant, by_full_card
from tests.firmware.crash_world import Parts

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def order() -> Iterator[Order]:
    with Progress(Console(quiet=True)) as progress:
        yield Order(1, 1.0, progress)


def test_nothing_durable_is_lost_wherever_the_power_goes_and_every_known_bad_camera_is_caught(tmp_path: Path) -> None:
    """I1, I2, I7 and the law of keys; a second cut within the recovery, and a kill, among it."""
    file = tmp_path / "f.json"

    assert main("faults", CAMPAIGNS, ["store", "--budget", "1", "--seed", "1", "--json", str(file)]) == 0

    values = {row["name"]: row["value"] for row in json.loads(file.read_text())["rows"]}
    assert values["distinct states"] >= STATES_MIN
    assert values["distinct states after another cut, in the recovery"] > 1_000
    assert values["violations"] == 0
    assert values["call sites that no cut reached"] == 0
    assert all(values[f"crash points: {kind}"] > 0 for kind in KINDS)
    assert sum(values[name] for name in values if name.startswith("known-bad: ")) == len(VARIANTS) == 9


def points_everywhere() -> Counter[tuple[str, str]]:
    points = Counter((kind, "") for kind in KINDS)
    return points + Counter(("append", site) for site in set(sites_in().values()))


def exit_code(rows: tuple[Row, ...]) -> int:
    return main("faults", {"store": Campaign("", 1.0, lambda order: rows)}, ["store", "--seed", "1"])


def test_a_call_site_that_no_cut_reached_fails_the_campaign_and_is_named(capsys: Capture) -> None:
    points = points_everywhere()
    assert exit_code(site_rows(Found(points=points))) == 0

    del points["append", "shift_log.recover: settle()"]

    assert exit_code(site_rows(Found(points=points))) == 1
    assert "crash points in shift_log.recover: settle(): 0 steps, target 1" in capsys.readouterr().out


def test_a_kind_of_step_that_no_cut_reached_fails_the_campaign() -> None:
    points = points_everywhere()

    del points["rename", ""]

    assert exit_code(site_rows(Found(points=points))) == 1


def test_a_step_that_no_call_in_the_source_explains_fails_the_campaign() -> None:
    """Then the list of call sites does not have them all."""
    points = points_everywhere() + Counter({("append", UNKNOWN): 1})

    assert exit_code(site_rows(Found(points=points))) == 1


def test_a_violation_or_too_few_states_fail_the_campaign() -> None:
    assert exit_code(state_rows(Found(states={b"1"}), 1)) == 0
    assert exit_code(state_rows(Found(states={b"1"}), 2)) == 1
    assert exit_code(state_rows(Found(states={b"1"}, violations=["I1: gone"]), 1)) == 1


def test_of_violations_that_say_the_same_of_other_steps_the_first_is_shown() -> None:
    sentences = ["I1: gone [cut before step 1]", "I1: gone [cut before step 2]", "I2: gone [cut before step 2]"]

    assert unlike(sentences) == [sentences[0], sentences[2]]


def test_a_known_bad_camera_that_nothing_catches_fails_the_campaign(order: Order, capsys: Capture) -> None:
    harmless = Variant("nothing is wrong", "I1", Parts(), by_full_card)

    with ThreadPoolExecutor(1) as pool:
        rows = catch((harmless,), order, pool)

    assert exit_code(rows) == 1
    assert "known-bad: nothing is wrong, caught by I1: 0 caught, target 1" in capsys.readouterr().out


def test_a_camera_is_not_caught_by_another_invariant_than_the_one_it_breaks() -> None:
    keys = VARIANTS[-1]

    assert keys.invariant == "keys"
    assert keys.caught("1") is not None
    assert Variant(keys.name, "I2", keys.parts, keys.look).caught("1") is None


def test_a_violation_says_the_step_the_model_and_the_story() -> None:
    sentence = VARIANTS[0].caught("1") or ""

    assert sentence.startswith("I1: ")
    assert "[cut before step " in sentence
    assert ", model " in sentence
    assert str(DAY) in sentence


def test_a_story_that_the_camera_does_not_survive_is_a_violation_that_tells_it() -> None:
    (sentence,) = cut_story(Story.of("record 1, record none"), 0, "1").violations

    assert sentence.startswith("I7: the story ends with ValueError: ")
    assert sentence.endswith("[record 1, record none]")


def test_the_source_has_the_call_sites_that_a_reader_finds_in_it(tmp_path: Path) -> None:
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "card.py").write_text("def make(self):\n    self._store.remove(1)\n")
    (tmp_path / "writer.py").write_text(
        "def write(self, found):\n"
        "    self._store.append(1,\n"
        "        2)\n"
        "    found.append(self._store.read(3))\n"
        "    card.settle()\n"
    )  # fmt: skip

    found = {line: name for (_, line), name in sites_in(tmp_path).items()}

    assert found == {2: "writer.write: append(1, 2)", 3: "writer.write: append(1, 2)", 5: "writer.write: settle()"}


def test_a_story_is_cut_only_from_where_it_differs_from_those_before() -> None:
    story, other = Story.of("record 1, dock"), Story.of("record 1, refuse")
    played = Played(story)

    first_step = played.first_step(shared_acts=story.shared_acts(other))

    assert first_step == played.act_ends[1]
    assert cut_story(story, story.shared_acts(story), "1").points.total() < played.store.step


def test_a_process_that_remembers_entries_finds_what_one_finds_that_does_not() -> None:
    story = Story.of("record 1, dock", Faults(full_at_write=8))

    plain = cut_story(story, 0, "1")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=remember) as pool:
        remembering = pool.submit(cut_story, story, 0, "1").result()

    assert len(remembering.states) == len(plain.states) > 50
    assert len(remembering.second_states) == len(plain.second_states)
    assert remembering.points == plain.points
    assert remembering.violations == plain.violations == []


def test_the_same_seed_draws_the_same_stories() -> None:
    drawn = [[str(Story.drawn(random)) for _ in range(9)] for random in (Random(2), Random(2), Random(3))]

    assert drawn[0] == drawn[1] != drawn[2]
