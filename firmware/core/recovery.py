"""What a camera must do with a shift on its card at start: cut a torn tail, drop what no entry describes, or leave it alone.

Pure: it reads the bytes of one chain and the sizes of the files beside it, and returns what to do (ARCHITECTURE.md, I1, I7).
A power cut tears the last record and nothing else. Where a chain is damaged further up, what stood in the hole is not known:
then nothing is cut off and nothing dropped, and the damage stays to be found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from firmware.core.shift_chain import ChainEnd
from protocol.chain import RECORD_HEADER_SIZE_BYTES, Record, RecordReader
from protocol.entries import Event as EventBody
from protocol.layout import CHAIN_NAME, media_name, parse_file_name
from protocol.units import ENTRY_SIZE_BYTES_MAX
from protocol.verify.chain import ChainReport, verify_chain

PARTIAL_SUFFIX: Final = ".partial"
"""What a small file is called until it is whole (`firmware.ports.Store.write_once`)."""
_TORN_KINDS: Final = frozenset(
    {
        "entry-signature-invalid", "device-signature-invalid", "entry-signature-missing", "body-mismatch", "body-invalid",
        "entry-not-canonical", "entry-signature-unexpected",
    }
)  # fmt: skip
"""What is found in a record of which a part came out as something else. Unexpected: its last byte, alone in the last sector, says
that there is no second signature."""
_OPENING_SIZE_BYTES_MAX: Final = 16_384
"""A longer chain has had more than its opening: the largest part of one is a checkpoint of 8 KiB."""
_TORN_SIZE_BYTES_MAX: Final = RECORD_HEADER_SIZE_BYTES + ENTRY_SIZE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class NeverOpened:
    """Not even the opening is durable, so nothing was ever promised about this shift: its folder may go."""


@dataclass(frozen=True, slots=True)
class LeaveAlone:
    """Evidence that this camera can neither go on with nor judge: another camera's, or a chain that cannot be read."""

    reason: str
    may_be_own: bool


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """What to do with a shift of this camera before anything is written; all of it may be done again."""

    report: ChainReport
    end: ChainEnd
    chain_size_bytes: int
    trimmed_chain_bytes: int = 0
    media_sizes_bytes: Mapping[str, int] = field(default_factory=dict)
    """Files to cut, and to which size."""
    orphans: tuple[str, ...] = ()
    """Files that no entry describes: nothing in them was ever durable evidence."""
    trimmed_media_bytes: int = 0
    interrupted_recording_id: bytes | None = None
    was_muted: bool = False
    """Whether the interrupted recording was."""
    is_clean: bool = False


def plan_recovery(
    chain: bytes, *, shift_id: bytes, file_sizes_bytes: Mapping[str, int], camera_key: bytes
) -> RecoveryPlan | NeverOpened | LeaveAlone:
    """Return what to do with the shift whose folder is named for ``shift_id``."""
    reader = RecordReader()
    records = [*reader.feed(chain), *reader.finish()]
    report = verify_chain(chain, camera_key=camera_key, is_end_vouched=True)
    if report is not None and report.opened is not None and report.opened.camera_key != camera_key:
        return LeaveAlone("it is another camera's", may_be_own=False)
    if report is not None and _is_torn(records[-1], report):
        size_bytes = records[-1].offset_bytes
        report = verify_chain(chain[:size_bytes], camera_key=camera_key, is_end_vouched=True)
    else:
        size_bytes = len(chain)
    if report is None:
        # An entry needs a durable opening before it, and a recording its entry: then the opening was damaged later.
        has_more = (
            len(chain) > _OPENING_SIZE_BYTES_MAX
            or chain.count(shift_id) > 1
            or any(_recording_of(name) is not None for name in file_sizes_bytes)
        )
        return LeaveAlone("its chain cannot be read", may_be_own=True) if has_more else NeverOpened()
    if report.shift_id != shift_id:
        return LeaveAlone(f"its chain is of shift {report.shift_id.hex()}", may_be_own=False)
    return _plan(report, size_bytes, len(chain) - size_bytes, file_sizes_bytes)


def _is_torn(last: Record, report: ChainReport) -> bool:
    """Say whether the last record was not whole when the power went: each is durable before the next is written.

    A whole one behind a hole says that an entry is missing, but is itself no less whole.
    """
    if last.entry is None:
        return True
    sequence = last.entry.head.sequence
    return any(finding.kind in _TORN_KINDS and finding.place.sequence == sequence for finding in report.findings)


def _plan(
    report: ChainReport, size_bytes: int, trimmed_chain_bytes: int, file_sizes_bytes: Mapping[str, int]
) -> RecoveryPlan:
    end = ChainEnd(report.head_sequence, report.head_hash)
    running = next((view for view in report.recordings if view.ending_sequence is None), None)
    last_body = report.bodies[-1][1] if report.bodies and report.bodies[-1][0] == report.head_sequence else None
    was_switched_off = isinstance(last_body, EventBody) and last_body.name == "power-off"
    is_whole = trimmed_chain_bytes <= _TORN_SIZE_BYTES_MAX and not any(
        finding.finding_class == "altered" for finding in report.findings
    )
    cuts, orphans = _leftovers(report, file_sizes_bytes) if is_whole else ({}, ())
    return RecoveryPlan(
        report=report,
        end=end,
        chain_size_bytes=size_bytes,
        trimmed_chain_bytes=trimmed_chain_bytes,
        media_sizes_bytes=cuts,
        orphans=orphans,
        trimmed_media_bytes=sum(file_sizes_bytes[name] - size for name, size in cuts.items()),
        interrupted_recording_id=None if running is None else running.recording_id,
        was_muted=running is not None and _is_muted(report, running.recording_id),
        is_clean=was_switched_off and running is None,
    )


def _is_muted(report: ChainReport, recording_id: bytes) -> bool:
    names = [
        body.name for _, body in report.bodies if isinstance(body, EventBody) and body.recording_id == recording_id
    ]
    mutes = [name for name in names if name in ("mute-on", "mute-off")]
    return bool(mutes) and mutes[-1] == "mute-on"


def _leftovers(report: ChainReport, file_sizes_bytes: Mapping[str, int]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the media files that are longer than their chunks, and the files that no entry describes."""
    described = {
        media_name(view.recording_id, file.number): file.size_bytes for view in report.recordings for file in view.media
    }
    known = {view.recording_id for view in report.recordings}
    cuts: dict[str, int] = {}
    orphans: list[str] = []
    for name, found_bytes in file_sizes_bytes.items():
        parsed = parse_file_name(name)
        if name.endswith(PARTIAL_SUFFIX):
            orphans.append(name)
        elif parsed is None or name == CHAIN_NAME:
            continue
        elif parsed.recording_id not in known or (parsed.kind == "media" and name not in described):
            orphans.append(name)
        elif parsed.kind == "media" and found_bytes > described[name]:
            cuts[name] = described[name]
    return cuts, tuple(orphans)


def _recording_of(name: str) -> bytes | None:
    parsed = parse_file_name(name)
    return None if parsed is None else parsed.recording_id
