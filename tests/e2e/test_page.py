"""The page in a real browser against the real server."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    WebSocketRoute,
    expect,
    sync_playwright,
)
from serving import ROOT, Server
from websockets.sync.client import connect

from models.labels import LABELS
from scripts.fake_devices import Media, chromium, nobody, person, portrait, portrait_face
from scripts.screenshot import take_screenshot

CAPITALISED = [label.capitalize() for label in LABELS]
ANY_LABEL = re.compile(rf"^(({'|'.join(CAPITALISED)})( or ({'|'.join(LABELS)}))?|None stands out)$")
PERCENT = re.compile(r"^\d{1,3}\s%$")
MILLISECONDS = re.compile(r"^\d+\sms$")
NOTHING = "\N{EN DASH}"
FIRST_RESULT_MS = 15_000
RECONNECTED_MS = 30_000  # the longest pause before an attempt is 15 s
CLIPS = Path(os.environ.get("RAVDESS_AV_ROOT") or ROOT.parent / "shared/data/ravdess_av") / "clips"

expect.set_options(timeout=FIRST_RESULT_MS)  # devices, a browser and two models start on two cores

Open = Callable[..., Page]
Browsers = Callable[..., Browser]


def best_person(folder: Path) -> Media:
    """Someone who really speaks, where RAVDESS is at hand; otherwise the portrait with its made voice."""
    clips = sorted(CLIPS.glob("*.mp4"))
    return person(folder, clips[-1]) if clips else portrait(folder)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def browsers(playwright: Playwright, folder: Path) -> Iterator[Browsers]:
    """One browser process for each kind of camera and microphone, started when first needed."""
    started: dict[tuple[str, bool], Browser] = {}
    with ExitStack() as stack:

        def browser(kind: str, *, ask: bool = False) -> Browser:
            if (kind, ask) not in started:
                makers = {"person": best_person, "portrait": portrait, "nobody": nobody}
                shown = makers[kind](folder) if kind in makers else None
                started[kind, ask] = stack.enter_context(chromium(playwright, shown, ask=ask))
            return started[kind, ask]

        yield browser


@pytest.fixture
def open_page(browsers: Browsers, server: Server) -> Iterator[Open]:
    """Open the page; after the test, nothing may have gone to another host or to the error console."""
    with ExitStack() as stack:
        complaints: list[str] = []
        hosts: set[str] = set()

        def watch_console(message: ConsoleMessage) -> None:
            # A browser logs each failed connection by itself; the tests that kill the server expect them.
            lost = ("WebSocket connection", "ERR_CONNECTION_", "ERR_SOCKET_NOT_CONNECTED")
            failed = any(name in message.text for name in lost)
            if message.type in ("error", "warning") and not failed:
                complaints.append(message.text)

        def watch_request(request: Request) -> None:
            if not request.url.startswith("data:"):
                hosts.add(request.url.split("/")[2])

        def opened(
            kind: str = "person", *, ask: bool = False, at: "Server | OtherSite" = server, **options: Any
        ) -> Page:
            context = browsers(kind, ask=ask).new_context(viewport={"width": 1280, "height": 900}, **options)
            stack.callback(context.close)
            page = context.new_page()
            page.on("console", watch_console)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", watch_request)
            page.add_init_script(REMEMBER_TRACKS)
            page.goto(at.url)
            stack.callback(lambda: hosts.discard(at.url.split("/")[2]))
            return page

        yield opened
    assert complaints == []
    assert hosts == set()


REMEMBER_TRACKS = """
    globalThis.asked = [];
    globalThis.tracks = [];
    const devices = navigator.mediaDevices;
    if (devices) {
        const getUserMedia = devices.getUserMedia.bind(devices);
        devices.getUserMedia = async (constraints) => {
            globalThis.asked.push(constraints);
            const stream = await getUserMedia(constraints);
            globalThis.tracks.push(...stream.getTracks());
            return stream;
        };
    }
"""


def start(page: Page) -> None:
    page.get_by_role("button", name="Start").click()


def expect_label(page: Page, path: str) -> None:
    expect(page.locator(f"#{path} .verdict .label")).to_have_text(ANY_LABEL)


def wait_until(page: Page, expression: str, seconds: float = 8.0) -> None:
    """Ask from here: the page's policy lets nobody evaluate text within it, as `wait_for_function` does."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"in {seconds:g} s never true: {expression}"
        page.wait_for_timeout(50)


def ink(page: Page) -> int:
    """Count the pixels of the timeline that have one of the emotions' colours."""
    count: int = page.evaluate("""() => {
        const canvas = document.getElementById("timeline");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const colours = new Set(Array.from(document.querySelectorAll("#legend li"), (item) =>
            getComputedStyle(item, "::before").backgroundColor.match(/\\d+/g).join()));
        let count = 0;
        for (let i = 0; i < data.length; i += 4) count += colours.has(data.slice(i, i + 3).join());
        return count;
    }""")
    return count


LIVE = "tracks.filter((track) => track.readyState === 'live').map((track) => track.kind).sort()"


def overlap(a: dict[str, float], b: dict[str, float]) -> float:
    """Intersection over union of two boxes {x, y, width, height}."""
    width = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    height = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    common = max(0.0, width) * max(0.0, height)
    return common / (a["width"] * a["height"] + b["width"] * b["height"] - common)


def test_notice_comes_before_any_device_is_asked_for(open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_role("heading", name="Before you start")).to_be_visible()
    for words in ("nobody else", "forgotten", "not what a person feels", "prohibited in"):
        expect(page.locator("#notice")).to_contain_text(words)
    expect(page.locator("#live")).to_be_hidden()
    expect(page.locator("#sign")).to_be_hidden()
    page.wait_for_timeout(300)
    assert page.evaluate("asked.length") == 0


def test_person_is_seen_and_heard_and_stop_releases_the_devices(open_page: Open) -> None:
    page = open_page()
    start(page)
    expect(page.locator("#sign")).to_have_text("Analysing camera and microphone")
    for path in ("voice", "face", "fused"):
        expect_label(page, path)
        expect(page.locator(f"#{path} .verdict .confidence")).to_have_text(re.compile(rf"{PERCENT.pattern}|^close$"))
        values = page.locator(f"#{path} .bars .value").all_inner_texts()
        assert len(values) == 7
        assert 95 <= sum(int(re.sub(r"\D", "", value)) for value in values) <= 105
        widest = page.locator(f"#{path} .bars li").evaluate_all(
            "rows => Math.max(...rows.map((row) => row.querySelector('.fill').getBoundingClientRect().width))"
        )
        assert widest > 10
    top = page.locator("#top5 .name").all_inner_texts()
    assert len(set(top)) == 5
    assert set(top) <= set(CAPITALISED)
    expect(page.locator("#voice .state")).to_have_text(re.compile("Hearing a voice|Silence, last heard"))
    expect(page.locator("#face .state")).to_have_text("Face found")
    expect(page.locator("#delay-frame")).to_have_text(MILLISECONDS)
    expect(page.locator("#delay-audio")).to_have_text(MILLISECONDS)
    expect(page.locator("#server-time")).to_have_text(MILLISECONDS)
    expect(page.locator("#announcer")).to_have_text(ANY_LABEL)
    wait_until(page, "document.getElementById('level').ariaValueNow > 5")
    page.wait_for_timeout(3000)
    assert ink(page) > 100
    expect(page.locator("#models")).to_have_text("Models: audio_bilstm (voice), fer_resnet (face).")
    assert int(page.locator("#dropped-frames").inner_text()) <= 10  # a busy machine loses some; a wrong pace half

    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#sign")).to_be_hidden()
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    expect(page.locator("#connection")).to_have_text("Not connected")
    assert page.evaluate("tracks.map((track) => track.readyState)") == ["ended", "ended"]
    assert page.locator("#preview").evaluate("(video) => video.srcObject") is None
    expect(page.locator("#timeline")).to_have_attribute("aria-label", re.compile("before it stopped"))

    start(page)  # and again
    expect_label(page, "fused")


def test_face_box_lies_on_the_face_of_the_mirrored_preview(open_page: Open) -> None:
    page = open_page("portrait")
    start(page)
    for path in ("voice", "face", "fused"):  # the path needs no data from outside
        expect_label(page, path)
    page.wait_for_timeout(300)  # the box glides to its place
    truth = portrait_face()
    stage = page.locator("#stage").bounding_box()
    assert stage
    expected = {
        "x": stage["x"] + (1 - truth.x - truth.width) * stage["width"],
        "y": stage["y"] + truth.y * stage["height"],
        "width": truth.width * stage["width"],
        "height": truth.height * stage["height"],
    }
    box = page.locator("#face-box").bounding_box()
    assert box
    assert overlap(dict(box), expected) > 0.5, (box, expected)
    label = page.locator("#face-box-label").bounding_box()
    assert label
    assert stage["x"] <= label["x"] <= label["x"] + label["width"] <= stage["x"] + stage["width"]
    assert stage["y"] <= label["y"] <= label["y"] + label["height"] <= stage["y"] + stage["height"]


def test_silence_and_an_empty_room_are_said_in_words(open_page: Open) -> None:
    page = open_page("nobody")
    start(page)
    expect(page.locator("#voice .state")).to_have_text("Silence")
    expect(page.locator("#face .state")).to_have_text("No face in the picture")
    expect(page.locator("#fused .state")).to_have_text("Nothing to go by yet")
    for path in ("voice", "face", "fused"):
        expect(page.locator(f"#{path} .verdict .label")).to_have_text(NOTHING)
    expect(page.locator("#face-box")).to_be_hidden()


@pytest.mark.parametrize(
    ("left_out", "silent_path", "words", "sign"),
    [
        ("camera", "face", "Camera is off", "Analysing microphone"),
        ("microphone", "voice", "Microphone is off", "Analysing camera"),
    ],
)
def test_one_device_is_enough(open_page: Open, left_out: str, silent_path: str, words: str, sign: str) -> None:
    page = open_page()
    page.get_by_label(left_out.capitalize(), exact=True).select_option("None")
    start(page)
    expect(page.locator("#sign")).to_have_text(sign)
    expect_label(page, "fused")
    expect(page.locator(f"#{silent_path} .state")).to_have_text(words)
    assert page.evaluate("tracks.length") == 1


def test_device_can_be_changed_while_running(open_page: Open) -> None:
    page = open_page()
    start(page)
    expect_label(page, "face")
    page.get_by_label("Camera", exact=True).select_option("None")
    expect(page.locator("#sign")).to_have_text("Analysing microphone")
    expect(page.locator("#face .state")).to_have_text("Camera is off", timeout=1000)
    expect(page.locator("#delay-frame")).to_have_text(NOTHING)
    page.get_by_label("Camera", exact=True).select_option(index=1)  # by its own name, which permission has shown
    expect(page.locator("#sign")).to_have_text("Analysing camera and microphone")
    expect_label(page, "face")
    live = page.evaluate("tracks.filter((track) => track.readyState === 'live').length")
    assert live == 2, "every device that is no longer used is released"


def test_start_without_any_device_opens_nothing(open_page: Open) -> None:
    page = open_page()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    for device in ("Camera", "Microphone"):
        page.get_by_label(device, exact=True).select_option("None")
    start(page)
    expect(page.get_by_role("alert")).to_contain_text("Choose a camera or a microphone")
    page.get_by_label("Camera", exact=True).select_option("Default")
    expect(page.get_by_role("alert")).to_be_empty()
    assert sockets == []
    start(page)
    expect(page.locator("#sign")).to_have_text("Analysing camera")
    assert len(sockets) == 1


def test_refused_permission_is_explained(open_page: Open) -> None:
    page = open_page(ask=True)
    start(page)
    expect(page.get_by_role("alert")).to_contain_text("The camera and the microphone are not allowed")
    expect(page.locator(".note")).to_have_count(1)
    expect(page.locator("#sign")).to_be_hidden()
    expect(page.get_by_role("button", name="Start")).to_be_visible()


def test_blocked_camera_does_not_cost_the_microphone(open_page: Open) -> None:
    page = open_page(ask=True, permissions=["microphone"])
    start(page)
    expect(page.get_by_role("alert")).to_contain_text("The camera is not allowed")
    expect(page.locator("#sign")).to_have_text("Analysing microphone")
    expect_label(page, "voice")


def test_busy_camera_is_explained_and_the_voice_goes_on(open_page: Open) -> None:
    page = open_page()
    page.evaluate("""() => {
        const getUserMedia = navigator.mediaDevices.getUserMedia;
        navigator.mediaDevices.getUserMedia = (constraints) => constraints.video
            ? Promise.reject(new DOMException("Could not start video source", "NotReadableError"))
            : getUserMedia(constraints);
    }""")
    start(page)
    expect(page.get_by_role("alert")).to_contain_text("The camera is in use by another program")
    expect(page.locator("#sign")).to_have_text("Analysing microphone")


def test_missing_devices_are_explained(open_page: Open) -> None:
    page = open_page("no devices")
    start(page)
    expect(page.get_by_role("alert")).to_contain_text("The camera was not found")
    expect(page.get_by_role("alert")).to_contain_text("The microphone was not found")
    expect(page.get_by_role("button", name="Start")).to_be_visible()


def test_unplugged_camera_is_said_and_the_voice_goes_on(open_page: Open) -> None:
    page = open_page()
    start(page)
    expect_label(page, "face")
    page.evaluate("""() => {
        const camera = tracks.find((track) => track.kind === "video");
        camera.stop();
        camera.dispatchEvent(new Event("ended")); // what the browser does when the plug is pulled
    }""")
    expect(page.get_by_role("alert")).to_contain_text("The camera was unplugged")
    expect(page.locator("#sign")).to_have_text("Analysing microphone")
    expect(page.locator("#voice .state")).to_have_text(re.compile("Hearing a voice|Silence"))


def test_paused_camera_is_said_until_it_goes_on(open_page: Open) -> None:
    page = open_page()  # as in a hidden tab of a browser that lets its pictures rest
    start(page)
    expect_label(page, "face")
    page.locator("#preview").evaluate("(video) => video.pause()")
    expect(page.locator("#face .state")).to_have_text("Picture is out of date")
    expect(page.get_by_role("alert")).to_contain_text("The camera picture is paused")
    expect_label(page, "fused")  # the voice goes on
    page.locator("#preview").evaluate("(video) => video.play()")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator("#face .state")).to_have_text("Face found")


def test_page_outside_a_secure_context_says_why(open_page: Open) -> None:
    page = open_page()
    page.add_init_script("Object.defineProperty(globalThis, 'isSecureContext', { value: false })")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("http://localhost")
    expect(page.get_by_role("button", name="Start")).to_be_disabled()


def test_page_reconnects_by_itself(open_page: Open) -> None:
    with Server() as own:
        page = open_page(at=own)
        start(page)
        expect_label(page, "fused")
        page.locator("#fusion_weight").fill("0.25")
        expect(page.locator("#fusion_weight-words")).to_have_text(re.compile(r"25\s% voice, 75\s% face"))
        own.kill()
        expect(page.get_by_role("alert")).to_contain_text("Reconnecting")
        expect(page.locator("#connection")).to_have_text(re.compile("Reconnecting|Connecting"))
        expect(page.locator("#fused .verdict .label")).to_have_text(NOTHING)
        expect(page.locator("#sign")).to_have_text("Camera and microphone on, not connected")
        page.get_by_role("alert").get_by_role("button", name="Dismiss").click()
        own.start()
        expect(page.locator("#connection")).to_have_text("Connected", timeout=RECONNECTED_MS)
        expect(page.locator("#sign")).to_have_text("Analysing camera and microphone")
        expect(page.get_by_role("alert")).to_be_empty()
        expect_label(page, "fused")
        expect(page.locator("#fusion_weight")).to_have_value("0.25")


def test_page_waits_for_a_place_in_a_full_server_until_it_is_stopped_or_let_in(open_page: Open) -> None:
    with Server(MAX_VIEWERS="1") as own, connect(f"ws://127.0.0.1:{own.port}/ws") as other:
        page = open_page(at=own)
        start(page)
        expect(page.get_by_role("alert")).to_contain_text("The server is full")
        expect(page.locator("#fused .state")).to_have_text("Server is full")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#connection")).to_have_text("Not connected")
        expect(page.get_by_role("alert")).to_be_empty()
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#connection")).to_have_text("Server is full")
        other.close()
        expect(page.locator("#connection")).to_have_text("Connected", timeout=RECONNECTED_MS)
        expect(page.get_by_role("alert")).to_be_empty()
        expect_label(page, "fused")


def test_sound_that_cannot_be_set_up_costs_only_the_sound_until_it_can(open_page: Open) -> None:
    with Server() as own:
        page = open_page(at=own)
        own.kill()  # the part of the page that runs on the audio thread can no longer be loaded
        start(page)
        expect(page.get_by_role("alert")).to_contain_text("The microphone starts when the server is back")
        expect(page.locator("#sign")).to_have_text("Camera on, not connected")
        assert page.evaluate(LIVE) == ["video"]
        own.start()
        expect(page.locator("#sign")).to_have_text("Analysing camera and microphone", timeout=RECONNECTED_MS)
        expect(page.get_by_role("alert")).to_be_empty()
        expect_label(page, "voice")
        expect_label(page, "face")


def test_microphone_that_cannot_be_listened_to_is_turned_off(open_page: Open) -> None:
    page = open_page()
    page.evaluate("""() => {
        AudioContext.prototype.createMediaStreamSource = () => {
            throw new DOMException("not of this rate", "NotSupportedError");
        };
    }""")
    start(page)
    expect(page.get_by_role("alert")).to_contain_text("The microphone could not be started")
    expect(page.locator("#sign")).to_have_text("Analysing camera")
    assert page.evaluate(LIVE) == ["video"]
    expect_label(page, "face")


def test_no_device_stays_on_after_an_unforeseen_fault(open_page: Open) -> None:
    page = open_page()
    page.evaluate("() => { MediaStream.prototype.getVideoTracks = () => { throw new Error('unforeseen'); }; }")
    start(page)
    expect(page.get_by_role("alert")).to_contain_text("could not be started")
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert page.evaluate("tracks.length") == 2
    assert page.evaluate(LIVE) == []


def test_what_the_server_complains_of_stands_still_until_it_is_mended(open_page: Open) -> None:
    page = open_page()
    start(page)
    expect_label(page, "face")
    page.evaluate("""() => {
        const encode = OffscreenCanvas.prototype.convertToBlob;
        globalThis.mend = () => { OffscreenCanvas.prototype.convertToBlob = encode; };
        OffscreenCanvas.prototype.convertToBlob = async () => new Blob(["no picture"]);
    }""")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The server says")
    page.evaluate("""() => {
        globalThis.changes = 0;
        const observer = new MutationObserver((records) => (globalThis.changes += records.length));
        observer.observe(document.getElementById("problems"), { subtree: true, childList: true, characterData: true });
    }""")
    page.wait_for_timeout(4000)  # some results and some complaints
    expect(alert).to_contain_text("The server says")
    assert page.evaluate("changes") == 0, "each change is spoken"
    alert.get_by_role("button", name="Dismiss").click()
    expect(alert).to_be_empty()
    page.wait_for_timeout(2500)
    expect(alert).to_be_empty()  # it goes on, but the user knows
    page.evaluate("mend()")
    expect(page.locator("#face .state")).to_have_text("Face found")


def test_problem_covers_nothing_at_the_end_of_the_page(open_page: Open) -> None:
    page = open_page("no devices")
    start(page)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The camera was not found")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    toast, about = alert.bounding_box(), page.locator(".about").bounding_box()
    assert toast
    assert about
    assert about["y"] + about["height"] <= toast["y"]


def test_fusion_weight_reaches_the_server(open_page: Open) -> None:
    page = open_page()
    start(page)
    expect_label(page, "voice")
    expect_label(page, "face")
    read = "Array.from(document.querySelectorAll('#{} .bars .value'), (value) => value.textContent).join()"
    fused, voice, face = (read.format(path) for path in ("fused", "voice", "face"))
    page.locator("#fusion_weight").fill("0")
    wait_until(page, f"{fused} === {face} && {fused} !== {voice}")
    page.locator("#fusion_weight").fill("1")
    wait_until(page, f"{fused} === {voice} && {fused} !== {face}")
    expect(page.locator("#fused .state")).to_have_text("Voice only, by weight")


def expect_sliders(page: Page, weight: str, voice: str, face: str) -> None:
    for name, value in (("fusion_weight", weight), ("voice_smoothing", voice), ("face_smoothing", face)):
        expect(page.locator(f"#{name}")).to_have_value(value)


def note_configures(page: Page) -> list[dict[str, Any]]:
    """Collect what the page asks the server to set."""
    asked: list[dict[str, Any]] = []

    def note(text: str | bytes) -> None:
        if isinstance(text, str) and json.loads(text)["type"] == "configure":
            asked.append(json.loads(text))

    page.on("websocket", lambda socket: socket.on("framesent", note))
    return asked


def test_sliders_and_devices_are_as_they_were_on_the_visit_before(open_page: Open) -> None:
    page = open_page()
    start(page)
    expect_label(page, "fused")
    expect_sliders(page, "0.6", "5", "10")
    page.locator("#fusion_weight").fill("0.25")
    page.locator("#voice_smoothing").fill("8")
    microphone, camera = page.get_by_label("Microphone", exact=True), page.get_by_label("Camera", exact=True)
    camera.select_option("None")
    expect(page.locator("#sign")).to_have_text("Analysing microphone")
    microphone.select_option(index=1)
    chosen = microphone.input_value()
    assert chosen not in ("", "none")

    asked = note_configures(page)
    page.reload()
    expect(camera).to_have_value("none")
    expect(microphone).to_have_value(chosen)
    start(page)
    expect_sliders(page, "0.25", "8", "10")
    expect(page.locator("#fusion_weight-words")).to_have_text(re.compile(r"25\s% voice, 75\s% face"))
    expect(page.locator("#sign")).to_have_text("Analysing microphone")
    expect_label(page, "fused")
    assert asked == [{"type": "configure", "fusion_weight": 0.25, "voice_smoothing": 8}]

    page.get_by_role("button", name="Reset to defaults").click()
    expect_sliders(page, "0.6", "5", "10")
    camera.select_option("Default")
    microphone.select_option("Default")
    wait_until(page, "localStorage.getItem('preferences') === null")
    assert asked[-1] == {"type": "configure", "fusion_weight": 0.6, "voice_smoothing": 5, "face_smoothing": 10}
    page.reload()
    start(page)
    expect(page.locator("#sign")).to_have_text("Analysing camera and microphone")
    expect_label(page, "fused")
    expect_sliders(page, "0.6", "5", "10")


@pytest.mark.parametrize(
    ("stored", "sliders"),
    [
        ('{"fusion_weight": 1e9, "voice_smoothing": 4000, "face_smoothing": -3}', ("1", "50", "1")),
        ('{"fusion_weight": "<b>", "voice_smoothing": null, "camera": {"exact": "x"}', ("0.6", "5", "10")),
        ('{"camera": "gone", "microphone": "gone as well"}', ("0.6", "5", "10")),
    ],
)
def test_preferences_that_do_not_fit_cost_nothing(open_page: Open, stored: str, sliders: tuple[str, str, str]) -> None:
    page = open_page()
    page.evaluate("(text) => localStorage.setItem('preferences', text)", stored)
    page.reload()
    start(page)
    expect(page.locator("#sign")).to_have_text("Analysing camera and microphone")
    expect_label(page, "fused")
    expect_sliders(page, *sliders)
    for device in ("Camera", "Microphone"):
        expect(page.get_by_label(device, exact=True)).to_have_value("")
    page.wait_for_timeout(1000)  # what the server would complain of
    expect(page.get_by_role("alert")).to_be_empty()


def test_device_of_the_visit_before_is_asked_for_before_the_browser_tells_what_there_is(open_page: Open) -> None:
    page = open_page(ask=True, permissions=["microphone"])
    page.evaluate("() => localStorage.setItem('preferences', '{\"camera\": \"of-last-time\"}')")
    page.reload()
    camera = page.get_by_label("Camera", exact=True)
    expect(camera.locator("option:checked")).to_have_text("As last time")
    start(page)
    wait_until(page, "asked.length > 0")
    assert page.evaluate("asked[0].video.deviceId") == {"ideal": "of-last-time"}
    expect(page.locator("#sign")).to_have_text("Analysing microphone")


def expect_calibration(page: Page, words: str | re.Pattern[str], button: str) -> None:
    expect(page.locator("#calibration-state")).to_have_text(words)
    expect(page.locator("#calibrate")).to_have_text(button)


COLLECTING = "Listening and looking: read on until the bar is full"


def test_person_is_calibrated_and_forgotten(open_page: Open, calibratable: Server) -> None:
    page = open_page("portrait", at=calibratable)
    start(page)
    for path in ("voice", "face"):
        expect_label(page, path)
    reset, bar = page.get_by_role("button", name="Reset", exact=True), page.get_by_role("progressbar")
    expect_calibration(page, "Not calibrated", "Calibrate")
    expect(bar).to_be_hidden()
    expect(page.locator("#calibration")).to_contain_text("The road from the station")
    page.locator("#calibrate").focus()
    page.keyboard.press("Enter")
    expect_calibration(page, COLLECTING, "Skip")
    expect(page.locator("#calibrate")).to_be_focused()
    wait_until(page, "document.getElementById('calibration-progress').ariaValueNow > 10")
    expect(bar).to_be_visible()
    page.keyboard.press("Enter")
    expect_calibration(page, "Not calibrated", "Calibrate")
    expect(bar).to_be_hidden()
    page.keyboard.press("Enter")
    expect_calibration(page, COLLECTING, "Skip")
    expect_calibration(page, "In force for your voice and your face", "Calibrate again")
    for path in ("voice", "face", "fused"):
        expect_label(page, path)
    calibratable.kill()
    expect_calibration(page, "Not connected", "Calibrate")
    page.locator("#calibrate").hover()
    quiet = page.locator("#voice .state").evaluate("(words) => getComputedStyle(words).color")
    assert page.locator("#calibrate").evaluate("(button) => getComputedStyle(button).color") == quiet
    track = page.locator("#calibration-progress").evaluate("(bar) => getComputedStyle(bar).backgroundColor")
    assert page.locator("#calibrate").evaluate("(button) => getComputedStyle(button).backgroundColor") == track
    calibratable.start()
    expect(page.locator("#connection")).to_have_text("Connected", timeout=RECONNECTED_MS)
    expect_calibration(page, "Forgotten with the connection that ended: calibrate again", "Calibrate")
    expect(page.locator("#calibrate")).to_be_focused()  # as it was before
    page.keyboard.press("Enter")
    expect_calibration(page, "In force for your voice and your face", "Calibrate again")
    reset.click()
    expect_calibration(page, "Not calibrated", "Calibrate")
    expect(reset).to_be_hidden()
    expect(page.locator("#calibrate")).to_be_focused()


def test_calibration_says_what_was_missing_and_is_forgotten_with_the_connection(
    open_page: Open, calibratable: Server
) -> None:
    page = open_page("nobody", at=calibratable)
    start(page)
    expect_calibration(page, "Not calibrated", "Calibrate")
    page.locator("#calibrate").click()
    expect_calibration(page, "Failed: no voice was heard, and no face was seen", "Try again")
    page.locator("#calibrate").click()
    expect_calibration(page, COLLECTING, "Skip")
    calibratable.kill()
    expect_calibration(page, "Not connected", "Calibrate")
    expect(page.locator("#calibrate")).to_be_disabled()
    calibratable.start()
    expect(page.locator("#connection")).to_have_text("Connected", timeout=RECONNECTED_MS)
    expect_calibration(page, "Not calibrated", "Calibrate")
    expect(page.locator("#calibrate")).to_be_enabled()
    page.get_by_role("button", name="Stop").click()
    expect_calibration(page, "Not connected", "Calibrate")


def test_models_that_cannot_be_calibrated_are_said_to_be_so(open_page: Open) -> None:
    page = open_page()

    def without_calibration(route: WebSocketRoute) -> None:
        # What a server with other models says; everything else is passed on as it is.
        server = route.connect_to_server()
        said = re.compile(r'"features":\{.*?\}')
        server.on_message(lambda text: route.send(said.sub('"features":{"calibration":false}', str(text))))

    page.route_web_socket(re.compile("/ws$"), without_calibration)
    start(page)
    expect_label(page, "face")
    expect_calibration(page, "The models of this server cannot be calibrated", "Calibrate")
    expect(page.locator("#calibrate")).to_be_disabled()


@pytest.mark.parametrize(
    ("fused", "verdict", "beside", "leading"),
    [
        ({"happy": 0.4, "surprise": 0.38, "sad": 0.22}, "Happy or surprise", "close", ["Happy", "Surprise"]),
        ({"happy": 0.38, "disgust": 0.4, "sad": 0.22}, "Disgust or happy", "close", ["Disgust", "Happy"]),
        ({"happy": 0.4, "surprise": 0.34, "sad": 0.26}, "Happy", "40\N{NARROW NO-BREAK SPACE}%", ["Happy"]),
        ({"happy": 0.34, "surprise": 0.33, "sad": 0.33}, "None stands out", "close", ["Happy", "Sad", "Surprise"]),
    ],
)
def test_labels_that_are_nearly_as_probable_are_both_named(
    open_page: Open, fused: dict[str, float], verdict: str, beside: str, leading: list[str]
) -> None:
    page = open_page("portrait")
    probs = {**dict.fromkeys(LABELS, 0.0), **fused}
    said = {"label": max(probs, key=lambda label: probs[label]), "probs": probs}

    def say_otherwise(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def alter(text: str) -> str:
            message = json.loads(text)
            if message["type"] == "result" and message["face"]["state"] == "ok":
                message["face"] |= said
                message["fused"] |= said
            return json.dumps(message)

        server.on_message(lambda text: route.send(alter(str(text))))

    page.route_web_socket(re.compile("/ws$"), say_otherwise)
    start(page)
    for path in ("face", "fused"):
        expect(page.locator(f"#{path} .verdict .label")).to_have_text(verdict)
        expect(page.locator(f"#{path} .verdict .confidence")).to_have_text(beside)
        expect(page.locator(f"#{path} .bars .leading .name")).to_have_text(leading)
    expect(page.locator("#face-box-label")).to_have_text(verdict if len(leading) > 1 else f"{verdict} {beside}")
    expect(page.locator("#announcer")).to_have_text(verdict)
    for width in (320, 390, 700, 1000, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        for path in ("face", "fused"):
            # All at one moment, for the next result may move what has been measured.
            room, label, words = page.locator(f"#{path} .verdict").evaluate(
                """room => [room, room.querySelector(".label"), room.querySelector(".confidence")]
                    .map((part) => part.getBoundingClientRect().toJSON())"""
            )
            assert label["right"] <= words["left"]
            assert words["right"] <= room["right"] + 1


def test_a_fusion_model_takes_the_place_of_the_weight_and_unknown_labels_are_greyed(
    open_page: Open, fusing: Server
) -> None:
    page = open_page("portrait", at=fusing)
    weight, help_ = page.get_by_label("Fusion weight"), page.locator("#fusion_weight-help")
    fewer = {"voice": ["angry", "sad"], "face": ["happy", "sad"], "fusion": ["angry", "happy", "sad"]}
    plain = []

    def say_otherwise(route: WebSocketRoute) -> None:
        # First what a server with models of fewer labels says, then one with late fusion.
        server = route.connect_to_server()

        def alter(text: str) -> str:
            message = json.loads(text)
            if message["type"] == "ready" and plain:
                message["models"]["fusion"] = message["knows"]["fusion"] = None
            elif message["type"] == "ready":
                message["knows"] = fewer
            return json.dumps(message)

        server.on_message(lambda text: route.send(alter(str(text))))

    page.route_web_socket(re.compile("/ws$"), say_otherwise)
    start(page)
    expect_label(page, "fused")
    expect(page.locator("#models")).to_have_text("Models: audio_bilstm (voice), fer_resnet (face), concat (fusion).")
    expect(weight).to_be_disabled()
    expect(page.get_by_label("Voice smoothing")).to_be_enabled()
    expect(help_).to_have_text("concat weighs voice and face by itself.")
    expect(page.locator("#fused .state")).to_have_text("Voice and face")  # the model has answered
    greyed = {path: page.locator(f"#{path} .bars .unknown") for path in ("voice", "face", "fused")}
    assert {path: rows.count() for path, rows in greyed.items()} == {"voice": 5, "face": 5, "fused": 4}
    expect(greyed["fused"].first).to_have_attribute("title", "No model of this server knows this label")
    expect(greyed["face"].first).to_have_attribute("title", "The face model does not know this label")
    expect(greyed["fused"].first.locator(".value")).to_have_text(NOTHING)
    expect(page.locator("#legend .unknown")).to_have_text(["Disgust", "Fear", "Neutral", "Surprise"])

    plain.append(True)
    page.get_by_role("button", name="Stop").click()
    start(page)
    expect(weight).to_be_enabled()
    expect(help_).to_contain_text("How much the voice and the face count")
    expect(page.locator("#models")).to_have_text("Models: audio_bilstm (voice), fer_resnet (face).")
    expect(page.locator(".unknown")).to_have_count(0)


def test_page_lives_under_a_strict_content_security_policy(open_page: Open) -> None:
    page = open_page()
    page.evaluate("""() => {
        globalThis.violations = [];
        addEventListener("securitypolicyviolation", (event) => violations.push(event.effectiveDirective));
    }""")
    start(page)
    for path in ("voice", "face", "fused"):
        expect_label(page, path)
    assert page.evaluate("violations") == []
    assert page.evaluate("crossOriginIsolated")


def test_documentation_of_the_api_runs_under_its_own_policy(open_page: Open) -> None:
    page = open_page()
    page.goto(f"{page.url}docs")
    expect(page.get_by_text("/healthz")).to_be_visible()
    page.get_by_text("/healthz").click()
    expect(page.get_by_role("button", name="Try it out")).to_be_visible()


TOKEN = "correct horse battery staple"  # noqa: S105 - of a test's own server


def test_a_server_with_a_token_is_shown_it_once(open_page: Open) -> None:
    with Server(API_TOKEN=TOKEN) as own:
        page = open_page(at=own)
        dialog, code = page.get_by_role("dialog"), page.get_by_label("Code", exact=True)
        start(page)
        expect(dialog).to_contain_text("This server asks for an access code")
        expect(page.locator("#sign")).to_be_hidden()
        assert page.evaluate(LIVE) == []
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#problems")).to_contain_text("Press Start to enter it")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(dialog).to_be_visible()
        code.fill("a wrong one")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("not the access code")
        expect(code).to_have_value("")
        code.fill(TOKEN)
        page.get_by_role("button", name="Continue").click()
        expect(dialog).to_be_hidden()
        expect_label(page, "face")
        page.reload()
        start(page)
        expect_label(page, "face")
        expect(dialog).to_be_hidden()
        assert TOKEN not in own.log()


class OtherSite:
    """A page of another origin, by its port alone."""

    def __init__(self, folder: Path) -> None:
        (folder / "index.html").write_text('<!doctype html><title>Other</title><link rel="icon" href="data:,">')
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> "OtherSite":
        Thread(target=self._server.serve_forever).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_page_of_another_origin_is_told_that_it_may_not(open_page: Open, server: Server, tmp_path: Path) -> None:
    with OtherSite(tmp_path) as other:
        page = open_page(at=other)
        said = page.evaluate(
            """(address) => new Promise((resolve) => {
                const socket = new WebSocket(address), said = [];
                socket.onmessage = ({ data }) => said.push(JSON.parse(data).code);
                socket.onclose = ({ code }) => resolve([...said, code]);
            })""",
            server.url.replace("http", "ws") + "ws",
        )
        assert said == ["origin_refused", 1008]


def test_keyboard_alone_is_enough(open_page: Open) -> None:
    page = open_page()
    for _ in range(4):  # where the models run, camera, microphone, Start
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Start")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    expect_label(page, "fused")
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.get_by_label("Fusion weight")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#fusion_weight-words")).to_have_text(re.compile(r"61\s% voice, 39\s% face"))
    for _ in range(4):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Start")).to_be_focused()
    expect(page.locator("#sign")).to_be_hidden()


@pytest.mark.parametrize("width", [320, 360, 700])
def test_no_width_has_sideways_scroll(open_page: Open, width: int) -> None:
    page = open_page()
    page.set_viewport_size({"width": width, "height": 740})
    needed = "document.documentElement.scrollWidth"
    assert page.evaluate(needed) <= width
    bar = "document.querySelector('.bar').offsetHeight"
    height = page.evaluate(bar)
    start(page)
    expect_label(page, "fused")
    assert page.evaluate(needed) <= width
    assert page.evaluate(bar) == height
    expect(page.locator("#sign")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Stop")).to_be_in_viewport(ratio=1)


def test_settings_are_within_reach_on_a_phone(open_page: Open) -> None:
    page = open_page()
    page.set_viewport_size({"width": 390, "height": 844})
    start(page)
    expect_label(page, "fused")
    toggle, weight = page.get_by_role("button", name="Show Settings"), page.get_by_label("Fusion weight")
    expect(toggle).to_be_in_viewport(ratio=1)
    expect(weight).to_be_hidden()
    for _ in range(4):  # from Stop: where the models run, camera, microphone
        page.keyboard.press("Tab")
    expect(toggle).to_be_focused()
    assert toggle.get_attribute("aria-expanded") == "false"
    page.keyboard.press("Enter")
    hide = page.get_by_role("button", name="Hide Settings")
    expect(hide).to_be_focused()
    assert hide.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Tab")
    expect(weight).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#fusion_weight-words")).to_have_text(re.compile(r"61\s% voice, 39\s% face"))
    head = page.locator("#settings-title").bounding_box()
    assert head
    page.mouse.click(head["x"] + 5, head["y"] + 5)  # the whole line is the button
    expect(weight).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(weight).to_be_visible()
    expect(toggle).to_be_hidden()


def test_results_move_nothing_on_the_page(open_page: Open) -> None:
    page = open_page()
    start(page)
    expect(page.locator("#sign")).to_be_visible()
    places = """() => Array.from(document.querySelectorAll(".card, .bars li, #top5 li, .numbers dd"), (part) => {
        const { x, y, width, height } = part.getBoundingClientRect();
        return [x, y, width, height].map(Math.round).join();
    })"""
    before = page.evaluate(places)
    expect_label(page, "fused")
    expect_label(page, "voice")
    time.sleep(1)
    assert page.evaluate(places) == before


def test_screenshot_of_the_readme_can_be_taken(playwright: Playwright, server: Server, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    take_screenshot(playwright, server.url, picture, seconds=2)
    pixels = cv2.imread(str(picture))
    assert pixels.shape[1] == 1280 * 2
    assert pixels.std() > 10
