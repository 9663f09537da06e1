"""Measure the models in a browser, and face-api.js beside them in the same run, all on one core.

python -m scripts.bench_device [--core N] [--seconds S]

The browser, its graphics in software and this program share one core (Linux). The page draws a moving picture while
models run, so that a frame that comes late is seen. face-api.js (tiny face detector, expression network) runs in
TensorFlow.js's WebAssembly, in the page's own thread, as its documentation shows. Needs `npm ci`.
"""

import argparse
import base64
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
from playwright.sync_api import Page, Playwright, expect, sync_playwright
from skimage.data import astronaut

from app.device import PACKAGES, DeviceError
from app.settings import Settings
from scripts.device_page import ISOLATION, serving
from scripts.export_site import export_site
from scripts.fake_devices import Media, chromium, portrait

FACE_API = PACKAGES / "@vladmandic/face-api"
TENSORFLOW = PACKAGES / "@tensorflow/tfjs-backend-wasm"
PAUSE_MS = 5000
"""For reading the notice, before Start."""
NETWORKS = ("tiny_face_detector", "face_expression")
BACKEND = "tfjs-backend-wasm-threaded-simd.wasm"

PREPARE = """async ({ picture }) => {
    const bytes = Uint8Array.from(atob(picture), (c) => c.charCodeAt(0));
    globalThis.bitmap = await createImageBitmap(new Blob([bytes]));
    globalThis.canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    globalThis.measure = async (work, seconds) => {
        let [running, last, long] = [true, null, 0];
        const gaps = [];
        const frame = (now) => {
            if (last !== null) gaps.push(now - last);
            last = now;
            if (running) requestAnimationFrame(frame);
        };
        const observer = new PerformanceObserver((list) => (long += list.getEntries().length));
        observer.observe({ entryTypes: ["longtask"] });
        requestAnimationFrame(frame);
        const times = [];
        const until = performance.now() + seconds * 1000;
        while (performance.now() < until) {
            const began = performance.now();
            await work();
            times.push(performance.now() - began);
            await new Promise((done) => setTimeout(done)); // let the page draw
        }
        running = false;
        await new Promise((done) => setTimeout(done, 100));
        observer.disconnect();
        const sorted = (numbers) => numbers.sort((a, b) => a - b);
        const at = (numbers, share) => numbers[Math.min(numbers.length - 1, Math.floor(share * numbers.length))];
        sorted(times), sorted(gaps);
        return { median: at(times, 0.5), p95: at(times, 0.95), count: times.length, seconds, long,
            late: gaps.filter((gap) => gap > 33.4).length, frames: gaps.length, worst: at(gaps, 1) };
    };
}"""
OURS = """async () => {
    const { openEngine } = await import("./static/js/device/engine.js");
    const began = performance.now();
    const engine = await openEngine({ base: document.baseURI, threads: 1 });
    const samples = new Int16Array(16000).map((_, i) => 8000 * Math.sin(i / 20) * Math.sin(i / 999));
    const hear = () => engine.hear({ samples, reference: null });
    const see = async () => engine.see(await createImageBitmap(canvas));
    const [, { probs }] = await Promise.all([hear(), see()]);
    if (probs === null) throw new Error("the face was not found");
    const idle = () => new Promise((done) => setTimeout(done, 20));
    globalThis.works = { idle, hear, see, both: () => Promise.all([hear(), see()]) };
    return performance.now() - began;
}"""
THEIRS = """async () => {
    const began = performance.now();
    const api = await import("./face-api/face-api.esm.js");
    api.tf.setWasmPaths(new URL("./face-api/", document.baseURI).href);
    if (!(await api.tf.setBackend("wasm"))) throw new Error("TensorFlow.js has no WebAssembly here");
    api.tf.setThreadsCount?.(1);
    await api.tf.ready();
    for (const net of ["tinyFaceDetector", "faceExpressionNet"]) await api.nets[net].loadFromUri("./face-api");
    const still = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
    still.getContext("2d").drawImage(bitmap, 0, 0);
    const see = () => api.detectSingleFace(still, new api.TinyFaceDetectorOptions()).withFaceExpressions();
    if ((await see()) === undefined) throw new Error("the face was not found");
    globalThis.works = { see };
    return performance.now() - began;
}"""


def _processor_seconds() -> float:
    """Return what all processes that this one has started have taken of the processor."""
    parents: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            fields = path.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
            ticks[int(path.parent.name)] = int(fields[11]) + int(fields[12])
    family = [os.getpid()]
    for pid in family:
        family += parents.get(pid, [])
    return sum(ticks[pid] for pid in family[1:]) / os.sysconf("SC_CLK_TCK")


def _measure(page: Page, work: str, seconds: float) -> dict[str, Any]:
    before = _processor_seconds()
    said: dict[str, Any] = page.evaluate("([work, seconds]) => measure(works[work], seconds)", [work, seconds])
    said["processor"] = 1000 * (_processor_seconds() - before) / said["count"]
    return said


def _first_result(playwright: Playwright, folder: Path, media: Media) -> float:
    """Return the seconds from Start to the first fused result of a page that has the models, at its second visit."""
    shown = re.compile("^[A-Z]")
    with serving(folder, ISOLATION) as url, chromium(playwright, media) as browser:
        page = browser.new_page()
        for _ in range(2):
            page.goto(url)
            page.wait_for_timeout(PAUSE_MS)
            page.get_by_role("button", name="Start").click()
            began = time.perf_counter()
            expect(page.locator("#fused .verdict .label")).to_have_text(shown, timeout=120_000)
            took = time.perf_counter() - began
    return took


@contextmanager
def _page(playwright: Playwright, folder: Path) -> Iterator[Page]:
    with serving(folder, ISOLATION) as url, chromium(playwright, None) as browser:
        page = browser.new_page()
        page.goto(url)
        _prepare(page)
        yield page


def _prepare(page: Page) -> None:
    page.reload()
    portrait_head = cv2.cvtColor(cv2.resize(astronaut()[:300, 60:460], (480, 360)), cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", portrait_head)[1].tobytes()
    page.evaluate(PREPARE, {"picture": base64.b64encode(jpeg).decode()})


def _add_face_api(folder: Path) -> int:
    """Put face-api.js into the folder; return how many bytes a page fetches of it."""
    (folder / "face-api").mkdir()
    wanted = [FACE_API / "dist/face-api.esm.js", TENSORFLOW / "dist" / BACKEND]
    for name in NETWORKS:
        wanted += [FACE_API / f"model/{name}_model.bin", FACE_API / f"model/{name}_model-weights_manifest.json"]
    for path in wanted:
        shutil.copyfile(path, folder / "face-api" / path.name)
    return sum(path.stat().st_size for path in wanted)


def _row(name: str, said: dict[str, Any]) -> str:
    rate = said["count"] / said["seconds"]
    late = f"{said['late']} of {said['frames']} | {said['worst']:.0f}"
    each = f"{said['processor']:.0f} | {1000 / said['processor']:.1f}"
    return f"| {name} | {said['median']:.0f} | {said['p95']:.0f} | {rate:.1f} | {each} | {said['long']} | {late} |"


def main() -> None:
    """Read the command line, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, default=0, help="which core (%(default)s)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement (%(default)s)")
    said = parser.parse_args()
    if not FACE_API.is_dir() or not TENSORFLOW.is_dir():
        raise SystemExit("face-api.js is not installed: run `npm ci`")
    os.sched_setaffinity(0, {said.core})
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name) / "site"
        try:
            ours_bytes = export_site(folder, Settings(_env_file=None))
        except DeviceError as fault:
            raise SystemExit(str(fault)) from None
        theirs_bytes = _add_face_api(folder)
        with _page(playwright, folder) as page:
            cold = page.evaluate(OURS)
        with _page(playwright, folder) as page:
            theirs_cold = page.evaluate(THEIRS)
            theirs = _measure(page, "see", said.seconds)
        with _page(playwright, folder) as page:
            page.evaluate(OURS)
            _prepare(page)  # at another visit
            warm = page.evaluate(OURS)
            ours = {work: _measure(page, work, said.seconds) for work in ("idle", "both", "hear", "see")}
        started = _first_result(playwright, folder, portrait(Path(name)))
    print("| on one core | median ms | p95 ms | a second | core ms each | in a core second | ", end="")
    print("long tasks in the page | frames over 33 ms | worst ms |\n|---|---|---|---|---|---|---|---|---|")
    print(_row("nothing (the page alone)", ours["idle"]))
    print(_row("this project: voice and face", ours["both"]))
    print(_row("this project: voice", ours["hear"]))
    print(_row("this project: face", ours["see"]))
    print(_row("face-api.js: face", theirs))
    print("\n| | fetched | first answer, nothing kept | first answer, files kept |\n|---|---|---|---|")
    print(f"| this project | {ours_bytes / 1e6:.1f} MB | {cold / 1000:.1f} s | {warm / 1000:.1f} s |")
    print(f"| face-api.js | {theirs_bytes / 1e6:.1f} MB | {theirs_cold / 1000:.1f} s | - |")
    print(f"\nThe page, at its second visit: {started:.1f} s from Start to the first result of voice and face.")


if __name__ == "__main__":
    main()
