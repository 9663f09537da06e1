"""Tickets, tokens, origins and proxies through the whole application."""

import pytest
from arithmetic_models import MeanVoice, SumFace
from pydantic import SecretStr
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app.inference.local import LocalInference
from app.server import create_app
from app.settings import Settings

TOKEN = "correct horse battery staple"  # noqa: S105 - of a test's own server
BEARER = {"authorization": f"Bearer {TOKEN}"}


def visiting(address=("192.0.2.1", 4711), **changes):
    app = create_app(Settings(_env_file=None, **changes), LocalInference(MeanVoice(), SumFace()))
    return TestClient(app, client=address)


def first_word(client, path="/ws", **headers):
    with client.websocket_connect(path, headers=headers) as socket:
        return socket.receive_json()


def farewell(client, path="/ws", **headers):
    with client.websocket_connect(path, headers=headers) as socket:
        code = socket.receive_json()["code"]
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        return code, closed.value.code


def test_a_ticket_is_had_for_the_token_and_good_once():
    with visiting(api_token=SecretStr(TOKEN)) as client:
        answer = client.post("/ticket", headers=BEARER).json()
        assert answer["expires_in"] == 30
        path = f"/ws?ticket={answer['ticket']}"
        assert first_word(client, path)["type"] == "ready"
        assert farewell(client, path) == ("unauthorized", 1008)
        assert first_word(client)["type"] == "challenge"


def test_a_token_may_have_letters_of_any_language():
    token = "pässwörter, geheime"  # noqa: S105 - of this very server
    with visiting(api_token=SecretStr(token)) as client:
        answer = client.post("/ticket", headers={"authorization": f"Bearer {token}".encode()})
        assert first_word(client, f"/ws?ticket={answer.json()['ticket']}")["type"] == "ready"


def test_a_ticket_is_not_spent_on_a_full_house():
    def ticket():
        return client.post("/ticket", headers=BEARER).json()["ticket"]

    with visiting(api_token=SecretStr(TOKEN), max_viewers=1, admission_load=0) as client:
        one, other = f"/ws?ticket={ticket()}", f"/ws?ticket={ticket()}"
        with client.websocket_connect(one) as socket:
            assert socket.receive_json()["type"] == "ready"
            assert farewell(client, other) == farewell(client, other) == ("full", 1013)
            assert farewell(client, one) == ("unauthorized", 1008)
        assert first_word(client, other)["type"] == "ready"
        assert farewell(client, other) == ("unauthorized", 1008)


@pytest.mark.parametrize(
    "authorization",
    [None, "", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer wrong", f"Bearer  {TOKEN}"],
)
def test_no_ticket_for_anything_else(authorization):
    with visiting(api_token=SecretStr(TOKEN)) as client:
        headers = {} if authorization is None else {"authorization": authorization}
        answer = client.post("/ticket", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["connection"] == "close"  # one try a connection, and those are counted
        assert "ticket" not in answer.json()


def test_a_server_without_a_token_has_no_tickets():
    with visiting() as client:
        assert client.post("/ticket", headers=BEARER).status_code == 404
        assert first_word(client, "/ws?ticket=made-up")["type"] == "ready"


def test_the_page_and_its_parts_are_open_to_all():
    with visiting(api_token=SecretStr(TOKEN)) as client:
        for path in ("/", "/static/js/main.js", "/healthz", "/readyz", "/protocol.json", "/docs"):
            assert client.get(path).status_code == 200


def test_only_pages_of_this_server_may_come():
    with visiting() as client:
        assert first_word(client, host="here", origin="http://here")["type"] == "ready"
        assert farewell(client, host="here", origin="http://there") == ("origin_refused", 1008)
        assert farewell(client, host="here", origin="https://here") == ("origin_refused", 1008)


def test_the_log_says_once_that_the_socket_has_no_bounds_of_its_own(caplog):
    with visiting() as client:
        for _ in range(2):
            first_word(client)
    assert sum("--ws app.guard.wire:Wire" in line for line in caplog.messages) == 1


FORWARDED = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https", "host": "here", "origin": "https://here"}


def test_a_trusted_proxy_is_believed_and_nobody_else():
    with visiting(("10.1.2.3", 1), trusted_proxies=("10.0.0.0/8",)) as client:
        assert first_word(client, **FORWARDED)["type"] == "ready"
    with visiting(("192.0.2.1", 1), trusted_proxies=("10.0.0.0/8",)) as client:
        assert farewell(client, **FORWARDED) == ("origin_refused", 1008)
    with visiting(("10.1.2.3", 1)) as client:
        assert farewell(client, **FORWARDED) == ("origin_refused", 1008)


def test_behind_a_trusted_proxy_viewers_count_by_their_own_address():
    settings = {"trusted_proxies": ("127.0.0.1",), "max_viewers_per_address": 1}
    with visiting(("127.0.0.1", 1), **settings) as client:
        one, other = {"x-forwarded-for": "203.0.113.9"}, {"x-forwarded-for": "6.6.6.6, 203.0.113.10"}
        with client.websocket_connect("/ws", headers=one) as socket:
            assert socket.receive_json()["type"] == "ready"
            assert farewell(client, **one) == ("address_full", 1013)
            assert farewell(client, **{"x-forwarded-for": "6.6.6.6, 203.0.113.9"}) == ("address_full", 1013)
            assert first_word(client, **other)["type"] == "ready"


def test_without_a_trusted_proxy_nobody_can_choose_an_address():
    with visiting(("192.0.2.1", 1), max_viewers_per_address=1) as client:
        with client.websocket_connect("/ws") as socket:
            assert socket.receive_json()["type"] == "ready"
            assert farewell(client, **{"x-forwarded-for": "203.0.113.9"}) == ("address_full", 1013)
        assert first_word(client)["type"] == "ready"
