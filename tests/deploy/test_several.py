"""Two servers behind deploy/nginx.conf, as docs/scaling.md tells to run them: who goes where, what is not shared."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from http.client import HTTPSConnection
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.asyncio.client import connect

from app.settings import ROOT
from tests.deploy.proxying import HOST, App, Proxy, missing
from tests.e2e.serving import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - of this test
LEAST = "least_conn; "


@pytest.fixture(scope="module")
def servers() -> Iterator[list[App]]:
    with ExitStack() as stack:
        yield [stack.enter_context(App(TRUSTED_PROXIES="127.0.0.1", API_TOKEN=TOKEN)) for _ in range(2)]


def viewers(servers: list[App]) -> list[int]:
    """Return how many viewers each server has at the moment."""
    said = [urlopen(f"http://127.0.0.1:{server.port}/readyz", timeout=10).read() for server in servers]
    return [json.loads(text)["viewers"] for text in said]


def ask(proxy: Proxy, path: str, method: str = "GET") -> bytes:
    connection = HTTPSConnection(HOST, proxy.port, context=proxy.trust(), timeout=10)
    try:
        connection.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
        return connection.getresponse().read()
    finally:
        connection.close()


def visit(proxy: Proxy, query: str = "") -> connect:
    return connect(proxy.stream + query, ssl=proxy.trust(), open_timeout=10)


async def told(viewer: Any) -> dict[str, Any]:
    async with asyncio.timeout(10):
        message: dict[str, Any] = json.loads(await viewer.recv())
    return message


@pytest.mark.parametrize(("balance", "shares"), [(LEAST, [4, 4]), ("", [0, 8])])
async def test_streams_are_dealt_out_by_connections_and_not_by_turns(
    servers: list[App], balance: str, shares: list[int]
) -> None:
    """Each viewer asks for something before the stream, as a page does."""
    with Proxy(*(server.port for server in servers), balance=balance) as proxy:
        async with AsyncExitStack() as stack:
            for _ in range(8):
                await asyncio.to_thread(ask, proxy, "/protocol.json")
                viewer = await stack.enter_async_context(visit(proxy))
                assert (await told(viewer))["type"] == "challenge"
                await viewer.send(json.dumps({"type": "authenticate", "token": TOKEN}))
                assert (await told(viewer))["type"] == "ready"
            dealt_out = viewers(servers)
    assert sorted(dealt_out) == shares


async def test_a_ticket_of_one_process_opens_nothing_at_another(servers: list[App]) -> None:
    with Proxy(*(server.port for server in servers), balance=LEAST) as proxy:
        for _ in range(4):
            ticket = json.loads(await asyncio.to_thread(ask, proxy, "/ticket", "POST"))["ticket"]
            async with visit(proxy, f"?ticket={ticket}") as viewer:
                assert (await told(viewer))["code"] == "unauthorized"


async def test_a_process_that_has_ended_is_passed_over(servers: list[App]) -> None:
    with Proxy(free_port(), servers[0].port, balance=LEAST) as proxy:
        for _ in range(4):
            async with visit(proxy) as viewer:
                assert (await told(viewer))["type"] == "challenge"


def test_the_page_about_it_tells_what_was_tried() -> None:
    (block,) = re.findall(
        r"^upstream emotions \{\n(.+?)^\}", (ROOT / "docs/scaling.md").read_text("utf-8"), re.M | re.S
    )
    first, *rest = (line.strip() for line in block.splitlines())
    assert f"{first} " == LEAST
    assert all(re.fullmatch(r"server 127\.0\.0\.1:\d+;", line) for line in rest) and len(rest) > 1
