"""The witness: holds each request against what it keeps, makes the new state durable, and only then gives the cosignature.

One lock around reading, deciding, keeping and signing: of two requests at once, the second is held against the first
(spec/08-ledger.md, 8.11; crash points in dockd/design/witness.md).
"""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from dockd.central.core.witness import (
    FORK_SUFFIX,
    NEW_SUFFIX,
    STATE_SUFFIX,
    Seen,
    cosign,
    is_repeat,
    origin_hash,
    parse_seen,
    proves_fork,
    without_others,
)
from dockd.central.core.witness_page import page_of
from dockd.central.core.witness_report import LogReport, Refusal, Report, Tally, as_data
from dockd.central.errors import StateFault, StateUncertain
from dockd.central.ports import Clock, OnEvent
from dockd.central.witness_ports import Answer, StateDisk, Witnessing
from protocol.errors import LedgerRefused
from protocol.keys import EntryKey
from protocol.ledger.add_checkpoint import (
    HTTP_STATUS,
    AddCheckpoint,
    Outcome,
    decide,
    parse_add_checkpoint,
)
from protocol.ledger.note import COSIGNATURE_TYPE, VerifierKey

PLAIN: Final = "text/plain; charset=utf-8"


class Witness:
    """Watches some logs. Any thread may call it."""

    def __init__(
        self,
        *,
        name: str,
        key: EntryKey,
        logs: Mapping[str, tuple[bytes, ...]],
        disk: StateDisk,
        clock: Clock,
        on_event: OnEvent,
        is_serving: bool = True,
    ) -> None:
        """Take up what is kept. ``logs``: origins, each with the keys that sign that log's checkpoints.

        Raises:
            StateFault: a state is damaged, or another witness's; nothing is cosigned on a guess.
        """
        self._verifier: Final = VerifierKey(name, COSIGNATURE_TYPE, key.public_key)
        self._key, self._logs, self._disk, self._clock, self._on_event = key, dict(logs), disk, clock, on_event
        self._lock: Final = threading.Lock()
        self._uncertain: StateUncertain | None = None
        self._tallies: Final = {origin: Tally() for origin in logs}
        self._strangers = Tally()
        self._started_at_s: Final = self._now_s() if is_serving else None
        self._seen: Final = {origin: seen for origin in logs if (seen := self._load(origin)) is not None}
        self._forks: Final = {
            origin: fork for origin in logs if (fork := disk.read(origin_hash(origin) + FORK_SUFFIX)) is not None
        }
        self._last_at_s = self._last_time_signed()

    def add_checkpoint(self, body: bytes) -> Answer:
        """Return the answer to a request.

        Raises:
            StateUncertain: as of now, or from an earlier request.
        """
        try:
            request = parse_add_checkpoint(body)
        except LedgerRefused as error:
            with self._lock:
                self._count_refusal(None, Outcome.MALFORMED, str(error))
            return Answer(HTTP_STATUS[Outcome.MALFORMED], PLAIN, f"{error}\n".encode())
        with self._lock:
            if self._uncertain is not None:
                raise self._uncertain
            try:
                return self._answer(request)
            except StateUncertain as error:
                self._uncertain = error
                raise

    def _answer(self, request: AddCheckpoint) -> Answer:
        checkpoint = request.signed.checkpoint
        origin = checkpoint.origin
        keys, seen, now_s = self._logs.get(origin, ()), self._seen.get(origin), self._now_s()
        decision = decide(request, keys, None if seen is None else seen.head)
        if decision.outcome is not Outcome.COSIGN:
            self._count_refusal(origin, decision.outcome, decision.reason)
            if decision.outcome is Outcome.NOT_CONSISTENT and proves_fork(request.signed, decision.head):
                self._keep_fork(request, keys)
            return Answer(decision.status, *decision.refusal_body)
        if seen is None or not is_repeat(seen, request.signed, now_s):
            at_s = max(now_s, self._last_at_s)
            new = cosign(request.signed, keys, self._verifier, self._key, at_s=at_s)
            try:
                self._keep(origin_hash(origin) + STATE_SUFFIX, new.encoded())
            except StateFault as error:
                self._on_event("witness-trouble", {"origin": origin, "reason": str(error)})
                return Answer(503, PLAIN, b"the new state cannot be kept now, so nothing was cosigned\n")
            # Not before it is durable: what is in memory is what later requests are held against.
            seen = self._seen[origin] = new
            self._last_at_s = at_s
            self._on_event("witness-cosigned", {"origin": origin, "size": checkpoint.size, "cosigned_at_s": at_s})
        tally = self._tallies[origin]
        self._tallies[origin] = replace(tally, cosigned_count=tally.cosigned_count + 1)
        return Answer(HTTP_STATUS[Outcome.COSIGN], PLAIN, seen.line.line.encode())

    def _keep(self, name: str, data: bytes) -> None:
        """Put a file in place of the one of this name, durable on return; after a crash it is the old one or the new."""
        self._disk.write(name + NEW_SUFFIX, data)
        self._disk.sync(name + NEW_SUFFIX)
        self._disk.rename(name + NEW_SUFFIX, name)
        self._disk.sync_folder()

    def _keep_fork(self, request: AddCheckpoint, keys: tuple[bytes, ...]) -> None:
        """Keep the first proof that a log signed two trees of one size; with the state beside it, it convinces anybody."""
        origin = request.signed.checkpoint.origin
        if origin in self._forks:
            return
        data = without_others(request.signed, keys).encoded()
        try:
            self._keep(origin_hash(origin) + FORK_SUFFIX, data)
        except StateFault as error:
            self._on_event("witness-trouble", {"origin": origin, "reason": str(error)})
        self._forks[origin] = data
        self._on_event("witness-fork", {"origin": origin, "size": request.signed.checkpoint.size})

    def _count_refusal(self, origin: str | None, outcome: Outcome, reason: str) -> None:
        """Count what was not cosigned; to be called with the lock held."""
        tally = self._tallies.get(origin or "")
        is_stranger = tally is None
        counted = self._strangers if tally is None else tally
        if outcome is Outcome.CONFLICT:
            counted = replace(counted, asked_count=counted.asked_count + 1)
        else:
            refusal = Refusal(self._now_s(), HTTP_STATUS[outcome], reason)
            counted = replace(counted, refused_count=counted.refused_count + 1, last_refusal=refusal)
        if is_stranger:
            self._strangers = counted
        else:
            assert origin is not None
            self._tallies[origin] = counted
        self._on_event(
            "witness-refused",
            {"origin": None if origin is None else origin[:80], "status": HTTP_STATUS[outcome], "reason": reason},
        )

    def refuse(self, reason: str) -> None:
        """Count a request that was turned away unread."""
        with self._lock:
            self._count_refusal(None, Outcome.MALFORMED, reason)

    def checkpoint(self, origin_hash_hex: str) -> bytes | None:
        """Return the newest checkpoint that was cosigned."""
        with self._lock:
            found = (seen for origin, seen in self._seen.items() if origin_hash(origin) == origin_hash_hex)
            return next((seen.encoded() for seen in found), None)

    def page(self) -> tuple[bytes, str]:
        """Return the page for people, and its policy."""
        return page_of(self.report())

    def state(self) -> bytes:
        """Return the report as JSON."""
        return json.dumps(as_data(self.report()), indent=2).encode() + b"\n"

    def report(self) -> Report:
        """Return what this witness says of itself."""
        with self._lock:
            logs = tuple(self._log_report(origin) for origin in sorted(self._logs))
            strangers = self._strangers
        return Report(self._verifier.name, self._verifier.text, self._now_s(), self._started_at_s, logs, strangers)

    def _log_report(self, origin: str) -> LogReport:
        seen = self._seen.get(origin)
        head = None if seen is None else seen.head
        return LogReport(
            origin,
            origin_hash(origin),
            None if head is None else head.size,
            None if head is None else head.root,
            None if seen is None else seen.at_s,
            self._tallies[origin],
            self._forks.get(origin),
        )

    def _last_time_signed(self) -> int:
        """Return the newest time over all logs, those no longer watched among them: one key tells one story of time."""
        newest = max((seen.at_s for seen in self._seen.values()), default=1)
        for name in self._disk.names():
            if name.endswith(STATE_SUFFIX):
                with suppress(LedgerRefused):  # of a log that is watched it was refused above
                    newest = max(newest, parse_seen(self._disk.read(name) or b"", None, self._verifier).at_s)
        return newest

    def _now_s(self) -> int:
        return max(1, self._clock.unix_ms() // 1000)

    def _load(self, origin: str) -> Seen | None:
        name = origin_hash(origin) + STATE_SUFFIX
        data = self._disk.read(name)
        if data is None:
            return None
        try:
            return parse_seen(data, origin, self._verifier)
        except LedgerRefused as error:
            raise StateFault(
                f"the state {name} of {origin} cannot be used ({error})",
                expected="a checkpoint that this witness cosigned",
                next_step="find out what happened to it. Never delete it: without it this witness would sign a second "
                "history. If it cannot be had back, retire this key and begin with a new one",
            ) from error


_: type[Witnessing] = Witness
