"""Faults of the station. What is learned about evidence is a finding, never one of these."""


class StationError(Exception):
    """The root of the station's faults."""

    def diagnosis(self) -> str:
        """Return what to try next, in one sentence."""
        return "Look at the line above; if it repeats, report it with the dock's log."


class OperatingError(StationError):
    """The world failed in a known way, and our own state is known."""


class LineLost(OperatingError):
    """The serial line to a camera is gone."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Seat the camera again, or check the bay's cable and the port's name in the settings."


class SpoolFull(OperatingError):
    """The dock's disk has no room; cameras keep their footage."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Restore the connection to central, so that the spool drains, or give the dock a larger disk."


class SpoolUncertain(StationError):
    """What is durable in the spool is no longer known; the next start finds out."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Restart the dock; if this repeats, replace its disk: cameras still hold what was not receipted."
