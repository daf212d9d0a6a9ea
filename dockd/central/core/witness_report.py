"""What a witness says of itself and of the logs that it watches: as a value, as JSON, and as a table. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from protocol.ledger.text import format_base64


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was not cosigned, and why."""

    at_s: int
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What was answered since the witness started. ``asked_count``: answers with the known size, which is how a log asks for it."""

    cosigned_count: int = 0
    asked_count: int = 0
    refused_count: int = 0
    last_refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class LogReport:
    """One log. ``size`` None: nothing was cosigned yet. ``fork``: a second tree of one size that the log signed."""

    origin: str
    origin_hash: str
    size: int | None
    root: bytes | None
    at_s: int | None
    tally: Tally
    fork: bytes | None


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. ``started_at_s`` None: the state was looked at without the server. ``strangers``: requests of no log that is watched."""

    name: str
    verifier_key: str
    now_s: int
    started_at_s: int | None
    logs: tuple[LogReport, ...]
    strangers: Tally


def utc(at_s: int) -> str:
    """Return a time as people write it."""
    try:
        moment = datetime.fromtimestamp(at_s, UTC)
    except (OverflowError, ValueError, OSError):  # beyond the year 9999: a clock that was set to nonsense
        return f"{at_s} s after 1970"
    return f"{moment.day} {moment:%B %Y, %H:%M:%S} UTC"


def as_data(report: Report) -> dict[str, Any]:
    """Return what `/state.json` and `show --json` print; counts only where a server counted."""
    return {
        "name": report.name,
        "verifier_key": report.verifier_key,
        "now_s": report.now_s,
        "started_at_s": report.started_at_s,
        "logs": [_log_data(report, log) for log in report.logs],
        **({} if report.started_at_s is None else {"strangers": _tally_data(report.strangers)}),
    }


def _log_data(report: Report, log: LogReport) -> dict[str, Any]:
    return {
        "origin": log.origin,
        "origin_hash": log.origin_hash,
        "size": log.size,
        "root": None if log.root is None else format_base64(log.root),
        "cosigned_at_s": log.at_s,
        "fork": None if log.fork is None else log.fork.decode(errors="replace"),
        **({} if report.started_at_s is None else _tally_data(log.tally)),
    }


def _tally_data(tally: Tally) -> dict[str, Any]:
    last = tally.last_refusal
    return {
        "cosigned_count": tally.cosigned_count,
        "asked_count": tally.asked_count,
        "refused_count": tally.refused_count,
        "last_refusal": None if last is None else {"at_s": last.at_s, "status": last.status, "reason": last.reason},
    }


def as_text(report: Report) -> str:
    """Return what `show` prints."""
    lines = [f"witness  {report.name}", f"key      {report.verifier_key}"]
    if not report.logs:
        lines.append("watches no log yet: sealcam-central witness trust")
    for log in report.logs:
        lines += ["", f"log      {log.origin}"]
        if log.size is None or log.root is None or log.at_s is None:
            lines.append("seen     nothing yet")
        else:
            lines += [f"size     {log.size:,d}", f"root     {format_base64(log.root)}", f"cosigned {utc(log.at_s)}"]
        if log.fork is not None:
            lines.append("FORK     this log signed a second tree of one size; it is kept beside the state, as evidence")
    return "\n".join(lines)
