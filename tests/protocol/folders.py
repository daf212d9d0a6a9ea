"""Folders of shifts in memory, and the verdict on them, as `sealcam-verify` would give it."""

from collections.abc import Iterator, Mapping
from functools import partial

from protocol.layout import shift_folder_name
from protocol.verdict import Finding, Verdict
from protocol.verify.chain import ChainReport, verify_chain
from protocol.verify.files import read_shift, succession_findings
from protocol.verify.shift import ShiftEvidence, TrustReport, judge, judge_trust
from tests.protocol.shifts import Shift
from tests.protocol.trust import AGENCY, Agency

Folder = dict[str, bytes]


def pieces_of(folder: Folder, name: str) -> Iterator[bytes]:
    data = folder[name]
    for at in range(0, len(data), 1000):
        yield data[at : at + 1000]


def report_of(shift: Shift) -> ChainReport:
    report = verify_chain(shift.chain, camera_key=shift.device.public_key)
    assert report is not None
    return report


def folder_of(shift: Shift, *, agency: Agency = AGENCY, with_receipts: bool = True) -> Folder:
    """Return everything that central has of a shift, by name."""
    receipts = agency.receipts(report_of(shift), shift.device) if with_receipts else ()
    return (
        shift.files
        | {"policy": agency.signed_policy, "enrolment": agency.enrol(shift.device)}
        | {f"{number:02d}.receipt": data for number, data in enumerate(receipts)}
    )


def name_of(shift: Shift, number: int = 1) -> str:
    return shift_folder_name(number, shift.shift_id)


def trust_of(folder: Folder, root: bytes | None = AGENCY.root_fingerprint) -> TrustReport:
    return judge_trust(signed_policy=folder.get("policy"), enrolment=folder.get("enrolment"), root_fingerprint=root)


def evidence_of(
    folder: Folder, *, name: str = "", root: bytes | None = AGENCY.root_fingerprint
) -> tuple[ShiftEvidence | None, tuple[Finding, ...]]:
    return read_shift(folder=name, names=sorted(folder), read=partial(pieces_of, folder), trust=trust_of(folder, root))


def verdict_on(folders: Mapping[str, Folder] | Folder, root: bytes | None = AGENCY.root_fingerprint) -> Verdict:
    """Return the verdict on one folder, or on several by name."""
    several: dict[str, Folder] = {}
    for name, value in folders.items():
        if isinstance(value, dict):
            several[name] = value
    if not several:
        several = {"": {name: value for name, value in folders.items() if isinstance(value, bytes)}}
    problems: list[Finding] = []
    shifts: list[ShiftEvidence] = []
    reports: dict[str, ChainReport] = {}
    for name, folder in several.items():
        evidence, found = evidence_of(folder, name=name, root=root)
        problems += found
        if evidence is not None:
            shifts.append(evidence)
            reports[name] = evidence.report
    return judge(shifts, findings=[*problems, *succession_findings(reports)])


def kinds_of(verdict: Verdict) -> list[str]:
    return [finding.kind for finding in verdict.findings]
