"""The device's engine in a real Chromium, for whoever measures it: an exported site, served from this machine."""

import base64
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from playwright.sync_api import Page, Playwright

from app.protocol import BINARY_AUDIO
from app.settings import Settings
from models.inference import Box, Float32, Int16, UInt8
from scripts.evaluate.live import ROUNDING, Event
from scripts.export_site import export_site
from scripts.fake_devices import chromium

ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}

OPEN = """async ({ threads }) => {
    const { openEngine } = await import("./static/js/device/engine.js");
    globalThis.engine = await openEngine({ base: document.baseURI, threads });
}"""
HEAR = """async ({ pcm, reference }) => {
    const bytes = Uint8Array.from(atob(pcm), (c) => c.charCodeAt(0));
    const samples = new Int16Array(bytes.buffer);
    const known = reference && Float32Array.from(reference);
    const { probs, statistics } = await engine.hear({ samples, reference: known });
    return { probs: [...probs], statistics: statistics && [...statistics] };
}"""
SEE = """async ({ picture }) => {
    const bytes = Uint8Array.from(atob(picture), (c) => c.charCodeAt(0));
    const { probs, box } = await engine.see(await createImageBitmap(new Blob([bytes])));
    return { probs: probs && [...probs], box };
}"""
PLAY = """async ({ events, interval, rounding }) => {
    const [{ Session }, { DEFAULTS }] = await Promise.all(
        ["session", "settings"].map((name) => import(`./static/js/device/${name}.js`)));
    const session = new Session({ ...DEFAULTS, ...engine.settings }, 0, engine.voiceTraits, engine.faceTraits);
    const results = [];
    const answer = async (now) => {
        const window = session.takeWindow(now);
        if (window) {
            const { probs, statistics } = await engine.hear(window);
            session.heard(window, probs, now, statistics);
        }
        const picture = session.takeFrame(now);
        if (picture) session.saw(picture, await engine.see(await createImageBitmap(picture.frame)), now);
        results.push(session.result(now));
    };
    let [ticks, newest] = [1, 0];
    for (const { at, kind, payload } of events) {
        for (let due; at > (due = ticks * interval) + rounding; ticks += 1) await answer(due);
        newest = at;
        const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
        if (kind === "audio") session.receiveAudio(new Int16Array(bytes.buffer), null, at);
        else session.receiveFrame(new Blob([bytes]), null, at);
    }
    await answer(newest);
    return results;
}"""
"""`scripts.evaluate.live.play`, in the browser."""
CLASSIFY = """async ({ crop }) => {
    const { probs } = await engine.classify(Float32Array.from(atob(crop), (c) => c.charCodeAt(0)));
    return [...probs];
}"""


class DeviceEngine:
    """`openEngine` of `static/js/device/engine.js`, from Python."""

    def __init__(self, page: Page, threads: int) -> None:
        self._page = page
        page.evaluate(OPEN, {"threads": threads})

    def hear(self, window: Int16, reference: Float32 | None = None) -> tuple[Float32, Float32 | None]:
        """Return the probabilities [7] of a window [N], and its statistics [80] where the model is adaptive."""
        said = {
            "pcm": _text(window.astype("<i2").tobytes()),
            "reference": None if reference is None else reference.tolist(),
        }
        answer = self._page.evaluate(HEAR, said)
        statistics = answer["statistics"]
        return _floats(answer["probs"]), None if statistics is None else _floats(statistics)

    def see(self, picture: bytes) -> tuple[Float32 | None, Box | None]:
        """Return the probabilities [7] and the box of the largest face in a JPEG or PNG."""
        answer = self._page.evaluate(SEE, {"picture": _text(picture)})
        if answer["probs"] is None:
            return None, None
        return _floats(answer["probs"]), Box(*answer["box"])

    def classify(self, crop: UInt8) -> Float32:
        """Return the probabilities [7] of a crop [size, size, channels]."""
        planes = np.ascontiguousarray(crop.transpose(2, 0, 1))
        return _floats(self._page.evaluate(CLASSIFY, {"crop": _text(planes.tobytes())}))

    def play(self, settings: Settings, events: Iterable[Event]) -> list[dict[str, Any]]:
        """Return every result that a viewer of this device would get, as `scripts.evaluate.live.stream` does."""
        said = [
            {"at": at, "kind": "audio" if kind == BINARY_AUDIO else "frame", "payload": _text(payload)}
            for at, kind, payload in events
        ]
        wish = {"events": said, "interval": settings.result_interval, "rounding": ROUNDING}
        results: list[dict[str, Any]] = self._page.evaluate(PLAY, wish)
        return results


@contextmanager
def serving(folder: Path, headers: dict[str, str] | None = None) -> Iterator[str]:
    """Serve a folder as a static host does, without a header of its own unless some are given."""

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


@contextmanager
def device_engine(playwright: Playwright, settings: Settings, threads: int = 1) -> Iterator[DeviceEngine]:
    """Open the engine in a browser of its own.

    Raises:
        DeviceError: Something that the models need is missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        export_site(Path(folder), settings)
        with serving(Path(folder), ISOLATION) as url, chromium(playwright, None) as browser:
            page = browser.new_page()
            page.goto(url)
            yield DeviceEngine(page, threads)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _floats(numbers: list[float]) -> Float32:
    return np.asarray(numbers, np.float32)
