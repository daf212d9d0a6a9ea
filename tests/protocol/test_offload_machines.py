"""Dock and worker joined by a bad pipe: nothing lost, nothing doubled, no more sent again than the credit (I8)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import PeerError
from protocol.offload import receiver as worker_side
from protocol.offload.blocks import BlockSet, decode_block, encode_block
from protocol.offload.messages import (
    CREDIT_BYTES_MAX,
    BlockAck,
    Cancel,
    Checking,
    Description,
    Fin,
    Held,
    Open,
    OpenReply,
)
from protocol.offload.receiver import CREDIT_PER_TRANSFER_BYTES_MAX, IDLE_MS, Receiver
from protocol.offload.receiver_table import TRANSITIONS as WORKER_TRANSITIONS
from protocol.offload.receiver_table import Event as WorkerEvent
from protocol.offload.receiver_table import State as WorkerState
from protocol.offload.sender_table import TRANSITIONS as DOCK_TRANSITIONS
from protocol.offload.sender_table import Event as DockEvent
from protocol.offload.sender_table import State as DockState
from protocol.offload.topics import open_topic, response_tail
from tests.protocol.offload_pipe import DOCK, MIB, WORKER, Chances, Parcel, Pipe, block, description, receipt_of

TEN_MINUTES_MS = 600_000
BAD = Chances(lost=10, repeated=10, broker_dies=4, worker_dies=4, dock_dies=2, keeper_away=5)


def expected(file: Description) -> bytes:
    return b"".join(block(file.transfer, n, file.block_size_bytes(n)) for n in range(file.block_count))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(0, 11 * MIB), min_size=1, max_size=4))
def test_whatever_the_pipe_does_every_file_arrives_once_and_identical(seed: int, sizes: list[int]) -> None:
    files = [description(number, size_bytes=size) for number, size in enumerate(sizes)]
    pipe = Pipe(files, seed=seed, chances=BAD)

    pipe.run(turns=250)
    pipe.heal(virtual_ms_max=TEN_MINUTES_MS)

    assert {t: s.state for t, s in pipe.senders.items()} == {file.transfer: DockState.DONE for file in files}
    assert pipe.stored == {file.transfer: expected(file) for file in files}
    assert pipe.done == {file.transfer: (receipt_of(file),) for file in files}
    assert set(pipe.counts.kept.values()) == {1}
    assert pipe.counts.writes_of_durable == 0
    assert pipe.counts.conflicts == 0
    assert pipe.counts.under_way_over_credit == 0
    assert pipe.counts.again_bytes_max <= CREDIT_PER_TRANSFER_BYTES_MAX
    assert pipe.counts.promised_bytes_max <= CREDIT_BYTES_MAX


def test_a_good_pipe_carries_every_block_once() -> None:
    pipe = Pipe([description(size_bytes=20 * MIB)], seed=1, chances=Chances())

    pipe.heal(virtual_ms_max=TEN_MINUTES_MS)

    assert set(pipe.counts.sent.values()) == {1}
    assert len(pipe.counts.sent) == 20


@pytest.mark.parametrize("death", [Pipe.kill_worker, Pipe.kill_broker, Pipe.kill_dock])
def test_one_death_in_the_middle_costs_at_most_the_credit(death: object) -> None:
    file = description(size_bytes=40 * MIB)
    pipe = Pipe([file], seed=2, chances=Chances())
    while len(pipe.durable.get(file.transfer, {})) < 20:
        pipe.run(turns=1)

    assert callable(death)
    death(pipe)
    pipe.heal(virtual_ms_max=TEN_MINUTES_MS)

    sent_bytes = sum(count * file.block_size_bytes(index) for (_, index), count in pipe.counts.sent.items())
    assert pipe.stored[file.transfer] == expected(file)
    assert file.size_bytes <= sent_bytes <= file.size_bytes + CREDIT_PER_TRANSFER_BYTES_MAX


def opened_pipe() -> tuple[Pipe, Description, int]:
    """Return a pipe on which a transfer was opened and nothing has arrived, and its epoch."""
    file = description(size_bytes=2 * MIB)
    pipe = Pipe([file], seed=3, chances=Chances())
    pipe.deliver(pipe.under_way.pop())
    pipe.under_way.clear()
    return pipe, file, pipe.epoch_given[file.transfer]


def post_block(pipe: Pipe, file: Description, epoch: int, index: int, data: bytes, *, dock: str = DOCK) -> None:
    message = encode_block(file.transfer, epoch, index, data)
    pipe.deliver(Parcel(f"sealcam/1/dock/{dock}/to/{WORKER}/block", message))


def test_the_same_block_twice_changes_nothing() -> None:
    pipe, file, epoch = opened_pipe()
    data = block(file.transfer, 1, MIB)

    for _ in range(2):
        post_block(pipe, file, epoch, 1, data)
    pipe._sync()
    post_block(pipe, file, epoch, 1, data)

    assert pipe.durable[file.transfer] == {1: data}
    assert pipe.unsynced == {}
    assert pipe.counts.conflicts == 0


@pytest.mark.parametrize("is_synced", [False, True])
def test_other_bytes_for_the_same_place_are_a_conflict_and_change_nothing(is_synced: bool) -> None:
    pipe, file, epoch = opened_pipe()
    data = block(file.transfer, 1, MIB)
    post_block(pipe, file, epoch, 1, data)
    if is_synced:
        pipe._sync()

    post_block(pipe, file, epoch, 1, bytes(MIB))
    pipe._sync()

    assert pipe.counts.conflicts == 1
    assert pipe.durable[file.transfer] == {1: data}


@pytest.mark.parametrize("epoch_change", [-1, 1])
def test_a_block_of_another_epoch_is_ignored(epoch_change: int) -> None:
    pipe, file, epoch = opened_pipe()

    post_block(pipe, file, epoch + epoch_change, 0, block(file.transfer, 0, MIB))

    assert pipe.unsynced == {}


def test_a_block_of_another_dock_is_ignored() -> None:
    pipe, file, epoch = opened_pipe()

    post_block(pipe, file, epoch, 0, block(file.transfer, 0, MIB), dock="dock-b")

    assert pipe.unsynced == {}


@pytest.mark.parametrize(("index", "size"), [(0, MIB - 1), (1, 5), (2, MIB), (2**32 - 1, 1)])
def test_a_block_that_has_no_place_in_the_file_is_a_breach(index: int, size: int) -> None:
    pipe, file, epoch = opened_pipe()

    with pytest.raises(PeerError, match="bytes, "):
        post_block(pipe, file, epoch, index, bytes(size))

    assert pipe.unsynced == {}


@pytest.mark.parametrize(
    ("response_topic", "correlation"),
    [("to/dock-b/reply", b"r" * 16), (None, b"r" * 16), (response_tail(DOCK), None), (response_tail(DOCK), b"s" * 16)],
)
def test_an_open_that_wants_its_answer_elsewhere_is_refused(
    response_topic: str | None, correlation: bytes | None
) -> None:
    receiver, message = Receiver(WORKER), Open(request=b"r" * 16, description=description())

    with pytest.raises(PeerError, match="response topic"):
        receiver.on_open(DOCK, message, 0, response_topic=response_topic, correlation=correlation)

    assert receiver.open_transfers == {}


def ask(receiver: Receiver, file: Description, *, dock: str = DOCK, request: bytes = b"r" * 16) -> worker_side.Effects:
    message = Open(request=request, description=file)
    return receiver.on_open(dock, message, 0, response_topic=response_tail(dock), correlation=request)


def staged(receiver: Receiver, file: Description, *, epoch: int = 1, blocks: tuple[int, ...] = ()) -> OpenReply:
    receiver.on_unknown(file.transfer)
    (effect,) = receiver.on_staged(file.transfer, epoch=epoch, have=BlockSet(file.block_count, blocks))
    assert isinstance(effect, worker_side.Send)
    assert isinstance(effect.message, OpenReply)
    return effect.message


def test_the_same_request_gets_the_same_answer() -> None:
    receiver, file = Receiver(WORKER), description()
    ask(receiver, file)
    first = staged(receiver, file)

    assert ask(receiver, file) == (worker_side.Send(DOCK, first, first.request),)


def test_a_new_request_gets_a_new_epoch() -> None:
    receiver, file = Receiver(WORKER), description()
    ask(receiver, file)
    staged(receiver, file)

    assert ask(receiver, file, request=b"s" * 16) == (worker_side.Stage(DOCK, file),)


def test_a_file_that_another_dock_is_sending_is_held() -> None:
    receiver, file = Receiver(WORKER), description()
    ask(receiver, file)
    staged(receiver, file)

    (effect,) = ask(receiver, file, dock="dock-b")

    assert isinstance(effect, worker_side.Send)
    assert effect.message == Held(transfer=file.transfer, reason="dock-a is sending this file already")


def test_the_credit_of_all_transfers_together_is_bounded_and_shrinks_for_the_next() -> None:
    receiver = Receiver(WORKER, credit_bytes=8 * MIB)
    files = [description(number) for number in range(3)]
    granted_bytes = []
    for file in files:
        ask(receiver, file)
        granted_bytes.append(staged(receiver, file).credit_bytes)

    (effect,) = receiver.on_synced({files[0].transfer: (0,)})

    assert granted_bytes == [4 * MIB, 2 * MIB, 2 * MIB]
    assert isinstance(effect, worker_side.Send)
    assert isinstance(effect.message, BlockAck)
    assert effect.message.credit_bytes == 2 * MIB
    assert receiver.promised_bytes == 6 * MIB


def test_a_transfer_for_which_no_credit_is_left_is_held_and_finds_some_later() -> None:
    receiver = Receiver(WORKER, credit_bytes=2 * MIB)
    files = [description(number) for number in range(3)]
    for file in files[:2]:
        ask(receiver, file)
        staged(receiver, file)
    ask(receiver, files[2])
    receiver.on_unknown(files[2].transfer)

    closed, sent = receiver.on_staged(files[2].transfer, epoch=1, have=BlockSet(files[2].block_count))

    assert closed == worker_side.Close(files[2].transfer, worker_side.Ending.LEFT)
    assert isinstance(sent, worker_side.Send)
    assert isinstance(sent.message, Held)
    receiver.on_control(DOCK, Cancel(transfer=files[0].transfer, epoch=1), 0)
    ask(receiver, files[2])
    assert staged(receiver, files[2]).credit_bytes == MIB


def test_the_number_of_open_transfers_is_bounded_for_each_dock() -> None:
    receiver = Receiver(WORKER)
    for number in range(worker_side.TRANSFERS_PER_DOCK_MAX):
        ask(receiver, description(number))

    (effect,) = ask(receiver, description(99))

    assert isinstance(effect, worker_side.Send)
    assert isinstance(effect.message, Held)
    assert "16 transfers open" in effect.message.reason
    assert ask(receiver, description(99), dock="dock-b") == (worker_side.LookUp(description(99)),)


def test_a_silent_transfer_is_closed_and_what_is_staged_stays() -> None:
    receiver, file = Receiver(WORKER), description()
    ask(receiver, file)
    staged(receiver, file)

    assert receiver.next_deadline_ms() == IDLE_MS
    assert receiver.on_time(IDLE_MS - 1) == ()
    assert receiver.on_time(IDLE_MS) == (worker_side.Close(file.transfer, worker_side.Ending.LEFT),)
    assert receiver.promised_bytes == 0


def test_fin_before_all_blocks_are_durable_is_answered_with_what_is_here() -> None:
    receiver, file = Receiver(WORKER), description(size_bytes=2 * MIB)
    ask(receiver, file)
    staged(receiver, file, blocks=(1,))

    (effect,) = receiver.on_control(DOCK, Fin(transfer=file.transfer, epoch=1), 0)

    assert isinstance(effect, worker_side.Send)
    assert isinstance(effect.message, BlockAck)
    assert effect.message.have == b"\x40"


def test_while_the_file_is_checked_fin_and_open_are_answered_and_blocks_change_nothing() -> None:
    receiver, file = Receiver(WORKER), description(size_bytes=MIB)
    ask(receiver, file)
    staged(receiver, file, blocks=(0,))
    fin, checking = Fin(transfer=file.transfer, epoch=1), worker_side.Send(DOCK, Checking(transfer=file.transfer))

    assert receiver.on_control(DOCK, fin, 0) == (checking, worker_side.Keep(file))
    assert receiver.on_control(DOCK, fin, 0) == (checking,)
    assert ask(receiver, file, request=b"s" * 16) == (checking,)
    assert receiver.on_block(DOCK, decode_block(encode_block(file.transfer, 1, 0, bytes(MIB))), 0) == ()
    assert receiver.on_time(10 * IDLE_MS) == ()


def test_everything_that_comes_from_outside_has_a_row_in_every_state() -> None:
    outside = set(DockEvent) - {DockEvent.FULL, DockEvent.UNANSWERED}
    from_the_dock = list(WorkerEvent)[:7]

    assert {(s, e) for s in DockState for e in outside} - set(DOCK_TRANSITIONS) == set()
    alive = set(WorkerState) - {WorkerState.CLOSED}
    assert {(s, e) for s in alive for e in from_the_dock} - set(WORKER_TRANSITIONS) == set()


def test_opens_go_where_the_topic_says() -> None:
    pipe = Pipe([description()], seed=4, chances=Chances())

    assert pipe.under_way[0].topic == open_topic(DOCK)
    assert pipe.under_way[0].response_topic == response_tail(DOCK)
