"""The module ``libcamera.properties``: what a camera says of itself."""

from enum import IntEnum

from hw_sim.libcamera_sim.control_types import ControlId, ControlType

Location = ControlId(1, "Location", ControlType.Integer32)
Rotation = ControlId(2, "Rotation", ControlType.Integer32)
Model = ControlId(3, "Model", ControlType.String)
UnitCellSize = ControlId(4, "UnitCellSize", ControlType.Size)
PixelArraySize = ControlId(5, "PixelArraySize", ControlType.Size)
PixelArrayActiveAreas = ControlId(7, "PixelArrayActiveAreas", ControlType.Rectangle)
ScalerCropMaximum = ControlId(8, "ScalerCropMaximum", ControlType.Rectangle)
ColorFilterArrangement = ControlId(10001, "ColorFilterArrangement", ControlType.Integer32, "draft")


class draft:
    """Properties that libcamera has not settled."""

    class ColorFilterArrangementEnum(IntEnum):
        """The order of the colours over the pixels."""

        RGGB = 0
        GRBG = 1
        GBRG = 2
        BGGR = 3
        RGB = 4
        MONO = 5
