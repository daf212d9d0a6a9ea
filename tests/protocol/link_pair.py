"""Both ends of the dock link joined in memory: every byte, every tick of time and every fault is the test's own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from protocol.link import camera_effects as camera_side
from protocol.link import dock_effects as dock_side
from protocol.link.camera import CameraLink
from protocol.link.dock import DockLink
from protocol.link.dock_states import State as DockState
from protocol.link.frames import FrameReader
from protocol.link.messages import ListedFile
from protocol.link.steps import Malformed, Send, SignTranscript, WantNonce
from protocol.link.transcript import sign_as_camera, sign_as_dock
from protocol.receipt import ReceiptWithProof
from tests.builders import Agency, Camera, make_agency, make_camera, secret

MS = 1_000_000
Fault = Callable[[bytes], bytes]
Gate = Callable[[bytes], tuple[bool, str]]
Card = dict[tuple[str, str], bytes]

# Signing is slow next to everything else here, and always the same for one transcript.
_sign_as_camera = lru_cache(maxsize=4096)(sign_as_camera)


@dataclass
class LinkPair:
    """A camera with files and a dock, one line between them."""

    agency: Agency = field(default_factory=make_agency)
    camera: Camera | None = None
    card: Card = field(default_factory=dict)
    window_bytes: int = 4096
    gate: Gate = lambda signed: (True, "erased")
    is_proof_wanted: bool = False
    is_shift_closed_at_once: bool = True
    now_mono_ns: int = 0
    to_camera: Fault = bytes
    to_dock: Fault = bytes

    def __post_init__(self) -> None:
        self.camera = self.camera or make_camera(self.agency)
        self.starts = 0
        self.docking: int | None = None
        self.spool = bytearray()
        self.camera_saw: list[camera_side.CameraEffect] = []
        self.dock_saw: list[dock_side.DockEffect] = []
        self.frames_to_camera: list[bytes] = []
        self.frames_to_dock: list[bytes] = []
        self.start_camera()
        self.start_dock()

    def nonce(self) -> bytes:
        self.starts += 1
        return secret(f"nonce/{self.starts}")

    def start_camera(self) -> None:
        """Begin the camera's program anew; what it knew is gone."""
        assert self.camera is not None
        self.camera_reader = FrameReader()
        self.camera_link = CameraLink(
            camera_key=self.camera.device.public_key,
            enrolment=self.camera.enrolment,
            policy=self.agency.policy,
            nonce=self.nonce(),
            now_mono_ns=self.now_mono_ns,
        )

    def start_dock(self) -> None:
        """Begin the dock's program anew; what it spooled stays."""
        self.dock_reader = FrameReader()
        self.dock_link = DockLink(
            dock_key=self.agency.dock.public_key,
            policy=self.agency.policy,
            nonce=self.nonce(),
            now_mono_ns=self.now_mono_ns,
            window_bytes=self.window_bytes,
        )

    # Bytes on the line.

    def send_to_camera(self, data: bytes) -> None:
        for frame in self.camera_reader.feed(self.to_camera(data), now_mono_ns=self.now_mono_ns):
            self.at_camera(self.camera_link.receive(frame, now_mono_ns=self.now_mono_ns))

    def send_to_dock(self, data: bytes) -> None:
        for frame in self.dock_reader.feed(self.to_dock(data), now_mono_ns=self.now_mono_ns):
            self.at_dock(self.dock_link.receive(frame, now_mono_ns=self.now_mono_ns))

    # What each side's program does.

    def at_camera(self, effects: camera_side.Effects) -> None:
        assert self.camera is not None
        link = self.camera_link
        for effect in effects:
            match effect:
                case Send():
                    self.frames_to_dock.append(effect.frame)
                case WantNonce():
                    link.take_nonce(self.nonce())
                case SignTranscript():
                    signature = _sign_as_camera(self.camera.device, effect.transcript)
                    self.at_camera(link.on_signed(effect.transcript, signature))
                case camera_side.CloseShift():
                    self.docking = effect.docking
                    if self.is_shift_closed_at_once:
                        self.at_camera(link.on_shift_closed(effect.docking))
                case camera_side.MakeListing():
                    files = [
                        ListedFile(folder=at[0], name=at[1], size_bytes=len(data)) for at, data in self.card.items()
                    ]
                    self.at_camera(link.on_listing(effect.request, files))
                case camera_side.JudgeReceipt():
                    is_erased, reason = self.gate(effect.brought.signed)
                    self.at_camera(
                        link.on_receipt_judged(
                            effect.receipt_hash,
                            is_erased=is_erased,
                            is_proof_wanted=self.is_proof_wanted,
                            reason=reason,
                        )
                    )
            if not isinstance(effect, Send | WantNonce | SignTranscript):
                self.camera_saw.append(effect)

    def at_dock(self, effects: dock_side.Effects) -> None:
        link = self.dock_link
        for effect in effects:
            match effect:
                case Send():
                    self.frames_to_camera.append(effect.frame)
                case WantNonce():
                    link.take_nonce(self.nonce())
                case SignTranscript():
                    signature = sign_as_dock(self.agency.dock, effect.transcript)
                    self.at_dock(link.on_signed(effect.transcript, signature, self.now_mono_ns))
                case dock_side.Arrived():
                    assert effect.offset_bytes == len(self.spool), "bytes out of order"
                    self.spool += effect.data
            if not isinstance(effect, Send | WantNonce | SignTranscript):
                self.dock_saw.append(effect)

    # Time.

    def settle(self) -> None:
        """Carry what both sides have to say until neither says anything more. Time stands still."""
        for _ in range(100_000):
            asked = self.camera_link.next_range()
            if asked is not None:
                data = self.card.get((asked.folder, asked.name), b"")[asked.offset_bytes :][: asked.size_bytes]
                self.at_camera(self.camera_link.on_bytes(asked, data))
            if not self.frames_to_camera and not self.frames_to_dock:
                if asked is None:
                    return
                continue
            to_camera, self.frames_to_camera = self.frames_to_camera, []
            to_dock, self.frames_to_dock = self.frames_to_dock, []
            for frame in to_camera:
                self.send_to_camera(frame)
            for frame in to_dock:
                self.send_to_dock(frame)
        raise AssertionError("the two ends never fall silent")

    def pass_time(self, milliseconds: int, *, step_ms: int = 100) -> None:
        """Let time pass in steps, both sides acting in each."""
        for _ in range(0, milliseconds, step_ms):
            self.now_mono_ns += step_ms * MS
            self.at_camera(self.camera_link.on_time(self.now_mono_ns))
            self.at_dock(self.dock_link.on_time(self.now_mono_ns))
            self.settle()

    def cut(self) -> None:
        """End the line for both sides; what was on it is gone."""
        self.frames_to_camera, self.frames_to_dock = [], []
        self.camera_reader, self.dock_reader = FrameReader(), FrameReader()
        self.at_camera(self.camera_link.on_line_lost())
        self.at_dock(self.dock_link.on_line_lost(self.now_mono_ns))
        self.frames_to_camera, self.frames_to_dock = [], []

    def dock(self) -> None:
        """Let the dock knock until there is a session."""
        for _ in range(200):
            if self.dock_link.state is DockState.OPEN:
                return
            self.pass_time(100)
        raise AssertionError(f"no session after 20 s: dock {self.dock_link.state}, camera {self.camera_link.state}")

    # What a test asks.

    def ask_listing(self) -> None:
        self.at_dock(self.dock_link.asking.ask_listing(self.now_mono_ns))
        self.settle()

    def read(self, folder: str, name: str, *, offset_bytes: int = 0, size_bytes: int | None = None) -> None:
        size = len(self.card[folder, name]) if size_bytes is None else size_bytes
        asking = self.dock_link.asking
        self.at_dock(
            asking.read(folder, name, offset_bytes=offset_bytes, size_bytes=size, now_mono_ns=self.now_mono_ns)
        )
        self.settle()

    def bring(self, signed: bytes, proof: bytes | None = None) -> None:
        brought = ReceiptWithProof(signed=signed, proof=proof)
        self.at_dock(self.dock_link.asking.bring_receipt(brought, self.now_mono_ns))
        self.settle()

    def seen_by_dock(self, kind: type[dock_side.DockEffect]) -> list[dock_side.DockEffect]:
        return [effect for effect in self.dock_saw if isinstance(effect, kind)]

    def seen_by_camera(self, kind: type[camera_side.CameraEffect]) -> list[camera_side.CameraEffect]:
        return [effect for effect in self.camera_saw if isinstance(effect, kind)]

    @property
    def complaints(self) -> list[str]:
        return [effect.text for effect in (*self.dock_saw, *self.camera_saw) if isinstance(effect, Malformed)]
