"""The embeddable module in a page of its own: the example, in a real browser, with both sources."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from serving import ROOT, Server

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
LIVE = "tracks.filter((track) => track.readyState === 'live').length"
DEVICE = pytest.param(
    "device",
    marks=pytest.mark.skipif(
        not (ROOT / "node_modules/onnxruntime-web").exists(), reason="no packages for browsers here: `npm ci`"
    ),
)


@pytest.fixture(scope="module")
def example(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, list[str]]]:
    """The page, and what it complained of."""
    media = portrait(tmp_path_factory.mktemp("media"))
    with sync_playwright() as driver, chromium(driver, media) as browser:
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.add_init_script(REMEMBER)
        page.goto(f"{server.url}static/example.html")
        yield page, complaints


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


def test_the_example_is_as_short_as_it_is_said_to_be() -> None:
    pages: list[Path] = [ROOT / "static/example.html", ROOT / "static/js/example.js"]
    assert all(len(page.read_text("utf-8").splitlines()) <= 20 for page in pages)
