"""The page in a real Chromium against `python -m app`, directly and through deploy/nginx.conf with TLS.

`tests/e2e` drives it against `uvicorn app:app`, in all that it does.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from models.labels import LABELS
from scripts.fake_devices import chromium, portrait
from tests.deploy.proxying import Proxy, missing
from tests.e2e.serving import Module

pytestmark = pytest.mark.e2e

ANY_LABEL = re.compile("|".join(("None stands out", *map(str.capitalize, LABELS))))
FIRST_RESULT_MS = 15_000


@pytest.fixture(scope="module")
def server() -> Iterator[Module]:
    with Module(TRUSTED_PROXIES="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with sync_playwright() as driver, chromium(driver, portrait(tmp_path_factory.mktemp("media"))) as running:
        yield running


def show(browser: Browser, address: str) -> None:
    """Open the page, start it, and wait until voice and face are read."""
    context = browser.new_context(ignore_https_errors=True)  # nobody has signed the proxy's certificate
    try:
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        page.get_by_role("button", name="Start").click()
        for path in ("voice", "face", "fused"):
            expect(page.locator(f"#{path} .verdict .label")).to_have_text(ANY_LABEL, timeout=FIRST_RESULT_MS)
        assert said == []
    finally:
        context.close()


def test_the_page_runs_against_the_server_for_strangers(browser: Browser, server: Module) -> None:
    show(browser, server.url)


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_the_page_runs_through_nginx_with_tls(browser: Browser, server: Module) -> None:
    with Proxy(server.port) as proxy:
        show(browser, proxy.origin)
