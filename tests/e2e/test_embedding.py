"""The embeddable module in a page of its own: the example, in a real browser, with both sources."""

import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from serving import ROOT, Server
from websockets.sync.client import connect

from models.labels import LABELS
from scripts.fake_devices import chromium, portrait

RANKING = re.compile("(" + "|".join(label.capitalize() for label in LABELS) + r") \d+ %, ")
FIRST_RESULT_MS = 30_000
REMEMBER = """
    globalThis.tracks = [];
    globalThis.sockets = [];
    const devices = navigator.mediaDevices;
    const getUserMedia = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (constraints) => {
        const stream = await getUserMedia(constraints);
        tracks.push(...stream.getTracks());
        return stream;
    };
    const Socket = WebSocket;
    globalThis.WebSocket = class extends Socket {
        constructor(url) {
            super(url);
            sockets.push(this);
        }
    };
"""
REFUSE = """() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError"));
}"""
LIVE = "tracks.filter((track) => track.readyState === 'live').length"
DEVICE = pytest.param(
    "device",
    marks=pytest.mark.skipif(
        not (ROOT / "node_modules/onnxruntime-web").exists(), reason="no packages for browsers here: `npm ci`"
    ),
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    media = portrait(tmp_path_factory.mktemp("media"))
    with sync_playwright() as driver, chromium(driver, media) as running:
        yield running


@pytest.fixture(scope="module")
def example(server: Server, browser: Browser) -> tuple[Page, list[str]]:
    """The page, and what it complained of."""
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(REMEMBER)
    page.goto(f"{server.url}static/example.html")
    return page, complaints


@pytest.mark.parametrize("source", ["server", DEVICE])
def test_the_example_shows_results_until_it_is_stopped(example: tuple[Page, list[str]], source: str) -> None:
    page, complaints = example
    words = page.locator("#words")
    before = page.evaluate("sockets.length")
    page.get_by_label("Models").select_option(source)
    page.get_by_role("button", name="Start").click()
    expect(words).to_have_text(RANKING, timeout=FIRST_RESULT_MS)
    assert page.evaluate(LIVE) == 2
    assert page.locator("#preview").evaluate("(video) => video.videoWidth") > 0
    assert page.evaluate("sockets.length") - before == (source == "server")

    page.get_by_role("button", name="Stop").click()
    expect(words).to_have_text("Stopped")
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert page.evaluate(LIVE) == 0
    assert complaints == []


def test_another_source_releases_the_devices(example: tuple[Page, list[str]]) -> None:
    page, _ = example
    page.get_by_label("Models").select_option("server")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#words")).to_have_text(RANKING, timeout=FIRST_RESULT_MS)
    page.get_by_label("Models").select_option("device")
    expect(page.locator("#words")).to_have_text("Stopped")
    assert page.evaluate(LIVE) == 0


def test_a_part_that_could_not_be_fetched_is_asked_for_again(server: Server, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{server.url}static/example.html")
    page.route("**/js/feed.js", lambda route: route.abort())
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#words")).to_contain_text("feed.js")
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    page.unroute("**/js/feed.js")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#words")).to_have_text(RANKING, timeout=FIRST_RESULT_MS)
    page.close()


def test_the_example_says_why_it_does_not_run(browser: Browser) -> None:
    page = browser.new_page()
    words = page.locator("#words")
    with Server(API_TOKEN="a token of the operator") as own:  # noqa: S106 - of this very server
        page.goto(f"{own.url}static/example.html")
        page.get_by_role("button", name="Start").click()
        expect(words).to_have_text("token")
    with Server(MAX_VIEWERS="1") as own, connect(own.stream):
        page.goto(f"{own.url}static/example.html")
        page.get_by_role("button", name="Start").click()
        expect(words).to_contain_text("full")
        page.wait_for_timeout(1500)  # the next attempt comes and goes
        expect(words).to_contain_text("full")
        page.get_by_role("button", name="Stop").click()
        page.evaluate(REFUSE)
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#lacking")).to_have_text(re.compile("camera cannot be had: refused. .*microphone"))
    page.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def test_a_page_of_another_origin_brings_the_module_and_names_the_server(browser: Browser, tmp_path: Path) -> None:
    copytree(ROOT / "static/js", tmp_path / "js")
    (tmp_path / "index.html").write_text('<!doctype html><title>Other</title><link rel="icon" href="data:,">')
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=tmp_path)) as site:
        Thread(target=site.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{site.server_port}"
        with Server(ALLOWED_ORIGINS=address) as own:
            page = browser.new_page()
            page.goto(address)
            said = page.evaluate(
                """async (url) => {
                    const { EmotionStream } = await import("./js/emotion-stream.js");
                    const stream = new EmotionStream(url);
                    const result = new Promise((resolve) => stream.addEventListener("result", ({ detail }) => {
                        if (detail.result.face.state === "ok") resolve(detail.result);
                    }));
                    const missing = await stream.start({ microphone: null });
                    const { voice, face } = await result;
                    stream.stop();
                    return { missing, voice: voice.state, label: face.label };
                }""",
                own.stream,
            )
            page.close()
        site.shutdown()
    assert said["label"] in LABELS
    assert (said["missing"], said["voice"]) == ([], "absent")


def test_the_example_is_as_short_as_it_is_said_to_be() -> None:
    pages: list[Path] = [ROOT / "static/example.html", ROOT / "static/js/example.js"]
    assert all(len(page.read_text("utf-8").splitlines()) < 30 for page in pages)
