"""Collecting cosignatures: from true witnesses, and from some that are down, slow, or lie."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from socket import create_server, socket

import pytest

from dockd.central.adapters.witness_client import ANSWER_SIZE_BYTES_MAX, WitnessClients, WitnessPlace
from dockd.central.app.witness import Witness
from dockd.central.errors import SettingsFault, StoreFault
from dockd.central.ports import EventFields
from hw_sim.crash_state_disk import CrashStateDisk
from protocol.keys import SoftwareEd25519
from protocol.ledger.checkpoint import SignedCheckpoint
from protocol.ledger.merkle import consistency_proof
from protocol.ledger.note import (
    COSIGNATURE_TYPE,
    ED25519_TYPE,
    Note,
    NoteSignature,
    VerifierKey,
    cosign_text,
    cosigners,
)
from tests.dockd.witnesses import PATIENCE_S, SetClock, ask, forked_at, request_bytes, serving
from tests.protocol.ledger_log import AT_S, LOG, ORIGIN, TREE, checkpoint_of, signed
from tests.protocol.shifts import secret

KEYS = tuple(SoftwareEd25519(secret(f"witness/{number}")) for number in range(3))
VERIFIERS = tuple(
    VerifierKey(f"witness.example/w{number}", COSIGNATURE_TYPE, key.public_key) for number, key in enumerate(KEYS)
)


def witness(number: int) -> Witness:
    return Witness(
        name=VERIFIERS[number].name,
        key=KEYS[number],
        logs={ORIGIN: (LOG.public_key,)},
        disk=CrashStateDisk(),
        clock=SetClock(),
        on_event=lambda *_: None,
    )


class Log:
    """The log's side: a checkpoint of some size, its proofs, and what was said of the witnesses."""

    def __init__(self) -> None:
        self.said: list[EventFields] = []
        self.asked_from: list[int] = []

    def on_event(self, name: str, fields: EventFields) -> None:
        assert name == "witness-silent"
        self.said.append(fields)

    def collect(self, clients: WitnessClients, size: int) -> tuple[NoteSignature, ...]:
        def prove(old: int) -> tuple[bytes, ...]:
            self.asked_from.append(old)
            return consistency_proof(old, size, TREE.read)

        self.said.clear()
        self.asked_from.clear()
        return clients.collect(signed(checkpoint_of(size)), prove)

    def reasons(self) -> list[str]:
        return [str(fields["reason"]) for fields in self.said]


def names_of(lines: tuple[NoteSignature, ...], size: int) -> set[str]:
    """Return who cosigned; every line must hold."""
    found = cosigners(Note(checkpoint_of(size).text, lines), tuple(key.public_key for key in KEYS)) if lines else ()
    assert len(found) == len(lines)
    return {line.name for line in lines}


@pytest.fixture
def log() -> Log:
    return Log()


def place(port: int, number: int = 0) -> WitnessPlace:
    return WitnessPlace(VERIFIERS[number], f"http://127.0.0.1:{port}")


@contextmanager
def answering(data: bytes, *, drip_s: float | None = None, is_endless: bool = False) -> Iterator[int]:
    """Answer each connection with these bytes: at once, one by one, or again and again for ever."""
    is_over = threading.Event()
    with create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while not is_over.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket) -> None:
            with connection, suppress(OSError):
                connection.recv(65_536)
                if drip_s is None:
                    connection.sendall(data)
                else:
                    for at in range(len(data)):
                        connection.sendall(data[at : at + 1])
                        is_over.wait(drip_s)
                while is_endless and not is_over.is_set():
                    connection.sendall(data[-1:] * 65_536)

        listener.settimeout(0.2)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            is_over.set()
            thread.join(PATIENCE_S)


def http_answer(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_all_witnesses_are_collected_and_none_is_spoken_of(log: Log) -> None:
    with ExitStack() as stack:
        ports = [stack.enter_context(serving(witness(number))) for number in range(3)]
        clients = WitnessClients(tuple(map(place, ports, range(3))), on_event=log.on_event)

        assert names_of(log.collect(clients, 40), 40) == {key.name for key in VERIFIERS}
        assert log.said == []
        assert names_of(log.collect(clients, 60), 60) == {key.name for key in VERIFIERS}
        assert log.asked_from == [40, 40, 40]


def test_a_log_that_does_not_know_how_far_a_witness_is_asks_once_more(log: Log) -> None:
    with serving(witness(0)) as port:
        log.collect(WitnessClients((place(port),), on_event=log.on_event), 40)

        assert names_of(log.collect(WitnessClients((place(port),), on_event=log.on_event), 60), 60)

    assert log.asked_from == [0, 40]


def test_a_witness_that_is_ahead_is_named_and_why(log: Log) -> None:
    with serving(witness(0)) as port:
        log.collect(WitnessClients((place(port),), on_event=log.on_event), 60)

        assert log.collect(WitnessClients((place(port),), on_event=log.on_event), 40) == ()

    assert "it has cosigned 60 leaves, and this ledger has 40" in log.reasons()[0]


def test_a_witness_that_saw_another_tree_is_named_and_why(log: Log) -> None:
    with serving(witness(0)) as port:
        ask(port, request_bytes(0, 40, tree=forked_at(10)))

        assert log.collect(WitnessClients((place(port),), on_event=log.on_event), 60) == ()

    assert log.reasons()[0].startswith("it answers 422: consistency proof")


def by(number: int, *, size: int = 40, key: int | None = None) -> bytes:
    text = checkpoint_of(size).text
    return cosign_text(text, VERIFIERS[number].name, KEYS[number if key is None else key], at_s=AT_S).line.encode()


def spoiled(line: bytes) -> bytes:
    return line[:-6] + (b"AAAA" if line[-6:-2] != b"AAAA" else b"BBBB") + line[-2:]


LIES: dict[str, tuple[bytes, str]] = {
    "a bad signature": (http_answer(by(0, size=41)), "does not hold"),
    "another's key": (http_answer(by(1)), "without a cosignature by its key"),
    "its name over another's key": (http_answer(by(0, key=1)), "without a cosignature by its key"),
    "no line": (http_answer(b""), "signatures are missing"),
    "garbage": (http_answer(b"\xff\xfe" * 50), "no UTF-8"),
    "no HTTP": (b"\x16\x03\x01 hello\r\n\r\n", "BadStatusLine"),
    "nothing": (b"", "RemoteDisconnected"),
    "a huge body": (http_answer(bytes(ANSWER_SIZE_BYTES_MAX + 1)), "more than 16384 bytes"),
    "a refusal": (http_answer(b"go away\n", "404 Not Found"), "it answers 404: go away"),
    "a redirection": (http_answer(b"", "301 Moved\r\nLocation: http://127.0.0.1:1/"), "it answers 301"),
    "a size that is none": (http_answer(b"many\n", "409 Conflict"), "known size"),
    "a size without end": (http_answer(b"9" * 40, "409 Conflict"), "text of 40 bytes"),
    "conflict for ever": (http_answer(b"7\n", "409 Conflict"), "it answers 409: 7"),
    "a size beyond": (http_answer(b"999999\n", "409 Conflict"), "it has cosigned 999999 leaves"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_witness_that_lies_has_no_line_and_the_others_have_theirs(log: Log, lie: str) -> None:
    answer, words = LIES[lie]
    with answering(answer) as liar, serving(witness(1)) as port:
        clients = WitnessClients((place(liar, 0), place(port, 1)), on_event=log.on_event, timeout_s=5.0)

        assert names_of(log.collect(clients, 40), 40) == {VERIFIERS[1].name}

    assert [(fields["witness"], words in str(fields["reason"])) for fields in log.said] == [
        (VERIFIERS[0].name, True)
    ], log.said


SLOW: dict[str, Callable[[], "object"]] = {
    "dripping headers": lambda: answering(http_answer(by(0)), drip_s=0.2),
    "an endless body": lambda: answering(b"HTTP/1.1 200 OK\r\n\r\nx", is_endless=True),
    "endless headers": lambda: answering(b"HTTP/1.1 200 OK\r\nx: y", is_endless=True),
    "endless interim answers": lambda: answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000, is_endless=True),
}


@pytest.mark.parametrize("how", SLOW)
def test_a_witness_without_an_end_costs_bounded_time(log: Log, how: str) -> None:
    with SLOW[how]() as port:  # type: ignore[attr-defined]
        clients = WitnessClients((place(port),), on_event=log.on_event, timeout_s=0.5)
        began_s = time.monotonic()

        assert log.collect(clients, 40) == ()

    assert time.monotonic() - began_s < 5
    assert len(log.said) == 1


def test_a_witness_that_never_answers_costs_the_timeout_and_is_not_asked_twice_at_once(log: Log) -> None:
    with create_server(("127.0.0.1", 0)) as deaf:
        clients = WitnessClients((place(deaf.getsockname()[1]),), on_event=log.on_event, timeout_s=0.3)
        began_s = time.monotonic()

        assert log.collect(clients, 40) == ()

        assert 0.25 < time.monotonic() - began_s < 5
        assert log.reasons() == ["no answer in time"]


def test_a_witness_that_is_down_is_named(log: Log) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert log.collect(WitnessClients((place(port),), on_event=log.on_event), 40) == ()

    assert log.reasons()[0].startswith("ConnectionRefusedError")


def test_once_enough_have_answered_a_slow_one_is_waited_for_no_longer(log: Log) -> None:
    with create_server(("127.0.0.1", 0)) as deaf, serving(witness(1)) as port:
        places = (place(deaf.getsockname()[1], 0), place(port, 1))
        clients = WitnessClients(places, on_event=log.on_event, enough=1, timeout_s=PATIENCE_S, late_s=0.1)
        began_s = time.monotonic()

        assert names_of(log.collect(clients, 40), 40) == {VERIFIERS[1].name}
        assert log.collect(clients, 40)  # the slow one is still being asked, and is not asked a second time

    assert time.monotonic() - began_s < PATIENCE_S / 2
    assert log.reasons() == ["it has not even been reached since it was last asked"]


def test_a_witness_that_lied_once_is_asked_again(log: Log) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        clients = WitnessClients((place(port),), on_event=log.on_event, timeout_s=5.0)

        def lie() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(http_answer(b"999999\n", "409 Conflict"))

        liar = threading.Thread(target=lie)
        liar.start()
        assert log.collect(clients, 40) == ()
        liar.join(PATIENCE_S)

        with serving(witness(0), listener=listener):
            assert names_of(log.collect(clients, 60), 60) == {VERIFIERS[0].name}


def test_a_ledger_that_cannot_be_read_is_our_own_fault(log: Log) -> None:
    def prove(_: int) -> tuple[bytes, ...]:
        raise StoreFault("a tile is missing", expected="it", next_step="look")

    checkpoint: SignedCheckpoint = signed(checkpoint_of(40))
    with serving(witness(0)) as port, pytest.raises(StoreFault):
        WitnessClients((place(port),), on_event=log.on_event).collect(checkpoint, prove)


@pytest.mark.parametrize(
    "url", ["ftp://a", "http://", "witness.example", "https://a/?b", "http://a:b@c", "http://a:99999"]
)
def test_an_address_that_is_none_is_refused_at_the_start(log: Log, url: str) -> None:
    with pytest.raises(SettingsFault, match="cannot be asked"):
        WitnessClients((WitnessPlace(VERIFIERS[0], url),), on_event=log.on_event)


def test_a_key_that_is_no_witness_is_refused_at_the_start(log: Log) -> None:
    key = VerifierKey(ORIGIN, ED25519_TYPE, LOG.public_key)

    with pytest.raises(SettingsFault, match="type 0x04"):
        WitnessClients((WitnessPlace(key, "http://a"),), on_event=log.on_event)
