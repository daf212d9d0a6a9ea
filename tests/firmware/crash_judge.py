"""Judges what is left on a card, by the format's own verifier and the numbered invariants (ARCHITECTURE.md, I1 and I2).

A sentence that it returns is a violation and begins with the number of what was broken, or with "keys" (spec/03-recording.md, 3.5
and spec/02-chain.md, 2.3: nothing is sealed twice, a one-time key signs once).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from firmware.app.checkpoints import FOLDER as LEDGER_FOLDER
from hw_sim.crash_disk import Image
from hw_sim.crash_store import Appended
from protocol.chain import Entry, RecordReader, parse_body
from protocol.entries import Chunk, Erased
from protocol.errors import PeerError
from protocol.layout import CHAIN_NAME, RECEIPT_SUFFIX, key_box_name, media_name, parse_shift_folder, proof_name
from protocol.ledger.checkpoint import parse_signed_checkpoint
from protocol.receipt import ReceiptWithProof, receipt_hash, verify_receipt
from protocol.receipt_proof import shown_in
from protocol.verdict import Finding
from protocol.verify.chain import ChainReport, verify_chain
from protocol.verify.files import read_shift, succession_findings
from protocol.verify.shift import TrustReport
from tests.firmware.crash_world import AGENCY, KEY, Promise

_TRUST: Final = TrustReport(AGENCY.trusted, KEY, True, ())
_EXCUSED: Final = frozenset({"resumed-unclean", "recording-interrupted", "pre-event-short", "receipt-missing"})


@dataclass(frozen=True)
class Card:
    """What stands on a card, read without the camera's own code for it."""

    image: Image
    reports: Mapping[str, ChainReport]
    erased: Mapping[tuple[bytes, bytes | None], Erased]

    @classmethod
    def of(cls, image: Image, *, is_recovered: bool = False) -> "Card":
        """Read the chains; of a card that `damaged` judges too, together with the other files, and only once."""
        found = {
            folder: _read(folder, tuple(sorted(files.items())))[0]
            if is_recovered
            else _report(files.get(CHAIN_NAME, b""))
            for folder, files in image.items()
        }
        reports = {folder: report for folder, report in found.items() if report is not None}
        bodies = [body for report in reports.values() for _, body in report.bodies]
        return cls(
            image, reports, {(each.shift_id, each.recording_id): each for each in bodies if isinstance(each, Erased)}
        )

    @property
    def shifts(self) -> Image:
        """Return the folders but the one in which the camera remembers the ledger."""
        return {folder: files for folder, files in self.image.items() if folder != LEDGER_FOLDER}

    def folder_of(self, shift_id: bytes) -> str | None:
        """Return the folder of a shift, if it is there."""
        names = ((parse_shift_folder(folder), folder) for folder in self.image)
        return next((folder for parsed, folder in names if parsed is not None and parsed[1] == shift_id), None)


def lost(card: Card, promises: Iterable[Promise]) -> Iterator[str]:
    """Find chunks that were durable and stand in no chain (I1), and files that are gone without leave (I2)."""
    standing = {
        (view.recording_id, each.chunk.index)
        for report in card.reports.values()
        for view in report.recordings
        for each in view.chunks
    }
    for promise in promises:
        recording = f"recording {promise.recording_id.hex()[:8]}"
        folder = card.folder_of(promise.shift_id)
        has_chain = folder is not None and CHAIN_NAME in card.image[folder]
        if not has_chain and (promise.shift_id, None) not in card.erased:
            yield f"I2: the chain of {recording} is gone, and no entry says that it was erased"
        if has_chain and (promise.recording_id, promise.index) not in standing:
            yield f"I1: chunk {promise.index} of {recording} was durable, and is in no chain"
        yield from _gone_without_leave(card, promise, folder)


def _gone_without_leave(card: Card, promise: Promise, folder: str | None) -> Iterator[str]:
    files = {} if folder is None else card.image[folder]
    missing = {key_box_name(promise.recording_id), media_name(promise.recording_id, 0)} - set(files)
    entry = card.erased.get((promise.shift_id, promise.recording_id))
    if not missing or (promise.shift_id, None) in card.erased:
        return
    if entry is None:
        yield f"I2: {sorted(missing)[0]} is gone, and no entry says that it was erased"
        return
    name = next(
        (
            name
            for name, data in files.items()
            if name.endswith(RECEIPT_SUFFIX) and receipt_hash(data) == entry.receipt_hash
        ),
        None,
    )
    if name is None:
        yield f"I2: {sorted(missing)[0]} is gone, and the receipt for it is not on the card"
    else:
        fault = _unproved(ReceiptWithProof(signed=files[name], proof=files.get(proof_name(name))), card)
        if fault is not None:
            yield f"I2: {sorted(missing)[0]} is gone, and {fault}"


def _unproved(brought: ReceiptWithProof, card: Card) -> str | None:
    """Say what the card lacks of the ledger behind which a receipt erased; None when it has all of it."""
    try:
        shown = shown_in(brought, verify_receipt(brought.signed, AGENCY.policy), AGENCY.policy)
    except PeerError as error:
        return f"its receipt does not stand in the ledger: {error}"
    notes = card.image.get(LEDGER_FOLDER, {}).items()
    sizes = [parse_signed_checkpoint(data).checkpoint.size for name, data in notes if name.endswith(".checkpoint")]
    assert shown is not None
    if max(sizes, default=0) < shown.checkpoint.size:
        return f"the card has forgotten that it accepted a tree of {shown.checkpoint.size} leaves"
    return None


def damaged(card: Card, *, open_folder: str) -> Iterator[str]:
    """Find what a power cut does not excuse in a card that was recovered (I1)."""
    for folder, files in card.shifts.items():
        for finding in _read(folder, tuple(sorted(files.items())))[1]:
            if not _is_excused(finding, card, is_open=folder == open_folder):
                yield f"I1: {finding.sentence()}"
    for finding in succession_findings(card.reports):
        if not _is_of_erased_shift(finding, card):
            yield f"I1: {finding.sentence()}"
    numbers = [report.opened.shift_number for report in card.reports.values() if report.opened is not None]
    if len(set(numbers)) != len(card.shifts):
        yield f"I1: shifts {sorted(numbers)} stand in {len(card.shifts)} folders"
    for report in card.reports.values():
        opened = report.opened
        if opened is not None and (opened.previous_shift is None) != (opened.shift_number == 1):
            yield f"I1: shift {opened.shift_number} names {opened.previous_shift} as the shift before"


def _is_of_erased_shift(finding: Finding, card: Card) -> bool:
    """Say whether what is missing before a shift is one that was erased behind its receipts."""
    report = card.reports.get((finding.place.file or "").rsplit("/", 1)[0])
    named = None if report is None or report.opened is None else report.opened.previous_shift
    is_absence = finding.kind in ("shift-missing", "shift-before-absent")
    return is_absence and named is not None and (named.shift_id, None) in card.erased


# Most of a card is the same in the next state: the same bytes are judged once.


@lru_cache(maxsize=2000)
def _report(chain: bytes) -> ChainReport | None:
    return verify_chain(chain, camera_key=KEY)


@lru_cache(maxsize=2000)
def _read(folder: str, files: tuple[tuple[str, bytes], ...]) -> tuple[ChainReport | None, tuple[Finding, ...]]:
    """Return the report on a shift's chain, and what the verifier finds in its folder."""
    held = dict(files)
    evidence, findings = read_shift(
        folder=folder, names=list(held), read=lambda name: iter((held[name],)), trust=_TRUST
    )
    if evidence is None:
        return None, findings
    return evidence.report, (*findings, *evidence.report.findings, *evidence.findings)


def _is_excused(finding: Finding, card: Card, *, is_open: bool) -> bool:
    place = finding.place
    if finding.kind == "media-missing" and place.recording_id is not None and place.shift_id is not None:
        return (bytes.fromhex(place.shift_id), bytes.fromhex(place.recording_id)) in card.erased
    return finding.kind in _EXCUSED or (is_open and finding.kind == "chain-not-closed")


class KeyWatch:
    """Sees everything that was ever handed to a card, over several lives: no key is used for two things."""

    def __init__(self) -> None:
        self._heads: dict[tuple[bytes, bytes], bytes] = {}
        self._parts: dict[tuple[bytes, int, str], bytes] = {}
        self._media: dict[tuple[str, int], bytes] = {}

    def watch(self, appended: Iterable[Appended]) -> Iterator[str]:
        """Take what was handed over, and find what broke the law."""
        for item in appended:
            if item.name == CHAIN_NAME:
                yield from self._record(item.data)
            elif self._media.setdefault((item.name, item.offset_bytes), item.data) != item.data:
                yield f"keys: two ciphertexts for byte {item.offset_bytes} of {item.name}"

    def _record(self, record: bytes) -> Iterator[str]:
        signed, parts = _facts(record)
        # The entry before names the key, so its hash stands for it.
        if signed is not None and self._heads.setdefault(signed[:2], signed[2]) != signed[2]:
            yield f"keys: the one-time key named by entry {signed[1].hex()[:8]} signed two heads"
        for place, part_hash in parts:
            if self._parts.setdefault(place, part_hash) != part_hash:
                yield f"keys: part {place[2]} of chunk {place[1]} was sealed twice"


Signed = tuple[bytes, bytes, bytes]
SealedPart = tuple[tuple[bytes, int, str], bytes]


@lru_cache(maxsize=10_000)
def _facts(record: bytes) -> tuple[Signed | None, tuple[SealedPart, ...]]:
    """Return shift, entry before and head, where a one-time key signed it, and the parts that it describes."""
    entry = entry_of(record)
    head, body = entry.head, parse_body(entry)
    parts = body.parts if isinstance(body, Chunk) else ()
    sealed = [((body.recording_id, body.index, part.kind), part.hash) for part in parts if isinstance(body, Chunk)]
    if entry.entry_signature is None:
        return None, tuple(sealed)
    assert head.previous is not None
    return (head.shift_id, head.previous, entry.head_bytes), tuple(sealed)


def entry_of(record: bytes) -> Entry:
    """Return the entry in a whole record."""
    (found,) = RecordReader().feed(record)
    assert found.entry is not None
    return found.entry
