"""The dock's end of the link as a pure machine (spec/06-dock-link.md, 6.2 to 6.6).

It opens no line, signs nothing and waits for nothing: it returns effects, and is told what came of them. The table stands
in `protocol.link.dock_states`, what is asked of a camera in `protocol.link.asking`.
"""

from typing import Final

from protocol.errors import PeerError
from protocol.keys import camera_id
from protocol.link.asking import Asking
from protocol.link.dock_effects import CameraRefused, Effects, SessionEnded, SessionOpened, Vacant
from protocol.link.dock_states import TRANSITIONS, Action, Event, State
from protocol.link.frames import KIND_DATA, KIND_MESSAGE, Frame
from protocol.link.messages import (
    WINDOW_BYTES_MAX,
    Answer,
    Bye,
    CameraHello,
    CameraProof,
    Data,
    DockHello,
    FromCamera,
    Hello,
    Knock,
    Refused,
    encode_message,
    parse_data,
    parse_from_camera,
    shorten,
)
from protocol.link.steps import (
    KNOCK_INTERVAL_NS,
    REST_NS,
    RETRY_NS,
    SILENCE_NS,
    IllegalTransition,
    Malformed,
    Send,
    SignTranscript,
    WantNonce,
)
from protocol.link.transcript import session_of, transcript_of, verify_camera
from protocol.policy import Enrolment, Policy, verify_enrolment

_KNOCK: Final = encode_message(Knock())


class DockLink:
    """One bay of a dock. Give it frames and time; do what it returns, in order.

    What to read is asked of ``asking``, which may be used while the state is open.
    """

    def __init__(
        self,
        *,
        dock_key: bytes,
        policy: Policy,
        nonce: bytes,
        now_mono_ns: int,
        window_bytes: int = WINDOW_BYTES_MAX // 4,
    ) -> None:
        """Take the dock's public key, the policy it trusts, a first fresh nonce, and how many bytes may be on their way."""
        self._dock_key = dock_key
        self._policy = policy
        self._nonce: bytes | None = nonce
        self.asking = Asking(window_bytes=window_bytes)
        self._state = State.KNOCKING
        self._is_vacant = True
        self._due_at_mono_ns = now_mono_ns
        self._silent_at_mono_ns = now_mono_ns + SILENCE_NS
        self._camera_payload = b""
        self._camera_hello: CameraHello | None = None
        self._enrolment: Enrolment | None = None
        self._hello = b""
        self._transcript = b""
        self._proof = b""
        self._reason = ""

    @property
    def state(self) -> State:
        """Return how far the session is."""
        return self._state

    def receive(self, frame: Frame, *, now_mono_ns: int) -> Effects:
        """Take a frame from the line."""
        try:
            if frame.kind == KIND_DATA:
                return self._take_data(parse_data(frame.payload), now_mono_ns)
            if frame.kind != KIND_MESSAGE:
                return ()
            message = parse_from_camera(frame.payload)
            return self._step(self._event_of(message, frame.payload), message, now_mono_ns)
        except PeerError as error:
            self._reason = f"the camera broke the specification: {error}"
            return (Malformed(str(error)), *self._step(Event.BROKEN, None, now_mono_ns))

    def on_time(self, now_mono_ns: int) -> Effects:
        """Take the time; call at `next_deadline`, or earlier."""
        match self._state:
            case State.RESTING:
                return () if now_mono_ns < self._due_at_mono_ns else self._step(Event.RESTED, None, now_mono_ns)
            case State.KNOCKING:
                return (*self._silence(now_mono_ns), *self._repeat(_KNOCK, KNOCK_INTERVAL_NS, now_mono_ns))
            case State.SIGNING:
                return self._silence(now_mono_ns)
            case State.PROVING:
                ended = self._silence(now_mono_ns)
                return ended or self._repeat(self._proof, RETRY_NS, now_mono_ns)
            case State.OPEN:
                ended = self._silence(now_mono_ns)
                return ended or self.asking.on_time(now_mono_ns)

    def next_deadline(self) -> int:
        """Return when `on_time` has something to do."""
        due = self.asking.next_deadline() if self._state is State.OPEN else self._due_at_mono_ns
        if self._state is State.RESTING or self._is_vacant:
            return due
        return min(due, self._silent_at_mono_ns)

    def on_line_lost(self, now_mono_ns: int) -> Effects:
        """Take note that the line has ended."""
        self._reason = "the line has ended: the camera was taken out, or the cable is loose"
        return self._step(Event.LINE_LOST, None, now_mono_ns)

    def take_nonce(self, nonce: bytes) -> None:
        """Take the spare nonce that `WantNonce` asked for."""
        self._nonce = nonce

    def on_signed(self, transcript: bytes, signature: bytes, now_mono_ns: int) -> Effects:
        """Take the own signature that `SignTranscript` asked for."""
        if transcript != self._transcript:
            return ()
        self._proof = encode_message(DockHello(hello=self._hello, signature=signature))
        return self._step(Event.SIGNED, None, now_mono_ns)

    def hang_up(self, reason: str) -> Effects:
        """Say goodbye before the program ends; the camera stays docked for the time of silence."""
        if self._state is not State.OPEN:
            return ()
        return (Send(encode_message(Bye(session=session_of(self._transcript), reason=shorten(reason)))),)

    def _take_data(self, data: Data, now_mono_ns: int) -> Effects:
        if self._state is not State.OPEN or data.session != session_of(self._transcript):
            return ()
        self._hear(now_mono_ns)
        return self.asking.take_data(data, now_mono_ns)

    def _event_of(self, message: FromCamera, payload: bytes) -> Event:
        match message:
            case CameraHello():
                return self._judge_hello(message, payload)
            case CameraProof():
                return self._judge_proof(message)
            case Refused():
                self._reason = f"the camera refuses this dock: {message.reason}"
                return Event.REFUSED
        if self._state is not State.OPEN or message.session != session_of(self._transcript):
            return Event.STRAYED
        if isinstance(message, Bye):
            self._reason = f"the camera ended the session: {message.reason}"
            return Event.BYE
        return Event.ANSWERED

    def _judge_hello(self, message: CameraHello, payload: bytes) -> Event:
        if payload == self._camera_payload:
            return Event.GREETED_AGAIN
        if self._state in (State.OPEN, State.RESTING):
            return Event.GREETED
        self._camera_payload, self._camera_hello = payload, message
        name = camera_id(message.camera_key).hex()
        try:
            self._enrolment = verify_enrolment(message.enrolment, self._policy)
        except PeerError as error:
            self._reason = f"camera {name} shows no good enrolment: {error}"
            return Event.GREETED_BADLY
        if self._enrolment.camera_key != message.camera_key:
            self._reason = f"camera {name} shows the enrolment of another camera, {self._enrolment.serial}"
            return Event.GREETED_BADLY
        if camera_id(message.camera_key) in self._policy.revoked_cameras:
            self._reason = f"camera {self._enrolment.serial} is revoked by policy {self._policy.version}"
            return Event.GREETED_BADLY
        return Event.GREETED

    def _judge_proof(self, message: CameraProof) -> Event:
        if self._state is not State.PROVING:
            return Event.STRAYED
        assert self._camera_hello is not None
        try:
            verify_camera(message.signature, self._camera_hello.camera_key, self._transcript)
        except PeerError as error:
            self._reason = f"the camera's proof does not hold: {error}"
            return Event.CAMERA_UNPROVED
        return Event.CAMERA_PROVED

    def _step(self, event: Event, message: FromCamera | None, now_mono_ns: int) -> Effects:
        step = TRANSITIONS.get((self._state, event))
        if step is None:
            raise IllegalTransition(f"{event} in {self._state}")
        state, action = step
        if action is Action.SIGN and self._nonce is None:
            # Nothing happens yet; the camera repeats its hello at the next knock.
            self._camera_payload = b""
            return (WantNonce(),)
        if event is Event.ANSWERED or (message is not None and self._state is State.KNOCKING):
            self._hear(now_mono_ns)
        self._state = state
        return self._perform(action, message, now_mono_ns)

    def _perform(self, action: Action, message: FromCamera | None, now_mono_ns: int) -> Effects:
        match action:
            case Action.NOTHING:
                return ()
            case Action.SIGN:
                return self._sign(now_mono_ns)
            case Action.PROVE:
                self._due_at_mono_ns = now_mono_ns + RETRY_NS
                return (Send(self._proof),)
            case Action.OPEN:
                return self._open(now_mono_ns)
            case Action.REFUSE:
                self._rest(now_mono_ns)
                return (Send(encode_message(Refused(reason=shorten(self._reason)))), CameraRefused(self._reason))
            case Action.REST:
                self._rest(now_mono_ns)
                return (CameraRefused(self._reason),)
            case Action.TAKE:
                assert isinstance(message, Answer)
                return self.asking.take(message, now_mono_ns)
            case Action.LOSE:
                self._forget(now_mono_ns)
                return (SessionEnded(self._reason),)
            case Action.FORGET:
                self._forget(now_mono_ns)
                return ()
            case Action.VACATE:
                self._forget(now_mono_ns)
                was_vacant, self._is_vacant = self._is_vacant, True
                return () if was_vacant else (Vacant(),)

    def _sign(self, now_mono_ns: int) -> Effects:
        assert self._nonce is not None
        # From here the silence counts until the proof, whatever else the camera says.
        self._hear(now_mono_ns)
        self._hello = Hello(dock_key=self._dock_key, policy_version=self._policy.version, nonce=self._nonce).encoded()
        self._nonce = None
        self._transcript = transcript_of(self._camera_payload, self._hello)
        return (WantNonce(), SignTranscript(self._transcript))

    def _open(self, now_mono_ns: int) -> Effects:
        assert self._camera_hello is not None
        assert self._enrolment is not None
        self._hear(now_mono_ns)
        self.asking.begin(session_of(self._transcript), now_mono_ns)
        hello = self._camera_hello
        return (SessionOpened(hello.camera_key, self._enrolment.serial, hello.enrolment, hello.policy_version),)

    def _rest(self, now_mono_ns: int) -> None:
        self._forget(now_mono_ns)
        self._is_vacant = False
        self._due_at_mono_ns = now_mono_ns + REST_NS

    def _forget(self, now_mono_ns: int) -> None:
        """Drop everything that belongs to a session, and knock at once."""
        self._camera_payload = self._hello = self._transcript = self._proof = b""
        self._camera_hello = self._enrolment = None
        self.asking.end()
        self._due_at_mono_ns = now_mono_ns
        self._silent_at_mono_ns = now_mono_ns + SILENCE_NS

    def _hear(self, now_mono_ns: int) -> None:
        self._is_vacant = False
        self._silent_at_mono_ns = now_mono_ns + SILENCE_NS

    def _silence(self, now_mono_ns: int) -> Effects:
        if self._is_vacant or now_mono_ns < self._silent_at_mono_ns:
            return ()
        self._reason = "the camera has not answered for 5 s"
        return self._step(Event.SILENT, None, now_mono_ns)

    def _repeat(self, frame: bytes, interval_ns: int, now_mono_ns: int) -> Effects:
        if now_mono_ns < self._due_at_mono_ns:
            return ()
        self._due_at_mono_ns = now_mono_ns + interval_ns
        return (Send(frame),)
