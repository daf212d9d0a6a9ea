"""A witness over HTTP: each answer of C2SP's page, what it keeps, and what it tells."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from dockd.central.core.witness import origin_hash
from dockd.central.errors import StateFault, StateUncertain
from dockd.central.witness_ports import Answer
from hw_sim.crash_state_disk import FOLDER, CrashStateDisk
from protocol.ledger.add_checkpoint import (
    REQUEST_SIZE_BYTES_MAX,
    SIZE_CONTENT_TYPE,
    AddCheckpoint,
    format_add_checkpoint,
)
from protocol.ledger.checkpoint import Checkpoint, SignedCheckpoint, parse_signed_checkpoint
from protocol.ledger.note import Note, cosigners, sign_text, signers
from tests.dockd.witnesses import (
    KEY,
    PATIENCE_S,
    Reply,
    World,
    ask,
    cosigned_at_s,
    forked_at,
    get,
    request_bytes,
    serving,
)
from tests.protocol.ledger_log import AT_S, LOG, ORIGIN, STRANGER, TREE, WITNESSES, checkpoint_of, signed

FORK = forked_at(40)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def port(world: World) -> Iterator[int]:
    with serving(world.start()) as served:
        yield served


def test_a_first_checkpoint_is_cosigned_without_a_proof(port: int) -> None:
    reply = ask(port, request_bytes(0, 40))

    assert reply.status == 200
    assert cosigned_at_s(reply.body, 40) == AT_S


def test_a_log_that_grew_is_cosigned(port: int, world: World) -> None:
    ask(port, request_bytes(0, 40))
    world.clock.at_s += 60

    reply = ask(port, request_bytes(40, 93))

    assert (reply.status, cosigned_at_s(reply.body, 93)) == (200, AT_S + 60)


def test_the_same_checkpoint_again_has_the_same_answer_and_costs_no_write(port: int, world: World) -> None:
    assert isinstance(world.disk, CrashStateDisk)
    first = ask(port, request_bytes(0, 40))
    steps = len(world.disk.before)
    world.clock.at_s += 9

    again = ask(port, request_bytes(40, 40))

    assert again == first
    assert len(world.disk.before) == steps


def test_the_same_checkpoint_later_is_cosigned_anew(port: int, world: World) -> None:
    ask(port, request_bytes(0, 40))
    world.clock.at_s += 10

    reply = ask(port, request_bytes(40, 40))

    assert cosigned_at_s(reply.body, 40) == AT_S + 10


@pytest.mark.parametrize("old", [0, 39, 41])
def test_another_old_size_is_told_the_known_one(port: int, old: int) -> None:
    ask(port, request_bytes(0, 40))

    reply = ask(port, request_bytes(old, 60))

    assert reply == Reply(409, SIZE_CONTENT_TYPE, b"40\n")


@pytest.mark.parametrize(("old", "status"), [(40, 400), (30, 409)])
def test_a_log_cannot_go_back(port: int, old: int, status: int) -> None:
    ask(port, request_bytes(0, 40))

    assert ask(port, request_bytes(old, 30)).status == status
    assert ask(port, request_bytes(40, 41)).status == 200


def test_another_tree_of_the_same_size_is_refused_and_kept_as_evidence(port: int, world: World) -> None:
    first = ask(port, request_bytes(0, 50))

    reply = ask(port, request_bytes(50, 50, tree=FORK))

    assert (reply.status, b"root" in reply.body) == (422, True)
    state = json.loads(get(port, "/state.json").body)["logs"][0]
    fork = parse_signed_checkpoint(state["fork"].encode())
    assert fork.checkpoint.root == FORK.roots[50]
    assert signers(fork.note, (LOG.public_key,)) == {LOG.public_key}
    assert b"signed two different ledgers" in get(port, "/").body
    assert [name for name, _ in world.events].count("witness-fork") == 1
    assert ask(port, request_bytes(50, 50)) == first  # the true tree is cosigned all the same


def test_a_proof_that_does_not_hold_is_refused(port: int) -> None:
    ask(port, request_bytes(0, 50))

    assert ask(port, request_bytes(50, 60, tree=FORK)).status == 422
    assert ask(port, request_bytes(50, 60)).status == 200


def test_a_proof_where_none_belongs_is_refused(port: int) -> None:
    request = AddCheckpoint(0, (bytes(32),), signed(checkpoint_of(40)))

    assert ask(port, format_add_checkpoint(request)).status == 422


def test_an_empty_tree_with_a_root_of_its_own_is_refused(port: int) -> None:
    request = AddCheckpoint(0, (), signed(Checkpoint(ORIGIN, 0, bytes(32))))

    assert ask(port, format_add_checkpoint(request)).status == 422
    assert ask(port, request_bytes(0, 0)).status == 200


def test_an_unknown_log_is_refused(port: int) -> None:
    assert ask(port, request_bytes(0, 40, origin="ledger.example/other")).status == 404


def test_a_checkpoint_that_its_log_did_not_sign_is_refused(port: int) -> None:
    assert ask(port, request_bytes(0, 40, log=STRANGER)).status == 403


@pytest.mark.parametrize(
    "body", [b"", b"old 0\n", b"old 00\n\n", b"\xff" * 100, b"old 0\n\nno checkpoint\n", request_bytes(0, 40)[:-1]]
)
def test_garbage_is_refused(port: int, body: bytes) -> None:
    assert ask(port, body).status == 400


def test_lines_of_others_are_not_kept(port: int) -> None:
    ask(port, format_add_checkpoint(AddCheckpoint(0, (), signed(checkpoint_of(40), *WITNESSES))))

    kept = parse_signed_checkpoint(get(port, f"/{origin_hash(ORIGIN)}/checkpoint").body)
    assert len(kept.note.signatures) == 2
    assert signers(kept.note, (LOG.public_key,))
    assert cosigners(kept.note, (KEY.public_key,))


def test_of_a_signature_under_several_names_the_origins_is_kept(port: int) -> None:
    own = signed(checkpoint_of(40))
    (line,) = own.note.signatures
    # A key id binds the name, so that another one is its holder's to make.
    other = sign_text(own.note.text, "another.example", LOG)
    note = Note(own.note.text, (other, line, other))

    ask(port, format_add_checkpoint(AddCheckpoint(0, (), SignedCheckpoint(own.checkpoint, note))))

    kept = parse_signed_checkpoint(get(port, f"/{origin_hash(ORIGIN)}/checkpoint").body)
    assert kept.note.signatures[0] == line
    assert len(kept.note.signatures) == 2


def test_only_logs_that_were_cosigned_have_a_checkpoint(port: int) -> None:
    assert get(port, f"/{origin_hash(ORIGIN)}/checkpoint").status == 404
    assert get(port, f"/{'0' * 64}/checkpoint").status == 404


def test_a_body_that_is_too_large_is_turned_away(port: int) -> None:
    reply = ask(port, bytes(REQUEST_SIZE_BYTES_MAX + 1))

    assert reply.status == 413
    assert ask(port, request_bytes(0, 40)).status == 200


def test_a_slow_body_is_turned_away_and_holds_nobody_up(world: World) -> None:
    with serving(world.start(), body_s_max=0.3) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(PATIENCE_S)
        slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 1000\r\n\r\nold 0\n")

        assert ask(port, request_bytes(0, 40)).status == 200
        assert slow.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_a_connection_ends_after_a_while_whatever_it_does(world: World) -> None:
    with serving(world.start(), connection_s_max=0.3) as port, socket.create_connection(("127.0.0.1", port)) as silent:
        silent.settimeout(PATIENCE_S)
        silent.sendall(b"GET / HTTP")

        assert ended(silent)


def test_silent_connections_shut_nobody_out(world: World) -> None:
    with serving(world.start(), connections_max=4) as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(12)]
        try:
            assert ask(port, request_bytes(0, 40)).status == 200
            silent[0].settimeout(PATIENCE_S)
            assert ended(silent[0])
        finally:
            for connection in silent:
                connection.close()


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_of_two_trees_of_one_size_at_once_exactly_one_is_cosigned(world: World) -> None:
    for size in range(50, 70):
        witness = World().start()
        assert witness.add_checkpoint(request_bytes(0, 40)).status == 200
        bodies = [request_bytes(40, size), request_bytes(40, size, tree=FORK)]
        together, statuses = threading.Barrier(2), []
        with serving(witness) as port:

            def send(body: bytes, port: int = port, together: threading.Barrier = together) -> None:
                together.wait(PATIENCE_S)
                statuses.append(ask(port, body).status)  # noqa: B023  # the threads end within the round

            threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE_S)

        assert sorted(statuses) == [200, 409]


def test_the_time_of_cosignatures_never_falls(world: World) -> None:
    witness = world.start()
    cosigned = [cosigned_at_s(witness.add_checkpoint(request_bytes(0, 40)).body, 40)]
    world.clock.at_s -= 3600
    cosigned.append(cosigned_at_s(witness.add_checkpoint(request_bytes(40, 50)).body, 50))
    cosigned.append(cosigned_at_s(world.start().add_checkpoint(request_bytes(50, 60)).body, 60))

    assert cosigned == [AT_S] * 3


def test_the_time_never_falls_across_logs_nor_after_one_was_dropped() -> None:
    other = "ledger.example/other"
    world = World(logs={ORIGIN: (LOG.public_key,), other: (LOG.public_key,)})
    world.start().add_checkpoint(request_bytes(0, 40))
    world.clock.at_s -= 3600
    world.logs = {other: (LOG.public_key,)}

    reply = world.start().add_checkpoint(request_bytes(0, 40, origin=other))

    assert cosigned_at_s(reply.body, 40, origin=other) == AT_S


def test_a_witness_that_starts_again_goes_on_from_what_it_kept(world: World) -> None:
    world.start().add_checkpoint(request_bytes(0, 40))

    again = world.start()

    assert again.add_checkpoint(request_bytes(0, 40, tree=forked_at(10))).status == 409
    assert again.add_checkpoint(request_bytes(40, 40, tree=forked_at(10))).status == 422
    assert again.add_checkpoint(request_bytes(40, 60)).status == 200


@pytest.mark.parametrize("at", [0, 40, -20])
def test_a_damaged_state_stops_the_witness(world: World, at: int) -> None:
    world.start().add_checkpoint(request_bytes(0, 40))
    name = origin_hash(ORIGIN) + ".checkpoint"
    data = bytearray(world.disk.read(name) or b"")
    data[at] ^= 1
    world.disk = CrashStateDisk({FOLDER: {name: bytes(data)}})

    with pytest.raises(StateFault, match="Never delete it"):
        world.start()


def test_a_full_disk_is_no_cosignature_and_the_next_request_is_held_against_the_old_state() -> None:
    world = World(disk=CrashStateDisk(full_at_write=1))
    witness = world.start()
    witness.add_checkpoint(request_bytes(0, 40))

    refused = witness.add_checkpoint(request_bytes(40, 50))

    assert refused == Answer(503, "text/plain; charset=utf-8", refused.body)
    assert witness.add_checkpoint(request_bytes(40, 50, tree=forked_at(45))).status == 200


def test_after_a_failed_sync_nothing_is_cosigned_any_more_and_the_server_ends() -> None:
    witness = World(disk=CrashStateDisk(fail_at_sync=1)).start()
    witness.add_checkpoint(request_bytes(0, 40))

    with pytest.raises(StateUncertain):
        witness.add_checkpoint(request_bytes(40, 50))
    with pytest.raises(StateUncertain):
        witness.add_checkpoint(request_bytes(40, 50))


def test_the_state_for_machines_says_what_was_seen_and_refused(port: int, world: World) -> None:
    ask(port, request_bytes(0, 40))
    ask(port, request_bytes(0, 50))
    ask(port, request_bytes(40, 50, tree=forked_at(10)))
    ask(port, request_bytes(0, 40, origin="ledger.example/other"))
    ask(port, b"garbage")

    state = json.loads(get(port, "/state.json").body)

    (log,) = state["logs"]
    assert (log["origin"], log["size"], log["cosigned_at_s"]) == (ORIGIN, 40, AT_S)
    assert (log["cosigned_count"], log["asked_count"], log["refused_count"]) == (1, 1, 1)
    assert (log["last_refusal"]["status"], "old root" in log["last_refusal"]["reason"]) == (422, True)
    assert state["strangers"]["refused_count"] == 2
    assert get(port, "/health") == Reply(200, "text/plain; charset=utf-8", b"fine\n")
    assert TREE.roots[40] == checkpoint_of(40).root
