"""Asks witnesses for cosignatures over HTTP, all at once, each bounded in time and size (spec/08-ledger.md, 8.11).

A witness that is down, slow or lying has no line and an event that says why. What makes a checkpoint believed is decided
elsewhere, and never here.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from dockd.central.errors import SettingsFault
from dockd.central.ledger_ports import Cosigning
from dockd.central.ports import EventFields, OnEvent
from dockd.shared.errors import DockdError
from protocol.errors import LedgerRefused
from protocol.ledger.add_checkpoint import (
    HTTP_STATUS,
    AddCheckpoint,
    Outcome,
    format_add_checkpoint,
    parse_known_size,
)
from protocol.ledger.checkpoint import SignedCheckpoint
from protocol.ledger.note import COSIGNATURE_TYPE, Note, NoteSignature, VerifierKey, cosigners, parse_signatures

ANSWER_SIZE_BYTES_MAX: Final = 16_384
TIMEOUT_S: Final = 10.0
LATE_S: Final = 0.5
"""How long a witness is still waited for once enough others have answered."""
_SAID_CHARS_MAX: Final = 200

Prove = Callable[[int], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class WitnessPlace:
    """A witness: its pinned key, and the prefix of its addresses."""

    key: VerifierKey
    url: str

    def split(self) -> SplitResult:
        """Return the parts of the address.

        Raises:
            SettingsFault: it is none, or the key is no witness's.
        """
        with suppress(ValueError):
            parts = urlsplit(self.url)
            is_plain = not parts.query and not parts.fragment and parts.username is None
            is_witness = self.key.signature_type == COSIGNATURE_TYPE
            if parts.scheme in ("http", "https") and parts.hostname and is_plain and is_witness and parts.port != 0:
                return parts
        raise SettingsFault(
            f"witness {self.key.text} at {self.url!r} cannot be asked",
            expected="a key of type 0x04 and an address like https://witness.example.org/w1",
            next_step="take both from whoever runs the witness",
        )


class _Refused(Exception):
    """A witness has no line for us, and why."""


@dataclass
class _Asked:
    """What is known of one witness between two askings; only its own thread touches ``known_size``."""

    place: WitnessPlace
    parts: SplitResult
    known_size: int = 0
    thread: threading.Thread | None = None


class WitnessClients:
    """Asks all witnesses of a ledger. One thread calls it."""

    def __init__(
        self,
        places: tuple[WitnessPlace, ...],
        *,
        on_event: OnEvent,
        enough: int | None = None,
        timeout_s: float = TIMEOUT_S,
        late_s: float = LATE_S,
    ) -> None:
        """Take the witnesses. Once ``enough`` of them have answered, the others are waited for no longer than ``late_s``.

        Raises:
            SettingsFault: an address or a key cannot be used.
        """
        self._asked: Final = tuple(_Asked(place, place.split()) for place in places)
        self._on_event, self._timeout_s, self._late_s = on_event, timeout_s, late_s
        self._enough: Final = len(places) if enough is None else enough
        self._proving: Final = threading.Lock()

    def collect(self, checkpoint: SignedCheckpoint, prove: Prove) -> tuple[NoteSignature, ...]:
        """Return the lines that hold, one a witness at most.

        Raises:
            DockdError: ``prove`` cannot read our own ledger.
        """
        round_ = _Round(checkpoint, prove, self._proving, time.monotonic() + self._timeout_s)
        asked = []
        for one in self._asked:
            if one.thread is not None and one.thread.is_alive():
                self._tell(one.place, checkpoint, "it has not even been reached since it was last asked")
                continue
            # A daemon: whoever looks up a dead name server's names cannot be stopped, and is not waited for.
            one.thread = threading.Thread(target=round_.ask, args=(one,), daemon=True)
            one.thread.start()
            asked.append(one)
        lines, refusals = round_.wait(len(asked), min(self._enough, len(asked)), self._late_s)
        for one in asked:
            name = one.place.key.text
            if name not in lines:
                self._tell(one.place, checkpoint, refusals.get(name, "no answer in time"))
        return tuple(lines.values())

    def _tell(self, place: WitnessPlace, checkpoint: SignedCheckpoint, why: str) -> None:
        fields: EventFields = {
            "witness": place.key.name,
            "url": place.url,
            "size": checkpoint.checkpoint.size,
            "reason": why,
        }
        self._on_event("witness-silent", fields)


class _Round:
    """One asking of all. Threads put in what came of it; whoever waits takes what is there at the end."""

    def __init__(self, checkpoint: SignedCheckpoint, prove: Prove, proving: threading.Lock, until_s: float) -> None:
        self._checkpoint, self._prove, self._proving, self._until_s = checkpoint, prove, proving, until_s
        self._changed = threading.Condition()
        self._lines: dict[str, NoteSignature] = {}
        self._refusals: dict[str, str] = {}
        self._fault: DockdError | None = None

    def wait(self, count: int, enough: int, late_s: float) -> tuple[dict[str, NoteSignature], dict[str, str]]:
        with self._changed:
            self._changed.wait_for(lambda: self._is_over(count) or len(self._lines) >= enough, self._left_s())
            self._changed.wait_for(lambda: self._is_over(count), min(late_s, self._left_s()))
            if self._fault is not None:
                raise self._fault
            return dict(self._lines), dict(self._refusals)

    def _is_over(self, count: int) -> bool:
        return self._fault is not None or len(self._lines) + len(self._refusals) >= count

    def _left_s(self) -> float:
        return max(0.0, self._until_s - time.monotonic())

    def ask(self, one: _Asked) -> None:
        """Ask one witness; the thread's whole life."""
        name = one.place.key.text
        line, why, fault = None, "", None
        try:
            line = self._line(one)
        except DockdError as error:
            fault = error
        except (OSError, http.client.HTTPException, LedgerRefused, _Refused) as error:
            why = "no answer in time" if self._left_s() == 0 else f"{type(error).__name__}: {error}"
            if isinstance(error, LedgerRefused | _Refused):
                why = str(error)
        with self._changed:
            self._fault = fault or self._fault
            if line is not None:
                self._lines[name] = line
            else:
                self._refusals[name] = why[:_SAID_CHARS_MAX]
            self._changed.notify_all()

    def _line(self, one: _Asked) -> NoteSignature:
        known_size, one.known_size = one.known_size, 0  # after whatever goes wrong it is asked for anew
        status, body = self._post(one, known_size)
        if status == HTTP_STATUS[Outcome.CONFLICT]:
            status, body = self._post(one, parse_known_size(body))
        if status != HTTP_STATUS[Outcome.COSIGN]:
            raise _Refused(f"it answers {status}: {body[:_SAID_CHARS_MAX].decode(errors='replace').strip()}")
        line = self._verified(one.place.key, body)
        one.known_size = self._checkpoint.checkpoint.size
        return line

    def _post(self, one: _Asked, known_size: int) -> tuple[int, bytes]:
        size = self._checkpoint.checkpoint.size
        if known_size > size:
            raise _Refused(
                f"it has cosigned {known_size} leaves, and this ledger has {size}: either its folder is older than what "
                "was signed, or somebody else signs with its key"
            )
        with self._proving:
            proof = self._prove(known_size)
        body = format_add_checkpoint(AddCheckpoint(known_size, proof, self._checkpoint))
        path = f"{one.parts.path.rstrip('/')}/add-checkpoint"
        connection = _connect(one.parts, self._left_s())
        # Timeouts of sockets begin anew with every byte: a witness that drips is cut off by this one.
        hang_up = threading.Timer(self._left_s(), _hang_up, (connection,))
        hang_up.daemon = True
        hang_up.start()
        try:
            connection.request("POST", path, body, {"Content-Type": "text/plain; charset=utf-8"})
            response = connection.getresponse()
            answer = response.read(ANSWER_SIZE_BYTES_MAX + 1)
        finally:
            hang_up.cancel()
            connection.close()
        if len(answer) > ANSWER_SIZE_BYTES_MAX:
            raise _Refused(f"its answer has more than {ANSWER_SIZE_BYTES_MAX} bytes")
        return response.status, answer

    def _verified(self, key: VerifierKey, body: bytes) -> NoteSignature:
        for line in parse_signatures(body):
            if line.name == key.name and line.claims(COSIGNATURE_TYPE, key.public_key):
                cosigners(Note(self._checkpoint.note.text, (line,)), (key.public_key,))
                return line
        raise _Refused("it answers without a cosignature by its key")


def _connect(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    assert parts.hostname is not None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=max(0.01, timeout_s))


def _hang_up(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):  # not connected yet, or closed by now
        connection.sock.shutdown(socket.SHUT_RDWR)


_: type[Cosigning] = WitnessClients
