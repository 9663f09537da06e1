"""`POST /ticket`: a key for one connection, for who holds the token and does not want to hand it on."""

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request
from pydantic import BaseModel

from app.guard.access import TICKET_SECONDS

door = APIRouter()


class Ticket(BaseModel):
    """A ticket."""

    ticket: str
    """Connect to `/ws?ticket=...` with it, once."""
    expires_in: float = TICKET_SECONDS
    """Seconds in which to do so."""


@door.post(
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
