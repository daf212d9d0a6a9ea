"""Put a run together: report, chains, receipts and what was said become one `Timeline`. Pure.

The order of belief: what the camera and central signed, then what programs said. The verdict and its sentence are the report's;
the assurance of each recording is the protocol's own judgement over what is at hand.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hw_sim.bench.report import RecordingRow, Report
from hw_sim.bench.timeline.custody import Event, Proof, Said, custody_of, receipt_for
from hw_sim.bench.timeline.facts import Band, Life, Timeline, Tone
from hw_sim.bench.timeline.moments import Film, film_of, moments_of, picture_of, sound_of
from hw_sim.bench.timeline.words import CLOCK
from protocol.entries import Erased, RecordingClosed
from protocol.errors import PeerError
from protocol.receipt import Receipt, receipt_hash, verify_receipt
from protocol.verify.chain import ChainReport
from protocol.verify.shift import ShiftEvidence, judge


@dataclass(frozen=True, slots=True)
class _At:
    """What is at hand, for one recording after the other."""

    shifts: Sequence[ShiftEvidence]
    said: Said
    receipts: Mapping[bytes, Receipt]
    erased: Mapping[bytes, tuple[int, int, Erased]]
    rows: Mapping[str, RecordingRow]
    assurances: Mapping[str, int]


def timeline_of(*, report: Report, shifts: Sequence[ShiftEvidence], events: Sequence[Event]) -> Timeline:
    """Return the run as the page tells it; ``shifts`` are the chains at hand, in order, each once."""
    assurances = {found.recording_id: found.assurance for found in judge(shifts).recordings}
    at = _At(
        shifts=shifts,
        said=Said(events),
        receipts=dict(_good_receipts(shifts)),
        erased=dict(_erased_entries(shifts)),
        rows={row.recording_id: row for row in report.recordings},
        assurances=assurances,
    )
    films = sorted(
        _films(shifts), key=lambda film: (film.report.opened is None, _shift_number(film.report), _place(film))
    )
    lives = tuple(_life(film, number, at) for number, film in enumerate(films, start=1))
    told = {life.recording_id for life in lives}
    return Timeline(
        word=_word(report),
        tone=_tone(report),
        sentence=report.sentence,
        assurance=min((life.assurance for life in lives), default=0),
        problems=report.problems,
        findings=report.findings,
        lives=lives,
        untold=tuple(recording_id for recording_id in at.rows if recording_id not in told),
        day=tuple(_day(films, lives)),
        camera=_camera(events),
        clock=_clock(films),
        parts=tuple((name, value) for name, value in _parts(report) if value is not None),
        sealed=report.sealed,
        root_fingerprint=report.root_fingerprint,
    )


def _films(shifts: Sequence[ShiftEvidence]) -> Iterator[Film]:
    for shift in shifts:
        for view in shift.report.recordings:
            film = film_of(view, shift.report)
            if film is not None:
                yield film


def _life(film: Film, number: int, at: _At) -> Life:
    view, recording_id = film.view, film.view.recording_id.hex()
    moments, more_moment_count = moments_of(film)
    signed = receipt_for(view, at.receipts)
    proof = Proof(
        report=film.report,
        view=view,
        receipt=None if signed is None else signed[1],
        receipt_hash=None if signed is None else signed[0],
        erased=at.erased.get(view.recording_id),
    )
    since = film.standby_since()
    row = at.rows.get(recording_id)
    return Life(
        recording_id=recording_id,
        number=number,
        shift_number=_shift_number(film.report),
        begins_at_ms=film.begins_at_ms,
        standby_us=0 if since is None else max(0, film.begins_at_ms - since[1].at.utc_ms) * 1000,
        duration_us=view.duration_us,
        press_us=film.press_us,
        size_bytes=view.size_bytes,
        chunk_count=len(view.chunks),
        assurance=at.assurances.get(recording_id, 0),
        picture=picture_of(film),
        sound=sound_of(film),
        moments=moments,
        more_moment_count=more_moment_count,
        custody=custody_of(proof, at.said),
        openings=at.said.openings(view.recording_id),
        frames=_frames(row),
        mp4=None if row is None else row.mp4,
    )


def _frames(row: RecordingRow | None) -> str:
    if row is None:
        return "not counted"
    if row.frames_captured is None:
        return f"{row.frames_decoded:,d} in the film; the sensor could not be asked" if row.mp4 else "not counted"
    if row.frames_captured is None:
        return f"{row.frames_decoded:,d}, {row.frames_missing:,d} missing"
    if row.mp4 is None:
        return f"the sensor took {row.frames_captured:,d}; not counted in the film"
    missing = "none missing" if not row.frames_missing else f"{row.frames_missing:,d} missing"
    if row.frames_declared_missing:
        missing = f"{row.frames_declared_missing:,d} missing in signed gaps" + (
            f", {missing} outside them" if row.frames_missing else ""
        )
    return f"{row.frames_decoded:,d} of the {row.frames_captured:,d} that the sensor took, {missing}"


def _day(films: Sequence[Film], lives: Sequence[Life]) -> Iterator[Band]:
    """Yield standby, recordings and dock one after the other, without overlap."""
    reached_ms = 0
    for film, life in zip(films, lives, strict=True):
        since = film.standby_since()
        begin_ms = max(reached_ms, film.begins_at_ms)
        if since is not None:
            # After a recording standby begins with its last picture; the entry that says so comes a little later.
            is_behind_recording = reached_ms > 0 and isinstance(since[1], RecordingClosed)
            since_ms = reached_ms if is_behind_recording else max(reached_ms, since[1].at.utc_ms)
            if since_ms < begin_ms:
                yield Band("standby", since_ms, begin_ms)
        reached_ms = max(begin_ms, film.at_ms(life.duration_us))
        yield Band("recording", begin_ms, reached_ms, life.number)
        docked_ms = life.custody[0].at_ms
        is_last_of_shift = film.view.recording_id == film.report.recordings[-1].recording_id
        if docked_ms is not None and is_last_of_shift and docked_ms >= reached_ms:
            yield Band("standby", reached_ms, docked_ms)
            later = (step.at_ms for other in lives if other.shift_number == life.shift_number for step in other.custody)
            reached_ms = max((at_ms for at_ms in later if at_ms is not None), default=docked_ms)
            yield Band("docked", docked_ms, reached_ms)


def _good_receipts(shifts: Sequence[ShiftEvidence]) -> Iterator[tuple[bytes, Receipt]]:
    for shift in shifts:
        for signed in (brought.signed for brought in shift.receipts):
            if shift.trust.policy is not None:
                try:
                    yield receipt_hash(signed), verify_receipt(signed, shift.trust.policy.policy)
                except PeerError:
                    continue


def _erased_entries(shifts: Sequence[ShiftEvidence]) -> Iterator[tuple[bytes, tuple[int, int, Erased]]]:
    for shift in shifts:
        for sequence, body in shift.report.bodies:
            if isinstance(body, Erased) and body.recording_id is not None:
                yield body.recording_id, (_shift_number(shift.report), sequence, body)


def _parts(report: Report) -> tuple[tuple[str, str | None], ...]:
    return (
        ("Camera", report.camera),
        ("Video", report.video),
        ("Broker", report.broker),
        ("Seed", str(report.seed)),
        ("Fault", report.fault),
    )


def _word(report: Report) -> str:
    is_unheld = not report.is_good and report.verdict.startswith("authentic")
    return "Not everything held" if is_unheld else report.verdict.capitalize()


def _tone(report: Report) -> Tone:
    if not report.is_good:
        return "bad"
    return "good" if report.verdict == "authentic" else "gaps"


def _camera(events: Sequence[Event]) -> str:
    return next(
        (str(event["camera"]) for event in events if event.get("child") == "dock" and event.get("camera")), "a camera"
    )


def _clock(films: Sequence[Film]) -> str:
    claims = {(film.opened.at.utc_source, film.opened.at.utc_uncertainty_ms) for film in films}
    words = sorted(
        CLOCK[source] + ("" if uncertainty_ms is None else f", give or take {uncertainty_ms / 1000:g} s")
        for source, uncertainty_ms in claims
    )
    return "; ".join(words)


def _shift_number(report: ChainReport) -> int:
    return 0 if report.opened is None else report.opened.shift_number


def _place(film: Film) -> int:
    return film.view.opened_sequence or 0
