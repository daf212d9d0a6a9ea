"""Topics of the offload wire: how they are made, and what a received one says (spec/07-offload.md, 7.1).

What does not have exactly one of these forms is no topic of ours: it is ignored, never guessed at.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

DOCK_PATTERN: Final = "dock-[a-z0-9-]{1,27}"
WORKER_PATTERN: Final = "ingest-[a-z0-9-]{1,25}"
SHARED_OPEN_FILTER: Final = "$share/ingest/sealcam/1/dock/+/open"
WORKER_PRESENCE_FILTER: Final = "sealcam/1/ingest/+/st"

TopicKind = Literal["dock-presence", "worker-presence", "open", "block", "control", "reply"]


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic says: the kind of its messages, and the dock and the worker that it names."""

    kind: TopicKind
    dock: str | None = None
    worker: str | None = None


_FORMS: Final[tuple[tuple[TopicKind, re.Pattern[str]], ...]] = (
    ("dock-presence", re.compile(f"sealcam/1/dock/(?P<dock>{DOCK_PATTERN})/st")),
    ("worker-presence", re.compile(f"sealcam/1/ingest/(?P<worker>{WORKER_PATTERN})/st")),
    ("open", re.compile(f"sealcam/1/dock/(?P<dock>{DOCK_PATTERN})/open")),
    ("block", re.compile(f"sealcam/1/dock/(?P<dock>{DOCK_PATTERN})/to/(?P<worker>{WORKER_PATTERN})/block")),
    ("control", re.compile(f"sealcam/1/dock/(?P<dock>{DOCK_PATTERN})/to/(?P<worker>{WORKER_PATTERN})/control")),
    ("reply", re.compile(f"sealcam/1/ingest/(?P<worker>{WORKER_PATTERN})/to/(?P<dock>{DOCK_PATTERN})/reply")),
)


def parse_topic(topic: str) -> Topic | None:
    """Return what ``topic`` says; None when it is not one of this wire."""
    for kind, form in _FORMS:
        match = form.fullmatch(topic)
        if match is not None:
            return Topic(kind, **match.groupdict())
    return None


def is_dock_name(name: str) -> bool:
    """Say whether a dock may have this name."""
    return re.fullmatch(DOCK_PATTERN, name) is not None


def is_worker_name(name: str) -> bool:
    """Say whether a worker may have this name."""
    return re.fullmatch(WORKER_PATTERN, name) is not None


def dock_presence_topic(dock: str) -> str:
    """Return where a dock says that it is there."""
    return f"sealcam/1/dock/{dock}/st"


def worker_presence_topic(worker: str) -> str:
    """Return where a worker says that it is there."""
    return f"sealcam/1/ingest/{worker}/st"


def open_topic(dock: str) -> str:
    """Return where a dock asks."""
    return f"sealcam/1/dock/{dock}/open"


def response_tail(dock: str) -> str:
    """Return what an `open` carries as its Response Topic: the tail of the reply's topic."""
    return f"to/{dock}/reply"


def block_topic(dock: str, worker: str) -> str:
    """Return where a dock sends blocks to a worker."""
    return f"sealcam/1/dock/{dock}/to/{worker}/block"


def control_topic(dock: str, worker: str) -> str:
    """Return where a dock sends `fin` and `cancel` to a worker."""
    return f"sealcam/1/dock/{dock}/to/{worker}/control"


def reply_topic(worker: str, dock: str) -> str:
    """Return where a worker answers a dock."""
    return f"sealcam/1/ingest/{worker}/to/{dock}/reply"


def dock_filters(dock: str) -> tuple[str, ...]:
    """Return what a dock subscribes to."""
    return (f"sealcam/1/ingest/+/to/{dock}/reply", WORKER_PRESENCE_FILTER)


def worker_filters(worker: str) -> tuple[str, ...]:
    """Return what a worker subscribes to."""
    return (f"sealcam/1/dock/+/to/{worker}/block", f"sealcam/1/dock/+/to/{worker}/control", SHARED_OPEN_FILTER)
