"""An agency, its cameras, and shift folders with real chains, media and key boxes, from fixed seeds.

The real sealing code makes everything; only times and plaintexts are invented. What a test tampers with afterwards is its
own affair.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec

from protocol.chain import make_entry
from protocol.entries import (
    AudioSpan,
    Body,
    Chunk,
    EntryPlace,
    Event,
    EventName,
    Heartbeat,
    MediaFile,
    Moment,
    Part,
    PartKind,
    RecordingClosed,
    RecordingOpened,
    ShiftClosed,
    ShiftOpened,
    VideoFormat,
)
from protocol.keybox import SealingKey, key_box_hash, make_key_box
from protocol.keys import SoftwareEd25519, SoftwareP256, camera_id, key_id
from protocol.layout import CHAIN_NAME, key_box_name, media_name, shift_folder_name
from protocol.policy import Enrolment, Level, Policy, Root, TrustedPolicy, sign_enrolment, sign_policy, verify_policy
from protocol.receipt import ChainSubject, Receipt, RecordingSubject, sign_receipt
from protocol.sealing import PartSealer, content_key_commitment
from protocol.verify.chain import ChainReport, verify_chain
from protocol.verify.shift import recording_subject

CHUNK_US = 1_000_000
BOOT_ID = bytes(range(16))
UNIX_MS = 1_790_000_000_000


def secret(name: str, size_bytes: int = 32) -> bytes:
    """Return bytes that are always the same for ``name``."""
    return Random(sha256(name.encode()).digest()).randbytes(size_bytes)


@dataclass(frozen=True)
class Agency:
    """Everyone who signs or opens, and the policy that says so."""

    root: SoftwareEd25519
    central: SoftwareEd25519
    dock: SoftwareEd25519
    vault: SealingKey
    escrow: SealingKey
    trusted: TrustedPolicy

    @property
    def policy(self) -> Policy:
        return self.trusted.policy

    @property
    def root_fingerprint(self) -> bytes:
        return self.trusted.root.fingerprint

    def with_policy(self, **changes: object) -> "Agency":
        """Return the same agency under a changed policy with the next version."""
        values = {name: getattr(self.policy, name) for name in Policy.model_fields}
        policy = Policy(**(values | {"version": self.policy.version + 1} | changes))
        signed = sign_policy(policy, self.trusted.root, (self.root,))
        return replace(self, trusted=verify_policy(signed))


@lru_cache
def make_agency(name: str = "agency", *, erase_level: Level = "stored") -> Agency:
    root = SoftwareEd25519(secret(f"{name}/root"))
    central = SoftwareEd25519(secret(f"{name}/central"))
    dock = SoftwareEd25519(secret(f"{name}/dock"))
    vault, escrow = SealingKey(secret(f"{name}/vault", 96)), SealingKey(secret(f"{name}/escrow", 96))
    policy = Policy(
        version=1,
        agency=name,
        issued_at_ms=UNIX_MS,
        central_keys=(central.public_key,),
        dock_keys=(dock.public_key,),
        vault_key=vault.public_key,
        escrow_key=escrow.public_key,
        ledger=None,
        witness_keys=(),
        witness_threshold=0,
        erase_level=erase_level,
        revoked_cameras=(),
    )
    signed = sign_policy(policy, Root(threshold=1, keys=(root.public_key,)), (root,))
    return Agency(root, central, dock, vault, escrow, verify_policy(signed))


@dataclass(frozen=True)
class Camera:
    """A camera's key and the agency's word for it."""

    device: SoftwareP256
    enrolment: bytes

    @property
    def camera_id(self) -> bytes:
        return camera_id(self.device.public_key)


def make_device(name: str) -> SoftwareP256:
    return SoftwareP256(ec.derive_private_key(int.from_bytes(secret(name), "big") >> 1, ec.SECP256R1()))


def make_camera(agency: Agency, serial: str = "CAM-1") -> Camera:
    device = make_device(f"{agency.policy.agency}/{serial}")
    enrolment = Enrolment(
        camera_key=device.public_key,
        serial=serial,
        enrolled_at_ms=UNIX_MS,
        central_key_id=key_id(agency.central.public_key),
        policy_version=agency.policy.version,
    )
    return Camera(device, sign_enrolment(enrolment, agency.central))


@dataclass(frozen=True)
class BuiltRecording:
    recording_id: bytes
    content_key: bytes
    plaintexts: tuple[tuple[bytes, ...], ...]
    """For each chunk its parts, as they were before sealing."""


@dataclass(frozen=True)
class BuiltShift:
    """A shift on a card. ``files`` are the bytes that were written, by name."""

    root: Path
    folder: str
    shift_id: bytes
    number: int
    files: dict[str, bytes]
    recordings: tuple[BuiltRecording, ...]
    last: EntryPlace

    @property
    def path(self) -> Path:
        return self.root / self.folder

    @property
    def report(self) -> ChainReport:
        """The verifier's report on the chain as it was built."""
        report = verify_chain(self.files[CHAIN_NAME])
        assert report is not None
        return report


@dataclass
class _Chain:
    """Appends entries with one-time keys, as a camera does."""

    name: str
    shift_id: bytes
    device: SoftwareP256
    data: bytearray = field(default_factory=bytearray)
    sequence: int = 0
    previous: bytes | None = None
    key: SoftwareEd25519 | None = None

    def add(self, body: Body) -> bytes:
        is_device_signed = isinstance(body, ShiftOpened | ShiftClosed)
        is_end = isinstance(body, ShiftClosed)
        next_key = None if is_end else SoftwareEd25519(secret(f"{self.name}/entry/{self.sequence}"))
        entry, record = make_entry(
            shift_id=self.shift_id,
            sequence=self.sequence,
            previous=self.previous,
            body=body,
            body_salt=secret(f"{self.name}/salt/{self.sequence}", 16),
            entry_key=self.key,
            device=self.device if is_device_signed else None,
            next_key=None if next_key is None else next_key.public_key,
        )
        self.data += record
        self.sequence, self.previous, self.key = self.sequence + 1, entry.head_hash, next_key
        return entry.head_hash

    def at(self) -> Moment:
        second = self.sequence
        return Moment(
            mono_ns=(1 + second) * 1_000_000_000,
            boot_id=BOOT_ID,
            utc_ms=UNIX_MS + 1000 * second,
            utc_source="rtc",
            utc_uncertainty_ms=1000,
        )

    def event(self, name: EventName, *, recording_id: bytes | None = None, value: int | None = None) -> None:
        self.add(Event(at=self.at(), name=name, recording_id=recording_id, value=value))


def build_shift(
    root: Path,
    *,
    agency: Agency,
    camera: Camera,
    number: int = 1,
    recordings: int = 2,
    chunks: int = 3,
    part_bytes: int = 1000,
    media_files: int = 1,
    marked: tuple[int, ...] = (),
    previous: EntryPlace | None = None,
    is_closed: bool = True,
    seed: str = "shift",
) -> BuiltShift:
    """Write one shift folder below ``root`` and return what is in it.

    Each recording has ``chunks`` chunks of an init part (the first), a video and an audio part of about ``part_bytes``
    random bytes, over ``media_files`` media files; those with an index in ``marked`` carry a mark.
    """
    name = f"{seed}/{camera.camera_id.hex()}/{number}"
    chain = _Chain(name, secret(f"{name}/id", 16), camera.device)
    chain.add(
        ShiftOpened(
            at=chain.at(),
            camera_key=camera.device.public_key,
            shift_number=number,
            previous_shift=previous,
            policy_version=agency.policy.version,
            policy_hash=agency.trusted.policy_hash,
            checkpoint=None,
            firmware_version="0.1.0",
        )
    )
    chain.event("standby")
    chain.add(Heartbeat(at=chain.at(), state="standby"))
    files: dict[str, bytes] = {}
    built = []
    for index in range(recordings):
        recording, made = _record(
            chain, agency, f"{name}/{index}", chunks, part_bytes, media_files, is_marked=index in marked
        )
        built.append(recording)
        files |= made
    if is_closed:
        chain.add(ShiftClosed(at=chain.at(), reason="docked", recording_count=recordings))
    files[CHAIN_NAME] = bytes(chain.data)
    folder = shift_folder_name(number, chain.shift_id)
    (root / folder).mkdir(parents=True)
    for file, data in files.items():
        (root / folder / file).write_bytes(data)
    assert chain.previous is not None
    last = EntryPlace(shift_id=chain.shift_id, sequence=chain.sequence - 1, head_hash=chain.previous)
    return BuiltShift(root, folder, chain.shift_id, number, files, tuple(built), last)


def _record(
    chain: _Chain, agency: Agency, name: str, chunks: int, part_bytes: int, media_files: int, *, is_marked: bool
) -> tuple[BuiltRecording, dict[str, bytes]]:
    recording_id, content_key = secret(f"{name}/id", 16), secret(f"{name}/key")
    box = make_key_box(
        shift_id=chain.shift_id,
        recording_id=recording_id,
        content_key=content_key,
        vault_key=agency.policy.vault_key,
        escrow_key=agency.policy.escrow_key,
    )
    chain.add(
        RecordingOpened(
            at=chain.at(),
            recording_id=recording_id,
            continues=None,
            reason="press",
            origin_mono_us=1_000_000,
            pre_event_wanted_ms=0,
            pre_event_ms=0,
            video=VideoFormat(codec="avc1.42c01e", width_px=320, height_px=240, frame_rate_mhz=30_000),
            audio=None,
            suite=1,
            content_key_commitment=content_key_commitment(recording_id, content_key),
            key_box_hash=key_box_hash(box),
        )
    )
    sealer = PartSealer(shift_id=chain.shift_id, recording_id=recording_id, content_key=content_key)
    media = [bytearray() for _ in range(media_files)]
    plaintexts = []
    for index in range(chunks):
        number = index * media_files // chunks
        offset = len(media[number])
        parts: list[Part] = []
        plains = []
        for kind, plaintext in _plaintexts(f"{name}/{index}", index, part_bytes):
            part, ciphertext = sealer.seal(index, kind, plaintext)
            parts.append(part)
            plains.append(plaintext)
            media[number] += ciphertext
        plaintexts.append(tuple(plains))
        start = index * CHUNK_US
        chain.add(
            Chunk(
                at=chain.at(),
                recording_id=recording_id,
                index=index,
                media_number=number,
                offset_bytes=offset,
                start_us=start,
                duration_us=CHUNK_US,
                frame_count=30,
                is_pre_event=False,
                audio=(AudioSpan(start_us=start, end_us=start + CHUNK_US, state="present"),),
                gaps=(),
                parts=tuple(parts),
            )
        )
        if is_marked and index == 0:
            chain.event("mark", recording_id=recording_id, value=start)
    files = {media_name(recording_id, number): bytes(data) for number, data in enumerate(media)}
    sizes = tuple(MediaFile(number=number, size_bytes=len(data)) for number, data in enumerate(media))
    chain.add(
        RecordingClosed(
            at=chain.at(),
            recording_id=recording_id,
            reason="stop",
            chunk_count=chunks,
            duration_us=chunks * CHUNK_US,
            media=sizes,
        )
    )
    built = BuiltRecording(recording_id, content_key, tuple(plaintexts))
    return built, files | {key_box_name(recording_id): box}


def _plaintexts(name: str, index: int, part_bytes: int) -> Iterator[tuple[PartKind, bytes]]:
    random = Random(sha256(name.encode()).digest())
    if index == 0:
        yield "init", random.randbytes(100)
    yield "video", random.randbytes(part_bytes)
    yield "audio", random.randbytes(part_bytes // 8 + 1)


def receipts_of(shift: BuiltShift, *, agency: Agency, camera: Camera, level: Level = "stored") -> tuple[bytes, ...]:
    """Return central's receipts for a whole shift: its recordings in order, then its chain."""
    report = shift.report
    subjects: list[RecordingSubject | ChainSubject] = []
    for view in report.recordings:
        subject = recording_subject(view)
        assert subject is not None
        subjects.append(subject)
    subjects.append(ChainSubject(kind="chain", size_bytes=report.size_bytes))
    return tuple(
        make_receipt(subject, report=report, agency=agency, camera=camera, level=level) for subject in subjects
    )


def make_receipt(
    subject: RecordingSubject | ChainSubject,
    *,
    report: ChainReport,
    agency: Agency,
    camera: Camera,
    level: Level = "stored",
    **changes: object,
) -> bytes:
    """Return one signed receipt; ``changes`` make a false one."""
    values: dict[str, object] = {
        "receipt_id": secret(f"receipt/{report.shift_id.hex()}/{subject!r}", 16),
        "camera_id": camera.camera_id,
        "shift_id": report.shift_id,
        "level": level,
        "head_sequence": report.head_sequence,
        "head_hash": report.head_hash,
        "subject": subject,
        "key_box_opened": isinstance(subject, RecordingSubject),
        "central_key_id": key_id(agency.central.public_key),
        "policy_version": agency.policy.version,
        "stored_at_ms": UNIX_MS,
    }
    return sign_receipt(Receipt.model_validate(values | changes), agency.central)
