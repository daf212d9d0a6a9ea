"""Read what a run left behind, and write `timeline.html` beside it.

Chains are read where they are: at central, in the dock's spool, on the card; central's comes first, since that is what the verdict
is about. The page holds footage, so it is for its owner's eyes only, as the films are.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hw_sim.bench.report import Report
from hw_sim.bench.timeline.facts import Timeline
from hw_sim.bench.timeline.page import page_of
from hw_sim.bench.timeline.pictures import pictures_of
from hw_sim.bench.timeline.recording import Reel, data_uri
from hw_sim.bench.timeline.tell import timeline_of
from hw_sim.bench.world import World
from protocol.layout import CHAIN_NAME, RECEIPT_SUFFIX, proof_name
from protocol.policy import TrustedPolicy
from protocol.receipt import ReceiptWithProof
from protocol.verify.chain import ChainReport, verify_chain
from protocol.verify.shift import ShiftEvidence, TrustReport

PAGE_NAME: Final = "timeline.html"
INLINE_SIZE_BYTES_MAX: Final = 12 * 1024 * 1024
"""A larger film is played from its file beside the page."""
INLINE_SIZE_BYTES_MAX_OF_PAGE: Final = 48 * 1024 * 1024


def with_timeline(world: World, report: Report) -> Report:
    """Write the page of a run that has ended, and return its report with the page named."""
    chains = (world.sealed, world.spool, world.card)
    path = write_timeline(world.out, report, policy=world.agency.policy, chains=chains, events_file=world.events_file)
    return report.model_copy(update={"timeline": world.relative(path)})


def write_timeline(
    out: Path, report: Report, *, policy: TrustedPolicy, chains: tuple[Path, ...], events_file: Path
) -> Path:
    """Write the page into ``out`` and return its path; of two copies of a chain the one of the earlier folder counts."""
    shifts = shifts_below(chains, policy)
    timeline = timeline_of(report=report, shifts=shifts, events=read_events(events_file))
    path = out / PAGE_NAME
    written = page_of(timeline, _reels(out, timeline))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(written)
    return path


def shifts_below(folders: tuple[Path, ...], policy: TrustedPolicy) -> tuple[ShiftEvidence, ...]:
    """Return every shift of which a chain is found, once, with all receipts for it, in order."""
    trust = TrustReport(policy, None, is_root_confirmed=True, findings=())
    reports: dict[bytes, ChainReport] = {}
    receipts: dict[bytes, dict[ReceiptWithProof, None]] = {}
    for folder in folders:
        for path in sorted(folder.rglob(CHAIN_NAME)):
            report = verify_chain(path.read_bytes())
            if report is not None:
                reports.setdefault(report.shift_id, report)
                found = receipts.setdefault(report.shift_id, {})
                found |= dict.fromkeys(
                    ReceiptWithProof(signed=file.read_bytes(), proof=_bytes_of(path.with_name(proof_name(file.name))))
                    for file in sorted(path.parent.glob(f"*{RECEIPT_SUFFIX}"))
                )
    shifts = (ShiftEvidence(report, (), tuple(receipts[key]), trust) for key, report in reports.items())
    return tuple(
        sorted(shifts, key=lambda shift: 0 if shift.report.opened is None else shift.report.opened.shift_number)
    )


def _bytes_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def read_events(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Return what was said, line by line; a line that is cut off is passed over."""
    return tuple(_lines(path)) if path.exists() else ()


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _reels(out: Path, timeline: Timeline) -> dict[str, Reel]:
    """Return each recording's film: in the page itself where it is small, else by its path."""
    reels = {}
    left_bytes = INLINE_SIZE_BYTES_MAX_OF_PAGE
    for life in timeline.lives:
        path = None if life.mp4 is None else out / life.mp4
        if path is None or life.mp4 is None or not path.is_file():
            continue
        source, size_bytes = life.mp4, path.stat().st_size
        if size_bytes <= min(INLINE_SIZE_BYTES_MAX, left_bytes):
            source = data_uri("video/mp4", path.read_bytes())
            left_bytes -= size_bytes
        reels[life.recording_id] = Reel(source, life.mp4, pictures_of(path, poster_at_us=life.press_us))
    return reels
