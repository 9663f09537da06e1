"""Tickets: keys for one connection, for who holds the token and does not want to hand it on; and `POST /ticket`."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request
from pydantic import BaseModel

TICKET_SECONDS = 30.0
MAX_TICKETS = 10_000
"""Unused tickets at the same time; one more costs the oldest."""


class Tickets:
    """Single-use keys that live for some seconds. Pure: time is passed in."""

    def __init__(self) -> None:
        self._expiries: dict[str, float] = {}  # oldest first

    def issue(self, now: float) -> str:
        """Return a new ticket."""
        self._forget(now)
        if len(self._expiries) >= MAX_TICKETS:
            self._drop_oldest()
        ticket = secrets.token_urlsafe(24)
        self._expiries[ticket] = now + TICKET_SECONDS
        return ticket

    def is_good(self, ticket: str, now: float) -> bool:
        """Return whether the ticket could be redeemed."""
        self._forget(now)
        return ticket in self._expiries

    def redeem(self, ticket: str, now: float) -> bool:
        """Return whether the ticket is good; from now on it is not."""
        self._forget(now)
        return self._expiries.pop(ticket, None) is not None

    def _forget(self, now: float) -> None:
        while self._expiries and next(iter(self._expiries.values())) <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        del self._expiries[next(iter(self._expiries))]


ticket_route = APIRouter()


class Ticket(BaseModel):
    """A ticket."""

    ticket: str
    """Connect to `/ws?ticket=...` with it, once."""
    expires_in: float = TICKET_SECONDS
    """Seconds in which to do so."""


@ticket_route.post(
    "/ticket",
    responses={
        401: {"description": "Not the token of this server; the connection is closed."},
        404: {"description": "This server has no token: everybody may connect."},
        503: {"description": "The models are not loaded."},
    },
)
async def ticket(request: Request, authorization: Annotated[str, Header()] = "") -> Ticket:
    """Return a ticket for `Authorization: Bearer <API_TOKEN>`."""
    streaming = request.app.state.streaming
    if streaming is None:
        raise HTTPException(503, "The models are not loaded.")
    if not streaming.access.needs_token:
        raise HTTPException(404, "This server has no token: everybody may connect.")
    # Of a header the bytes are known, as Latin-1; who writes other letters sends UTF-8.
    scheme, _, token = authorization.encode("latin-1").decode(errors="replace").partition(" ")
    if scheme.lower() != "bearer" or not streaming.access.is_token(token):
        # One try a connection, as at the stream: connections of an address are counted.
        headers = {"WWW-Authenticate": "Bearer", "Connection": "close"}
        raise HTTPException(401, "Not the token of this server.", headers=headers)
    return Ticket(ticket=streaming.access.issue_ticket())
