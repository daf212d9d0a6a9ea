"""The camera's path after its encoders, without devices: frames and sound in, a sealed shift on a real card out.

Everything is the firmware's own but clock and order of calls: time is that of the media, so that nothing waits.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware.adapters.file_store import FileStore
from firmware.adapters.os_entropy import OsEntropy
from firmware.app.capture import Capture
from firmware.app.checkpoints import CheckpointShelf
from firmware.app.shift_log import ShiftLog
from firmware.ports import EncodedFrame
from hw_sim.manual_clock import ManualClock
from protocol.keys import DeviceSigner
from protocol.policy import TrustedPolicy
from scripts.campaigns.media import ORIGIN_US, Item, Media, arrival_us

_RESERVE_BYTES: Final = 8 << 20


@dataclass(slots=True)
class _Heard:
    """What the camera told: the bytes of the recordings as they grew."""

    size_bytes: int = 0
    chunk_count: int = 0

    def __call__(self, name: str, fields: dict[str, object]) -> None:
        if name == "recording-closed":
            size_bytes, chunk_count = fields["size_bytes"], fields["chunk_count"]
            assert isinstance(size_bytes, int)
            assert isinstance(chunk_count, int)
            self.size_bytes += size_bytes
            self.chunk_count += chunk_count


class ShiftMaker:
    """A camera on an empty card, in its first shift."""

    def __init__(self, card: Path, media: Media, *, device: DeviceSigner, policy: TrustedPolicy) -> None:
        """Open the shift; ``card`` must be there and empty."""
        self._store = FileStore(card)
        self._clock = ManualClock(start_mono_ns=ORIGIN_US * 1000)
        self._heard = _Heard()
        entropy = OsEntropy()
        self._log = ShiftLog(
            store=self._store,
            clock=self._clock,
            entropy=entropy,
            device=device,
            policy=policy,
            checkpoints=CheckpointShelf(store=self._store, policy=policy.policy),
            firmware_version="0.1.0",
        )
        self._capture = Capture(
            store=self._store, log=self._log, entropy=entropy, policy=policy.policy, video=media.video, audio=media.audio,
            pre_event_s=0, is_pre_event_audio_on=True, reserve_bytes=_RESERVE_BYTES, say=self._heard,
        )  # fmt: skip
        self._log.recover()

    @property
    def folder(self) -> str:
        """Return the open shift's folder."""
        return self._log.folder

    @property
    def media_bytes(self) -> int:
        """Return the bytes of all media files closed so far."""
        return self._heard.size_bytes

    @property
    def chunk_count(self) -> int:
        """Return how many chunks are in them."""
        return self._heard.chunk_count

    def record(self, stream: Sequence[Item]) -> None:
        """Record the whole stream as one recording: on return all of it is durable, chunk by chunk as it came."""
        assert isinstance(stream[0], EncodedFrame)
        self._capture.open("press", stream[0].captured_at_mono_us, continues=None)
        for item in stream:
            now_us = arrival_us(item)
            if isinstance(item, EncodedFrame):
                if item.is_key:  # its entry's moment is all that is asked of the clock
                    self._clock.advance(max(0, now_us * 1000 - self._clock.mono_ns()))
                self._capture.take_frame(item)
            else:
                self._capture.take_audio(item)
            self._write(now_us)
        self._capture.end_stream()
        self._capture.end_audio()
        self._write(now_us)
        self._capture.end("stop")

    def close(self) -> str:
        """Close the shift, as docking does, and let the card go; return the closed shift's folder."""
        folder = self._log.folder
        with closing(self._store):
            self._log.close_and_open_next("docked")
        return folder

    def _write(self, now_us: int) -> None:
        while True:
            event = self._capture.write_next(now_us)
            assert event is None, f"the camera could not go on: {event}"
            if not self._capture.is_behind:
                return
