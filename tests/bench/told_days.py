"""Whole days for the page: chains, receipts and what was said, as a run leaves them behind."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hw_sim.bench.report import RecordingRow, Report
from hw_sim.bench.timeline.facts import Timeline
from hw_sim.bench.timeline.tell import timeline_of
from protocol.layout import shift_folder_name
from protocol.receipt import receipt_hash
from protocol.verify.shift import ShiftEvidence, TrustReport, recording_subject
from tests.bench.day_chain import UNIX_MS, DayChain
from tests.builders import make_agency, make_camera, make_receipt, secret
from tests.protocol.ledgers import bare

AGENCY = make_agency()
CAMERA = make_camera(AGENCY)
FIRST = secret("first", 16)
"""The recording of `usual_chain`."""
DOCKED_MS = 20_000
STORED_MS, RECEIPTED_MS, ERASED_MS = 21_000, 21_003, 21_500
TRUST = TrustReport(AGENCY.trusted, None, is_root_confirmed=True, findings=())
Said = dict[str, Any]


def usual_chain() -> DayChain:
    """Return a shift with a recording of 2.5 s before and 3 s after the press, with a mute and a mark; then docked."""
    chain = DayChain(AGENCY, CAMERA, number=1, opened_ms=100)
    chain.event(1_000, "undocked")
    chain.open(8_500, FIRST, origin_ms=6_000)
    chain.chunk(FIRST, ("off-by-policy", 1_000), is_pre_event=True)
    chain.chunk(FIRST, ("off-by-policy", 2_000), is_pre_event=True)
    chain.chunk(FIRST, ("off-by-policy", 2_490), ("present", 2_500), is_pre_event=True)
    chain.event(9_100, "mute-on", FIRST, value_us=3_100_000)
    chain.chunk(FIRST, ("present", 3_100), ("muted", 3_500))
    chain.event(9_900, "mute-off", FIRST, value_us=3_900_000)
    chain.chunk(FIRST, ("muted", 3_900), ("present", 4_500))
    chain.event(10_700, "mark", FIRST, value_us=4_700_000)
    chain.chunk(FIRST, ("present", 5_500))
    chain.close(FIRST)
    chain.dock(DOCKED_MS, recordings=1)
    return chain


@dataclass
class ToldDay:
    """A day, to be changed before it is told."""

    chain: DayChain
    receipts: tuple[bytes, ...] = ()
    next_shift: DayChain | None = None
    said: list[Said] = field(default_factory=list)
    problems: tuple[str, ...] = ()
    rows: tuple[RecordingRow, ...] = ()

    def shifts(self) -> tuple[ShiftEvidence, ...]:
        first = ShiftEvidence(self.chain.report, (), bare(*self.receipts), TRUST)
        return (first,) if self.next_shift is None else (first, ShiftEvidence(self.next_shift.report, (), (), TRUST))

    def report(self, **changes: Any) -> Report:
        values: dict[str, Any] = {
            "is_good": not self.problems, "verdict": "authentic", "assurance": 2, "sentence": "Authentic: 1 recording.",
            "problems": self.problems, "findings": (), "recordings": self.rows, "frames_captured": 165, "frames_decoded": 165,
            "frames_missing": 0, "av_offset_ms_max": 0.2, "pre_event_s": 2.0, "pre_event_wanted_s": 2, "chunks": 6, "bytes": 3_500_000,
            "receipts": len(self.receipts), "erased_after_receipt": True, "seconds_from_docked_to_ready": 0.6,
            "seconds_from_docked_to_receipted": 1.0, "camera": "simulated sensor", "video": None, "broker": "mosquitto 2",
            "broker_client_auth": "certificate", "seed": 7, "fault": None, "sealed": "central/objects", "mp4": (),
            "events": "events.jsonl", "root_fingerprint": "ab" * 32,
        }  # fmt: skip
        return Report.model_validate(values | changes)

    def timeline(self, **changes: Any) -> Timeline:
        return timeline_of(report=self.report(**changes), shifts=self.shifts(), events=self.said)


def said_by_dock(chain: DayChain, *, finding_count: int = 0) -> list[Said]:
    folder = shift_folder_name(chain.number, chain.shift_id)
    return [
        {"child": "dock", "event": "docked", "unix_ms": UNIX_MS + DOCKED_MS + 3, "camera": "CAM-1"},
        {
            "child": "dock", "event": "shift-verified", "unix_ms": UNIX_MS + DOCKED_MS + 640, "folder": folder,
            "finding_count": finding_count,
        },
    ]  # fmt: skip


def said_by_central(chain: DayChain, names: Sequence[str]) -> list[Said]:
    shift = chain.shift_id.hex()
    at = {"child": "central", "at_ms": UNIX_MS + STORED_MS, "shift": shift}
    return [{**at, "event": "stored", "file": name} for name in names]


def row_of(chain: DayChain, **changes: Any) -> RecordingRow:
    view = chain.report.recordings[0]
    row = RecordingRow(
        recording_id=view.recording_id.hex(), shift_number=1, live_s=3.0, pre_event_s=2.0, chunks=len(view.chunks), bytes=view.size_bytes,
        frames_captured=165,
    )  # fmt: skip
    return row.model_copy(update=changes)


def good_day() -> ToldDay:
    """Return a day on which everything held."""
    chain = usual_chain()
    report, recording = chain.report, FIRST.hex()
    subject = recording_subject(report.recordings[0])
    assert subject is not None
    receipt = make_receipt(subject, report=report, agency=AGENCY, camera=CAMERA, stored_at_ms=UNIX_MS + STORED_MS)
    after = DayChain(AGENCY, CAMERA, number=2, opened_ms=DOCKED_MS + 5)
    after.erase(ERASED_MS, chain.shift_id, FIRST, receipt_hash(receipt))
    said = said_by_dock(chain) + said_by_central(chain, [f"{recording}.keybox", f"{recording}.0000.media"])
    said += [
        {"child": "central", "event": "receipted", "at_ms": UNIX_MS + RECEIPTED_MS, "recording": recording},
        {
            "child": "vault", "event": "vault-opened", "at_ms": UNIX_MS + 23_000, "recording": recording, "request": "open",
            "reason": "the bench counts its frames",
        },
    ]  # fmt: skip
    row = row_of(chain, frames_decoded=165, is_receipted=True, is_erased=True, mp4=f"mp4/{recording}.mp4")
    return ToldDay(chain, (receipt,), after, said, rows=(row,))


def stopped_day(words: str = "no ingest worker is online") -> ToldDay:
    """Return a day after which central did not answer: nothing arrived, nothing was erased."""
    chain = usual_chain()
    trouble = {"child": "dock", "event": "trouble", "unix_ms": UNIX_MS + 21_000, "text": words}
    return ToldDay(
        chain, said=[*said_by_dock(chain), trouble], problems=(f"dock says: {words}",), rows=(row_of(chain),)
    )
