"""Cameras that are wrong on purpose, each in one thing. A crash test that has never failed proves nothing: each of these must
be caught, by the invariant that it breaks.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final, cast

from firmware.app.eraser import Eraser
from firmware.app.shift_log import ChainFull, ShiftLog
from firmware.core.gate import Permission, Refusal
from firmware.core.shift_chain import ChainEnd
from firmware.errors import StoreFull, StoreUncertain
from firmware.ports import Store
from hw_sim.crash_store import CrashStore, Faults
from protocol.entries import Body, Erased
from protocol.layout import CHAIN_NAME
from protocol.receipt import ReceiptWithProof, receipt_hash
from protocol.units import CHAIN_SIZE_BYTES_MAX
from tests.firmware.crash_campaign import Campaign
from tests.firmware.crash_judge import KeyWatch
from tests.firmware.crash_stories import DAY, Played, Story
from tests.firmware.crash_world import DayCutShort, Life, Parts


class NoFolderSync(CrashStore):
    """Files are synced, the folders that name them are not."""

    def _sync_folder(self, folder: str | None) -> None:
        pass


class NoSettling(CrashStore):
    """Takes what a killed process left in memory for durable."""

    def settle(self) -> None:
        """Settle nothing."""


class _Wrapped:
    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class EntryBeforeMedia(_Wrapped):
    """A chunk's bytes are written when its entry is durable."""

    def __init__(self, store: Store) -> None:
        """Take the card."""
        super().__init__(store)
        self._held: list[tuple[str, str, bytes]] = []

    def append(self, folder: str, name: str, data: bytes | bytearray) -> None:
        """Append an entry at once, and media not yet."""
        if name.endswith(".media"):
            self._held.append((folder, name, bytes(data)))
        else:
            self._store.append(folder, name, data)

    def sync(self, folder: str, name: str) -> None:
        """Sync the entry, then write the media."""
        if name != CHAIN_NAME:
            return
        self._store.sync(folder, name)
        for folder_held, name_held, data in self._held:
            self._store.append(folder_held, name_held, data)
            self._store.sync(folder_held, name_held)
        self._held.clear()


class ConfirmBeforeSync(_Wrapped):
    """An entry counts as durable when it is appended; the sync comes with the next one."""

    def __init__(self, store: Store) -> None:
        """Take the card."""
        super().__init__(store)
        self._late: tuple[str, str] | None = None

    def sync(self, folder: str, name: str) -> None:
        """Sync what was asked for the last time."""
        late, self._late = self._late, (folder, name)
        if late is not None and late[0] in self._store.folders():
            self._store.sync(*late)


class EraseFirst(Eraser):
    """The files go, then the entry says so."""

    def _erase(self, folder: str, permission: Permission, signed: bytes) -> None:
        shift_id, recording_id = permission.receipt.shift_id, permission.recording_id
        for name in self._names_of(folder, recording_id) if recording_id is not None else ():
            self._store.remove(folder, name)
        if recording_id is None:
            self._remove_all(folder)
        self._log.append(
            Erased(
                at=self._log.moment(), shift_id=shift_id, recording_id=recording_id, receipt_hash=receipt_hash(signed)
            )
        )


class ReceiptNotKept(Eraser):
    """The receipt is believed, and not made durable."""

    def _keep(self, folder: str, brought: ReceiptWithProof, decision: Permission | Refusal) -> None:
        pass


class ProofNotKept(Eraser):
    """The proof is believed, and not made durable."""

    def _keep(self, folder: str, brought: ReceiptWithProof, decision: Permission | Refusal) -> None:
        super()._keep(folder, ReceiptWithProof(signed=brought.signed, proof=None), decision)


class CheckpointForgotten(Eraser):
    """What was accepted of the ledger is not made durable."""

    def _accept(self, decision: Permission | Refusal) -> None:
        pass


class KeyTwice(ShiftLog):
    """An entry that had no room is dropped, and its key signs the next one."""

    def append(self, body: Body) -> ChainEnd:
        """Append, and take back what had no room."""
        assert self._chain is not None
        size_bytes = len(self._store.read(self.folder, CHAIN_NAME, 0, CHAIN_SIZE_BYTES_MAX))
        try:
            return super().append(body)
        except ChainFull as error:
            self._chain._pending = None
            self._store.truncate(self.folder, CHAIN_NAME, size_bytes)
            raise StoreFull(str(error)) from error


def by_cuts(parts: Parts, invariant: str, random: Random) -> list[str]:
    """Cut the power on a day, until the invariant is found broken."""
    return Campaign(Played(DAY, parts), parts, random=random, sought=invariant).cut_everywhere().found.violations


def by_kills(parts: Parts, invariant: str, random: Random) -> list[str]:
    """Kill the process on a day, and cut the power in the recovery."""
    return Campaign(Played(DAY, parts), parts, random=random, sought=invariant).kill().found.violations


def by_full_card(parts: Parts, invariant: str, random: Random) -> list[str]:
    """Fill the card up at each write of a recording, go on, and look at every key."""
    for write in range(Played(_SHORT).store.write_count):
        life = Life(CrashStore(faults=Faults(full_at_write=write)), "first life", parts)
        with suppress(StoreFull, StoreUncertain, DayCutShort, AssertionError):
            life.start()
            life.record(1)
        with suppress(StoreFull, StoreUncertain, AssertionError):
            life.log.event("press-refused")
        found = list(KeyWatch().watch(life.store.appended))
        if found:
            return found
    return []


_SHORT: Final = Story.of("record 1")


@dataclass(frozen=True)
class Variant:
    """What is wrong, how to look for it, and what the sentence that catches it must begin with."""

    name: str
    invariant: str
    parts: Parts
    look: Callable[[Parts, str, Random], list[str]] = by_cuts

    def caught(self, seed: str) -> str | None:
        """Return the sentence that catches it, or None where nothing does."""
        found = self.look(self.parts, self.invariant, Random(seed))
        return next((sentence for sentence in found if sentence.startswith(self.invariant)), None)


VARIANTS: Final = (
    Variant("no directory fsync", "I1", Parts(make_store=NoFolderSync)),
    Variant("entry before media", "I1", Parts(wrap=cast(Callable[[Store], Store], EntryBeforeMedia))),
    Variant("acknowledgement before fsync", "I1", Parts(wrap=cast(Callable[[Store], Store], ConfirmBeforeSync))),
    Variant("erased before its entry", "I2", Parts(make_eraser=EraseFirst)),
    Variant("receipt not kept", "I2", Parts(make_eraser=ReceiptNotKept)),
    Variant("proof not kept", "I2", Parts(make_eraser=ProofNotKept)),
    Variant("accepted checkpoint forgotten", "I2", Parts(make_eraser=CheckpointForgotten)),
    Variant("takes over without settling", "I1", Parts(make_store=NoSettling), by_kills),
    Variant("one-time key used twice", "keys", Parts(make_log=KeyTwice), by_full_card),
)
