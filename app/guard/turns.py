"""Whose turn it is: requests are never so many at once that the streams have to wait for all of them."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send


class Turns:
    """Middleware: requests begin one after the other, and between two of them everybody else has a turn.

    They may end in any order: who reads an answer slowly keeps nobody waiting.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, a request when its turn has come."""
        if scope["type"] == "http":
            async with self._turn:
                await asyncio.sleep(0)
        await self._app(scope, receive, send)
