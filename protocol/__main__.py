"""`sealcam-verify`: the verdict on sealed footage, offline, for anyone. Reads files and prints; everything else is pure."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from protocol.layout import CHAIN_NAME
from protocol.units import CBOR_SIZE_BYTES_MAX, CHAIN_SIZE_BYTES_MAX
from protocol.verdict import Finding, Verdict
from protocol.verify.chain import ChainReport
from protocol.verify.files import read_shift, succession_findings
from protocol.verify.shift import ShiftEvidence, judge, judge_trust

_READ_SIZE_BYTES: Final = 1024 * 1024
_FOLDERS_MAX: Final = 100_000
_EXAMPLES: Final = """examples:
  sealcam-verify o/central/objects
  sealcam-verify --root 1f0c…64 hex digits… shift-000001-5c0f… --json

exit code: 0 nothing is altered or missing (signed gaps included), and the issuer is confirmed or --root was not given;
           1 there are findings against the evidence or its issuer; 2 nothing here could be read as evidence"""


class UnusableInput(Exception):
    """What was given cannot be read as evidence at all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        root = _root_fingerprint(options.root)
        verdict = verify_folder(Path(options.path), root, policy_file=options.policy, enrolment_file=options.enrolment)
    except UnusableInput as error:
        print(f"sealcam-verify: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"sealcam-verify: cannot read {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    print(verdict.model_dump_json(indent=2) if options.json else _text(verdict))
    if verdict.verdict == "unreadable":
        return 2
    is_unasked = verdict.verdict == "issuer unconfirmed" and {
        f.kind for f in verdict.findings if f.finding_class == "issuer"
    } == {"root-unconfirmed"}
    return 0 if verdict.verdict.startswith("authentic") or is_unasked else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sealcam-verify",
        description="Say whether sealed footage is authentic: nothing altered, nothing missing. Needs no network and no key.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", metavar="PATH", help="a shift's folder, or any folder above such folders")
    parser.add_argument(
        "--root",
        metavar="FINGERPRINT|FILE",
        help="the agency's root fingerprint as it published it: 64 hex digits, or a file that holds them",
    )
    parser.add_argument(
        "--policy", metavar="FILE", type=Path, help="the signed policy, where it does not stand beside the chain"
    )
    parser.add_argument(
        "--enrolment",
        metavar="FILE",
        type=Path,
        help="the camera's enrolment, where it does not stand beside the chain",
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as one JSON object")
    return parser


def _root_fingerprint(given: str | None) -> bytes | None:
    if given is None:
        return None
    text = Path(given).read_text(encoding="ascii", errors="replace") if os.path.isfile(given) else given
    digits = "".join(text.split()).replace(":", "")
    try:
        fingerprint = bytes.fromhex(digits)
    except ValueError:
        fingerprint = b""
    if len(fingerprint) != 32:
        raise UnusableInput(
            f"--root {given!r} is no fingerprint: give the 64 hex digits that the agency published, or a file that holds them"
        )
    return fingerprint


def verify_folder(path: Path, root: bytes | None, *, policy_file: Path | None, enrolment_file: Path | None) -> Verdict:
    """Return the verdict on every shift at or below ``path``.

    Raises:
        UnusableInput: nothing there looks like evidence.
        OSError: a file cannot be read.
    """
    if not path.is_dir():
        raise UnusableInput(
            f"{path} is {'a file' if path.exists() else 'not there'}; give a folder that holds a shift's chain and media files"
        )
    folders = sorted(_shift_folders(path))
    if not folders:
        raise UnusableInput(
            f"{path} holds no file named {CHAIN_NAME} at any depth; give the folder of a shift, or one above it"
        )
    findings: list[Finding] = []
    shifts: list[ShiftEvidence] = []
    reports: dict[str, ChainReport] = {}
    for number, folder in enumerate(folders):
        _progress(f"shift {number + 1} of {len(folders)}")
        trust = judge_trust(
            signed_policy=_small(policy_file or folder / "policy"),
            enrolment=_small(enrolment_file or folder / "enrolment"),
            root_fingerprint=root,
        )
        label = folder.relative_to(path).as_posix()
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
        evidence, problems = read_shift(
            folder="" if label == "." else label,
            names=names,
            read=lambda name, at=folder: _pieces(at / name),
            trust=trust,
        )
        findings += problems
        if evidence is not None:
            shifts.append(evidence)
            reports[label] = evidence.report
    _progress("")
    findings += succession_findings(reports)
    return judge(shifts, findings=findings)


def _shift_folders(path: Path) -> Iterator[Path]:
    for count, (folder, _, names) in enumerate(os.walk(path)):
        if count > _FOLDERS_MAX:
            raise UnusableInput(f"{path} has more than {_FOLDERS_MAX} folders; give one nearer to the evidence")
        looks_like_shift = CHAIN_NAME in names or any(name.endswith(".media") for name in names)
        if looks_like_shift:
            yield Path(folder)


def _small(path: Path) -> bytes | None:
    """Return a small file's bytes, one more than may be so that too large ones are noticed; None when it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(CBOR_SIZE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None


def _pieces(path: Path) -> Iterator[bytes]:
    """Return a file's bytes in pieces; a chain is cut off at the most that one may have."""
    left = CHAIN_SIZE_BYTES_MAX if path.name == CHAIN_NAME else sys.maxsize
    with path.open("rb") as file:
        while left > 0 and (data := file.read(min(left, _READ_SIZE_BYTES))):
            left -= len(data)
            yield data


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _text(verdict: Verdict) -> str:
    lines = [verdict.sentence, ""]
    for recording in verdict.recordings:
        seconds = recording.duration_us / 1_000_000
        receipt = "receipted" if recording.has_receipt else "no receipt at hand"
        lines.append(
            f"  recording {recording.recording_id}  {seconds:8.1f} s  {recording.chunk_count:5d} chunks  {recording.size_bytes:12,d} bytes  {receipt}"
        )
    for title, classes in (
        ("Altered or incomplete:", ("altered", "incomplete")),
        ("Issuer:", ("issuer",)),
        ("Gaps that the camera signed:", ("gap",)),
        ("Withheld:", ("cut",)),
        ("Notes:", ("note",)),
    ):
        found = [finding for finding in verdict.findings if finding.finding_class in classes]
        if found:
            lines += ["", title, *(f"  {finding.sentence()}" for finding in found)]
    if verdict.root_fingerprint is not None:
        state = "confirmed: it is the one given with --root" if verdict.is_root_confirmed else "not confirmed"
        lines += ["", f"Root fingerprint {verdict.root_fingerprint} ({state})."]
        if not verdict.is_root_confirmed:
            lines.append("Compare it with the one that the agency published, or give that one with --root.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
