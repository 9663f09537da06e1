"""The models in a real Chromium: nothing leaves the page, it works without a network, and on any static host."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from serving import Server

from app import device
from app.device import COMMAND, PACKAGES
from app.settings import Settings
from models.labels import LABELS
from scripts.device_page import serving
from scripts.export_site import export_site
from scripts.fake_devices import chromium, portrait

if not (PACKAGES / "onnxruntime-web").is_dir():
    pytest.skip(f"the browser's packages are not installed: {COMMAND}", allow_module_level=True)

UNREACHABLE = "The models are not on this device yet, and the server cannot be reached."
ANY_LABEL = re.compile(rf"^(({'|'.join(LABELS)})( or ({'|'.join(LABELS)}))?|none stands out)$", re.IGNORECASE)
LOADED_MS = 90_000  # models are compressed, fetched and compiled on two cores that do other things too

Open = Callable[..., "Visit"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with sync_playwright() as driver, chromium(driver, portrait(tmp_path_factory.mktemp("media"))) as started:
        yield started


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """One that a test may end."""
    with Server() as running:
        yield running


class Visit:
    """A page, and all that leaves its browser, workers and service workers included."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.requests: list[str] = []
        self.bodies: list[str] = []
        self.sockets: list[str] = []
        self.complaints: list[str] = []
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("request", lambda request: self.bodies.append(request.url) if request.post_data_buffer else None)
        self.page: Page = context.new_page()
        self.page.on("websocket", lambda socket: self.sockets.append(socket.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        self.page.goto(url)

    def choose(self, place: str) -> None:
        self.page.get_by_role("radio", name=place).check()

    def start(self) -> None:
        self.page.get_by_role("button", name="Start").click()

    def expect_results(self) -> None:
        for path in ("voice", "face", "fused"):
            expect(self.page.locator(f"#{path} .verdict .label")).to_have_text(ANY_LABEL, timeout=LOADED_MS)

    def expect_running_in(self, place: str) -> None:
        words = {"server": "Connected", "device": "On this device"}[place]
        expect(self.page.locator("#connection")).to_have_text(words, timeout=LOADED_MS)

    def expect_kept(self) -> None:
        """Wait until the page itself is kept for a visit without a network."""
        self.page.evaluate("navigator.serviceWorker.ready.then(() => null)")

    @property
    def elsewhere(self) -> list[str]:
        """Requests that are not for a file of our own host."""
        site = re.escape(self.url)
        own = re.compile(f"^(blob:{site}|{site}($|sw\\.js|static/|device/))")  # a blob is what the page has unpacked
        return [url for url in self.requests if not own.match(url)]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    with ExitStack() as stack:

        def opened(url: str) -> Visit:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            stack.callback(context.close)
            return Visit(context, url)

        yield opened


def test_nothing_leaves_the_page_on_this_device_and_the_switch_works_while_it_runs(
    visit: Open, own_server: Server
) -> None:
    here = visit(own_server.url)
    here.choose("This device")
    expect(here.page.locator("#notice")).to_contain_text("pictures and sound never leave it")
    expect(here.page.locator("#place-progress")).to_be_visible(timeout=LOADED_MS)
    here.start()
    here.expect_results()
    expect(here.page.locator("#place-progress")).to_be_hidden()
    expect(here.page.locator("#place-words")).to_contain_text("nothing is sent")
    here.expect_running_in("device")
    here.expect_kept()
    settled = len(here.requests)
    delay = here.page.locator("#delay-audio")
    expect(delay).not_to_have_text(delay.text_content() or "", timeout=LOADED_MS)  # results come
    here.page.wait_for_timeout(3000)
    assert here.requests[settled:] == []  # and not one request goes
    assert here.elsewhere == here.bodies == here.sockets == here.complaints == []

    here.choose("Server")
    here.expect_running_in("server")
    here.expect_results()
    assert here.sockets == [own_server.url.replace("http", "ws") + "ws"]
    here.choose("This device")
    here.expect_running_in("device")
    here.expect_results()
    assert len(here.sockets) == 1
    assert here.complaints == []


def test_it_works_without_a_network_after_the_first_visit(visit: Open, own_server: Server) -> None:
    here = visit(own_server.url)
    here.choose("This device")
    here.start()
    here.expect_results()
    here.expect_kept()
    here.page.get_by_role("button", name="Stop").click()
    own_server.kill()
    try:
        here.page.reload()
        expect(here.page.get_by_role("radio", name="This device")).to_be_checked()
        here.start()
        here.expect_results()
        here.expect_running_in("device")
    finally:
        own_server.start()


def test_without_the_packages_the_switch_tells_the_command(visit: Open, server: Server) -> None:
    here = visit(server.url)
    detail = f"its packages are not installed: run `{COMMAND}` in its folder"
    here.page.route("**/device/manifest.json", lambda route: route.fulfill(status=503, json={"detail": detail}))
    here.page.get_by_role("radio", name="This device").click()
    expect(here.page.locator("#place-words")).to_contain_text(COMMAND)
    here.start()
    expect(here.page.get_by_role("alert")).to_contain_text(COMMAND)  # it does not turn to the server by itself
    expect(here.page.locator("#place-words")).to_contain_text(COMMAND)
    expect(here.page.locator("#sign")).to_be_hidden()
    assert here.sockets == []
    here.choose("Server")
    here.start()
    here.expect_running_in("server")


def test_without_a_server_at_the_first_time_the_switch_says_so_in_words(visit: Open, own_server: Server) -> None:
    here = visit(own_server.url)
    words = here.page.locator("#place-words")
    own_server.kill()
    try:
        here.choose("This device")
        expect(words).to_have_text(UNREACHABLE)
        here.start()
        expect(here.page.get_by_role("alert")).to_contain_text(UNREACHABLE)
        expect(words).to_have_text(UNREACHABLE)
    finally:
        own_server.start()


def test_any_static_host_will_do(visit: Open, tmp_path: Path) -> None:
    assert export_site(tmp_path / "site", Settings(_env_file=None)) < 25e6
    with serving(tmp_path / "site") as url:  # sets no header: no threads at the first visit
        here = visit(url)
        assert here.page.evaluate("crossOriginIsolated") is False
        expect(here.page.locator("#place-words")).to_contain_text("nothing is sent")
        expect(here.page.get_by_role("radio")).to_have_count(0)  # there is no choice
        here.start()
        here.expect_results()
        here.expect_running_in("device")
        here.page.get_by_role("button", name="Stop").click()
        here.page.reload()
        assert here.page.evaluate("crossOriginIsolated") is True  # by the service worker, from the second visit on
        here.start()
        here.expect_results()
        assert here.elsewhere == here.bodies == here.sockets == here.complaints == []
    with pytest.raises(FileExistsError):
        export_site(tmp_path / "site", Settings(_env_file=None))


BRING = """async () => {
    const { bringFiles, isKept, loadManifest } = await import("./static/js/device/files.js");
    const manifest = await loadManifest(document.baseURI);
    await bringFiles(document.baseURI, manifest, "wasm");
    return isKept(document.baseURI, manifest);
}"""
KEPT = """async () => {
    const pages = (await caches.keys()).filter((name) => name.startsWith("page-"));
    const files = await (await caches.open("device-files")).keys();
    return { pages, files: files.map(({ url }) => url) };
}"""


def kept_files(manifest: dict[str, Any], url: str) -> set[str]:
    needed = [file["url"] for file in manifest["files"].values() if file.get("runtime") != "gpu"]
    return {f"{url}device/manifest.json", *(f"{url}device/{path}" for path in needed)}


def test_a_new_version_takes_the_place_of_the_old_one(visit: Open, tmp_path: Path) -> None:
    site = tmp_path / "site"
    export_site(site, Settings(_env_file=None))
    old = json.loads((site / "device/manifest.json").read_text())
    with serving(site) as url:
        here = visit(url)
        here.expect_kept()
        assert here.page.evaluate(BRING)
        kept = here.page.evaluate(KEPT)
        assert kept["pages"] == [f"page-{old['version']}"]
        assert set(kept["files"]) == kept_files(old, url)

        shutil.rmtree(site)
        export_site(site, Settings(_env_file=None, face_model="fer_resnet_int8"))
        new = json.loads((site / "device/manifest.json").read_text())
        assert new["version"] != old["version"]
        here.page.reload()
        assert here.page.evaluate(BRING)
        assert set(here.page.evaluate(KEPT)["files"]) == kept_files(new, url)
        assert kept_files(new, url) != kept_files(old, url)
        deadline = time.monotonic() + LOADED_MS / 1000
        while here.page.evaluate(KEPT)["pages"] != [f"page-{new['version']}"]:  # it is renewed after the page has shown
            assert time.monotonic() < deadline
            here.page.wait_for_timeout(100)


def test_a_damaged_file_is_not_kept(visit: Open, tmp_path: Path) -> None:
    site = tmp_path / "site"
    export_site(site, Settings(_env_file=None))
    file = json.loads((site / "device/manifest.json").read_text())["files"]["face.onnx"]["url"]
    content = (site / "device" / file).read_bytes()
    (site / "device" / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with serving(site) as url:
        here = visit(url)
        here.start()
        expect(here.page.get_by_role("alert")).to_contain_text("is damaged", timeout=LOADED_MS)
        assert f"{url}device/{file}" not in here.page.evaluate(KEPT)["files"]


def test_the_packages_know_no_address_to_report_to() -> None:
    # tasks-vision 1.1.0 has one. What is looked for is an address of whoever made it that a script could call.
    for name in device.SCRIPTS.values():
        text = (PACKAGES / name).read_text()
        reporting = r"(?<!type\.)googleapis\.com|google-analytics|play\.google|applicationinsights|sendBeacon"
        assert re.findall(reporting, text) == []  # `type.googleapis.com` names kinds of messages
