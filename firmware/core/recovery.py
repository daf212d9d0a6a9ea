"""What a camera must do with its card at start: cut torn tails, end what was interrupted, drop what no entry describes.

Pure: it reads the bytes of one chain and the sizes of the files beside it, and returns what to do (ARCHITECTURE.md, I1, I7).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from firmware.core.shift_chain import ChainEnd
from protocol.chain import RecordReader
from protocol.entries import Event as EventBody
from protocol.layout import CHAIN_NAME, media_name, parse_file_name
from protocol.verify.chain import ChainReport, verify_chain

_TORN_KINDS = frozenset(
    {
        "entry-signature-invalid", "device-signature-invalid", "entry-signature-missing", "body-mismatch", "body-invalid",
        "entry-not-canonical", "entry-not-linked", "entry-out-of-sequence",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """What to do with an open shift before `resumed` is written; all of it may be done again."""

    report: ChainReport
    end: ChainEnd
    chain_size_bytes: int
    trimmed_chain_bytes: int
    media_sizes_bytes: Mapping[str, int]
    """Files to cut, and to which size."""
    orphans: tuple[str, ...]
    """Files that no entry describes: nothing in them was ever durable evidence."""
    trimmed_media_bytes: int
    interrupted_recording_id: bytes | None
    is_clean: bool


def valid_size_bytes(chain: bytes, *, camera_key: bytes) -> int:
    """Return where the torn tail of a chain begins; its size when nothing is torn.

    Only the last record can be torn, since each is durable before the next is written. Damage further up is bit rot:
    it stays, as a finding.
    """
    reader = RecordReader()
    records = [*reader.feed(chain), *reader.finish()]
    while records:
        last = records[-1]
        if last.entry is None:
            return last.offset_bytes
        report = verify_chain(chain[: last.end_bytes], camera_key=camera_key)
        sequence = last.entry.head.sequence
        is_torn = report is None or any(
            finding.kind in _TORN_KINDS and finding.place.sequence == sequence for finding in report.findings
        )
        return last.offset_bytes if is_torn else last.end_bytes
    return 0


def plan_recovery(chain: bytes, *, file_sizes_bytes: Mapping[str, int], camera_key: bytes) -> RecoveryPlan | None:
    """Return what to do with an open shift; None when not even its opening is durable, so that nothing was promised."""
    size = valid_size_bytes(chain, camera_key=camera_key)
    report = verify_chain(chain[:size], camera_key=camera_key)
    if report is None:
        return None
    described = {
        media_name(view.recording_id, file.number): file.size_bytes for view in report.recordings for file in view.media
    }
    known = {view.recording_id for view in report.recordings}
    cuts: dict[str, int] = {}
    orphans: list[str] = []
    for name, found in file_sizes_bytes.items():
        parsed = parse_file_name(name)
        if parsed is None or name == CHAIN_NAME:
            continue
        if parsed.recording_id not in known:
            orphans.append(name)
        elif parsed.kind == "media" and found > described.get(name, 0):
            cuts[name] = described.get(name, 0)
    running = next((view for view in report.recordings if view.ending_sequence is None), None)
    last_body = report.bodies[-1][1] if report.bodies and report.bodies[-1][0] == report.head_sequence else None
    is_clean = isinstance(last_body, EventBody) and last_body.name == "power-off"
    return RecoveryPlan(
        report=report,
        end=ChainEnd(report.head_sequence, report.head_hash),
        chain_size_bytes=size,
        trimmed_chain_bytes=len(chain) - size,
        media_sizes_bytes=cuts,
        orphans=tuple(orphans),
        trimmed_media_bytes=sum(file_sizes_bytes[name] - size for name, size in cuts.items()),
        interrupted_recording_id=None if running is None else running.recording_id,
        is_clean=is_clean and running is None,
    )
