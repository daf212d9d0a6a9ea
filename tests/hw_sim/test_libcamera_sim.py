"""The simulated libcamera by itself: its faults as a script, its buffers, and the formats that it offers."""

import pytest

from hw_sim.libcamera_sim.camera import Camera
from hw_sim.libcamera_sim.control_types import ControlInfo
from hw_sim.libcamera_sim.controls import FrameDurationLimits
from hw_sim.libcamera_sim.faults import Fault, FaultKind, FaultScript, parse_fault
from hw_sim.libcamera_sim.geometry import PixelFormat, Size
from hw_sim.libcamera_sim.manager import CameraManager
from hw_sim.libcamera_sim.request_sensor import RequestSensor
from hw_sim.libcamera_sim.streams import ConfigurationStatus, SensorConfiguration, StreamRole
from hw_sim.manual_clock import ManualClock
from tests.hw_sim.films import ORIGIN_NS, scene

MS = 1_000_000


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("dropped-frames@90x3", Fault(FaultKind.DROPPED_FRAMES, 90, frame_count=3)),
        ("stalled-sensor@0", Fault(FaultKind.STALLED_SENSOR, 0)),
        ("late-buffer@7:400ms", Fault(FaultKind.LATE_BUFFER, 7, duration_ms=400)),
        ("camera-gone@7x1:1500ms", Fault(FaultKind.CAMERA_GONE, 7, duration_ms=1500)),
    ],
)
def test_a_fault_is_read_from_text(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text", ["", "stalled-sensor", "no-such-fault@3", "stalled-sensor@-1", "late-buffer@3", "x@3:4s"]
)
def test_text_that_names_no_fault_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"no fault of the camera|how late"):
        parse_fault(text)


def script(*texts: str) -> FaultScript:
    return FaultScript(scene(), [parse_fault(text) for text in texts])


def test_dropped_frames_are_those_named_and_no_others() -> None:
    faults = script("dropped-frames@5x2")

    assert [number for number in range(10) if faults.is_lost(number, run_begin=0)] == [5, 6]


def test_a_stall_ends_with_a_new_start_or_with_its_time() -> None:
    faults = script("stalled-sensor@30:1000ms")

    assert [number for number in range(100) if faults.is_lost(number, run_begin=0)] == list(range(30, 60))
    assert not faults.is_lost(40, run_begin=31)


def test_a_camera_that_is_gone_comes_back_for_whoever_opens_it_again() -> None:
    faults = script("camera-gone@30:1000ms")
    gone_ns = scene().exposed_at_mono_ns(30)

    assert [faults.is_gone(gone_ns + after_ms * MS) for after_ms in (-1, 0, 999, 1000)] == [False, True, True, False]
    assert faults.is_lost(90, run_begin=0)
    assert not faults.is_lost(90, run_begin=75)


def test_a_close_hangs_once_for_each_fault_and_not_before_its_frame() -> None:
    faults = script("hanging-close@30:50ms")
    begins_ns = scene().exposed_at_mono_ns(30)

    assert faults.take_hang(begins_ns - 1) is None
    assert faults.take_hang(begins_ns) == parse_fault("hanging-close@30:50ms")
    assert faults.take_hang(begins_ns) is None


def test_a_frame_that_a_fault_takes_is_counted_as_dropped_and_frees_its_buffer() -> None:
    sensor = RequestSensor(scene())
    sensor.set_buffer_count(2)
    sensor.start(ORIGIN_NS)
    now_ns = scene().exposed_at_mono_ns(3)
    first = sensor.take(now_ns)
    assert first == 0
    sensor.lose(first, now_ns)

    counters = sensor.counters(scene().exposed_at_mono_ns(4))
    assert (counters.frames_exposed, counters.frames_taken, counters.frames_waiting) == (5, 0, 2)
    assert sensor.frames_dropped_between(0, now_ns + 1) == (range(1), range(2, 4))


def test_the_sensor_says_the_one_rate_that_it_has() -> None:
    limits = Camera(scene(frame_rate_mhz=29_970), clock=ManualClock()).controls[FrameDurationLimits]

    assert limits == ControlInfo(33_366, 33_367, (33_366, 33_367))


def test_a_stream_is_adjusted_to_what_the_camera_draws() -> None:
    configuration = Camera(scene(), clock=ManualClock()).generate_configuration(
        [StreamRole.VideoRecording, StreamRole.Raw]
    )
    main = configuration.at(0)
    main.pixel_format, main.size = PixelFormat("XBGR8888"), Size(9000, 100)

    assert configuration.validate() is ConfigurationStatus.Adjusted
    assert (main.pixel_format.name, main.size) == ("YUV420", Size(4608, 120))
    assert configuration.validate() is ConfigurationStatus.Valid


def test_rows_are_padded_as_on_a_raspberry_pi() -> None:
    configuration = Camera(scene(), clock=ManualClock()).generate_configuration([StreamRole.VideoRecording])
    main = configuration.at(0)
    main.size = Size(854, 480)
    configuration.validate()

    assert (main.stride, main.frame_size) == (896, 896 * 720)


def test_a_sensor_mode_that_is_not_there_is_invalid() -> None:
    configuration = Camera(scene(), clock=ManualClock()).generate_configuration([StreamRole.VideoRecording])
    configuration.sensor_config = SensorConfiguration(bit_depth=10, output_size=Size(1000, 1000))

    assert configuration.validate() is ConfigurationStatus.Invalid


def test_one_has_the_camera_at_a_time_and_only_while_it_is_there() -> None:
    clock = ManualClock(start_mono_ns=ORIGIN_NS)
    camera = Camera(scene(), clock=clock, faults=[parse_fault("camera-gone@30")])
    camera.acquire()
    with pytest.raises(RuntimeError, match="busy"):
        camera.acquire()
    camera.release()
    clock.advance(2_000 * MS)

    with pytest.raises(RuntimeError, match="No such device"):
        camera.acquire()


def test_another_camera_is_not_plugged_in_while_one_is_in_use() -> None:
    manager = CameraManager()
    camera = Camera(scene(), clock=ManualClock(start_mono_ns=ORIGIN_NS))
    manager.plug_in(camera)
    camera.acquire()

    with pytest.raises(ValueError, match="in use"):
        manager.plug_in(Camera(scene(), clock=ManualClock()))
