"""Findings and verdicts: what is learned about evidence, as frozen data (spec/05-verdict.md, 5.3 and 5.4)."""

from collections.abc import Iterable
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

FindingClass = Literal["altered", "incomplete", "gap", "issuer", "cut", "note"]
VerdictWord = Literal[
    "authentic", "authentic with signed gaps", "altered or incomplete", "issuer unconfirmed", "unreadable"
]

_KINDS_OF_CLASS: Final[dict[FindingClass, tuple[str, ...]]] = {
    "altered": (
        "record-unreadable", "entry-not-canonical", "entry-signature-invalid", "entry-signature-missing",
        "entry-signature-unexpected", "entry-key-unknown", "device-signature-invalid", "entry-out-of-sequence",
        "entry-not-linked", "entry-after-end", "body-mismatch", "body-invalid", "kind-out-of-place",
        "chunk-out-of-sequence", "part-hash-mismatch", "camera-mismatch", "receipt-contradicts", "key-box-mismatch",
    ),
    "incomplete": (
        "chain-empty", "chain-not-closed", "chain-missing", "shift-missing", "recording-missing", "recording-not-ended", "chunk-missing",
        "media-missing", "media-short", "media-excess", "file-unknown",
    ),
    "gap": ("frames-dropped", "resumed-unclean", "recording-interrupted"),
    "issuer": (
        "root-unconfirmed", "root-mismatch", "policy-missing", "policy-invalid", "enrolment-missing", "enrolment-invalid",
        "camera-revoked", "receipt-invalid", "proof-invalid",
    ),
    "cut": ("body-withheld", "part-withheld"),
    "note": ("kind-unknown", "pre-event-short", "receipt-missing", "receipt-unlogged", "shift-before-absent", "policy-of-shift-unknown"),
}  # fmt: skip
CLASS_OF_KIND: Final[dict[str, FindingClass]] = {
    kind: group for group, kinds in _KINDS_OF_CLASS.items() for kind in kinds
}


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Place(_Data):
    """Where something was found; what does not apply is None. Ids are hex."""

    shift_id: str | None = None
    sequence: int | None = None
    recording_id: str | None = None
    chunk_index: int | None = None
    part: str | None = None
    file: str | None = None
    offset_bytes: int | None = None

    def sentence(self) -> str:
        """Return the place in words."""
        words = (
            (self.file, "file {}"),
            (self.shift_id, "shift {}"),
            (self.recording_id, "recording {}"),
            (self.chunk_index, "chunk {}"),
            (self.part, "part {}"),
            (self.sequence, "entry {}"),
            (self.offset_bytes, "byte {}"),
        )
        return ", ".join(form.format(value) for value, form in words if value is not None)


class Finding(_Data):
    """One thing learned about the evidence."""

    kind: str
    place: Place
    text: str
    count: int = 1
    """How many things of this kind it stands for: more than one where there were too many to name each."""

    @property
    def finding_class(self) -> FindingClass:
        """Return the class that decides what the finding means for the verdict."""
        return CLASS_OF_KIND[self.kind]

    def sentence(self) -> str:
        """Return kind, place and text in one line."""
        return f"{self.kind}: {self.place.sentence()}: {self.text}"


class RecordingVerdict(_Data):
    """One recording in the verdict: how much of it there is, and what it rests on."""

    recording_id: str
    shift_id: str
    chunk_count: int
    duration_us: int
    size_bytes: int
    pre_event_ms: int
    has_receipt: bool
    assurance: int


class Verdict(_Data):
    """The answer for everything that was given."""

    verdict: VerdictWord
    assurance: int
    sentence: str
    findings: tuple[Finding, ...]
    recordings: tuple[RecordingVerdict, ...]
    shift_count: int
    entry_count: int
    receipt_count: int
    root_fingerprint: str | None
    is_root_confirmed: bool


def verdict_word(findings: Iterable[Finding], *, has_chain: bool) -> VerdictWord:
    """Return the verdict that the classes of ``findings`` make (5.4)."""
    if not has_chain:
        return "unreadable"
    classes = {finding.finding_class for finding in findings}
    if classes & {"altered", "incomplete"}:
        return "altered or incomplete"
    if "issuer" in classes:
        return "issuer unconfirmed"
    return "authentic with signed gaps" if "gap" in classes else "authentic"
