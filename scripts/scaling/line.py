"""What the page sends and gets: counted in a real browser with a camera and a microphone that play a portrait."""

import tempfile
from collections import Counter
from pathlib import Path

from playwright.sync_api import WebSocket, sync_playwright

from scripts.fake_devices import chromium, portrait

FIRST_RESULT_MS = 15_000
HEADERS = {"up": 8, "down": 4}
"""Bytes that a WebSocket puts before a message of 126 to 65,535 bytes; viewers mask theirs."""
KINDS = {1: "sound", 2: "pictures"}


def measure(url: str, seconds: float) -> str:
    """Return a table of messages, bytes and kbit a second, with WebSocket headers, without those of TCP, IP and TLS."""
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()

    def take(kind: str, way: str, payload: str | bytes) -> None:
        counts[kind] += 1
        sizes[kind] += HEADERS[way] + len(payload if isinstance(payload, bytes) else payload.encode())

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda sent: take(_kind(sent), "up", sent))
        socket.on("framereceived", lambda got: take("results", "down", got))

    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        chromium(playwright, portrait(Path(folder))) as browser,
    ):
        page = browser.new_page()
        page.on("websocket", listen)
        page.goto(url)
        page.get_by_role("button", name="Start").click()
        page.locator("#fused .bars .leading").first.wait_for(timeout=FIRST_RESULT_MS)
        counts.clear()
        sizes.clear()
        page.wait_for_timeout(seconds * 1000)
        seen, weighed = dict(counts), dict(sizes)
    lines = ["| what | messages a second | bytes each | kbit/s |", "|---|---:|---:|---:|"]
    lines += [
        f"| {kind} | {seen[kind] / seconds:.1f} | {weighed[kind] / seen[kind]:,.0f} "
        f"| {weighed[kind] * 8 / 1000 / seconds:.1f} |"
        for kind in seen
    ]
    return "\n".join(lines)


def _kind(payload: str | bytes) -> str:
    return KINDS.get(payload[0], "other") if isinstance(payload, bytes) else "other"
