"""The ledger's process: leaves that nobody queued yet, then batches and their publication until it is told to stop."""

from collections.abc import Callable
from typing import Final

from dockd.central.app.publishing import Publisher
from dockd.central.app.sequencer import Sequencer
from dockd.central.core.leaves import camera_opening, leaf_row, policy_opening, receipt_opening
from dockd.central.errors import CatalogueFault, StoreFault
from dockd.central.ledger_ports import LeafQueue
from dockd.central.ports import CameraRow, Entropy, OnEvent
from protocol.ledger.leaves import AnyOpening
from protocol.policy import TrustedPolicy
from protocol.units import LEAF_SALT_SIZE_BYTES

_ADOPTED_MAX: Final = 1000


def queue_policy_and_cameras(
    queue: LeafQueue, policy: TrustedPolicy, cameras: tuple[CameraRow, ...], entropy: Entropy
) -> None:
    """Queue the policy that holds and the cameras that are enrolled, where they are not in the ledger or its queue yet."""
    openings: list[AnyOpening] = [policy_opening(policy)]
    openings += [camera_opening(row.camera_id, row.enrolment) for row in cameras if row.enrolment is not None]
    for start in range(0, len(openings), _ADOPTED_MAX):
        few = openings[start : start + _ADOPTED_MAX]
        queue.put(tuple(leaf_row(opening, entropy.take(LEAF_SALT_SIZE_BYTES)) for opening in few))


def queue_old_receipts(queue: LeafQueue, entropy: Entropy) -> int:
    """Queue the receipts from before the agency kept a ledger; return how many there were."""
    count = 0
    while rows := queue.receipts_without_leaf(_ADOPTED_MAX):
        queue.put(tuple(leaf_row(receipt_opening(row), entropy.take(LEAF_SALT_SIZE_BYTES)) for row in rows))
        count += len(rows)
    return count


class Ledger:
    """Sequencer and publisher in one loop: witnesses are asked between two batches."""

    def __init__(
        self,
        *,
        sequencer: Sequencer,
        publisher: Publisher,
        mono_ms: Callable[[], int],
        wait: Callable[[float], bool],
        on_event: OnEvent,
        poll_s: float,
        fault_s: float = 1.0,
    ) -> None:
        """Take what does the work. ``wait`` waits for so many seconds and says whether the process is to stop."""
        self._sequencer = sequencer
        self._publisher = publisher
        self._mono_ms = mono_ms
        self._wait = wait
        self._on_event = on_event
        self._poll_s = poll_s
        self._fault_s = fault_s

    def run(self) -> None:
        """Serve until told to stop.

        Raises:
            LedgerMismatch, StoreUncertain: the process must end; what is durable stands.
        """
        is_stopped = False
        while not is_stopped:
            is_stopped = self._wait(self._turn())

    def _turn(self) -> float:
        """Do what is to be done; return for how many seconds nothing is."""
        try:
            count = self._sequencer.step()
            self._publisher.step(self._sequencer.signed, self._mono_ms())
        except (StoreFault, CatalogueFault) as error:
            # A full disk, a catalogue that somebody holds: receipts wait, nothing is lost, and it is tried again.
            self._on_event("trouble", {"reason": str(error)})
            return self._fault_s
        return 0.0 if count else self._poll_s
