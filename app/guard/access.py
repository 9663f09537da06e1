"""Who may connect: pages of which origin, and who holds the token or a ticket for it."""

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import Callable

from starlette.websockets import WebSocket, WebSocketDisconnect

from app import protocol
from app.guard.addresses import counted
from app.guard.origin import Origin
from app.guard.tickets import Tickets
from app.settings import Settings


class Access:
    """Lets viewers in.

    No more viewers wait to be known than may be served: a connection is all that they cost, but it is not nothing. Who
    comes when there are as many takes the place of who is silent for longest, among those of the address that has most.

    Args:
        settings: The server's settings.
        clock: Monotonic seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._allowed = frozenset(map(Origin.parse, settings.allowed_origins))
        self._token = None if settings.api_token is None else _digest(settings.api_token.get_secret_value())
        self._timeout = settings.authentication_timeout
        self._most_asked = settings.max_viewers
        self._asked: dict[asyncio.Timeout, str | None] = {}  # by address, who is silent for longest first
        self._clock = clock
        self._tickets = Tickets()

    @property
    def needs_token(self) -> bool:
        """Whether there is a token."""
        return self._token is not None

    def is_token(self, token: str) -> bool:
        """Compare with the server's token in a time that tells nothing of it."""
        return self._token is not None and hmac.compare_digest(_digest(token), self._token)

    def issue_ticket(self) -> str:
        """Return a ticket, for somebody who has shown the token."""
        return self._tickets.issue(self._clock())

    def check_origin(self, socket: WebSocket) -> None:
        """Look where the page is from that opened the socket.

        A browser always says so and no page can change it; other programs say nothing or what they like, and are not
        what this protects from.

        Raises:
            FarewellError: It is neither from this server's own address nor from an allowed one.
        """
        origins = socket.headers.getlist("origin")
        if not origins:
            return
        try:
            (origin,) = map(Origin.parse, origins)
        except ValueError:
            origin = None
        if origin is None or (origin not in self._allowed and origin != _own_origin(socket)):
            raise protocol.FarewellError("origin_refused", "pages from this address may not use this server")

    async def authenticate(self, socket: WebSocket) -> None:
        """Wait until the viewer has shown a ticket or the token, where there is one. A ticket is good until `admit`.

        Raises:
            FarewellError: It has not.
            WebSocketDisconnect: It has left.
        """
        if self._token is None:
            return
        ticket = socket.query_params.get("ticket")
        if ticket is not None:
            if not self._tickets.is_good(ticket, self._clock()):
                raise _no_ticket()
            return
        if len(self._asked) >= self._most_asked:
            self._send_one_away()
        patience = asyncio.timeout(self._timeout)
        try:
            async with patience:
                self._asked[patience] = counted(socket.client.host if socket.client else None)
                token = await self._ask(socket)
        except TimeoutError:
            if patience not in self._asked:
                raise protocol.FarewellError("full", "too many are at the door, try again later") from None
            raise _unauthorized(f"no token came within {self._timeout:g} seconds") from None
        finally:
            self._asked.pop(patience, None)
        if not self.is_token(token):
            raise _unauthorized("the first message has to be `authenticate` with the token of this server")

    def admit(self, socket: WebSocket) -> None:
        """Redeem the ticket with which a viewer came, if with one: now that it has a place, and not before.

        Raises:
            FarewellError: Another has come with it in the meantime.
        """
        ticket = socket.query_params.get("ticket")
        if self._token is not None and ticket is not None and not self._tickets.redeem(ticket, self._clock()):
            raise _no_ticket()

    def _send_one_away(self) -> None:
        ((address, _),) = Counter(self._asked.values()).most_common(1)
        longest = next(patience for patience, of in self._asked.items() if of == address)
        del self._asked[longest]
        if not longest.expired():
            longest.reschedule(asyncio.get_running_loop().time())

    async def _ask(self, socket: WebSocket) -> str:
        await socket.send_text(protocol.encode(protocol.Challenge(timeout=self._timeout)))
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"], message.get("reason"))
        return _token_in(message.get("text"))


def _own_origin(socket: WebSocket) -> Origin | None:
    """Return the origin of this server's own page, by the name that the viewer calls the server."""
    scheme = {"ws": "http", "wss": "https"}.get(socket.scope.get("scheme", "ws"))
    try:
        return Origin.parse(f"{scheme}://{socket.headers.get('host', '')}")
    except ValueError:
        return None


def _token_in(text: str | None) -> str:
    if text is None or len(text) > 2 * protocol.LONGEST_TOKEN:
        return ""
    try:
        event = protocol.decode(text)
    except protocol.ProtocolError:
        return ""
    return event.token.get_secret_value() if isinstance(event, protocol.Authenticate) else ""


def _no_ticket() -> protocol.FarewellError:
    return _unauthorized("the ticket was used, is too old, or never was one")


def _unauthorized(words: str) -> protocol.FarewellError:
    return protocol.FarewellError("unauthorized", words)


def _digest(token: str) -> bytes:
    # Of one length whatever the token's is, which the comparison would otherwise tell.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
