"""What who holds keys can make of a shift: other continuations, signed as they must be, with media and receipts that fit."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from protocol.canonical import digest
from protocol.chain import Entry, parse_body
from protocol.entries import DEVICE_ONLY_KINDS, DEVICE_SIGNED_KINDS, Body, Resumed, ShiftClosed
from protocol.keys import EntryKey
from protocol.layout import CHAIN_NAME, key_box_name, media_name
from scripts.campaigns.attacks.evidence import AGENCY, Written
from tests.protocol.folders import Folder, report_of
from tests.protocol.shifts import Device, Shift, compose, entry_key, moment, sign_entry


def rebuilt(written: Written, entries: Sequence[Entry]) -> Folder:
    """Return the folder of a shift with this chain, as it stands at central: what the chain describes, and receipts for it."""
    shift = replace(written.shift, entries=tuple(entries))
    report = report_of(shift)
    folder: Folder = {CHAIN_NAME: shift.chain}
    for view in report.recordings:
        folder[key_box_name(view.recording_id)] = written.folder[key_box_name(view.recording_id)]
        for file in view.media:
            name = media_name(view.recording_id, file.number)
            folder[name] = written.folder[name][: file.size_bytes]
    receipts = AGENCY.receipts(report, shift.device)
    folder |= {f"{number:02d}.receipt": data for number, data in enumerate(receipts)}
    return folder | {name: written.folder[name] for name in ("policy", "enrolment")}


def running_at(shift: Shift, at: int) -> bytes | None:
    """Return the recording that runs before entry ``at``."""
    running, index = None, 0
    for letter in shift.story[:at]:
        if letter in "[(":
            running, index = shift.recording_ids[index], index + 1
        elif letter in "]R":
            running = None
    return running


def extended(
    shift: Shift, entries: Sequence[Entry], bodies: Iterable[Body], device: Device, first_key: EntryKey | None
) -> tuple[Entry, ...]:
    """Return entries with these behind them: each signed by the key that the one before names, or by ``device``.

    ``first_key`` is what signs the first of them, where it is of a kind that takes an entry key.
    """
    made, key = list(entries), first_key
    for body in bodies:
        sequence = len(made)
        is_end = isinstance(body, ShiftClosed)
        next_key = None if is_end else entry_key(f"continued/{shift.shift_id.hex()}/{sequence}")
        before = made[-1] if made else None
        head, data = compose(body, shift_id=shift.shift_id, sequence=sequence, before=before, next_key=next_key)
        own = None if head.kind in DEVICE_ONLY_KINDS else key
        made.append(sign_entry(head, data, own, device if head.kind in DEVICE_SIGNED_KINDS else None))
        key = next_key
    return tuple(made)


def resumed(sequence: int, *, is_clean: bool = False, interrupted: bytes | None = None) -> Resumed:
    """Return the body of a `resumed`."""
    return Resumed(
        at=moment(sequence), is_clean=is_clean, interrupted_recording_id=interrupted, trimmed_chain_bytes=0,
        trimmed_media_bytes=0,
    )  # fmt: skip


def closed(sequence: int, entries: Sequence[Entry]) -> ShiftClosed:
    """Return the body of a `shift-closed` that counts the recordings before it."""
    count = sum(entry.head.kind == "recording-opened" for entry in entries)
    return ShiftClosed(at=moment(sequence), reason="docked", recording_count=count)


def resumed_and_closed(written: Written, at: int, device: Device, between: Sequence[Body] = ()) -> tuple[Entry, ...]:
    """Return the first ``at`` entries, then what the device key signs: `resumed`, some bodies, and the end of the shift."""
    shift = written.shift
    kept = shift.entries[:at]
    is_clean = kept[-1].head.next_key is None
    bodies = [resumed(at, is_clean=is_clean, interrupted=running_at(shift, at)), *between]
    bodies.append(closed(at + len(bodies), kept))
    return extended(shift, kept, bodies, device, None)


def signed_again(shift: Shift, bodies: dict[int, bytes]) -> tuple[Entry, ...]:
    """Return the shift as a camera would have signed it with these bytes as bodies: every key is at hand."""
    made: list[Entry] = []
    for entry in shift.entries:
        sequence = entry.head.sequence
        body = bodies.get(sequence, entry.body_bytes)
        assert body is not None
        previous = made[-1].head_hash if made else None
        head = entry.head.model_copy(update={"previous": previous, "body_hash": digest("sealcam/1 body", body)})
        own = None if head.kind in DEVICE_ONLY_KINDS else shift.keys[sequence - 1]
        made.append(sign_entry(head, body, own, shift.device if head.kind in DEVICE_SIGNED_KINDS else None))
    return tuple(made)


def body_of(entry: Entry) -> Body:
    """Return the body of an entry of a known kind."""
    body = parse_body(entry)
    assert body is not None
    return body
