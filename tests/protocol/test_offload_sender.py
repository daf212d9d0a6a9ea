"""The dock's side of a transfer, alone (spec/07-offload.md, 7.5)."""

import pytest

from protocol.errors import PeerError
from protocol.offload import sender as dock_side
from protocol.offload.blocks import BlockSet
from protocol.offload.messages import BlockAck, Cancel, Checking, Held, OpenReply, Refused, Stored
from protocol.offload.sender import FIN_AGAIN_MS, OPEN_AGAIN_MS_MAX, STALL_MS, TransferSender
from protocol.offload.sender_table import State as DockState
from tests.protocol.offload_pipe import MIB, WORKER, description


def test_a_refusal_is_told_and_never_taken_for_success() -> None:
    sender, file = TransferSender(description(), seed=bytes(16)), description()
    sender.start(0)

    effects = sender.on_reply(WORKER, Refused(transfer=file.transfer, reason="altered", section="2.2"), 5)

    assert effects == (dock_side.WasRefused("altered", "2.2"),)
    assert sender.state is DockState.REFUSED
    assert sender.nudge(10) == ()
    assert sender.next_deadline_ms() == 505
    (again,) = sender.on_time(505)
    assert isinstance(again, dock_side.SendOpen)


def test_being_held_is_told_and_asked_again_later_with_longer_waits() -> None:
    sender, held = TransferSender(description(), seed=bytes(16)), Held(transfer=description().transfer, reason="full")
    sender.start(0)
    waits = []
    now_ms = 0
    for _ in range(9):
        assert sender.on_reply(WORKER, held, now_ms) == (dock_side.WasHeld("full"),)
        deadline_ms = sender.next_deadline_ms()
        assert deadline_ms is not None
        waits.append(deadline_ms - now_ms)
        now_ms = deadline_ms
        sender.on_time(now_ms)

    assert waits == [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]


def test_stored_with_a_reason_is_delivered_and_asked_again() -> None:
    sender, file = TransferSender(description(), seed=bytes(16)), description()
    sender.start(0)

    effects = sender.on_reply(WORKER, Stored(transfer=file.transfer, receipts=(), held_reason="no vault"), 0)

    assert effects == (dock_side.Delivered((), "no vault"),)
    assert sender.state is DockState.HELD


def test_with_no_answer_the_same_open_is_sent_again_ever_more_rarely() -> None:
    sender = TransferSender(description(), seed=bytes(16))
    first = sender.start(0)
    times = []
    now_ms = 0
    for _ in range(8):
        deadline_ms = sender.next_deadline_ms()
        assert deadline_ms is not None
        times.append(deadline_ms - now_ms)
        now_ms = deadline_ms
        assert sender.on_time(now_ms) == first

    assert times == [1000, 2000, 4000, 8000, 16000, *[OPEN_AGAIN_MS_MAX] * 3]
    assert sender.silent_ms(now_ms) == now_ms


def reply_to(effects: dock_side.Effects, *, epoch: int = 1, worker: str = WORKER, credit_bytes: int = MIB) -> OpenReply:
    (effect,) = effects
    assert isinstance(effect, dock_side.SendOpen)
    message = effect.message
    have = BlockSet(message.description.block_count).to_bytes()
    return OpenReply(
        request=message.request,
        transfer=message.description.transfer,
        worker=worker,
        epoch=epoch,
        have=have,
        credit_bytes=credit_bytes,
    )


def test_the_dock_sends_no_more_than_the_credit_and_goes_on_as_blocks_become_durable() -> None:
    sender = TransferSender(description(size_bytes=4 * MIB), seed=bytes(16))
    reply = reply_to(sender.start(0), credit_bytes=2 * MIB + 1)

    sent = sender.on_reply(WORKER, reply, 0)
    ack = BlockAck(transfer=sender.transfer, epoch=1, have=b"\x40", credit_bytes=MIB)
    sent_then = sender.on_reply(WORKER, ack, 0)
    sent_at_last = sender.on_reply(WORKER, ack.model_copy(update={"have": b"\xc0"}), 0)

    assert sent == tuple(dock_side.SendBlock(WORKER, 1, index) for index in (0, 1))
    assert sent_then == ()
    assert sent_at_last == (dock_side.SendBlock(WORKER, 1, 2),)


def test_answers_of_another_worker_another_epoch_or_another_request_are_ignored() -> None:
    sender = TransferSender(description(size_bytes=2 * MIB), seed=bytes(16))
    reply = reply_to(sender.start(0))
    ack = BlockAck(transfer=sender.transfer, epoch=1, have=b"\xc0", credit_bytes=MIB)

    assert sender.on_reply(WORKER, reply.model_copy(update={"request": bytes(16)}), 0) == ()
    assert sender.on_reply("ingest-2", reply, 0) == ()
    sender.on_reply(WORKER, reply, 0)
    assert sender.on_reply("ingest-2", reply.model_copy(update={"worker": "ingest-2", "epoch": 9}), 0) == ()
    assert sender.on_reply(WORKER, reply, 0) == ()
    assert sender.on_reply("ingest-2", ack, 0) == ()
    assert sender.on_reply(WORKER, ack.model_copy(update={"epoch": 2}), 0) == ()
    assert sender.state is DockState.SENDING


def test_without_progress_the_dock_asks_anew_and_may_be_taken_over_by_another_worker() -> None:
    sender = TransferSender(description(size_bytes=2 * MIB), seed=bytes(16))
    opened = sender.start(0)
    sender.on_reply(WORKER, reply_to(opened), 0)

    asked = sender.on_time(STALL_MS)
    sent = sender.on_reply("ingest-2", reply_to(asked, worker="ingest-2"), STALL_MS)

    assert asked != opened
    assert sent == (dock_side.SendBlock("ingest-2", 1, 0),)
    assert sender.silent_ms(STALL_MS) == 0


def test_a_file_at_rest_is_cancelled_and_wants_no_time() -> None:
    sender = TransferSender(description(size_bytes=2 * MIB), seed=bytes(16))
    sender.on_reply(WORKER, reply_to(sender.start(0)), 0)

    effects = sender.rest(0)

    assert effects == (dock_side.SendControl(WORKER, Cancel(transfer=sender.transfer, epoch=1)),)
    assert sender.next_deadline_ms() is None


def test_a_have_of_the_wrong_size_is_a_breach() -> None:
    sender = TransferSender(description(), seed=bytes(16))
    reply = reply_to(sender.start(0))

    with pytest.raises(PeerError, match="have of 2 bytes"):
        sender.on_reply(WORKER, reply.model_copy(update={"have": b"\0\0"}), 0)

    assert sender.state is DockState.OPENING


def finishing(*, now_ms: int = 0) -> TransferSender:
    """Return a sender whose blocks are all acknowledged, and which has sent its fin."""
    sender = TransferSender(description(size_bytes=MIB), seed=bytes(16))
    sender.on_reply(WORKER, reply_to(sender.start(now_ms)), now_ms)
    ack = BlockAck(transfer=sender.transfer, epoch=1, have=b"\x80", credit_bytes=MIB)
    (effect,) = sender.on_reply(WORKER, ack, now_ms)
    assert isinstance(effect, dock_side.SendControl)
    return sender


def test_fin_is_sent_again_twice_and_then_the_dock_asks_anew() -> None:
    sender = finishing()

    kinds = []
    for count in range(1, 4):
        (effect,) = sender.on_time(count * FIN_AGAIN_MS)
        kinds.append(type(effect))

    assert kinds == [dock_side.SendControl, dock_side.SendControl, dock_side.SendOpen]
    assert sender.silent_ms(3 * FIN_AGAIN_MS) == 3 * FIN_AGAIN_MS


def test_while_central_checks_the_dock_waits() -> None:
    sender = finishing()
    checking = Checking(transfer=sender.transfer)

    for count in range(1, 6):
        sender.on_reply(WORKER, checking, count * FIN_AGAIN_MS - 1)
        sender.on_time(count * FIN_AGAIN_MS)

    assert sender.state is DockState.FINISHING


def test_checking_in_answer_to_an_open_is_waited_for_and_then_asked_about() -> None:
    sender = TransferSender(description(size_bytes=MIB), seed=bytes(16))
    sender.start(0)
    sender.on_reply(WORKER, Checking(transfer=sender.transfer), 5)

    (effect,) = sender.on_time(5 + FIN_AGAIN_MS)

    assert isinstance(effect, dock_side.SendOpen)


def test_how_much_is_durable_counts_the_short_last_block() -> None:
    sender = TransferSender(description(size_bytes=2 * MIB + 7), seed=bytes(16))
    sender.on_reply(WORKER, reply_to(sender.start(0), credit_bytes=4 * MIB), 0)

    sizes = []
    for have in (b"\x80", b"\xa0", b"\xe0"):
        ack = BlockAck(transfer=sender.transfer, epoch=1, have=have, credit_bytes=4 * MIB)
        sender.on_reply(WORKER, ack, 0)
        sizes.append(sender.durable_bytes)

    assert sizes == [MIB, MIB + 7, 2 * MIB + 7]
