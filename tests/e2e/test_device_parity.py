"""Device and server on the same inputs, in a real Chromium; the inputs are made here, the data's are in
`python -m scripts.device_parity`.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from playwright.sync_api import sync_playwright
from skimage.data import astronaut

from app.device import COMMAND, PACKAGES
from app.settings import Settings
from models.face_path import EMBEDDED_FACE
from models.inference import Int16, UInt8
from scripts import device_parity as parity
from scripts.device_page import DeviceEngine, device_engine
from scripts.evaluate.live import picture_events, sound_events
from scripts.fake_devices import RATE, portrait_voice

if not (PACKAGES / "onnxruntime-web").is_dir():
    pytest.skip(f"the browser's packages are not installed: {COMMAND}", allow_module_level=True)

CLOSE = 1e-3


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(_env_file=None, face_model=EMBEDDED_FACE)


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[DeviceEngine]:
    with sync_playwright() as driver, device_engine(driver, settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[parity.Server]:
    loaded = parity.load_server(settings)
    yield loaded
    loaded.face.close()


def said(table: parity.Comparison) -> parity.Comparison:
    print(f"\n{parity.HEAD}\n{table.row()}")
    return table


def voice() -> Int16:
    """The made voice at 16 kHz [N]."""
    return portrait_voice()[:: RATE // 16_000]


def pictures() -> Iterator[UInt8]:
    """The portrait: near, far, leaning, half out of the frame, dim; and nobody."""
    whole = astronaut()
    near, height = whole[:300, 60:400], 360
    yield cv2.resize(near, (480, height))
    yield np.pad(cv2.resize(near, (130, 114)), ((120, 126), (250, 100), (0, 0)), mode="edge")
    for degrees in (-25, 15):
        turn = cv2.getRotationMatrix2D((170, 150), degrees, 1.0)
        yield cv2.warpAffine(near, turn, (340, 300), borderMode=cv2.BORDER_REPLICATE)
    yield cv2.resize(whole[60:260, 210:420], (480, height))
    yield cv2.resize(near // 3, (480, height))
    yield np.full((height, 480, 3), 128, np.uint8)


def jpegs() -> list[bytes]:
    return [cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes() for picture in pictures()]


def test_the_voice_network_says_the_same_of_the_same_windows(engine: DeviceEngine, server: parity.Server) -> None:
    sound = voice()
    noise = np.random.default_rng(0).normal(0, 3000, 16_000).astype(np.int16)
    lengths = (8_000, 16_000, 24_000)  # VOICE_WINDOW may be longer or shorter
    table = said(parity.compare_voice(engine, server, [noise, *(sound[:length] for length in lengths)]))
    assert len(table.agreements) == 8
    assert table.agreement == 1
    assert table.largest < CLOSE


def test_the_face_network_says_the_same_of_the_same_crops(engine: DeviceEngine, server: parity.Server) -> None:
    chance = np.random.default_rng(0)
    crops = [chance.integers(0, 256, (48, 48, 1), dtype=np.uint8) for _ in range(5)]
    table = said(parity.compare_face(engine, server, crops))
    assert len(table.differences) == 5
    assert table.agreement == 1
    assert table.largest < CLOSE


def test_both_find_the_same_faces_and_say_the_same_of_them(engine: DeviceEngine, server: parity.Server) -> None:
    files = jpegs()
    table = said(parity.compare_pictures(engine, server, files))
    assert len(table.differences) == len(files) - 1  # in the last picture is nobody
    assert table.agreement == 1
    for jpeg in files:
        reading = server.face.analyse([jpeg])[0]
        _, box = engine.see(jpeg)
        if box is None or reading.box is None:
            assert box is reading.box
            continue
        wanted = reading.box
        np.testing.assert_allclose(
            (box.x, box.y, box.width, box.height), (wanted.x, wanted.y, wanted.width, wanted.height), atol=2e-3
        )


def test_a_viewer_is_shown_the_same(engine: DeviceEngine, server: parity.Server) -> None:
    sound = np.tile(voice(), 2)
    events = [*sound_events(sound), *picture_events(jpegs()[:4] * 3, len(sound) / 16_000)]
    tables = parity.compare_streams(engine, server, [sorted(events, key=lambda event: event[0])])
    for table in map(said, tables):
        assert len(table.agreements) >= 12
        assert len(table.differences) >= 10  # it is of readings, not of silence
        assert table.agreement >= 0.99
