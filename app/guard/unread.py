"""What a client leaves unread of what it was sent: while it reads no more of it, for so long, then it is cut off.

uvicorn waits for ever: even a close waits its turn behind what nobody reads, and with it a descriptor and the kernel's
buffers, for as long as the client's machine acknowledges.
"""

import asyncio
import contextlib
import socket
import struct
import sys
from typing import Any, Final

from uvicorn.protocols.utils import is_ssl

STATE: Final = "unread_timeout"
"""The name of the limit, in seconds, in the state of the application's lifespan; without it there is none."""
PORTION: Final = 65_536
"""Bytes that have to be taken in this time where so many are left; else all of them."""
_RESET: Final = struct.pack("ii", 1, 0)


class Impatient(asyncio.Protocol):
    """Before a protocol of uvicorn's among the bases of a class: its client takes what it is sent, or is cut off."""

    app_state: dict[str, Any]
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection."""
        super().connection_made(transport)
        limit = self.app_state.get(STATE)
        if limit is None:
            return
        if not is_ssl(self.transport):  # which ends by itself what it cannot close
            self.transport.set_write_buffer_limits(0)  # any byte that the kernel does not take counts, not 64 KiB
        if sys.platform == "linux":  # and what only the kernel has, also after a close, for minutes otherwise
            with contextlib.suppress(OSError):  # no TCP
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * limit))

    def pause_writing(self) -> None:
        """Begin to wait: something is not taken."""
        super().pause_writing()
        if STATE in self.app_state:
            self._wait()

    def resume_writing(self) -> None:
        """Wait no more: all has been taken."""
        self._wait_no_more()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._wait_no_more()
        super().connection_lost(exc)

    def cut_off(self) -> None:
        """End the connection by a reset, so that the kernel as well lets go of what nobody reads."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    @property
    def _socket(self) -> socket.socket:
        given: socket.socket = self.transport.get_extra_info("socket")
        return given

    def _wait(self) -> None:
        most = max(0, self.transport.get_write_buffer_size() - PORTION)
        self._unread = self.loop.call_later(self.app_state[STATE], self._look, most)

    def _look(self, most: int) -> None:
        if self.transport.get_write_buffer_size() > most:
            self.cut_off()
        else:
            self._wait()

    def _wait_no_more(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
