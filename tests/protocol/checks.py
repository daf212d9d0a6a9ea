"""What a verifier said of a chain, in forms that a test can compare with a string."""

from collections.abc import Sequence

from protocol.chain import Entry, parse_body
from protocol.verify.chain import ChainReport, verify_chain
from tests.protocol.shifts import DEVICE, Shift, records


def check(data: bytes | Sequence[Entry], camera_key: bytes | None = DEVICE.public_key) -> ChainReport:
    report = verify_chain(data if isinstance(data, bytes) else records(data), camera_key=camera_key)
    assert report is not None
    return report


def kinds(report: ChainReport) -> list[str]:
    return [finding.kind for finding in report.findings]


def grave(report: ChainReport) -> list[str]:
    """Return the kinds that make the chain altered or incomplete."""
    return [found.kind for found in report.findings if found.finding_class in ("altered", "incomplete")]


def standing(shift: Shift, report: ChainReport) -> str:
    """Return the story with a dot for each entry that does not stand as the camera wrote it, `!` for one it never wrote."""
    found = dict(report.bodies)
    genuine = [parse_body(entry) for entry in shift.entries]
    letters = [
        letter if found.get(index) == body else "." if index not in found else "!"
        for index, (letter, body) in enumerate(zip(shift.story, genuine, strict=True))
    ]
    return "".join(letters) + "!" * sum(sequence >= len(genuine) for sequence in found)


def first_grave(report: ChainReport) -> tuple[str, int | None]:
    """Return kind and sequence of the first finding that makes the chain altered or incomplete."""
    found = next(found for found in report.findings if found.finding_class in ("altered", "incomplete"))
    return found.kind, found.place.sequence
