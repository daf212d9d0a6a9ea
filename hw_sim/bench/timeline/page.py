"""The page itself: one file of HTML that asks nobody for anything. Pure, but for the three files beside it that make its form.

Its only script is named by its hash in the page's own policy, so whatever a text might smuggle in would not run.
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Final

from hw_sim.bench.timeline import sections
from hw_sim.bench.timeline.facts import Timeline
from hw_sim.bench.timeline.markup import join, tag
from hw_sim.bench.timeline.recording import Reel, recording
from hw_sim.bench.timeline.words import counted

_BESIDE: Final = files("hw_sim.bench.timeline")


def page_of(timeline: Timeline, reels: Mapping[str, Reel]) -> str:
    """Return the page; ``reels`` by recording_id, of those recordings that have a film."""
    script = _read("page.js")
    untold = [
        tag(
            "section",
            tag("h2", "Not told here"),
            tag("p", f"No chain is at hand of recording {recording_id}."),
            class_="panel",
        )
        for recording_id in timeline.untold
    ]
    return Template(_read("page.html.in")).substitute(
        title=f"Sealcam: the life of {counted(len(timeline.lives), 'recording')}",
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        style=_read("page.css"),
        script=script,
        heading=sections.heading(timeline),
        verdict=sections.verdict(timeline),
        day=sections.the_day(timeline),
        recordings=join(*(recording(life, reels.get(life.recording_id)) for life in timeline.lives), *untold),
        facts=sections.facts(timeline),
        words=sections.glossary(),
        footing=sections.footing(timeline),
    )


def _read(name: str) -> str:
    return _BESIDE.joinpath(name).read_text(encoding="utf-8")
