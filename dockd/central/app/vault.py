"""The vault: the one process that holds the private key which opens footage (architecture.md, 5 and 6).

It logs each opening with the reason given, never a key. It decides nothing about who may ask: that is the mode of its
socket's and its key's files. The socket stands in `dockd.central.adapters.vault_server`.
"""

from dockd.central.core.vault_messages import (
    Checked,
    CheckRequest,
    HelloRequest,
    Opened,
    OpenRequest,
    Present,
    Refused,
    Reply,
    parse_request,
)
from dockd.central.ports import OnEvent
from protocol.errors import KeyBoxUnreadable, PeerError
from protocol.keybox import KeyBox, SealingKey, parse_key_box
from protocol.keys import key_id


class VaultService:
    """Answers requests with one private key."""

    def __init__(self, *, key: SealingKey, on_event: OnEvent) -> None:
        """Take the key, and who is told of openings."""
        self._key = key
        self._on_event = on_event

    def answer(self, data: bytes) -> Reply:
        """Return the reply to the bytes of one request."""
        try:
            request = parse_request(data)
            if isinstance(request, HelloRequest):
                return Present(kind="present", key_id=key_id(self._key.public_key))
            box = parse_key_box(request.key_box)
        except PeerError as error:
            return Refused(kind="refused", text=str(error)[:1000])
        try:
            content_key = self._key.open_key_box(request.key_box, role="vault", commitment=request.commitment)
        except KeyBoxUnreadable as error:
            self._tell("vault-refused", request, box, str(error))
            return Refused(kind="refused", text=str(error)[:1000])
        if isinstance(request, CheckRequest):
            return Checked(kind="checked")
        # Told before the key leaves, so that no opening goes unwritten.
        self._tell("vault-opened", request, box, None)
        return Opened(kind="opened", content_key=content_key)

    def _tell(self, name: str, request: CheckRequest | OpenRequest, box: KeyBox, why: str | None) -> None:
        reason = None if isinstance(request, CheckRequest) else request.reason
        self._on_event(
            name,
            {
                "shift": box.shift_id.hex(),
                "recording": box.recording_id.hex(),
                "request": request.kind,
                "reason": reason,
                "error": why,
            },
        )
