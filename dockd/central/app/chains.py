"""The chains that central has stored, read and verified when they are needed; the last few stay in memory."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from dockd.central.core.names import object_in
from dockd.central.core.receipting import enrolled_key
from dockd.central.errors import StoreFault
from dockd.central.ports import Catalogue, ObjectStore, ShiftKey
from protocol.layout import CHAIN_NAME
from protocol.policy import Policy
from protocol.verify.chain import ChainReport, ChainVerifier

_REPORTS_MAX: Final = 4
"""A dock sends a shift's files one after the other, and a few docks send at a time."""


class StoredChains:
    """Reports on chains, each verified under its enrolled camera's key where the camera is enrolled."""

    def __init__(self, *, store: ObjectStore, catalogue: Catalogue, policy: Policy) -> None:
        """Take where chains are, and the policy that enrolments stand under."""
        self._store = store
        self._catalogue = catalogue
        self._policy = policy
        self._reports: OrderedDict[ShiftKey, ChainReport] = OrderedDict()

    def verify(self, key: ShiftKey, pieces: Iterable[memoryview]) -> ChainReport | None:
        """Return the report on a chain of this camera; None when nothing in it is an entry."""
        verifier = ChainVerifier(camera_key=enrolled_key(self._catalogue.camera(key.camera_id), self._policy))
        for piece in pieces:
            verifier.feed(piece)
        return verifier.finish()

    def report(self, key: ShiftKey) -> ChainReport:
        """Return the report on a stored chain.

        Raises:
            StoreFault: the stored bytes are not those that were stored.
        """
        if key in self._reports:
            self._reports.move_to_end(key)
            return self._reports[key]
        shift = self._catalogue.shift(key)
        assert shift is not None
        name = object_in(shift, CHAIN_NAME)
        report = self.verify(key, self._store.pieces(name))
        if report is None or report.head_hash != shift.head_hash or report.has_alterations:
            raise StoreFault(
                f"the stored chain {name} is not the one that was stored",
                expected=f"a chain whose last entry hashes to {shift.head_hash.hex()}",
                next_step="restore it from a backup, and find out what changed it",
            )
        self.remember(key, report)
        return report

    def remember(self, key: ShiftKey, report: ChainReport) -> None:
        """Keep the report on a chain that is being stored, for the files that follow it."""
        self._reports[key] = report
        while len(self._reports) > _REPORTS_MAX:
            self._reports.popitem(last=False)
