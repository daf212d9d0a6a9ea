"""The witness's HTTP server: starlette's routes on uvicorn. Sizes, times and connections are bounded here; it decides nothing.

Implements the HTTP of spec/08-ledger.md, 8.11, and the pages of dockd/design/witness.md.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import socket
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from dockd.central.errors import SettingsFault, StateUncertain
from dockd.central.witness_ports import Witnessing
from protocol.ledger.add_checkpoint import REQUEST_SIZE_BYTES_MAX

CONNECTIONS_MAX: Final = 64
CONNECTION_S_MAX: Final = 60.0
BODY_S_MAX: Final = 10.0
_KEEP_ALIVE_S: Final = 15
_HEADERS_SIZE_BYTES_MAX: Final = 16_384
_SHUTDOWN_S: Final = 3
_PLAIN: Final = "text/plain; charset=utf-8"
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


class WitnessServer:
    """Serves one witness on a socket that is bound already."""

    def __init__(
        self,
        witness: Witnessing,
        listener: socket,
        *,
        on_ready: Callable[[], None],
        certificate_file: Path | None = None,
        tls_key_file: Path | None = None,
        connections_max: int = CONNECTIONS_MAX,
        connection_s_max: float = CONNECTION_S_MAX,
        body_s_max: float = BODY_S_MAX,
    ) -> None:
        """Take the witness; ``on_ready`` is called once, when requests are answered.

        Raises:
            SettingsFault: certificate and key cannot be used.
        """
        self._witness, self._listener, self._body_s_max = witness, listener, body_s_max
        self._fault: StateUncertain | None = None
        self._has_stopped = threading.Event()
        routes = [
            Route("/", self._page),
            Route("/state.json", self._state),
            Route("/health", self._health),
            Route("/add-checkpoint", self._add_checkpoint, methods=["POST"]),
            Route("/{origin_hash}/checkpoint", self._checkpoint),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            http=_bounded(connections_max, connection_s_max),
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=CONNECTIONS_MAX,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_SHUTDOWN_S,
            h11_max_incomplete_event_size=_HEADERS_SIZE_BYTES_MAX,
            ssl_certfile=certificate_file,
            ssl_keyfile=tls_key_file,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise SettingsFault(
                f"{certificate_file} and {tls_key_file} cannot be used together ({error})",
                expected="a certificate chain in PEM, and its unencrypted private key",
                next_step="correct certificate_file and tls_key_file in the settings, or leave TLS to a reverse proxy",
            ) from error
        self._server = _Server(config, on_ready, self._has_stopped)

    def run(self) -> None:
        """Serve until `stop`.

        Raises:
            StateUncertain: what the witness keeps is not known any more.
        """
        self._server.run(sockets=[self._listener])
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Let `run` return soon; any thread or signal handler may call it, before `run` too."""
        self._has_stopped.set()
        self._server.should_exit = True

    async def _add_checkpoint(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(self._body_s_max):
                body = await _body_of(request)
        except TimeoutError:
            return await self._turned_away(408, f"a body that took longer than {self._body_s_max:g} s")
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        if body is None:
            return await self._turned_away(413, f"a body of more than {REQUEST_SIZE_BYTES_MAX} bytes")
        try:
            answer = await run_in_threadpool(self._witness.add_checkpoint, body)
        except StateUncertain as error:
            self._fault = error
            self._server.should_exit = True
            return _plain(500, "what is kept is not known any more; nothing was cosigned")
        return Response(answer.body, answer.status, {**_HEADERS, "Content-Type": answer.content_type})

    async def _turned_away(self, status: int, reason: str) -> Response:
        await run_in_threadpool(self._witness.refuse, reason)
        response = _plain(status, reason)
        response.headers["Connection"] = "close"  # the rest of the body is not waited for
        return response

    async def _page(self, _: Request) -> Response:
        html, policy = await run_in_threadpool(self._witness.page)
        headers = {**_HEADERS, "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        return Response(html, 200, headers)

    async def _state(self, _: Request) -> Response:
        body = await run_in_threadpool(self._witness.state)
        return Response(body, 200, {**_HEADERS, "Content-Type": "application/json"})

    async def _health(self, _: Request) -> Response:
        return _plain(200, "fine")

    async def _checkpoint(self, request: Request) -> Response:
        found = await run_in_threadpool(self._witness.checkpoint, request.path_params["origin_hash"])
        if found is None:
            return _plain(404, "no checkpoint of such a log was cosigned here")
        return Response(found, 200, {**_HEADERS, "Content-Type": _PLAIN})


def _plain(status: int, text: str) -> Response:
    return Response(f"{text}\n".encode(), status, {**_HEADERS, "Content-Type": _PLAIN})


async def _body_of(request: Request) -> bytes | None:
    """Return the body; None where it is too large, which is found out before it is all there."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > REQUEST_SIZE_BYTES_MAX:
            return None
    return bytes(body)


def _bounded(connections_max: int, seconds_max: float) -> type[H11Protocol]:
    """Return uvicorn's protocol with two bounds that it lacks: it waits for ever for a first byte, and accepts without end.

    A connection ends after a while, whatever it does; and where there are too many, the oldest makes room. So whoever
    opens connections and says nothing shuts nobody out: a request that is meant lasts milliseconds.
    """
    opened: dict[H11Protocol, asyncio.TimerHandle] = {}

    class Bounded(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            opened[self] = self.loop.call_later(seconds_max, transport.abort)
            if len(opened) > connections_max:
                next(iter(opened)).transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if (timer := opened.pop(self, None)) is not None:
                timer.cancel()

    return Bounded


class _Server(uvicorn.Server):
    """uvicorn's server that says when it is ready, and leaves signals to its owner."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None], has_stopped: threading.Event) -> None:
        super().__init__(config)
        self._on_ready, self._has_stopped = on_ready, has_stopped

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self._has_stopped.is_set():
            self.should_exit = True
        elif not self.should_exit:
            self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
