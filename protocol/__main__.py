"""`sealcam-verify`: the verdict on sealed footage, offline, for anyone. Reads files and prints; everything else is pure."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from protocol.layout import CHAIN_NAME
from protocol.units import CBOR_SIZE_BYTES_MAX, CHAIN_SIZE_BYTES_MAX
from protocol.verdict import Finding, Verdict
from protocol.verify.chain import ChainReport
from protocol.verify.files import read_shift, succession_findings
from protocol.verify.shift import ShiftEvidence, judge, judge_trust
from protocol.verify.shift_timeline import Span, shift_timeline

_READ_SIZE_BYTES: Final = 1024 * 1024
_FOLDERS_MAX: Final = 100_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXAMPLES: Final = """examples:
  sealcam-verify o/central/objects
  sealcam-verify --root 1f0c…64 hex digits… shift-000001-5c0f… --json
  sealcam-verify --shift shift-000001-5c0f…       when it recorded, and when the camera signed that it did not

exit code: 0 nothing is altered or missing (signed gaps included), and the issuer is confirmed or --root was not given;
           1 there are findings against the evidence or its issuer; 2 nothing here could be read as evidence"""


class UnusableInput(Exception):
    """What was given cannot be read as evidence at all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        root = _root_fingerprint(options.root)
        verdict, reports = read_folder(
            Path(options.path), root, policy_file=options.policy, enrolment_file=options.enrolment, progress=_progress
        )
    except UnusableInput as error:
        print(f"sealcam-verify: {_printable(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:
        text = f"cannot read {error.filename}: {error.strerror}; make it readable, or give another folder"
        print(f"sealcam-verify: {_printable(text)}", file=sys.stderr)
        return 2
    timelines = {folder: shift_timeline(report) for folder, report in reports.items()} if options.shift else None
    print(_json(verdict, timelines) if options.json else _text(verdict) + _timeline_text(timelines or {}))
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
    parser.add_argument(
        "--shift", action="store_true", help="show of each shift when it recorded, when not, and what is not proven"
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
    """Return the verdict on every shift at or below ``path``; raises as `read_folder`."""
    return read_folder(path, root, policy_file=policy_file, enrolment_file=enrolment_file)[0]


def read_folder(
    path: Path,
    root: bytes | None,
    *,
    policy_file: Path | None,
    enrolment_file: Path | None,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Verdict, dict[str, ChainReport]]:
    """Return the verdict on every shift at or below ``path``, and what each chain says, by its folder.

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
    # A shift's folder has its name in the findings also where it was given itself: the chain must be of that shift.
    base = Path(path.resolve().name) if path in folders else Path()
    findings: list[Finding] = []
    shifts: list[ShiftEvidence] = []
    reports: dict[str, ChainReport] = {}
    for number, folder in enumerate(folders):
        progress(f"shift {number + 1} of {len(folders)}")
        trust = judge_trust(
            signed_policy=_beside(folder, "policy") if policy_file is None else _small(policy_file),
            enrolment=_beside(folder, "enrolment") if enrolment_file is None else _small(enrolment_file),
            root_fingerprint=root,
        )
        label = _printable((base / folder.relative_to(path)).as_posix())
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
        evidence, problems = read_shift(folder=label, names=names, read=partial(_pieces, folder), trust=trust)
        findings += problems
        if evidence is not None:
            shifts.append(evidence)
            reports[label] = evidence.report
    progress("")
    findings += succession_findings(reports)
    return judge(shifts, findings=findings), reports


def _shift_folders(path: Path) -> Iterator[Path]:
    for count, (folder, _, names) in enumerate(os.walk(path, onerror=_refuse)):
        if count > _FOLDERS_MAX:
            raise UnusableInput(f"{path} has more than {_FOLDERS_MAX} folders; give one nearer to the evidence")
        looks_like_shift = CHAIN_NAME in names or any(name.endswith(".media") for name in names)
        if looks_like_shift:
            yield Path(folder)


def _refuse(error: OSError) -> None:
    """Stop at a folder that cannot be read: what is in it would be missing from the verdict without a word."""
    raise error


def _beside(folder: Path, name: str) -> bytes | None:
    """Return a small file that may stand beside a chain; None where there is none."""
    try:
        return _small(folder / name)
    except FileNotFoundError:
        return None


def _small(path: Path) -> bytes:
    """Return a small file's bytes, one more than may be so that too large ones are noticed."""
    with path.open("rb") as file:
        return file.read(CBOR_SIZE_BYTES_MAX + 1)


def _pieces(folder: Path, name: str) -> Iterator[bytes]:
    """Return a file's bytes in pieces; of a chain no more than its reader needs to see that it is too long."""
    left = CHAIN_SIZE_BYTES_MAX + 1 if name == CHAIN_NAME else sys.maxsize
    with (folder / name).open("rb") as file:
        while left > 0 and (data := file.read(min(left, _READ_SIZE_BYTES))):
            left -= len(data)
            yield data


def _printable(text: str) -> str:
    """Return text with everything escaped that a terminal would act on or that cannot be printed: names are not ours."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


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
        if any(finding.kind == "root-mismatch" for finding in verdict.findings):
            lines.append(
                "It is not the one given with --root: this was issued by somebody else, or the policy was exchanged."
            )
        elif not verdict.is_root_confirmed:
            lines.append("Compare it with the one that the agency published, or give that one with --root.")
    return "\n".join(_printable(line) for line in lines)


def _json(verdict: Verdict, timelines: dict[str, tuple[Span, ...]] | None) -> str:
    if timelines is None:
        return verdict.model_dump_json(indent=2)
    shifts = [{"folder": folder, "spans": [span.as_json() for span in spans]} for folder, spans in timelines.items()]
    return json.dumps({**verdict.model_dump(), "shifts": shifts}, indent=2)


def _timeline_text(timelines: dict[str, tuple[Span, ...]]) -> str:
    """Say when the camera recorded, when not, and what is not proven; times are what its own clock claimed."""
    lines = []
    for folder, spans in timelines.items():
        lines += ["", "", f"{folder}, by the camera's clock (UTC):"]
        for span in spans:
            begin, end = (
                (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
                for ms in (span.begin_utc_ms, span.end_utc_ms)
            )
            what = span.state.value if span.recording_id is None else f"{span.state.value} {span.recording_id.hex()}"
            reason = "" if span.reason is None else f": {span.reason}"
            lines.append(f"  {begin} to {end[11:]}  {what}{reason}  (entries {span.first} to {span.last})")
    return "\n".join(_printable(line) for line in lines)


if __name__ == "__main__":
    sys.exit(main())
