"""The camera's end of the dock link as a pure machine (spec/06-dock-link.md, 6.2 to 6.6).

It reads no file, signs nothing and waits for nothing: it returns effects, and is told what came of them. The tables
stand in `protocol.link.camera_states`, the answers to requests in `protocol.link.serving`.
"""

from collections.abc import Iterable
from typing import Final

from protocol.canonical import decode, parse
from protocol.errors import PeerError
from protocol.link.camera_effects import CameraEffect, CloseShift, DockRefused, Effects, ShowReady, Undocked
from protocol.link.camera_states import (
    DOCKING_TRANSITIONS,
    TRANSITIONS,
    Action,
    Docking,
    DockingAction,
    DockingEvent,
    Event,
    State,
)
from protocol.link.frames import KIND_DATA, KIND_MESSAGE, Frame, encode_frame
from protocol.link.messages import (
    Bye,
    CameraHello,
    CameraProof,
    DockHello,
    FromDock,
    Hello,
    Knock,
    ListedFile,
    ListFiles,
    Ping,
    Pong,
    Refused,
    Request,
    encode_message,
    parse_from_dock,
    shorten,
)
from protocol.link.serving import FileRange, Serving
from protocol.link.steps import SILENCE_NS, IllegalTransition, Malformed, Send, SignTranscript, WantNonce
from protocol.link.transcript import session_of, transcript_of, verify_dock
from protocol.policy import Policy

_SECTION: Final = "spec/06-dock-link.md, 6.3"


class CameraLink:
    """One serial line of a camera. Give it frames and time; do what it returns, in order."""

    def __init__(self, *, camera_key: bytes, enrolment: bytes, policy: Policy, nonce: bytes, now_mono_ns: int) -> None:
        """Take the camera's public key and enrolment, the policy that it trusts, and a first fresh nonce."""
        self._camera_key = camera_key
        self._enrolment = enrolment
        self._policy = policy
        self._nonce: bytes | None = nonce
        self._serving = Serving()
        self._state = State.IDLE
        self._docking = Docking.AWAY
        self._docking_number = 0
        self._dock_key = b""
        self._heard_at_mono_ns = now_mono_ns
        self._is_ready = False
        self._reason = ""
        self._hello = b""
        self._dock_hello: DockHello | None = None
        self._early_list: ListFiles | None = None
        self._proven_key = b""
        self._transcript = b""
        self._proof = b""

    @property
    def state(self) -> State:
        """Return how far the session is."""
        return self._state

    @property
    def docking(self) -> Docking:
        """Return whether the camera is docked."""
        return self._docking

    def receive(self, frame: Frame, *, now_mono_ns: int) -> Effects:
        """Take a frame from the line."""
        if frame.kind not in (KIND_MESSAGE, KIND_DATA):
            return ()
        self._heard_at_mono_ns = now_mono_ns
        if frame.kind == KIND_DATA:
            return (Malformed("a dock sends no data frames"), *self._step(Event.BROKEN, None))
        try:
            message = parse_from_dock(frame.payload)
        except PeerError as error:
            return (Malformed(str(error)), *self._step(Event.BROKEN, None))
        return self._step(self._event_of(message), message)

    def on_time(self, now_mono_ns: int) -> Effects:
        """Take the time; call at `next_deadline`, or earlier."""
        deadline = self.next_deadline()
        return () if deadline is None or now_mono_ns < deadline else self._step(Event.SILENT, None)

    def next_deadline(self) -> int | None:
        """Return when `on_time` has something to do; None while nothing is awaited."""
        if self._state is State.IDLE and self._docking is Docking.AWAY:
            return None
        return self._heard_at_mono_ns + SILENCE_NS

    def on_line_lost(self) -> Effects:
        """Take note that the line has ended."""
        return self._step(Event.LINE_LOST, None)

    def take_nonce(self, nonce: bytes) -> None:
        """Take the spare nonce that `WantNonce` asked for."""
        self._nonce = nonce

    def on_signed(self, transcript: bytes, signature: bytes) -> Effects:
        """Take the own signature that `SignTranscript` asked for."""
        if transcript != self._transcript:
            return ()
        self._proof = encode_message(CameraProof(signature=signature))
        return self._step(Event.SIGNED, None)

    def on_shift_closed(self, docking: int) -> Effects:
        """Take note that what `CloseShift` asked for is done; listings may be made from now on."""
        if docking != self._docking_number or self._docking is not Docking.CLOSING:
            return ()
        effects = self._dock(DockingEvent.SHIFT_CLOSED)
        early, self._early_list = self._early_list, None
        return effects if early is None else (*effects, *self._serving.serve(early))

    def hang_up(self, reason: str) -> Effects:
        """Say goodbye before the program ends."""
        if self._state is not State.OPEN:
            return ()
        return (Send(encode_message(Bye(session=session_of(self._transcript), reason=shorten(reason)))),)

    def on_listing(self, request: int, files: Iterable[ListedFile]) -> Effects:
        """Take the files of closed shifts that `MakeListing` asked for."""
        return self._serving.on_listing(request, files)

    def on_receipt_judged(self, receipt_hash: bytes, *, is_erased: bool, is_proof_wanted: bool, reason: str) -> Effects:
        """Take what the erase gate decided on `JudgeReceipt`; it is durable."""
        return self._serving.on_receipt_judged(
            receipt_hash, is_erased=is_erased, is_proof_wanted=is_proof_wanted, reason=reason
        )

    def next_range(self) -> FileRange | None:
        """Return what to read from the card and give to `on_bytes`; None while there is nothing to send."""
        return self._serving.next_range()

    def on_bytes(self, asked: FileRange, data: bytes) -> Effects:
        """Take the bytes of a range; none at all where the file has ended."""
        return self._serving.on_bytes(asked, data)

    def on_read_failed(self, asked: FileRange, reason: str) -> Effects:
        """Take note that a range cannot be read."""
        return self._serving.on_read_failed(asked, reason)

    def _event_of(self, message: FromDock) -> Event:
        match message:
            case Knock():
                return Event.KNOCKED
            case DockHello():
                return self._judge_dock(message)
            case Refused():
                return Event.REFUSED
        is_own = self._state is State.OPEN and message.session == session_of(self._transcript)
        if not is_own:
            return Event.STRAYED
        return Event.BYE if isinstance(message, Bye) else Event.ASKED

    def _judge_dock(self, message: DockHello) -> Event:
        if message == self._dock_hello:
            return Event.DOCK_REPEATED
        if self._state is not State.GREETED:
            return Event.DOCK_UNPROVED
        try:
            hello = parse(Hello, decode(message.hello, size_bytes_max=256), section=_SECTION)
            if hello.dock_key not in self._policy.dock_keys:
                self._reason = f"policy {self._policy.version}, which the camera holds, does not name this dock's key"
                return Event.DOCK_UNPROVED
            transcript = transcript_of(self._hello, message.hello)
            verify_dock(message.signature, hello.dock_key, transcript)
        except PeerError as error:
            self._reason = f"the dock's proof does not hold: {error}"
            return Event.DOCK_UNPROVED
        self._dock_hello, self._proven_key, self._transcript = message, hello.dock_key, transcript
        return Event.DOCK_PROVED

    def _step(self, event: Event, message: FromDock | None) -> Effects:
        step = TRANSITIONS.get((self._state, event))
        if step is None:
            raise IllegalTransition(f"{event} in {self._state}")
        state, action = step
        if action is Action.GREET and self._nonce is None:
            # Nothing happens yet; the next knock finds a nonce.
            return (WantNonce(),)
        self._state = state
        return self._perform(action, message)

    def _perform(self, action: Action, message: FromDock | None) -> Effects:
        match action:
            case Action.NOTHING:
                return ()
            case Action.GREET:
                return self._greet()
            case Action.GREET_AGAIN:
                return (Send(encode_frame(KIND_MESSAGE, self._hello)),)
            case Action.REFUSE:
                self._forget()
                return (Send(encode_message(Refused(reason=shorten(self._reason)))), DockRefused(self._reason))
            case Action.SIGN:
                return (SignTranscript(self._transcript),)
            case Action.PROVE:
                self._serving.begin(session_of(self._transcript))
                return (Send(self._proof), *self._dock(DockingEvent.PROVED))
            case Action.PROVE_AGAIN:
                return (Send(self._proof),)
            case Action.SERVE:
                assert isinstance(message, Request)
                return self._serve(message)
            case Action.TURN_AWAY:
                return _turn_away(message)
            case Action.FORGET:
                self._forget()
                return (DockRefused(f"the dock refused: {message.reason}"),) if isinstance(message, Refused) else ()
            case Action.LEAVE:
                self._forget()
                return self._dock(DockingEvent.LEFT)

    def _greet(self) -> Effects:
        assert self._nonce is not None
        self._forget()
        hello = CameraHello(
            camera_key=self._camera_key,
            enrolment=self._enrolment,
            policy_version=self._policy.version,
            nonce=self._nonce,
        )
        self._nonce = None
        self._hello = hello.encoded()
        return (Send(encode_frame(KIND_MESSAGE, self._hello)), WantNonce())

    def _serve(self, message: Request) -> Effects:
        if isinstance(message, Ping):
            pong = Send(encode_message(Pong(session=message.session)))
            if message.is_ready == self._is_ready:
                return (pong,)
            self._is_ready = message.is_ready
            return (pong, ShowReady(message.is_ready))
        if self._docking is Docking.DOCKED:
            return self._serving.serve(message)
        if isinstance(message, ListFiles):
            # Answered as soon as the shift is closed; anything else the dock asks again.
            self._early_list = message
        return ()

    def _forget(self) -> None:
        """Drop everything that belongs to a session."""
        self._dock_hello = self._early_list = None
        self._proven_key = self._transcript = self._proof = b""
        self._serving.end()

    def _dock(self, event: DockingEvent) -> Effects:
        effects: list[CameraEffect] = []
        if event is DockingEvent.PROVED and self._proven_key != self._dock_key:
            # Another dock, and no undocking seen: the camera was moved within the time of silence.
            effects += self._dock(DockingEvent.LEFT)
            self._dock_key = self._proven_key
        step = DOCKING_TRANSITIONS.get((self._docking, event))
        if step is None:
            raise IllegalTransition(f"{event} in {self._docking}")
        self._docking, action = step
        if action is DockingAction.CLOSE_SHIFT:
            self._docking_number += 1
            effects.append(CloseShift(self._docking_number, self._dock_key))
        elif action is DockingAction.UNDOCK:
            self._dock_key, self._is_ready = b"", False
            effects.append(Undocked())
        return tuple(effects)


def _turn_away(message: FromDock | None) -> Effects:
    """Tell a dock that there is no such session, so that it knocks at once."""
    if message is None or isinstance(message, Knock | DockHello | Refused | Bye):
        return ()
    return (Send(encode_message(Bye(session=message.session, reason="no such session"))),)
