"""The simulated camera and microphone: a scene's picture and sound, encoded, behind the firmware's ports.

Both follow the clock that is passed in and share the scene's origin of time, so picture and sound agree. PyAV encodes:
H.264 by libx264, AAC-LC by FFmpeg's own encoder. What they deliver is stamped with the time of exposure, never with
the time of encoding. The picture and the queue of buffers are in ``picture`` and ``sensor``, the sound in ``sound``.
"""

import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.plane import VideoPlane

from firmware.ports import AudioDescription, Camera, Clock, EncodedAudio, EncodedFrame, Microphone, VideoDescription
from hw_sim.counter import Plane
from hw_sim.picture import MovingPicture, Picture, Planes
from hw_sim.scene import Scene
from hw_sim.sensor import BUFFER_COUNT_DEFAULT, SimulatedSensor
from hw_sim.sound import BurstSound, Samples

Tap = Callable[[EncodedFrame | EncodedAudio], None]
"""Is given every access unit and audio block before the consumer is, on the same thread. For audits."""

Wait = Callable[[threading.Event, float], bool]
"""Waits that many seconds or until the event is set, and returns whether it is set; as ``threading.Event.wait``."""

SAMPLE_RATE_HZ: Final = 48_000
SOUND_BIT_RATE_BPS: Final = 64_000
_BLOCK_SAMPLES: Final = 1024
_SOUND_BUFFER_BLOCKS: Final = 47
"""About 1 s: what a sound card keeps for a reader that is late."""
_BITS_PER_PIXEL: Final = 0.22
"""6.1 Mb/s at 1280x720, 30 fps: 2.75 GB an hour, the profile that the design reckons with."""


class _Worker:
    """One thread that does what is due, then waits for what is due next."""

    def __init__(
        self, name: str, *, clock: Clock, wait: Wait, do_what_is_due: Callable[[threading.Event], int]
    ) -> None:
        self._name, self._clock, self._wait, self._do_what_is_due = name, clock, wait, do_what_is_due
        self._stop_asked = threading.Event()
        self._thread: threading.Thread | None = None

    def expect_idle(self) -> None:
        """Refuse a second start, before anything that the thread uses is replaced."""
        if self._thread is not None:
            raise ValueError(f"the {self._name} runs already; stop it before it is started again")

    def start(self) -> None:
        self.expect_idle()
        self._stop_asked = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[self._stop_asked], name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """Return whether there was anything to stop."""
        self._stop_asked.set()
        thread, self._thread = self._thread, None
        if thread is None:
            return False
        if thread is not threading.current_thread():
            thread.join()
        return True

    def _run(self, stop_asked: threading.Event) -> None:
        while not stop_asked.is_set():
            due_mono_ns = self._do_what_is_due(stop_asked)
            self._wait(stop_asked, (due_mono_ns - self._clock.mono_ns()) / 1e9)


class SimulatedCamera:
    """The simulated sensor with an H.264 encoder: one key frame a second, no B-frames, nothing held back.

    A key frame carries SPS and PPS and is an IDR. An encoder is made at every ``start``, so streams do not lean on
    each other. ``sensor`` says what was exposed and what was lost.

    May break: what ``SimulatedSensor`` may break, when the machine or the consumer is too slow. May not break: the
    order of frames, their exposure times, their counter, and the promise that nothing comes after ``stop``.
    """

    def __init__(
        self,
        *,
        scene: Scene,
        clock: Clock,
        picture: Picture | None = None,
        bit_rate_bps: int | None = None,
        buffer_count: int = BUFFER_COUNT_DEFAULT,
        wait: Wait = threading.Event.wait,
        tap: Tap | None = None,
    ) -> None:
        """Make a camera that does not stream yet; it looks at ``picture``, of the scene's size, or draws one.

        Without ``bit_rate_bps`` the rate follows the picture's size.
        """
        pixel_rate = scene.width_px * scene.height_px * scene.frame_rate_mhz / 1000
        self._scene, self._clock, self._tap = scene, clock, tap
        self._bit_rate_bps = bit_rate_bps or round(pixel_rate * _BITS_PER_PIXEL)
        self._picture = picture or MovingPicture(scene)
        self.sensor = SimulatedSensor(scene, buffer_count=buffer_count)
        self._worker = _Worker("simulated camera", clock=clock, wait=wait, do_what_is_due=self._deliver_what_is_due)
        self._key_frame_asked = threading.Event()
        self._encoder: _VideoEncoder | None = None
        self._on_frame: Callable[[EncodedFrame], None] | None = None

    @property
    def description(self) -> VideoDescription:
        """Return size and rate of the scene; the name says that nothing of it is real."""
        scene = self._scene
        return VideoDescription("simulated sensor, libx264", scene.width_px, scene.height_px, scene.frame_rate_mhz)

    def start(self, on_frame: Callable[[EncodedFrame], None]) -> None:
        """Begin to stream on a new thread, with a key frame."""
        self._worker.expect_idle()
        self._encoder = _VideoEncoder(self._scene, self._bit_rate_bps)
        self._on_frame = on_frame
        self.sensor.start(self._clock.mono_ns())
        self._worker.start()

    def stop(self) -> None:
        """End the stream at once; frames that still wait in the sensor are discarded."""
        if self._worker.stop():
            self.sensor.stop(self._clock.mono_ns())

    def request_key_frame(self) -> None:
        """Make the next frame that is encoded a key frame."""
        self._key_frame_asked.set()

    def _deliver_what_is_due(self, stop_asked: threading.Event) -> int:
        """Deliver every finished frame and return when the next is exposed."""
        assert self._encoder is not None
        assert self._on_frame is not None
        while not stop_asked.is_set():
            number = self.sensor.take(self._clock.mono_ns())
            if number is None:
                break
            self._picture.draw(number, self._encoder.planes)
            must_be_key = self._key_frame_asked.is_set()
            if must_be_key:
                self._key_frame_asked.clear()
            data, is_key = self._encoder.encode(number, must_be_key=must_be_key)
            self.sensor.give_back(self._clock.mono_ns())
            frame = EncodedFrame(data, is_key, _rounded_us(self._scene.exposed_at_mono_ns(number)))
            if self._tap is not None:
                self._tap(frame)
            self._on_frame(frame)
        return self.sensor.next_exposure_mono_ns()


_camera_fits: type[Camera] = SimulatedCamera


class _VideoEncoder:
    """libx264 set to give one access unit for every picture, at once. ``planes`` is where the picture is drawn."""

    def __init__(self, scene: Scene, bit_rate_bps: int) -> None:
        context = VideoCodecContext.create("libx264", "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = scene.width_px, scene.height_px, "yuv420p"
        context.time_base = Fraction(1000, scene.frame_rate_mhz)
        context.framerate = Fraction(scene.frame_rate_mhz, 1000)
        context.bit_rate = bit_rate_bps
        context.gop_size = max(1, (scene.frame_rate_mhz + 500) // 1000)
        context.max_b_frames = 0
        context.thread_count = 1
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",
            # Above 51, H.264's coarsest, x264 has an emergency mode that drops whole residuals, the counter's too.
            "x264-params": "repeat-headers=1:annexb=1:scenecut=0:qpmax=51",
        }
        context.open()
        self._context = context
        self._frame = av.VideoFrame(scene.width_px, scene.height_px, "yuv420p")
        self._frame.time_base = context.time_base
        self.planes = Planes(*(_plane_view(plane) for plane in self._frame.planes))

    def encode(self, number: int, *, must_be_key: bool) -> tuple[bytes, bool]:
        """Encode what ``planes`` holds; return the access unit and whether it is a key frame."""
        self._frame.pts = number
        self._frame.pict_type = PictureType.I if must_be_key else PictureType.NONE
        packets = self._context.encode(self._frame)
        assert len(packets) == 1, f"libx264 gave {len(packets)} packets for frame {number}, expected 1"
        assert packets[0].pts == number, f"libx264 gave frame {packets[0].pts} for frame {number}"
        return bytes(packets[0]), packets[0].is_keyframe


def _plane_view(plane: VideoPlane) -> Plane:
    """Return the pixels of ``plane`` in place, without the padding at the end of its rows."""
    pixels: Plane = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    return pixels[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)[:, : plane.width]


class SimulatedMicrophone:
    """The scene's sound as AAC-LC, 48 kHz mono, 64 kb/s: a block when its last sample has been taken, never earlier.

    The encoder holds two blocks back, so a block arrives 64 ms after its first sample. Its first block is stamped 1024
    samples before the first sample, since that is what a decoder puts out for it.

    May break: blocks that nobody fetched for 1 s: then all that wait are lost, as in a sound card's overrun, counted in
    ``blocks_lost``, and the next block carries its own true time. May not break: the time of any sample it delivers.
    """

    def __init__(
        self, *, scene: Scene, clock: Clock, wait: Wait = threading.Event.wait, tap: Tap | None = None
    ) -> None:
        """Make a microphone that does not deliver yet."""
        self._scene, self._clock, self._tap = scene, clock, tap
        self._sound = BurstSound(seed=scene.seed, frame_rate_mhz=scene.frame_rate_mhz, sample_rate_hz=SAMPLE_RATE_HZ)
        self._worker = _Worker("simulated microphone", clock=clock, wait=wait, do_what_is_due=self._deliver_what_is_due)
        self._encoder = _SoundEncoder()
        self._decoder_config = self._encoder.decoder_config
        self._next_block = 0
        self._on_audio: Callable[[EncodedAudio], None] | None = None
        self.blocks_lost = 0

    @property
    def description(self) -> AudioDescription:
        """Return the format, with the AudioSpecificConfig as the encoder wrote it."""
        return AudioDescription("simulated microphone, FFmpeg AAC", SAMPLE_RATE_HZ, 1, self._decoder_config)

    def start(self, on_audio: Callable[[EncodedAudio], None]) -> None:
        """Begin at the next whole block of the scene's sound, with a new encoder."""
        self._worker.expect_idle()
        self._encoder = _SoundEncoder()
        self._on_audio = on_audio
        first_sample = self._scene.first_sample_from(self._clock.mono_ns(), sample_rate_hz=SAMPLE_RATE_HZ)
        self._next_block = -(-first_sample // _BLOCK_SAMPLES)
        self._worker.start()

    def stop(self) -> None:
        """End delivery at once; what the encoder still holds back is lost."""
        self._worker.stop()

    def _deliver_what_is_due(self, stop_asked: threading.Event) -> int:
        """Deliver every block whose last sample has been taken and return when the next one's is."""
        assert self._on_audio is not None
        while not stop_asked.is_set():
            now_mono_ns = self._clock.mono_ns()
            late_ns = now_mono_ns - self._finished_at_mono_ns(self._next_block)
            if late_ns < 0:
                break
            late_blocks = late_ns * SAMPLE_RATE_HZ // (_BLOCK_SAMPLES * 10**9)
            if late_blocks >= _SOUND_BUFFER_BLOCKS:
                self.blocks_lost += late_blocks
                self._next_block += late_blocks
            first_sample = self._next_block * _BLOCK_SAMPLES
            samples = self._sound.samples(first_sample, _BLOCK_SAMPLES)
            self._next_block += 1
            for data, sample in self._encoder.encode(samples, first_sample):
                taken_at_mono_ns = self._scene.sampled_at_mono_ns(sample, sample_rate_hz=SAMPLE_RATE_HZ)
                block = EncodedAudio(data, _rounded_us(taken_at_mono_ns), _BLOCK_SAMPLES)
                if self._tap is not None:
                    self._tap(block)
                self._on_audio(block)
        return self._finished_at_mono_ns(self._next_block)

    def _finished_at_mono_ns(self, block: int) -> int:
        return self._scene.sampled_at_mono_ns((block + 1) * _BLOCK_SAMPLES, sample_rate_hz=SAMPLE_RATE_HZ)


_microphone_fits: type[Microphone] = SimulatedMicrophone


class _SoundEncoder:
    """FFmpeg's AAC-LC encoder, mono."""

    def __init__(self) -> None:
        context = AudioCodecContext.create("aac", "w")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.layout, context.format = SAMPLE_RATE_HZ, "mono", "fltp"
        context.bit_rate = SOUND_BIT_RATE_BPS
        context.time_base = Fraction(1, SAMPLE_RATE_HZ)
        context.open()
        self._context = context

    @property
    def decoder_config(self) -> bytes:
        """Return the AudioSpecificConfig."""
        assert self._context.extradata
        return bytes(self._context.extradata)

    def encode(self, samples: Samples, first_sample: int) -> list[tuple[bytes, int]]:
        """Encode one block; return (raw data block, number of the first sample that it decodes to), if any."""
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE_HZ, self._context.time_base, first_sample
        packets = self._context.encode(frame)
        return [(bytes(packet), packet.pts) for packet in packets if packet.pts is not None]


def _rounded_us(nanoseconds: int) -> int:
    return (nanoseconds + 500) // 1000
