"""The module ``libcamera.controls``: the controls and metadata that picamera2 asks for and that the simulated camera has."""

from enum import IntEnum

from hw_sim.libcamera_sim.control_types import ControlId, ControlType

AeEnable = ControlId(1, "AeEnable", ControlType.Bool)
ExposureTime = ControlId(7, "ExposureTime", ControlType.Integer32)
AnalogueGain = ControlId(8, "AnalogueGain", ControlType.Float)
Brightness = ControlId(9, "Brightness", ControlType.Float)
Contrast = ControlId(10, "Contrast", ControlType.Float)
Lux = ControlId(11, "Lux", ControlType.Float)
AwbEnable = ControlId(12, "AwbEnable", ControlType.Bool)
ColourTemperature = ControlId(16, "ColourTemperature", ControlType.Integer32)
Saturation = ControlId(17, "Saturation", ControlType.Float)
SensorBlackLevels = ControlId(18, "SensorBlackLevels", ControlType.Integer32)
Sharpness = ControlId(19, "Sharpness", ControlType.Float)
ScalerCrop = ControlId(22, "ScalerCrop", ControlType.Rectangle)
DigitalGain = ControlId(23, "DigitalGain", ControlType.Float)
FrameDuration = ControlId(24, "FrameDuration", ControlType.Integer64)
FrameDurationLimits = ControlId(25, "FrameDurationLimits", ControlType.Integer64)
SensorTemperature = ControlId(26, "SensorTemperature", ControlType.Float)
SensorTimestamp = ControlId(27, "SensorTimestamp", ControlType.Integer64)
ExposureTimeMode = ControlId(42, "ExposureTimeMode", ControlType.Integer32)
AnalogueGainMode = ControlId(43, "AnalogueGainMode", ControlType.Integer32)
NoiseReductionMode = ControlId(10002, "NoiseReductionMode", ControlType.Integer32, "draft")


class draft:
    """Controls that libcamera has not settled."""

    class NoiseReductionModeEnum(IntEnum):
        """How much noise is taken out."""

        Off = 0
        Fast = 1
        HighQuality = 2
        Minimal = 3
        ZSL = 4
