"""What all campaigns share: the options, the JSON file, the table, and exit codes that mean the same everywhere."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from scripts.campaigns.alternating import ROUNDS_MIN, medians
from scripts.campaigns.command import Campaign, CannotRun, Order, Progress, main
from scripts.campaigns.result import Row, against, at_least, at_most, measured, none_of

Capture = pytest.CaptureFixture[str]

ROWS = (
    measured("crash points", 12, "steps"),
    against("our path", 50.0, "MB/s", peer="hashing alone", peer_value=100.0, ratio_min=0.4),
    none_of("violations", 0, "states"),
)


def campaign(*rows: Row) -> Campaign:
    return Campaign("A campaign for the test.", 1.0, lambda order: rows)


def test_the_result_for_machines_leaves_out_what_a_row_has_no_value_for(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "f.json"

    code = main("perf", {"x": campaign(*ROWS)}, ["x", "--json", str(file)])

    found = json.loads(file.read_text())
    assert code == 0
    assert found["rows"] == [
        {"name": "crash points", "value": 12, "unit": "steps"},
        {
            "name": "our path", "value": 50.0, "unit": "MB/s", "target": 0.4, "holds": True,
            "peer": "hashing alone", "peer_value": 100.0, "ratio": 0.5,
        },
        {"name": "violations", "value": 0, "unit": "states", "target": 0, "holds": True},
    ]  # fmt: skip
    assert {"cpu", "cores", "memory_bytes", "kernel", "python", "commit"} == found["machine"].keys()
    assert "hashing alone" in capsys.readouterr().out


@pytest.mark.parametrize(
    "row",
    [
        at_least("states", 4_999, "states", 5_000),
        at_most("memory", 257, "MB", 256),
        none_of("lost", 1, "chunks"),
        against("ours", 89.0, "MB/s", peer="theirs", peer_value=100.0, ratio_min=0.9),
    ],
)
def test_what_falls_short_is_named_below_the_table_and_the_exit_code_is_1(row: Row, capsys: Capture) -> None:
    assert main("faults", {"x": campaign(*ROWS, row)}, ["x", "--seed", "7"]) == 1

    out = capsys.readouterr().out
    assert f"\n{row.name}: " in out
    assert f"target {row.target:,}" in out
    assert "seed 7" in out


def test_a_campaign_that_cannot_run_says_what_is_missing(capsys: Capture) -> None:
    def run(order: Order) -> Sequence[Row]:
        raise CannotRun("no rsync on PATH", expected="it, as the peer", next_step="apt-get install rsync")

    assert main("perf", {"x": Campaign("", 1.0, run)}, ["x"]) == 2
    expected = "perf x: no rsync on PATH; expected it, as the peer. Next: apt-get install rsync"
    assert expected in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_found_before_the_run(tmp_path: Path, capsys: Capture) -> None:
    def run(order: Order) -> Sequence[Row]:
        raise AssertionError("it ran")

    assert main("tamper", Campaign("", 1.0, run), ["--json", str(tmp_path / "none" / "f.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["y"], ["x", "--budget", "0"], ["x", "--budget", "soon"], ["x", "--seed", "a"]])
def test_words_that_mean_nothing_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main("perf", {"x": campaign(*ROWS)}, arguments)

    assert ended.value.code == 2


def test_the_same_seed_gives_each_part_the_same_stream_whatever_the_others_draw(capsys: Capture) -> None:
    drawn: list[float] = []

    def run(order: Order) -> Sequence[Row]:
        other = order.stream("other")
        drawn.extend(other.random() for _ in range(len(drawn)))
        drawn.append(order.stream("cuts").random())
        return ()

    for _ in range(2):
        main("faults", Campaign("", 1.0, run), ["--seed", "3"])

    assert drawn[0] == drawn[2]
    assert drawn[0] != drawn[1]


def test_runs_alternate_and_each_begins_a_round_in_its_turn() -> None:
    called: list[str] = []

    def run(name: str, figures: list[float]) -> float:
        called.append(name)
        return figures[called.count(name) - 1]

    order = Order(1, 1e-9, Progress(Console(quiet=True)))
    figures = {"ours": [1.0, 2.0, 30.0, 4.0, 5.0], "peer": [5.0] * ROUNDS_MIN}
    found = medians({name: lambda name=name: run(name, figures[name]) for name in figures}, order)  # type: ignore[misc]

    assert found == {"ours": 4.0, "peer": 5.0}
    assert called[:4] == ["ours", "peer", "peer", "ours"]


def test_one_part_can_be_asked_for_where_a_campaign_names_them(capsys: Capture) -> None:
    asked: list[str | None] = []

    def run(order: Order) -> Sequence[Row]:
        asked.append(order.only)
        return ()

    named, unnamed = Campaign("", 1.0, run, parts=("flips", "cuts")), Campaign("", 1.0, run)
    main("tamper", named, ["--only", "cuts"])
    main("tamper", named, [])

    assert asked == ["cuts", None]
    for program, arguments in ((named, ["--only", "other"]), (unnamed, ["--only", "cuts"])):
        with pytest.raises(SystemExit) as ended:
            main("tamper", program, arguments)
        assert ended.value.code == 2
    assert "'flips', 'cuts'" in capsys.readouterr().err


def test_without_any_peer_the_table_has_no_columns_for_them(capsys: Capture) -> None:
    main("faults", campaign(none_of("violations", 0, "states")), [])

    assert "peer" not in capsys.readouterr().out
