"""Says what the uploader reports: as events, on the status board, and to the bays that bring receipts to their cameras."""

from collections.abc import Callable

from dockd.station.app.custody import Say
from dockd.station.app.status import StatusBoard
from dockd.station.core.freeing import recording_of
from dockd.station.core.upload_words import (
    FileRefused,
    FileStored,
    FileUndescribed,
    ReceiptArrived,
    ReceiptRejected,
    UploaderFailed,
    UploadEvent,
    UploadState,
)
from dockd.station.ports import Spool
from protocol.policy import Policy
from protocol.receipt import receipt_hash

_FINE = frozenset({"idle", "uploading"})


class OffloadNews:
    """Takes the uploader's events, on its thread."""

    def __init__(
        self,
        *,
        spool: Spool,
        policy: Policy,
        board: StatusBoard,
        say: Say,
        on_receipt: Callable[[], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        """Take whom to tell; ``on_receipt`` wakes the bays."""
        self._spool, self._policy, self._board, self._say = spool, policy, board, say
        self._on_receipt, self._on_fault = on_receipt, on_fault
        self._code = ""

    def __call__(self, event: UploadEvent) -> None:
        """Tell one event."""
        match event:
            case UploadState():
                self._take_state(event)
            case FileStored():
                self._say("stored", {"folder": event.place.folder, "name": event.name})
            case ReceiptArrived():
                self._take_receipt(event)
            case ReceiptRejected():
                self._say("trouble", {"text": f"a receipt is not taken: {event.text}", "folder": event.place.folder})
            case FileRefused():
                text = f"central refuses {event.name}: {event.reason} ({event.section})"
                self._say("trouble", {"text": text, "folder": event.place.folder})
            case FileUndescribed():
                self._say("trouble", {"text": f"{event.name}: {event.text}", "folder": event.place.folder})
            case UploaderFailed():
                self._on_fault(event.error)

    def _take_state(self, state: UploadState) -> None:
        self._board.set_offload(state.code, state.text)
        if state.code != self._code and state.code not in _FINE:
            self._say("trouble", {"text": state.text, "offload": state.code})
        elif state.code != self._code or state.code in _FINE:
            self._say("progress", {"text": state.text, "offload": state.code})
        self._code = state.code

    def _take_receipt(self, event: ReceiptArrived) -> None:
        receipts = (each.signed for each in self._spool.receipts(event.place))
        signed = next((each for each in receipts if receipt_hash(each) == event.receipt_hash), b"")
        recording = recording_of(signed, self._policy)
        self._say(
            "receipted",
            {
                "folder": event.place.folder,
                "camera_id": event.place.camera_id.hex(),
                "recording_id": None if recording is None else recording.hex(),
            },
        )
        self._on_receipt()
