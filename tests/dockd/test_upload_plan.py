"""What has to go to central, in which order, what receipts cover, and the words for it (spec/07-offload.md, 7.5)."""

from dataclasses import replace
from pathlib import Path

import pytest

from dockd.station.core.upload_board import ASK_AGAIN_MS_MIN, TRANSFERS_AT_ONCE, Upload, UploadBoard
from dockd.station.core.upload_plan import ShiftFacts, Work, covered_names, facts_of, works_of
from dockd.station.core.upload_words import Snapshot, state_of
from dockd.station.ports import ShiftPlace, SpooledFile
from protocol.keybox import key_box_hash
from protocol.layout import CHAIN_NAME, key_box_name, media_name
from protocol.offload.messages import Held, Refused, Stored, media_identity
from protocol.offload.sender_table import State
from protocol.receipt import Receipt, verify_receipt
from tests.builders import BuiltShift, build_shift, make_agency, make_camera, receipts_of

AGENCY = make_agency()
CAMERA = make_camera(AGENCY)
SEED = bytes(16)


class Case:
    """A shift of two recordings, the second marked, as the spool lists it."""

    def __init__(self, folder: Path, *, number: int = 1) -> None:
        self.built: BuiltShift = build_shift(
            folder, agency=AGENCY, camera=CAMERA, number=number, marked=(1,), media_files=2
        )
        self.place = ShiftPlace(CAMERA.camera_id, self.built.folder)
        self.facts: ShiftFacts = facts_of(self.built.report, shift_number=number)
        self.files = tuple(SpooledFile(name, len(data), True) for name, data in self.built.files.items())
        self.works: tuple[Work, ...] = works_of(self.place, self.facts, self.files)[0]
        self.ids = [recording.recording_id for recording in self.built.recordings]
        signed = receipts_of(self.built, agency=AGENCY, camera=CAMERA)
        self.receipts: list[Receipt] = [verify_receipt(one, AGENCY.policy) for one in signed]

    def names(self, recording: int) -> set[str]:
        name = self.ids[recording]
        return {key_box_name(name), media_name(name, 0), media_name(name, 1)}

    def board(self) -> UploadBoard:
        board = UploadBoard()
        board.put(self.place, self.works, frozenset())
        return board


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_the_chain_goes_first_then_key_boxes_then_media_and_marked_recordings_before_others(case: Case) -> None:
    plain, marked = case.ids

    names = [work.description.name for work in case.works]

    assert names[:3] == [CHAIN_NAME, key_box_name(marked), key_box_name(plain)]
    assert names[3:] == [media_name(name, number) for name in (marked, plain) for number in (0, 1)]


def test_files_are_described_as_the_spec_says(case: Case) -> None:
    by_name = {work.description.name: work.description for work in case.works}
    view = case.built.report.recordings[0]
    box = key_box_name(view.recording_id)
    assert view.ending_head_hash is not None

    assert by_name[CHAIN_NAME].identity == case.built.last.head_hash
    assert by_name[box].identity == key_box_hash(case.built.files[box])
    assert by_name[media_name(view.recording_id, 1)].identity == media_identity(view.ending_head_hash, 1)
    assert {(d.camera_id, d.shift_id, d.shift_number) for d in by_name.values()} == {
        (CAMERA.camera_id, case.built.shift_id, 1)
    }
    assert {name: d.size_bytes for name, d in by_name.items()} == {n: len(f) for n, f in case.built.files.items()}


def test_incomplete_files_are_left_alone_and_undescribed_ones_named(case: Case) -> None:
    stranger = media_name(bytes(16), 0)
    files = (
        *(replace(file, is_complete=file.name == CHAIN_NAME) for file in case.files),
        SpooledFile(stranger, 1, True),
    )

    works, undescribed = works_of(case.place, case.facts, files)

    assert [work.description.name for work in works] == [CHAIN_NAME]
    assert undescribed == (stranger,)


def test_a_receipt_covers_its_own_files_and_no_others(case: Case) -> None:
    first, second, chain = case.receipts

    assert covered_names(case.facts, case.works, [first]) == case.names(0)
    assert covered_names(case.facts, case.works, [second]) == case.names(1)
    assert covered_names(case.facts, case.works, [chain]) == {CHAIN_NAME}
    assert covered_names(case.facts, case.works, case.receipts) == set(case.built.files)


@pytest.mark.parametrize("change", [{"shift_id": bytes(16)}, {"head_sequence": 1}, {"head_hash": bytes(32)}])
def test_a_receipt_about_another_shift_or_head_covers_nothing(case: Case, change: dict[str, object]) -> None:
    receipts = [receipt.model_copy(update=change) for receipt in case.receipts]

    assert covered_names(case.facts, case.works, receipts) == frozenset()


@pytest.mark.parametrize(
    "change", [{"chunk_count": 9}, {"media": ()}, {"ending_head_hash": bytes(32)}, {"key_box_hash": bytes(32)}]
)
def test_a_receipt_that_describes_a_recording_otherwise_covers_nothing(case: Case, change: dict[str, object]) -> None:
    subject = case.receipts[0].subject.model_copy(update=change)
    receipt = case.receipts[0].model_copy(update={"subject": subject})

    assert covered_names(case.facts, case.works, [receipt]) == frozenset()


def ready_names(board: UploadBoard, now_ms: int = 0) -> list[str]:
    return [work.description.name for work in board.ready(now_ms)]


def begin(board: UploadBoard, work: Work, *, now_ms: int = 0) -> Upload:
    upload = board.begin(work, seed=SEED)
    upload.sender.start(now_ms)
    return upload


def store(upload: Upload, *, now_ms: int = 0, held_reason: str | None = None) -> None:
    message = Stored(transfer=upload.sender.transfer, receipts=(), held_reason=held_reason)
    upload.sender.on_reply("ingest-1", message, now_ms)
    upload.was_stored(now_ms, held_reason)


def test_nothing_but_the_chain_is_sent_before_central_has_the_chain(case: Case) -> None:
    board = case.board()
    first = ready_names(board)
    chain = begin(board, case.works[0])
    meanwhile = ready_names(board)
    store(chain)

    assert first == [CHAIN_NAME]
    assert meanwhile == []
    assert set(ready_names(board)) == {key_box_name(name) for name in case.ids}


def test_media_follow_when_their_key_box_is_stored_or_has_to_wait(case: Case) -> None:
    board = case.board()
    store(begin(board, case.works[0]))
    marked_box, plain_box = (begin(board, work) for work in case.works[1:3])
    assert ready_names(board) == []
    marked_box.sender.on_reply("ingest-1", Held(transfer=marked_box.sender.transfer, reason="no vault"), 0)
    held = ready_names(board)
    plain_box.sender.on_reply(
        "ingest-1", Refused(transfer=plain_box.sender.transfer, reason="altered", section="3.6"), 0
    )

    assert held == [media_name(case.ids[1], number) for number in (0, 1)]
    assert len(ready_names(board)) == 4


def test_no_more_than_a_few_files_are_active_at_once(tmp_path: Path) -> None:
    cases = [Case(tmp_path, number=number) for number in range(1, 8)]
    board = UploadBoard()
    for case in cases:
        board.put(case.place, case.works, frozenset())

    first = board.ready(0)
    uploads = [begin(board, work) for work in first]

    assert [work.place for work in first] == [case.place for case in cases[:TRANSFERS_AT_ONCE]]
    assert board.ready(0) == ()
    assert board.may_act(uploads[0])
    store(uploads[0], held_reason="no vault")
    assert board.waiting == (uploads[0],)
    assert board.may_act(uploads[0])


def test_receipts_that_are_missing_are_asked_for_when_nothing_more_is_to_be_sent(case: Case) -> None:
    board = case.board()
    uploads = []
    while ready := board.ready(0):
        for work in ready:
            uploads.append(begin(board, work))
            store(uploads[-1])

    assert len(uploads) == len(case.works)
    assert board.ready(ASK_AGAIN_MS_MIN - 1) == ()
    assert len(board.ready(ASK_AGAIN_MS_MIN)) == TRANSFERS_AT_ONCE
    assert uploads[0].ask_again_ms == 2 * ASK_AGAIN_MS_MIN


def test_what_is_covered_or_gone_is_not_sent_any_more(case: Case) -> None:
    board = case.board()
    chain = begin(board, case.works[0])

    dropped = board.put(case.place, case.works, frozenset({CHAIN_NAME}))
    left = len(board.left())
    box = begin(board, case.works[1])
    gone = board.keep_only(set())

    assert dropped == (chain,)
    assert left == len(case.works) - 1
    assert gone == (box,)
    assert board.of_transfer(box.sender.transfer) is None
    assert board.left() == ()


def test_a_file_that_was_let_go_is_begun_again(case: Case) -> None:
    board = case.board()
    chain = begin(board, case.works[0])

    chain.sender.rest(0)

    assert chain.sender.state is State.RESTING
    assert ready_names(board) == [CHAIN_NAME]
    assert board.begin(case.works[0], seed=SEED) is chain


FINE = Snapshot(
    is_connected=True,
    broker_reason="",
    left_count=2,
    left_bytes=10,
    active_count=1,
    silent_ms=0,
    is_open_acknowledged=True,
    has_subscribers=True,
    broker_refusal=None,
    held_reason=None,
    refused=None,
    undescribed=None,
)


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({}, "uploading", "2 files without receipt, 10 bytes"),
        ({"is_connected": False, "broker_reason": "R"}, "no-broker", "cannot reach the broker: R"),
        ({"broker_refusal": "Not authorized"}, "no-broker", "the broker refuses what this dock sends: Not authorized"),
        ({"has_subscribers": False}, "no-worker", "no ingest worker is online"),
        ({"silent_ms": 7_900}, "no-answer", "the broker acknowledges but central does not answer (7 s)"),
        (
            {"silent_ms": 3_000, "is_open_acknowledged": False},
            "no-answer",
            "neither the broker nor central answers (3 s)",
        ),
        ({"active_count": 0, "held_reason": "no vault"}, "held", "central holds: no vault"),
        ({"active_count": 0, "refused": "chain of S: altered"}, "refused", "central refuses chain of S: altered"),
        ({"held_reason": "no vault"}, "uploading", "2 files without receipt, 10 bytes"),
        ({"left_count": 0, "undescribed": "x of S: why"}, "undescribed", "cannot be offered to central: x of S: why"),
        ({"left_count": 0, "active_count": 0}, "idle", "central has everything and has receipted it"),
    ],
)
def test_the_state_is_told_in_words(change: dict[str, object], code: str, text: str) -> None:
    state = state_of(replace(FINE, **change))  # type: ignore[arg-type]

    assert (state.code, state.text) == (code, text)
