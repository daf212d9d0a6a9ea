"""Faults of the station. What is learned about evidence is a finding, never one of these."""

from dockd.shared import errors as shared


class StationError(shared.DockdError):
    """The root of the station's faults."""


class OperatingError(StationError, shared.OperatingError):
    """The world failed in a known way, and our own state is known; found, expected and the next step in one sentence."""


class LineLost(OperatingError):
    """The serial line of a bay is gone, or was never there."""


class LineAbsent(LineLost):
    """There is no such port: a USB port without its camera, or a wrong name."""


class SpoolFull(OperatingError):
    """The spool's disk has no room; everything that was in it stands."""


class SettingsFault(OperatingError):
    """The settings, or a file that they name, cannot be used."""


class SpoolUncertain(StationError):
    """What is durable in the spool is no longer known; the station ends, and finds out at its next start."""

    def diagnosis(self) -> str:
        """Return the next thing to try."""
        return "start the dock again; if this repeats, replace the spool's disk: cameras keep what has no receipt"


class IllegalTransition(AssertionError):
    """The bay's machine was told something that cannot happen in its state: our bug."""
