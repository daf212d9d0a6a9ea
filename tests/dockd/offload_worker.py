"""An ingest worker with the least of a keeper, for tests of the offload: in a thread, or as a process that can be killed.

The keeper moves whole files into a folder and gives out receipts that a test prepared, once all files that a receipt is
about are there. What it verifies is sizes alone; the real one has its own tests.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dockd.central.adapters.staging_disk import PosixStagingDisk
from dockd.central.app.ingest import Ingest
from dockd.central.app.staging import Staging, StagingLimits
from dockd.central.ports import EventFields, IntakeRefused, Kept
from dockd.shared.adapters.mqtt_client import BrokerAddress, connector
from dockd.shared.errors import OperatingError
from dockd.shared.tls import client_context
from protocol.offload.messages import Description
from protocol.receipt import ReceiptWithProof


class FolderKeeper:
    """Keeps files in a folder. ``receipts.json`` there: the names that a receipt is about, by the receipt in hex."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.refuses: str | None = None
        self.is_away = False

    def receipts_for(self, description: Description) -> Kept | None:
        if self.is_away:
            raise OperatingError("the catalogue is locked", expected="a catalogue", next_step="wait")
        return self._kept(description) if self._place(description).exists() else None

    def keep(self, description: Description, staged: Path) -> Kept:
        if self.is_away:
            raise OperatingError("the catalogue is locked", expected="a catalogue", next_step="wait")
        if self.refuses == description.kind:
            raise IntakeRefused("this test refuses it", section="spec/02-chain.md, 2.2")
        if staged.stat().st_size != description.size_bytes:
            raise IntakeRefused(f"{staged.stat().st_size} bytes", section="spec/07-offload.md, 7.2")
        self._place(description).parent.mkdir(exist_ok=True)
        staged.rename(self._place(description))
        return self._kept(description)

    def _place(self, description: Description) -> Path:
        return self._folder / description.shift_id.hex() / description.name

    def _kept(self, description: Description) -> Kept:
        file = self._folder / "receipts.json"
        subjects: dict[str, list[str]] = json.loads(file.read_text()) if file.exists() else {}
        here = {path.name for path in self._place(description).parent.iterdir()}
        return Kept(
            tuple(
                ReceiptWithProof(signed=bytes.fromhex(signed), proof=None)
                for signed, names in subjects.items()
                if description.name in names and here.issuperset(names)
            )
        )


class SlowDisk(PosixStagingDisk):
    """A disk that takes its time, so that a transfer has a middle."""

    def __init__(self, root: Path, *, sync_s: float) -> None:
        super().__init__(root)
        self._sync_s = sync_s

    def sync(self, folder: str, name: str) -> None:
        time.sleep(self._sync_s)
        super().sync(folder, name)


def make_ingest(
    folder: Path,
    address: BrokerAddress,
    keeper: FolderKeeper,
    on_event: Callable[[str, EventFields], None],
    *,
    worker: str = "ingest-1",
    sync_s: float = 0.0,
    free_bytes_min: int = 0,
    speed: int = 1,
) -> tuple[Ingest, PosixStagingDisk]:
    disk = SlowDisk(folder, sync_s=sync_s)
    ingest = Ingest(
        worker=worker,
        connect=connector(address),
        staging=Staging(disk, limits=StagingLimits(free_bytes_min=free_bytes_min)),
        keeper=keeper,
        on_event=on_event,
        now_ms=lambda: speed * time.monotonic_ns() // 1_000_000,
        instance=os.urandom(16),
    )
    return ingest, disk


class ThreadedWorker:
    """The worker in a thread of the test; what it told is in ``events``."""

    def __init__(self, folder: Path, address: BrokerAddress, *, free_bytes_min: int = 0, speed: int = 1) -> None:
        self.keeper = FolderKeeper(folder / "kept")
        (folder / "kept").mkdir(parents=True, exist_ok=True)
        self.events: list[tuple[str, EventFields]] = []
        self.ingest, self.disk = make_ingest(
            folder / "staging",
            address,
            self.keeper,
            lambda *event: self.events.append(event),
            free_bytes_min=free_bytes_min,
            speed=speed,
        )
        self._thread = threading.Thread(target=self.ingest.run)

    def __enter__(self) -> "ThreadedWorker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ingest.stop()
        self._thread.join()
        self.disk.close()


def main() -> None:
    """Run as a process: folder, port, CA, certificate, key, seconds that each sync takes."""
    folder, port, ca, certificate, key, sync_s = sys.argv[1:]
    context = client_context(ca_file=Path(ca), certificate_file=Path(certificate), key_file=Path(key))
    kept = Path(folder) / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    ingest, _ = make_ingest(
        Path(folder) / "staging",
        BrokerAddress("127.0.0.1", int(port), context),
        FolderKeeper(kept),
        lambda *event: print(*event, flush=True),
        sync_s=float(sync_s),
    )
    ingest.run()


if __name__ == "__main__":
    main()
