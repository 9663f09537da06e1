"""The WebSocket endpoint: who asks to come in, is let in or refused, and hears why it ended."""

import contextlib
import logging
import secrets
import time

from starlette.websockets import WebSocket, WebSocketDisconnect

from app import protocol
from app.connection import Clock, Connection
from app.guard.access import Access
from app.guard.addresses import Addresses
from app.inference.interface import Inference
from app.settings import Settings
from app.watch.telemetry import Telemetry

log = logging.getLogger(__name__)


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
        self._addresses = Addresses(settings.max_viewers_per_address)
        self.access = Access(settings, clock)
        self.viewers = 0

    async def serve(self, socket: WebSocket) -> None:
        """Serve one viewer until it leaves or has to go."""
        await socket.accept()
        try:
            self.access.check_origin(socket)
            with self._addresses.room(socket.client.host if socket.client else None):
                await self.access.authenticate(socket)
                await self._stream(socket)
        except WebSocketDisconnect:
            pass
        # Its place is free by now, however long it takes to hear this.
        except protocol.FarewellError as fault:
            self._telemetry.dismissed(fault.code, fault.cause)
            await _end(socket, fault.code, fault.message)
        except Exception:
            log.exception("A viewer's stream failed")
            self._telemetry.dismissed("internal")
            await _end(socket, "internal", "the server failed, reconnect")

    async def _stream(self, socket: WebSocket) -> None:
        if self.viewers >= self._settings.max_viewers:
            raise protocol.FarewellError("full", "the server is full, try again later")
        if not self._telemetry.admits():
            raise protocol.FarewellError("full", "the server has all the work that it can do, try again later", "load")
        self.viewers += 1
        name = secrets.token_hex(8)
        try:
            with self._telemetry.visit(name) as visit:
                await Connection(socket, self._settings, self._inference, name, visit, self._clock).run()
        finally:
            self.viewers -= 1


async def _end(socket: WebSocket, code: protocol.ErrorCode, message: str) -> None:
    """Say why, then close; a viewer that is already gone is none the wiser."""
    error = protocol.Error(code=code, message=message, recoverable=False)
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.send_text(protocol.encode(error))
        await socket.close(protocol.CLOSE_CODES[code], code)
