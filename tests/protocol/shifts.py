"""Shifts as strings: `make_shift("Oe[cc]Z")` is a chain with its media, from fixed seeds, the same bytes every time.

O shift-opened, e standby, h heartbeat, a assigned, m mark, x erased, u a kind that no reader knows, p power-off,
R unclean resumed, r clean resumed, Z shift-closed; `[` opens a recording (`(` with a short pre-event part), `]` closes it,
c is a chunk, g one that lacks frames, C one in the next media file, d one with a part of data. q mutes the sound, Q brings it
back; k is a step of the clock, l a camera module that is lost, L the same back again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from random import Random
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from protocol.canonical import digest, encode
from protocol.chain import Entry, device_purpose, encode_entry, entry_purpose, parse_entry, record_of
from protocol.cose import sign_detached, sign_detached_by_device
from protocol.entries import (
    DEVICE_ONLY_KINDS,
    DEVICE_SIGNED_KINDS,
    KIND_OF_BODY,
    Assigned,
    AudioFormat,
    AudioSpan,
    AudioState,
    Body,
    Chunk,
    EntryPlace,
    Erased,
    Event,
    EventName,
    FrameGap,
    Head,
    Heartbeat,
    MediaFile,
    Moment,
    Part,
    PartKind,
    RecordingClosed,
    RecordingOpened,
    Resumed,
    ShiftClosed,
    ShiftOpened,
    VideoFormat,
)
from protocol.keybox import key_box_hash
from protocol.keys import DeviceSigner, EntryKey, SoftwareEd25519, camera_id
from protocol.layout import CHAIN_NAME, key_box_name, media_name
from protocol.sealing import PartSealer, content_key_commitment
from protocol.units import BODY_SALT_SIZE_BYTES

UNIX_MS = 1_790_000_000_000
CHUNK_US = 1_000_000


def secret(name: str, size_bytes: int = 32) -> bytes:
    """Return bytes that are always the same for ``name``."""
    return Random(sha256(name.encode()).digest()).randbytes(size_bytes)


def entry_key(name: str) -> SoftwareEd25519:
    return SoftwareEd25519(secret(name))


class Device:
    """A device key whose signatures are always the same (RFC 6979)."""

    def __init__(self, name: str) -> None:
        self._key = ec.derive_private_key(int.from_bytes(secret(name), "big") >> 1, ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self.public_key: bytes = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")

    @property
    def camera_id(self) -> bytes:
        return camera_id(self.public_key)

    def sign(self, message: bytes) -> bytes:
        signature = self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(signature)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


DEVICE = Device("camera")


def sign_entry(
    head: Head, body_bytes: bytes | None, key: EntryKey | None, device: DeviceSigner | None, kind: str | None = None
) -> Entry:
    """Return an entry with whatever signatures are asked for, allowed or not."""
    data = head.encoded()
    by_entry = None if key is None else sign_detached(key, entry_purpose(kind or head.kind), data)
    by_device = None if device is None else sign_detached_by_device(device, device_purpose(kind or head.kind), data)
    return parse_entry(encode([data, body_bytes, by_entry, by_device]))


def records(entries: Iterable[Entry]) -> bytes:
    """Return entries as a chain file."""
    return b"".join(record_of(encode_entry(entry)) for entry in entries)


def withheld(entry: Entry) -> Entry:
    return replace(entry, body_bytes=None)


@dataclass(frozen=True, repr=False)
class Shift:
    """What a story made. ``keys[i]`` is the private half of the key that entry i names for the one after it."""

    story: str
    shift_id: bytes
    device: Device
    entries: tuple[Entry, ...]
    keys: tuple[SoftwareEd25519 | None, ...]
    media: dict[str, bytes]
    key_boxes: dict[str, bytes]
    recording_ids: tuple[bytes, ...]
    content_keys: tuple[bytes, ...]

    @property
    def chain(self) -> bytes:
        return records(self.entries)

    @property
    def files(self) -> dict[str, bytes]:
        return {CHAIN_NAME: self.chain} | self.media | self.key_boxes

    @property
    def last(self) -> EntryPlace:
        head = self.entries[-1].head
        return EntryPlace(shift_id=head.shift_id, sequence=head.sequence, head_hash=self.entries[-1].head_hash)

    def cuts(self) -> tuple[int, ...]:
        """Return where each record begins, and where the last one ends."""
        ends = [0]
        for entry in self.entries:
            ends.append(ends[-1] + len(record_of(encode_entry(entry))))
        return tuple(ends)

    def forged(
        self, sequence: int, *, body: Body | None = None, key: EntryKey | None = None, next_key: EntryKey | None = None
    ) -> Entry:
        """Return an entry that an attacker puts at ``sequence``: well made and linked, but for the keys."""
        made = body or Event(at=moment(sequence), name="wake", recording_id=None, value=None)
        head, body_bytes = compose(
            made, shift_id=self.shift_id, sequence=sequence, before=self.entries[sequence - 1], next_key=next_key
        )
        return sign_entry(head, body_bytes, key or entry_key("attacker"), None)


def moment(sequence: int) -> Moment:
    return Moment(
        mono_ns=(1 + sequence) * 1_000_000_000,
        boot_id=bytes(range(16)),
        utc_ms=UNIX_MS + 1000 * sequence,
        utc_source="rtc",
        utc_uncertainty_ms=1000,
    )


def compose(
    body: Body | None,
    *,
    shift_id: bytes,
    sequence: int,
    before: Entry | None,
    next_key: EntryKey | None,
    kind: str | None = None,
    salt: bytes | None = None,
) -> tuple[Head, bytes]:
    """Return head and body bytes of an entry after ``before``."""
    content = encode({"at": moment(sequence).to_wire(), "ext": {}}) if body is None else body.encoded()
    body_bytes = (salt or secret(f"salt/{sequence}", BODY_SALT_SIZE_BYTES)) + content
    head = Head(
        version=1,
        shift_id=shift_id,
        sequence=sequence,
        previous=None if before is None else before.head_hash,
        kind=kind or KIND_OF_BODY[type(body)] if body is not None else kind or "unknown",
        next_key=None if next_key is None else next_key.public_key,
        body_hash=digest("sealcam/1 body", body_bytes),
    )
    return head, body_bytes


_EVENT_OF_LETTER: Final[dict[str, EventName]] = {
    "q": "mute-on", "Q": "mute-off", "k": "clock-step", "l": "camera-lost", "L": "camera-back",
}  # fmt: skip
KeyBoxOf = Callable[[bytes, bytes], bytes]
Change = Callable[[Body], Body]


@dataclass
class _Maker:
    name: str
    device: Device
    key_box_of: KeyBoxOf
    change: dict[int, Change]
    number: int
    previous: EntryPlace | None
    policy_hash: bytes
    shift_id: bytes
    part_repeats: int
    entries: list[Entry] = field(default_factory=list)
    keys: list[SoftwareEd25519 | None] = field(default_factory=list)
    media: dict[str, bytearray] = field(default_factory=dict)
    key_boxes: dict[str, bytes] = field(default_factory=dict)
    recordings: list[tuple[bytes, bytes]] = field(default_factory=list)
    is_running: bool = False
    is_muted: bool = False
    chunks: list[Chunk] = field(default_factory=list)

    def add(self, letter: str) -> None:
        sequence = len(self.entries)
        body = None if letter == "u" else self.body(letter)
        if body is not None and sequence in self.change:
            body = self.change[sequence](body)
        kind = "unheard-of" if body is None else KIND_OF_BODY[type(body)]
        is_last_key = letter in "pZ"
        next_key = None if is_last_key else entry_key(f"{self.name}/entry/{sequence}")
        before = self.entries[-1] if self.entries else None
        salt = secret(f"{self.name}/salt/{sequence}", BODY_SALT_SIZE_BYTES)
        head, body_bytes = compose(
            body, shift_id=self.shift_id, sequence=sequence, before=before, next_key=next_key, kind=kind, salt=salt
        )
        own_key = None if kind in DEVICE_ONLY_KINDS or not self.keys else self.keys[-1]
        self.entries.append(sign_entry(head, body_bytes, own_key, self.device if kind in DEVICE_SIGNED_KINDS else None))
        self.keys.append(next_key)

    def body(self, letter: str) -> Body:
        at = moment(len(self.entries))
        match letter:
            case "O":
                return ShiftOpened(
                    at=at, camera_key=self.device.public_key, shift_number=self.number, previous_shift=self.previous,
                    policy_version=1, policy_hash=self.policy_hash, checkpoint=None, firmware_version="0.1.0",
                )  # fmt: skip
            case "a":
                return Assigned(at=at, pseudonym=secret("officer"))
            case "h":
                return Heartbeat(at=at, state="standby")
            case "e":
                return Event(at=at, name="standby", recording_id=None, value=None)
            case "p":
                return Event(at=at, name="power-off", recording_id=None, value=None)
            case "m":
                return Event(at=at, name="mark", recording_id=self.recordings[-1][0], value=0)
            case "q" | "Q" | "k" | "l" | "L":
                return self._event(at, letter)
            case "x":
                return Erased(
                    at=at, shift_id=secret("old", 16), recording_id=secret("old", 16), receipt_hash=secret("r")
                )
            case "R" | "r":
                return self._resumed(at, is_clean=letter == "r")
            case "[" | "(":
                return self._opened(at, is_short=letter == "(")
            case "]":
                return self._closed(at)
            case "Z":
                return ShiftClosed(at=at, reason="docked", recording_count=len(self.recordings))
            case _:
                return self._chunk(at, letter)

    def _event(self, at: Moment, letter: str) -> Event:
        is_of_recording = letter in "qQ"
        if is_of_recording:
            self.is_muted = letter == "q"
        value = len(self.chunks) * CHUNK_US if is_of_recording else 3_600_000 if letter == "k" else None
        recording_id = self.recordings[-1][0] if is_of_recording else None
        return Event(at=at, name=_EVENT_OF_LETTER[letter], recording_id=recording_id, value=value)

    def _resumed(self, at: Moment, *, is_clean: bool) -> Resumed:
        interrupted = self.recordings[-1][0] if self.is_running else None
        self.is_running = False
        return Resumed(
            at=at, is_clean=is_clean, interrupted_recording_id=interrupted, trimmed_chain_bytes=0, trimmed_media_bytes=0
        )

    def _opened(self, at: Moment, *, is_short: bool) -> RecordingOpened:
        index = len(self.recordings)
        recording_id, content_key = secret(f"{self.name}/id/{index}", 16), secret(f"{self.name}/key/{index}")
        self.recordings.append((recording_id, content_key))
        self.is_running, self.is_muted, self.chunks = True, False, []
        box = self.key_box_of(recording_id, content_key)
        self.key_boxes[key_box_name(recording_id)] = box
        return RecordingOpened(
            at=at, recording_id=recording_id, continues=None, reason="press", origin_mono_us=1_000_000,
            pre_event_wanted_ms=2000, pre_event_ms=1000 if is_short else 2000,
            video=VideoFormat(codec="h264", width_px=320, height_px=240, frame_rate_mhz=30_000),
            audio=AudioFormat(codec="aac", sample_rate_hz=48_000, channel_count=1), suite=1,
            content_key_commitment=content_key_commitment(recording_id, content_key), key_box_hash=key_box_hash(box),
        )  # fmt: skip

    def _chunk(self, at: Moment, letter: str) -> Chunk:
        recording_id, content_key = self.recordings[-1]
        index = len(self.chunks)
        number = (self.chunks[-1].media_number if self.chunks else 0) + (letter == "C")
        file = self.media.setdefault(media_name(recording_id, number), bytearray())
        offset, start_us = len(file), index * CHUNK_US
        sealer = PartSealer(shift_id=self.shift_id, recording_id=recording_id, content_key=content_key)
        parts: list[Part] = []
        kinds: list[PartKind] = ["init", "video"] if index == 0 else ["video"]
        kinds += [] if self.is_muted else ["audio"]
        kinds += ["data"] if letter == "d" else []
        state: AudioState = "muted" if self.is_muted else "present"
        for kind in kinds:
            plaintext = f"{kind} of chunk {index} ".encode() * (3 if kind == "video" else 1) * self.part_repeats
            part, ciphertext = sealer.seal(index, kind, plaintext)
            parts.append(part)
            file += ciphertext
        gap = FrameGap(start_us=start_us + 100_000, end_us=start_us + 200_000, missing_frame_count=3, reason="overload")
        chunk = Chunk(
            at=at, recording_id=recording_id, index=index, media_number=number, offset_bytes=offset, start_us=start_us,
            duration_us=CHUNK_US, frame_count=27 if letter == "g" else 30, is_pre_event=index == 0,
            audio=(AudioSpan(start_us=start_us, end_us=start_us + CHUNK_US, state=state),),
            gaps=(gap,) if letter == "g" else (), parts=tuple(parts),
        )  # fmt: skip
        self.chunks.append(chunk)
        return chunk

    def _closed(self, at: Moment) -> RecordingClosed:
        sizes: dict[int, int] = {}
        for chunk in self.chunks:
            sizes[chunk.media_number] = chunk.offset_bytes + chunk.size_bytes
        self.is_running = False
        return RecordingClosed(
            at=at, recording_id=self.recordings[-1][0], reason="stop", chunk_count=len(self.chunks),
            duration_us=len(self.chunks) * CHUNK_US,
            media=tuple(MediaFile(number=number, size_bytes=size) for number, size in sizes.items()),
        )  # fmt: skip


def fake_key_box(recording_id: bytes, content_key: bytes) -> bytes:
    """Return bytes in a key box's place: the verifier only hashes it."""
    return encode(["key box of", recording_id, digest("sealcam/1 test", content_key)])


def make_shift(
    story: str,
    *,
    name: str = "shift",
    device: Device = DEVICE,
    number: int = 1,
    previous: EntryPlace | None = None,
    policy_hash: bytes = bytes(32),
    key_box_of: KeyBoxOf = fake_key_box,
    change: dict[int, Change] | None = None,
    part_repeats: int = 1,
) -> Shift:
    """Return the shift that ``story`` tells; ``change`` alters the body at a sequence before it is signed.

    ``part_repeats`` makes the parts longer: media over more than one sector.
    """
    maker = _Maker(
        name=name, device=device, key_box_of=key_box_of, change=change or {}, number=number, previous=previous,
        policy_hash=policy_hash, shift_id=secret(f"{name}/id", 16), part_repeats=part_repeats,
    )  # fmt: skip
    for letter in story:
        maker.add(letter)
    return Shift(
        story=story, shift_id=maker.shift_id, device=device, entries=tuple(maker.entries), keys=tuple(maker.keys),
        media={name: bytes(data) for name, data in maker.media.items()}, key_boxes=maker.key_boxes,
        recording_ids=tuple(each[0] for each in maker.recordings),
        content_keys=tuple(each[1] for each in maker.recordings),
    )  # fmt: skip


def changed(**values: object) -> Change:
    """Return a change that sets fields of a body, without asking whether they make sense together."""

    def change(body: Body) -> Body:
        assert values.keys() <= type(body).model_fields.keys(), f"{type(body).__name__} has no such field"
        return body.model_copy(update=values)

    return change


def spliced(items: Sequence[Entry], *, at: int, insert: Sequence[Entry], drop: int = 0) -> tuple[Entry, ...]:
    """Return entries with some dropped and others put in their place."""
    return (*items[:at], *insert, *items[at + drop :])
