"""Faults of central.

What is learned about evidence is a finding, or a reason that stands beside the footage, never one of these.
"""

from dockd.shared.errors import DockdError, OperatingError


class SettingsFault(OperatingError):
    """The settings, or a file that they name, cannot be used."""


class StoreFault(OperatingError):
    """The object store cannot be used now; what it held before stands."""


class StoreFull(StoreFault):
    """The object store's disk has no room."""


class ObjectExists(DockdError):
    """An object of this name is there already; it was not touched."""


class ObjectMissing(StoreFault):
    """An object that the catalogue names is not there."""


class StoreUncertain(DockdError):
    """An fsync failed: what is durable is no longer known. The process ends, and the next one looks for itself."""


class CatalogueFault(OperatingError):
    """The catalogue is missing, locked, damaged, or of another version."""


class VaultAway(OperatingError):
    """The vault's process does not answer."""


class VaultRefused(OperatingError):
    """The vault answered that it cannot open this key box."""


class EvidenceFault(OperatingError):
    """What was asked for is not there, or its bytes are not those that the camera signed."""


class LedgerMismatch(OperatingError):
    """What the ledger signed, its tiles and its queue do not belong together. Nothing is signed until a person has looked."""


class StagedGone(OperatingError):
    """A staged file is not where it was said to be, and was not kept either."""


class StagingFault(OperatingError):
    """What arrives from docks cannot be staged now; what is staged already stands."""


class StagingFull(StagingFault):
    """The staging folder has no room, or no room for this dock."""


class StagingUncertain(DockdError):
    """A write or an fsync of a staged file failed. The process ends, and the next one takes what its journals say."""


class StateFault(OperatingError):
    """A witness's state cannot be read, or a new one cannot be written; what it kept before stands."""


class StateUncertain(DockdError):
    """What a witness keeps durably is not known any more. The process ends, and the next one takes what is there."""
