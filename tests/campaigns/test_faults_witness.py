"""The campaign against a witness's state: it counts states, finds nothing in ours, and catches every known-bad variant."""

from rich.console import Console

from scripts.campaigns.command import Order, Progress
from scripts.campaigns.faults_witness import run


def test_a_small_campaign_holds_and_catches_every_known_bad_variant() -> None:
    rows = run(Order(7, 0.1, Progress(Console(stderr=True))), states_min=100)

    values = {row.name: row.value for row in rows}
    assert values["witness: distinct states after a cut"] >= 100
    assert values["witness: two trees of one size, or two histories, cosigned"] == 0
    assert [row.value for row in rows if "known bad" in row.name] == [1, 1, 1]
    assert all(row.holds is not False for row in rows)
