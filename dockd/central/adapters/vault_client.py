"""The vault as central's other processes see it: one request over its Unix socket, bounded in time."""

import socket
from pathlib import Path
from typing import Final

from dockd.central.adapters.vault_wire import address_of, receive, send
from dockd.central.core.vault_messages import (
    Checked,
    CheckRequest,
    HelloRequest,
    Opened,
    OpenRequest,
    Present,
    Refused,
    Reply,
    Request,
    parse_reply,
)
from dockd.central.errors import VaultAway, VaultRefused
from dockd.central.ports import Vault
from protocol.errors import PeerError


class VaultClient:
    """Asks the vault's process. Nothing is cached: a content key lives as long as its caller keeps it."""

    def __init__(self, socket_file: Path, *, timeout_s: float = 5.0) -> None:
        """Take the path of the socket; it is opened anew for each request."""
        self._socket_file: Final = socket_file
        self._timeout_s: Final = timeout_s

    def key_id(self) -> bytes:
        """Return the name of the key that the vault holds.

        Raises:
            VaultAway: it does not answer.
        """
        reply = self._ask(HelloRequest(kind="hello"))
        if not isinstance(reply, Present):
            raise self._away(f"it answers {reply.kind} to hello")
        return reply.key_id

    def check(self, key_box: bytes, commitment: bytes) -> str | None:
        """Ask whether the key box opens."""
        reply = self._ask(CheckRequest(kind="check", key_box=key_box, commitment=commitment))
        match reply:
            case Checked():
                return None
            case Refused(text=text):
                return text
        raise self._away(f"it answers {reply.kind} to a check")

    def open(self, key_box: bytes, commitment: bytes, *, reason: str) -> bytes:
        """Ask for the content key."""
        reply = self._ask(OpenRequest(kind="open", key_box=key_box, commitment=commitment, reason=reason))
        match reply:
            case Opened(content_key=content_key):
                return content_key
            case Refused(text=text):
                raise VaultRefused(
                    f"the vault cannot open the key box: {text}",
                    expected="a key box that was sealed to this vault",
                    next_step="see that the vault runs with the key that the policy names",
                )
        raise self._away(f"it answers {reply.kind} to an open")

    def _ask(self, request: Request) -> Reply:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout_s)
                with address_of(self._socket_file) as address:
                    connection.connect(address)
                send(connection, request)
                return parse_reply(receive(connection))
        except (OSError, PeerError) as error:
            raise self._away(str(error)) from error

    def _away(self, why: str) -> VaultAway:
        return VaultAway(
            f"the vault at {self._socket_file} does not answer ({why})",
            expected="`sealcam-central vault` running",
            next_step="start it; receipts are made then, and nothing is lost until then",
        )


_: type[Vault] = VaultClient
