"""Faults of the camera. What is learned about evidence is an entry in the chain, never one of these."""


class CameraSoftwareError(Exception):
    """The root of this package's faults."""

    def diagnosis(self) -> str:
        """Return what to try next, in one sentence."""
        return "Look at the line above; if it repeats, report it with the camera's log."


class OperatingError(CameraSoftwareError):
    """The world failed in a known way, and our own state is known."""


class StoreFull(OperatingError):
    """The card has no room."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Dock the camera, so that its footage is stored and the card freed; nothing is overwritten."


class LineLost(OperatingError):
    """The serial line to the dock is gone."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Seat the camera in the dock again, or check the cable and the port's name."


class CameraFault(OperatingError):
    """The sensor or its encoder cannot be used."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "Check the camera module's ribbon cable, then restart the camera."


class StoreUncertain(CameraSoftwareError):
    """What is durable on the card is no longer known; recovery at the next start finds out."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "The camera restarts and checks its card; if this repeats, replace the card after docking."


class RecorderEnded(CameraSoftwareError):
    """The recorder's loop has ended, or ended while it was asked: what was asked for may not have been done."""

    def diagnosis(self) -> str:
        """Return what to try next."""
        return "The camera restarts and takes its card up again; what was asked for must be asked again."


class IllegalTransition(AssertionError):
    """A state machine was told something that cannot happen in its state: our bug."""
