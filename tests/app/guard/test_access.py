import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.websockets import WebSocket

from app.guard.access import Access
from app.guard.tickets import MAX_TICKETS, TICKET_SECONDS, Tickets
from app.protocol import FarewellError
from app.settings import Settings

TOKEN = "correct horse battery staple"  # noqa: S105


def access(**changes):
    return Access(Settings(_env_file=None, **changes), lambda: 0.0)


def may_come(origin, *, host="emotions.example.org", scheme="wss", **changes):
    headers = [(b"host", host.encode())] + [(b"origin", value.encode()) for value in origin]
    socket = WebSocket({"type": "websocket", "scheme": scheme, "headers": headers}, None, None)
    try:
        access(**changes).check_origin(socket)
    except FarewellError as fault:
        assert fault.code == "origin_refused"
        return False
    return True


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "may"),
    [
        ("https://emotions.example.org", "emotions.example.org", "wss", True),
        ("https://emotions.example.org", "emotions.example.org:443", "wss", True),
        ("https://emotions.example.org:8443", "emotions.example.org:8443", "wss", True),
        ("http://localhost:8000", "localhost:8000", "ws", True),
        ("http://[::1]:8000", "[::1]:8000", "ws", True),
        ("https://Emotions.Example.org", "EMOTIONS.example.org", "wss", True),
        ("http://emotions.example.org", "emotions.example.org", "wss", False),  # another scheme
        ("https://emotions.example.org", "emotions.example.org", "ws", False),
        ("https://emotions.example.org:444", "emotions.example.org", "wss", False),  # another port
        ("http://localhost:3000", "localhost:8000", "ws", False),
        ("https://example.org", "emotions.example.org", "wss", False),  # another host
        ("https://emotions.example.org.evil.com", "emotions.example.org", "wss", False),
        ("https://evil-emotions.example.org", "emotions.example.org", "wss", False),
        ("http://127.0.0.1:8000", "localhost:8000", "ws", False),
        ("null", "emotions.example.org", "wss", False),
        ("", "", "wss", False),
        ("https://emotions.example.org", "", "wss", False),
    ],
)
def test_by_default_a_page_of_this_server_alone_may_come(origin, host, scheme, may):
    assert may_come([origin], host=host, scheme=scheme) is may


def test_who_names_no_origin_is_no_browser_and_may_come():
    assert may_come([])


def test_two_origins_are_no_origin():
    assert not may_come(["https://emotions.example.org", "https://emotions.example.org"])


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        ("https://shop.example.com", True),
        ("https://shop.example.com:443", True),
        ("http://localhost:3000", True),
        ("https://emotions.example.org", True),
        ("http://shop.example.com", False),
        ("https://www.shop.example.com", False),
        ("http://localhost:3001", False),
    ],
)
def test_other_origins_may_be_allowed_exactly(origin, may):
    assert may_come([origin], allowed_origins=("https://shop.example.com", "http://localhost:3000")) is may


@given(st.text() | st.text(max_size=5).map(lambda text: TOKEN + text) | st.just(TOKEN))
def test_only_the_token_is_the_token(text):
    assert access(api_token=SecretStr(TOKEN)).is_token(text) is (text == TOKEN)


def test_without_a_token_nothing_is_the_token():
    assert not access().needs_token
    assert not access().is_token("")


def test_a_ticket_is_good_once_and_for_a_while():
    tickets = Tickets()
    first, late = tickets.issue(0.0), tickets.issue(0.0)
    assert tickets.is_good(first, TICKET_SECONDS - 1)
    assert tickets.is_good(first, TICKET_SECONDS - 1)  # to look costs nothing
    assert tickets.redeem(first, TICKET_SECONDS - 1)
    assert not tickets.redeem(first, TICKET_SECONDS - 1)
    assert not tickets.is_good(first, TICKET_SECONDS - 1)
    assert not tickets.is_good(late, TICKET_SECONDS)
    assert not tickets.redeem(late, TICKET_SECONDS)
    assert not tickets.redeem("never issued", 0.0)


def test_tickets_that_nobody_uses_are_bounded_and_forgotten():
    tickets = Tickets()
    issued = [tickets.issue(0.0) for _ in range(MAX_TICKETS + 1)]
    assert len(set(issued)) == len(issued)
    assert not tickets.redeem(issued[0], 1.0)
    assert tickets.redeem(issued[1], 1.0)
    tickets.issue(TICKET_SECONDS)
    assert len(tickets._expiries) == 1
