"""What station and central both need from the world, as typed ports: a connection to the broker."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Publication:
    """A message to publish with QoS 1."""

    topic: str
    payload: bytes
    is_retained: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """What a connection does each time it comes up, and what the broker is to say when it is lost.

    ``name`` is the client id, which is the name in the certificate; ``hello`` is published when all ``filters``
    (at least one) are subscribed, ``will`` by the broker when the connection ends, however it ends.
    """

    name: str
    filters: tuple[str, ...]
    hello: Publication
    will: Publication


@dataclass(frozen=True, slots=True)
class Connected:
    """The connection is up, and all subscriptions stand. Nothing of an earlier connection is left."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """There is no connection, and why; comes again for every attempt that fails. What was under way is lost."""

    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came with QoS 1. The broker holds back further ones until `Connection.acknowledge` is called."""

    topic: str
    payload: bytes
    response_topic: str | None
    correlation: bytes | None
    ticket: object = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker took over a publication. It says nothing about anybody having it, let alone durably."""

    token: int
    has_subscribers: bool
    refusal: str | None


BrokerEvent = Connected | Disconnected | Received | Acknowledged
OnBrokerEvent = Callable[[BrokerEvent], None]
"""Called on the connection's own thread: it must only queue, and neither block nor raise."""


class Connection(Protocol):
    """A connection to the broker that comes up again for ever. Any thread may use it."""

    def start(self) -> None:
        """Begin to connect; returns at once."""

    def stop(self) -> None:
        """Let the broker publish the will, and end; no event comes after the return. Safe to call twice."""

    def publish(self, publication: Publication) -> int | None:
        """Hand over a message; a token that comes back in `Acknowledged`, or None: not connected, it is dropped."""

    def acknowledge(self, received: Received) -> None:
        """Tell the broker that a message was taken; one of an earlier connection is fine."""


Connect = Callable[[ConnectionPlan, OnBrokerEvent], Connection]
