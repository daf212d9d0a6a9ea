"""What became of one recording after the officer: docked, verified, offloaded, receipted, erased; and why a step did not happen.

Pure. What is signed is told from the signatures: the end of the shift, central's receipt, the camera's `erased` entry. The rest
is what dock and central said while they did it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hw_sim.bench.timeline.facts import Custody, Opening
from hw_sim.bench.timeline.words import counted, size
from protocol.entries import Erased, ShiftClosed
from protocol.layout import key_box_name, media_name, parse_shift_folder
from protocol.receipt import Receipt, RecordingSubject
from protocol.verify.chain import ChainReport
from protocol.verify.recordings import RecordingView

Event = Mapping[str, Any]
"""One line of events.jsonl."""
_TROUBLES: Final = frozenset({"trouble", "held", "quarantined", "receipt-refused"})


@dataclass(frozen=True, slots=True)
class Said:
    """Everything that was said in a run, and who may be asked what."""

    events: Sequence[Event]

    def first_ms(self, child: str, name: str, **fields: object) -> int | None:
        """Return when ``child`` first said ``name`` with these fields."""
        found = next(self._all(child, name, **fields), None)
        return None if found is None else _time_of(found)

    def openings(self, recording_id: bytes) -> tuple[Opening, ...]:
        """Return each time that the vault gave out the recording's key, with the reason that it was given."""
        opened = self._all("vault", "vault-opened", request="open", recording=recording_id.hex())
        return tuple(Opening(_time_of(event) or 0, str(event.get("reason"))) for event in opened)

    def trouble(self, shift_id: bytes, recording_id: bytes) -> str | None:
        """Return the last that dock or central said of why this recording does not go on."""
        for event in reversed(self.events):
            if event.get("event") in _TROUBLES and event.get("child") in ("dock", "central"):
                text = str(event.get("text") or event.get("reason") or "")
                if text and _is_about(event, shift_id, recording_id):
                    return f"{event['child']} says: {text}"
        return None

    def _all(self, child: str, name: str, **fields: object) -> Iterator[Event]:
        for event in self.events:
            is_named = event.get("child") == child and event.get("event") == name
            if is_named and all(event.get(key) == value for key, value in fields.items()):
                yield event


@dataclass(frozen=True, slots=True)
class Proof:
    """What the evidence itself says of what became of a recording."""

    report: ChainReport
    view: RecordingView
    receipt: Receipt | None
    receipt_hash: bytes | None
    erased: tuple[int, int, Erased] | None
    """Shift number, sequence and body of the camera's entry."""


def receipt_for(view: RecordingView, receipts: Mapping[bytes, Receipt]) -> tuple[bytes, Receipt] | None:
    """Return the first good receipt for a recording, with its hash."""
    about = (
        (key, receipt)
        for key, receipt in receipts.items()
        if isinstance(receipt.subject, RecordingSubject) and receipt.subject.recording_id == view.recording_id
    )
    return min(about, key=lambda pair: pair[1].stored_at_ms, default=None)


def custody_of(proof: Proof, said: Said) -> tuple[Custody, ...]:
    """Return the five steps; one that did not happen says why, as far as anybody said."""
    trouble = said.trouble(proof.report.shift_id, proof.view.recording_id)
    why = "Nobody said why." if trouble is None else f"{trouble[0].upper()}{trouble[1:].rstrip('.')}."
    steps = [_docked(proof, said)]
    for step in (_verified, _offloaded, _receipted, _erased):
        before = steps[-1]
        steps.append(
            step(
                proof,
                said,
                why if before.at_ms is not None else f"It waits for the step before: {before.title.lower()}.",
            )
        )
    return tuple(steps)


def _docked(proof: Proof, said: Said) -> Custody:
    text = "Camera and dock prove to each other who they are. The camera closes its shift: nothing can be added to it."
    sequence, last = proof.report.bodies[-1]
    if isinstance(last, ShiftClosed) and last.reason == "docked":
        return Custody("docked", "Docked", text, last.at.utc_ms, f"camera's signed entry {sequence}")
    begun_ms = proof.view.opened.at.utc_ms if proof.view.opened is not None else 0
    said_ms = [
        _time_of(event) for event in said.events if (event.get("child"), event.get("event")) == ("dock", "docked")
    ]
    at_ms = min((ms for ms in said_ms if ms is not None and ms >= begun_ms), default=None)
    if at_ms is None:
        return Custody("docked", "Docked", "The camera has not been in a dock since.", None, "nothing at hand")
    return Custody("docked", "Docked", text, at_ms, "the dock")


def _verified(proof: Proof, said: Said, why: str) -> Custody:
    for event in said.events:
        folder = parse_shift_folder(str(event.get("folder")))
        is_ours = folder is not None and folder[1] == proof.report.shift_id
        if is_ours and (event.get("child"), event.get("event")) == ("dock", "shift-verified"):
            found = int(event.get("finding_count") or 0)
            result = "and found nothing wrong" if not found else f"and found {counted(found, 'thing')} wrong"
            text = f"The dock checked every signature and every byte while it copied, {result}. It cannot open the footage."
            return Custody("verified", "Verified", text, _time_of(event), "the dock")
    return Custody("verified", "Verified", why, None, "nothing at hand")


def _offloaded(proof: Proof, said: Said, why: str) -> Custody:
    text = f"Central storage has all of it ({size(proof.view.size_bytes)}), checked it again, and made it durable."
    if proof.receipt is not None:
        return Custody("offloaded", "Offloaded", text, proof.receipt.stored_at_ms, _receipt_words(proof))
    recording_id, shift = proof.view.recording_id, proof.report.shift_id.hex()
    names = [media_name(recording_id, file.number) for file in proof.view.media] + [key_box_name(recording_id)]
    stored_ms = [said.first_ms("central", "stored", shift=shift, file=name) for name in names]
    known_ms = [at_ms for at_ms in stored_ms if at_ms is not None]
    if len(known_ms) < len(names):
        return Custody("offloaded", "Offloaded", why, None, "nothing at hand")
    return Custody("offloaded", "Offloaded", text, max(known_ms), "central")


def _receipted(proof: Proof, said: Said, why: str) -> Custody:
    if proof.receipt is None:
        return Custody("receipted", "Receipted", why, None, "nothing at hand")
    opened = " and the vault can open them" if proof.receipt.key_box_opened else ""
    text = f"Central signed for these very bytes: they are stored{opened}."
    said_ms = said.first_ms("central", "receipted", recording=proof.view.recording_id.hex())
    # The receipt tells when the bytes were stored; when it was given out, only central said.
    at_ms = proof.receipt.stored_at_ms if said_ms is None else max(said_ms, proof.receipt.stored_at_ms)
    return Custody("receipted", "Receipted", text, at_ms, _receipt_words(proof))


def _receipt_words(proof: Proof) -> str:
    return "central's receipt" + ("" if proof.receipt_hash is None else f" {proof.receipt_hash.hex()[:8]}")


def _erased(proof: Proof, said: Said, why: str) -> Custody:
    if proof.erased is None:
        keeps = "The camera keeps its copy: it erases only behind a receipt."
        text = keeps if proof.receipt is None else f"{keeps} {why}"
        return Custody("erased", "Erased", text, None, "nothing at hand")
    shift_number, sequence, body = proof.erased
    text = f"The camera checked receipt {body.receipt_hash.hex()[:8]} itself, signed that it erases, and deleted its own copy."
    return Custody(
        "erased", "Erased", text, body.at.utc_ms, f"camera's signed entry {sequence} of shift {shift_number}"
    )


def _is_about(event: Event, shift_id: bytes, recording_id: bytes) -> bool:
    """Say whether an event may be about this recording: it names none, or this one; a receipt refused must name it."""
    if event.get("event") == "receipt-refused" and event.get("recording_id") is None:
        return False
    folder = parse_shift_folder(str(event.get("folder")))
    shift = folder[1].hex() if folder is not None else event.get("shift")
    file = str(event.get("file") or event.get("recording_id") or event.get("recording") or "")
    return shift in (None, shift_id.hex()) and (not file or file.startswith(recording_id.hex()))


def _time_of(event: Event) -> int | None:
    """Return the wall time that the program itself noted."""
    for name in ("unix_ms", "at_ms"):
        if isinstance(event.get(name), int):
            return int(event[name])
    return None
