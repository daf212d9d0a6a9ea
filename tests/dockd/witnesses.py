"""A witness over a disk in memory, the requests that a log sends it, and its server on loopback."""

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import create_server, socket
from typing import Any

from dockd.central.adapters.witness_server import WitnessServer
from dockd.central.app.witness import Witness
from dockd.central.ports import EventFields
from dockd.central.witness_ports import StateDisk, Witnessing
from hw_sim.crash_state_disk import CrashStateDisk
from protocol.keys import EntryKey, SoftwareEd25519
from protocol.ledger.add_checkpoint import AddCheckpoint, format_add_checkpoint
from protocol.ledger.merkle import consistency_proof
from protocol.ledger.note import COSIGNATURE_TYPE, Note, VerifierKey, cosigners, parse_signatures
from tests.protocol.ledger_log import AT_S, LOG, ORIGIN, TREE, checkpoint_of, signed
from tests.protocol.ledger_trees import MemoryTree, leaf_data
from tests.protocol.shifts import secret

NAME = "witness.example/w1"
KEY = SoftwareEd25519(secret("witness/key"))
VERIFIER = VerifierKey(NAME, COSIGNATURE_TYPE, KEY.public_key)
PATIENCE_S = 20.0


def forked_at(size: int, total: int = 100) -> MemoryTree:
    """Return a tree that has the same leaves as the true one up to ``size``, and others from there on."""
    tree = MemoryTree(size)
    for number in range(size, total):
        tree.append(b"another " + leaf_data(number))
    return tree


def request_bytes(old: int, new: int, *, tree: MemoryTree = TREE, log: EntryKey = LOG, origin: str = ORIGIN) -> bytes:
    """Return what a log sends that has ``new`` leaves, to a witness that has seen ``old``."""
    proof = consistency_proof(min(old, new), new, tree.read)
    checkpoint = signed(checkpoint_of(new, tree=tree, origin=origin), log=log)
    return format_add_checkpoint(AddCheckpoint(old, proof, checkpoint))


def cosigned_at_s(body: bytes, size: int, tree: MemoryTree = TREE, origin: str = ORIGIN) -> int:
    """Return the time of the witness's line, which must hold for the log's tree of this size."""
    lines = parse_signatures(body)
    (found,) = cosigners(Note(checkpoint_of(size, tree=tree, origin=origin).text, lines), (KEY.public_key,))
    return found.at_s


class SetClock:
    """Stands at a time, and goes wherever it is set."""

    def __init__(self, at_s: int = AT_S) -> None:
        self.at_s = at_s

    def unix_ms(self) -> int:
        return self.at_s * 1000


@dataclass
class World:
    """A witness and what it stands on."""

    disk: StateDisk = field(default_factory=CrashStateDisk)
    clock: SetClock = field(default_factory=SetClock)
    logs: Mapping[str, tuple[bytes, ...]] = field(default_factory=lambda: {ORIGIN: (LOG.public_key,)})
    events: list[tuple[str, EventFields]] = field(default_factory=list)

    def start(self) -> Witness:
        return Witness(
            name=NAME,
            key=KEY,
            logs=self.logs,
            disk=self.disk,
            clock=self.clock,
            on_event=lambda name, fields: self.events.append((name, fields)),
        )


@contextmanager
def serving(witness: Witnessing, *, listener: socket | None = None, **bounds: Any) -> Iterator[int]:
    """Serve a witness on loopback, as it is served in earnest; give the port."""
    with listener or create_server(("127.0.0.1", 0)) as listener:
        is_ready = threading.Event()
        server = WitnessServer(witness, listener, on_ready=is_ready.set, **bounds)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert is_ready.wait(PATIENCE_S)
            yield listener.getsockname()[1]
        finally:
            server.stop()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@dataclass(frozen=True)
class Reply:
    status: int
    content_type: str | None
    body: bytes


def ask(port: int, body: bytes | None = None, *, path: str = "/add-checkpoint", method: str = "POST") -> Reply:
    """Send a request over HTTP and return the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return Reply(response.status, response.getheader("Content-Type"), response.read())
    finally:
        connection.close()


def get(port: int, path: str) -> Reply:
    return ask(port, path=path, method="GET")
