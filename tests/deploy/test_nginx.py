"""deploy/nginx.conf in a real nginx with TLS, the real server behind it, real clients before it."""

import asyncio
import json
import ssl
import struct
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any, Self

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from tests.conformance.sample import sample
from tests.deploy.proxying import HOST, App, Proxy, missing

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - of this test
ELSEWHERE = "https://elsewhere.example"


@pytest.fixture(scope="module")
def server() -> Iterator[App]:
    with App(TRUSTED_PROXIES="127.0.0.1", API_TOKEN=TOKEN, MAX_VIEWERS_PER_ADDRESS="1") as running:
        yield running


@pytest.fixture(scope="module")
def proxy(server: App) -> Iterator[Proxy]:
    with Proxy(server.port) as running:
        yield running


def ask(proxy: Proxy, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPSConnection(HOST, proxy.port, context=proxy.trust(), timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


class Viewer:
    """A viewer who reads and writes in one thread, as Python's `ssl` needs it (python/cpython#143756)."""

    def __init__(self, address: str, **options: Any) -> None:
        self._runner = asyncio.Runner()

        async def come() -> Any:
            return await connect(address, open_timeout=10, **options)

        try:
            self._socket = self._runner.run(come())
        except BaseException:
            self._runner.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._socket.close())
        self._runner.close()

    def send(self, message: str | bytes) -> None:
        self._runner.run(self._socket.send(message))

    def recv(self) -> str | bytes:
        heard: str | bytes = self._runner.run(asyncio.wait_for(self._socket.recv(), 10))
        return heard


def visit(proxy: Proxy, query: str = "", origin: str | None = None, **headers: str) -> Viewer:
    return Viewer(proxy.stream + query, ssl=proxy.trust(), origin=origin or proxy.origin, additional_headers=headers)


def ticket(proxy: Proxy) -> str:
    answer, body = ask(proxy, "/ticket", "POST", Authorization=f"Bearer {TOKEN}")
    assert answer.status == 200
    issued: str = json.loads(body)["ticket"]
    return issued


def last_words(viewer: Viewer) -> tuple[str, int | None]:
    """Return the error's code, and the code of the close that follows."""
    message = json.loads(viewer.recv())
    while message["type"] != "error":
        message = json.loads(viewer.recv())
    with pytest.raises(ConnectionClosedError) as closed:
        viewer.recv()
    assert closed.value.rcvd is not None
    return message["code"], closed.value.rcvd.code


def watch(viewer: Viewer) -> dict[str, object]:
    """Stream until both are known; return what is said of them together."""
    voice, face = sample()
    for number in range(12):
        viewer.send(struct.pack("<BI", 1, number + 1) + voice[number * 3200 : (number + 1) * 3200])
    for number in range(10):
        viewer.send(struct.pack("<BI", 2, 100 + number) + face)
        message = json.loads(viewer.recv())
        assert message["type"] == "result", message
        if message["fused"]["state"] == "ok":
            fused: dict[str, object] = message["fused"]
            return fused
        viewer.send(struct.pack("<BI", 1, 20 + number) + voice[38400:48000])
    pytest.fail("no result told of both")


def test_the_page_comes_over_tls_with_the_servers_headers_and_the_proxys(proxy: Proxy) -> None:
    answer, body = ask(proxy, "/")
    assert (answer.status, b"<html" in body) == (200, True)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert ask(proxy, "/static/js/main.js")[0].status == 200


def test_plain_http_is_sent_to_tls(proxy: Proxy) -> None:
    connection = HTTPConnection("127.0.0.1", proxy.plain_port, timeout=10)
    connection.request("GET", "/docs", headers={"Host": HOST})
    answer = connection.getresponse()
    connection.close()
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/docs")


def test_what_is_for_the_inside_is_not_shown(proxy: Proxy, server: App) -> None:
    assert ask(proxy, "/metrics")[0].status == 404
    inside = HTTPConnection("127.0.0.1", server.port, timeout=10)
    inside.request("GET", "/metrics")
    assert inside.getresponse().status == 200
    inside.close()


def test_a_page_of_this_host_streams_with_the_token_and_is_answered(proxy: Proxy) -> None:
    with visit(proxy) as viewer:
        assert json.loads(viewer.recv())["type"] == "challenge"
        viewer.send(json.dumps({"type": "authenticate", "token": TOKEN}))
        assert json.loads(viewer.recv())["type"] == "ready"
        assert watch(viewer)["label"]


def test_a_ticket_opens_one_stream_and_neither_it_nor_an_address_is_in_a_log(proxy: Proxy, server: App) -> None:
    issued = ticket(proxy)
    with visit(proxy, f"?ticket={issued}") as viewer:
        assert json.loads(viewer.recv())["type"] == "ready"
        assert watch(viewer)["label"]
    with visit(proxy, f"?ticket={issued}") as viewer:
        assert last_words(viewer) == ("unauthorized", 1008)
    assert ask(proxy, "/ticket", "POST", Authorization="Bearer something-else-altogether")[0].status == 401
    access = proxy.log("emotions.log")
    assert '"GET /ws" 101' in access
    assert '"POST /ticket" 200' in access
    for log in (access, proxy.log("emotions.error.log"), server.log()):
        assert issued not in log
        assert "127.0.0.1" not in log.replace(f"http://127.0.0.1:{server.port}", "")


def test_a_page_of_another_host_is_refused(proxy: Proxy) -> None:
    for origin in (ELSEWHERE, f"https://{HOST}", f"http://{HOST}:{proxy.port}", f"https://{HOST}.example:{proxy.port}"):
        with visit(proxy, origin=origin) as viewer:
            assert last_words(viewer) == ("origin_refused", 1008), origin


def test_what_a_client_says_of_its_address_and_scheme_is_not_believed(proxy: Proxy) -> None:
    """One viewer of an address may come; were the header passed on, the second would be of the same and refused."""
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    with (
        visit(proxy, f"?ticket={ticket(proxy)}", **forged) as one,
        visit(proxy, f"?ticket={ticket(proxy)}", **forged) as other,
    ):
        assert json.loads(one.recv())["type"] == "ready"
        assert json.loads(other.recv())["type"] == "ready"


def test_who_knocks_too_often_is_kept_out_by_the_proxy_and_nobody_else_is_disturbed(proxy: Proxy) -> None:
    statuses = set()
    knocks = HTTPSConnection(HOST, proxy.port, context=proxy.trust(), timeout=10)
    with visit(proxy, f"?ticket={ticket(proxy)}") as good:
        for _ in range(500):
            knocks.request("GET", "/ws")
            answer = knocks.getresponse()
            answer.read()
            statuses.add(answer.status)
            if answer.status == 503:
                break
        assert json.loads(good.recv())["type"] == "ready"
        assert watch(good)["label"]
    knocks.close()
    assert statuses == {404, 503}


def test_a_server_that_does_not_know_its_proxy_takes_the_page_for_another() -> None:
    """Without TRUSTED_PROXIES the page's https is not known, so that its origin is another: docs/security.md."""
    with App() as server, Proxy(server.port) as proxy, visit(proxy) as viewer:
        assert last_words(viewer) == ("origin_refused", 1008)


def test_a_client_that_does_not_know_the_certificate_does_not_come_in(proxy: Proxy) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        Viewer(proxy.stream, ssl=ssl.create_default_context())
