"""The WebSocket endpoint: who asks to come in, is let in or refused, and hears why it ended."""

import asyncio
import contextlib
import logging
import secrets
import time
import traceback
from collections.abc import AsyncIterator
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from app import protocol
from app.connection import Clock, Connection
from app.guard.access import Access
from app.guard.addresses import Addresses
from app.guard.wire import EXTENSION
from app.inference.interface import Inference
from app.moments import Moments
from app.settings import Settings
from app.watch.telemetry import Telemetry

log = logging.getLogger(__name__)
shown = logging.getLogger("uvicorn.error")  # the log that uvicorn shows


class Streaming:
    """Serves all viewers of one server.

    Args:
        settings: The server's settings.
        inference: Answers for the models.
        telemetry: Takes what happens, and tells whether there is room for one more viewer; its own where None.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        inference: Inference,
        *,
        telemetry: Telemetry | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._settings = settings
        self._inference = inference
        self._telemetry = telemetry or Telemetry(settings, clock=clock)
        self._clock = clock
        self._moments = Moments(clock)
        self._addresses = Addresses(settings.max_viewers_per_address)
        self.access = Access(settings, clock)
        self._here: set[asyncio.Task[Any]] = set()
        self._stays: set[asyncio.Timeout] = set()
        self._looked = False
        self.viewers = 0
        self.draining = False

    async def drain(self, seconds: float) -> int:
        """Send everybody away, and let nobody in from now on.

        Args:
            seconds: To wait until all have been told.

        Returns:
            How many have not: they read too slowly, or not at all.
        """
        self.draining = True
        while self._stays:
            self._stays.pop().reschedule(asyncio.get_running_loop().time())
        if not self._here:
            return 0
        _, untold = await asyncio.wait(self._here, timeout=seconds)
        return len(untold)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one viewer until it leaves or has to go."""
        if task := asyncio.current_task():
            self._here.add(task)
            task.add_done_callback(self._here.discard)
        self._look_at_the_wire(socket)
        await socket.accept()
        farewell = await self._let_in(socket)
        # Its place is free by now, and nothing of it is held, however long it takes to hear this.
        if farewell is not None:
            with contextlib.suppress(TimeoutError):  # it does not read, and uvicorn's own WebSocket waits for ever
                async with asyncio.timeout(self._settings.unread_timeout):
                    await _end(socket, *farewell)

    async def _let_in(self, socket: WebSocket) -> tuple[protocol.ErrorCode, str] | None:
        """Serve who may come in until it has left, or return with which code and words it has to go."""
        try:
            self.access.check_origin(socket)
            with self._addresses.room(socket.client.host if socket.client else None):
                async with self._until_drained():
                    await self.access.authenticate(socket)
                await self._stream(socket)
        except Exception as fault:
            traceback.clear_frames(fault.__traceback__)  # which hold what was the viewer's, in circles too
            return self._why(fault)
        return None

    def _why(self, fault: Exception) -> tuple[protocol.ErrorCode, str] | None:
        if isinstance(fault, WebSocketDisconnect):
            return None
        if isinstance(fault, protocol.FarewellError):
            self._telemetry.dismissed(fault.code, fault.cause)
            return fault.code, fault.message
        log.error("A viewer's stream failed", exc_info=fault)
        self._telemetry.dismissed("internal")
        return "internal", "the server failed, reconnect"

    def _look_at_the_wire(self, socket: WebSocket) -> None:
        """Say once, with the first connection, since nothing tells it earlier, where uvicorn's own protocol serves."""
        if not self._looked and EXTENSION not in socket.scope.get("extensions", {}):
            shown.warning(
                "Floods, slow requests and fast reconnects are not held back by this WebSocket: start the server by "
                "`python -m app`, or with --http app.guard.entry:Entry --ws app.guard.wire:Wire (docs/security.md)"
            )
        self._looked = True

    async def _stream(self, socket: WebSocket) -> None:
        if self.viewers >= self._settings.max_viewers:
            raise protocol.FarewellError("full", "the server is full, try again later")
        if not self._telemetry.admits():
            raise protocol.FarewellError("full", "the server has all the work that it can do, try again later", "load")
        self.access.admit(socket)
        self.viewers += 1
        name = secrets.token_hex(8)
        try:
            with self._telemetry.visit(name) as visit:
                async with self._until_drained():
                    await Connection(
                        socket, self._settings, self._inference, name, visit, self._moments, self._clock
                    ).run()
        finally:
            self.viewers -= 1

    @contextlib.asynccontextmanager
    async def _until_drained(self) -> AsyncIterator[None]:
        """End what is within when everybody has to go."""
        if self.draining:
            raise _restart()
        stay = asyncio.timeout(None)
        try:
            async with stay:
                self._stays.add(stay)
                yield
        except TimeoutError:
            if not stay.expired():
                raise
            raise _restart() from None
        finally:
            self._stays.discard(stay)


def _restart() -> protocol.FarewellError:
    return protocol.FarewellError("restart", "the server stops or restarts, reconnect")


async def _end(socket: WebSocket, code: protocol.ErrorCode, message: str) -> None:
    """Say why, then close; a viewer that is already gone is none the wiser."""
    error = protocol.Error(code=code, message=message, recoverable=False)
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.send_text(protocol.encode(error))
        await socket.close(protocol.CLOSE_CODES[code], code)
