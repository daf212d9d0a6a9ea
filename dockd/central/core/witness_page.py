"""The witness's page for people: what it is, and what it saw, in plain words. Text in, HTML out; it asks nobody for anything."""

import base64
import hashlib
from html import escape
from typing import Final

from dockd.central.core.witness_report import LogReport, Refusal, Report, Tally, utc
from protocol.ledger.text import format_base64

_CSS: Final = """
:root {
  --ground: #eef1f4; --sheet: #ffffff; --ink: #16202a; --soft: #4d5b69; --line: #cfd7df; --accent: #0a58a6;
  --good: #17663a; --bad: #a01c2a; --bad-ground: #fbe9ea; --wait: #7a4b00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e1419; --sheet: #172028; --ink: #e8eef3; --soft: #a7b5c2; --line: #33424f; --accent: #7db9f5;
    --good: #7fd6a2; --bad: #ff9aa2; --bad-ground: #3a161b; --wait: #f2c572;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; color-scheme: light dark; }
body {
  margin: 0; padding: 28px clamp(12px, 4vw, 40px) 48px; background: var(--ground); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
header, main, footer { max-width: 800px; margin: 0 auto; }
h1, h2, p, dl, dd, ol { margin: 0; padding: 0; }
h1 { font-size: clamp(1.6rem, 1.3rem + 1.5vw, 2.3rem); line-height: 1.15; margin: 6px 0 14px; }
dl + p { margin-top: 14px; }
h2 { font-size: 1.25rem; line-height: 1.3; margin-bottom: 8px; }
.kind, dt, .small { color: var(--soft); }
.small { font-size: 0.92rem; }
.lead { max-width: 68ch; margin-bottom: 10px; }
section { background: var(--sheet); border: 1px solid var(--line); border-left: 8px solid var(--good); border-radius: 10px;
  padding: clamp(16px, 3vw, 26px); margin-top: 20px; }
section.waits { border-left-color: var(--wait); }
section.plain { border-left-width: 1px; border-left-color: var(--line); }
section.forked { border-left-color: var(--bad); }
.said { font-size: 1.1rem; font-weight: 650; margin-bottom: 14px; color: var(--good); }
.waits .said { color: var(--wait); }
.forked .said { color: var(--bad); }
dl { display: grid; grid-template-columns: minmax(0, 11rem) minmax(0, 1fr); gap: 6px 18px; }
dd + dt { border: 0; }
code { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "Liberation Mono", monospace; font-size: 0.92em; }
pre { margin: 12px 0 0; padding: 12px; background: var(--bad-ground); border-radius: 6px; white-space: pre-wrap; font-size: 0.88rem; }
a { color: var(--accent); text-underline-offset: 2px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
footer { margin-top: 22px; }
@media (max-width: 540px) { dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: 10px; } }
"""
_CSS_HASH: Final = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
CONTENT_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_CSS_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_LEAD: Final = (
    "This is an independent witness of public ledgers. A ledger is a list that may only grow, such as the list in which a police "
    "agency enters every recording of its body-worn cameras.",
    "Each time a ledger grows, its keeper shows this witness a proof that everything which stood in it before still stands there, "
    "unchanged. If the proof holds, the witness writes down the new size and fingerprint, and then signs them. It never signs a "
    "smaller ledger, or another one of the same size. So nobody can take an entry back, or show one ledger to some "
    "and another to others, without this signature being missing.",
    "The witness sees no footage, no names, and not what the entries say.",
)


def page_of(report: Report) -> tuple[bytes, str]:
    """Return the page, and the policy (CSP) that lets it load nothing."""
    parts = [_log(report, log) for log in report.logs] or [_NO_LOG]
    text = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Witness {escape(report.name)}</title>
<link rel="icon" href="data:,">
<style>{_CSS}</style>
</head>
<body>
<header>
<p class="kind">Sealcam witness</p>
<h1>{escape(report.name)}</h1>
{"".join(f'<p class="lead">{sentence}</p>' for sentence in _LEAD)}
</header>
<main>
{"".join(parts)}
{_about(report)}
</main>
<footer class="small">
<p>As of {utc(report.now_s)}, by this machine's clock. For machines: <a href="state.json">state.json</a></p>
</footer>
</body>
</html>
"""
    return text.encode(), CONTENT_POLICY


_NO_LOG: Final = """<section class="waits"><h2>No ledger</h2>
<p class="said">This witness watches no ledger yet.</p>
<p>Name one with <code>sealcam-central witness trust</code>, and start the witness again.</p></section>
"""


def _log(report: Report, log: LogReport) -> str:
    rows: list[tuple[str, str]] = []
    if log.size is None or log.root is None or log.at_s is None:
        kind, said = "waits", "Nothing seen yet. The keeper of this ledger has not asked for a signature."
    else:
        kind, said = "grows", f"Only grown, as far as this witness saw: {_entries(log.size)}."
        rows += [
            ("Last signed", f"<time>{utc(log.at_s)}</time>"),
            ("Entries", f"{log.size:,d}"),
            ("Fingerprint (root hash)", f"<code>{format_base64(log.root)}</code>"),
            ("As signed", f'<a href="{log.origin_hash}/checkpoint">checkpoint with this signature</a>'),
        ]
    if log.fork is not None:
        kind = "forked"
        said = "The keeper of this ledger signed two different ledgers of one size. The second one was not signed here."
    if report.started_at_s is not None:
        rows += _tally(log.tally)
    fork = "" if log.fork is None else _fork(log.fork)
    listed = "".join(f"<dt>{what}</dt><dd>{value}</dd>" for what, value in rows)
    return (
        f'<section class="{kind}" data-origin="{escape(log.origin)}"><h2>{escape(log.origin)}</h2>'
        f'<p class="said">{said}</p><dl>{listed}</dl>{fork}</section>\n'
    )


def _fork(data: bytes) -> str:
    return (
        "<p>This is the second one, as its keeper signed it. Together with the checkpoint above it proves to anybody that "
        f"the ledger was shown in two versions:</p><pre>{escape(data.decode(errors='replace'))}</pre>"
    )


def _entries(size: int) -> str:
    return "1 entry" if size == 1 else f"{size:,d} entries"


def _tally(tally: Tally) -> list[tuple[str, str]]:
    return [
        ("Signed", _times(tally.cosigned_count)),
        ("Asked how far it saw", _times(tally.asked_count)),
        ("Refused", _times(tally.refused_count)),
        ("Last refusal", _refusal(tally.last_refusal)),
    ]


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,d} times")


# What the refusals of spec/08-ledger.md, 8.11 mean to a reader; a server's own come with a status too.
_MEANING: Final = {
    400: "the request was not in its proper form",
    403: "the ledger's key had not signed it",
    404: "this witness does not watch that ledger",
    422: "it did not show that the ledger had only grown",
}


def _refusal(refusal: Refusal | None) -> str:
    if refusal is None:
        return "none"
    meaning = _MEANING.get(refusal.status, "it could not be answered")
    return f'{utc(refusal.at_s)}: {meaning}.<br><span class="small">{escape(refusal.reason)}</span>'


def _about(report: Report) -> str:
    counted = ""
    if report.started_at_s is not None:
        strangers = report.strangers
        counted = (
            f"<dt>Counting since</dt><dd>{utc(report.started_at_s)}</dd>"
            f"<dt>Other requests refused</dt><dd>{_times(strangers.refused_count)}</dd>"
            f"<dt>Last one</dt><dd>{_refusal(strangers.last_refusal)}</dd>"
        )
    return (
        '<section class="plain"><h2>About this witness</h2><dl>'
        f"<dt>Its key</dt><dd><code>{escape(report.verifier_key)}</code></dd>{counted}</dl></section>"
    )
