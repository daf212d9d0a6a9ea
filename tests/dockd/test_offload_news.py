import json
from pathlib import Path

import pytest

from dockd.station.adapters.spool import FolderSpool
from dockd.station.app.offloading import OffloadNews
from dockd.station.app.status import StatusBoard
from dockd.station.core.upload_words import FileRefused, ReceiptArrived, UploaderFailed, UploadState
from dockd.station.ports import ShiftPlace
from protocol.receipt import receipt_hash
from tests.builders import build_shift, make_agency, make_camera, receipts_of
from tests.protocol.ledgers import bare

AGENCY = make_agency()
CAMERA = make_camera(AGENCY)


class StoppedClock:
    def mono_ns(self) -> int:
        return 0

    def unix_ms(self) -> int:
        return 0


class News:
    """The news of an uploader, and who was told what."""

    def __init__(self, folder: Path) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []
        self.status: list[bytes] = []
        self.receipt_count = 0
        self.faults: list[BaseException] = []
        self.spool = FolderSpool(folder)
        board = StatusBoard(dock="dock-a", bays=("bay-1",), clock=StoppedClock(), write=self.status.append)
        self.tell = OffloadNews(
            spool=self.spool,
            policy=AGENCY.policy,
            board=board,
            say=lambda name, fields: self.said.append((name, fields)),
            on_receipt=self._count,
            on_fault=self.faults.append,
        )

    def _count(self) -> None:
        self.receipt_count += 1


@pytest.fixture
def news(tmp_path: Path) -> News:
    (tmp_path / "spool").mkdir()
    return News(tmp_path / "spool")


def test_a_receipt_is_told_with_its_recording_and_wakes_the_bays(news: News, tmp_path: Path) -> None:
    shift = build_shift(tmp_path / "card", agency=AGENCY, camera=CAMERA, recordings=1, chunks=1)
    place = ShiftPlace(CAMERA.camera_id, shift.folder)
    news.spool.open_shift(place)
    for signed in receipts_of(shift, agency=AGENCY, camera=CAMERA):
        news.spool.add_receipt(place, *bare(signed))
        news.tell(ReceiptArrived(place, receipt_hash(signed)))

    assert [(name, fields["recording_id"]) for name, fields in news.said] == [
        ("receipted", shift.recordings[0].recording_id.hex()),
        ("receipted", None),
    ]
    assert news.receipt_count == 2


def test_trouble_on_the_way_to_central_is_said_once_and_shown_always(news: News) -> None:
    news.tell(UploadState("no-answer", "the broker acknowledges but central does not answer (3 s)"))
    news.tell(UploadState("no-answer", "the broker acknowledges but central does not answer (8 s)"))

    assert [name for name, _ in news.said] == ["trouble"]
    assert "(8 s)" in json.loads(news.status[-1])["offload"]["text"]


def test_trouble_that_comes_back_is_said_again(news: News) -> None:
    for code in ("no-broker", "uploading", "no-broker"):
        news.tell(UploadState(code, code))

    assert [name for name, _ in news.said] == ["trouble", "progress", "trouble"]


def test_a_refused_file_is_trouble_with_the_reason(news: News) -> None:
    place = ShiftPlace(bytes(16), f"shift-000001-{'a' * 32}")
    news.tell(FileRefused(place, "chain", "its camera is not enrolled", "spec/07-offload.md, 7.2"))

    assert "not enrolled" in str(news.said[0][1]["text"])


def test_a_failed_uploader_ends_the_dock(news: News) -> None:
    fault = RuntimeError("gone")
    news.tell(UploaderFailed(fault))

    assert news.faults == [fault]
