"""The real server as a process, with the shipped models, through the real protocol."""

import asyncio
import base64
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import websockets
from fusing import NAME, SIX
from serving import ROOT, Server

from models.labels import LABELS
from scripts.fake_devices import Media, nobody, portrait, portrait_face

CLIPS = Path(os.environ.get("RAVDESS_AV_ROOT") or ROOT.parent / "shared/data/ravdess_av") / "clips"
CLIP = CLIPS / "01-01-08-01-02-02-01.mp4"
CHUNK = 1_600
Pcm = np.ndarray


def first_picture(media: Media) -> bytes:
    """The fake camera's MJPEG begins with one whole JPEG."""
    data = media.video.read_bytes()
    return data[: data.index(b"\xff\xd9") + 2]


def sound(media: Media) -> Pcm:
    with av.open(str(media.sound)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        parts = [part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(parts)


async def view(
    url: str, pcm: Pcm | None, picture: bytes | None, *, binary: bool, seconds: float = 3.0
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """Stream as a viewer for some seconds; return ready, results, errors."""
    ready: dict[str, Any] = {}
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []

    async def receive() -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "ready":
                ready.update(message)
            else:
                (results if message["type"] == "result" else errors).append(message)

    async with websockets.connect(url) as socket:
        receiver = asyncio.create_task(receive())
        loop = asyncio.get_running_loop()
        started = loop.time()
        for number in range(1, round(seconds * 10) + 1):
            if pcm is not None:
                chunk = np.resize(np.roll(pcm, -(number - 1) * CHUNK), CHUNK).astype("<i2").tobytes()
                await socket.send(
                    struct.pack("<BI", 1, number) + chunk
                    if binary
                    else json.dumps({"type": "audio", "pcm16": base64.b64encode(chunk).decode(), "id": number})
                )
            if picture is not None and number % 5 == 1:
                await socket.send(
                    struct.pack("<BI", 2, number) + picture
                    if binary
                    else json.dumps({"type": "frame", "jpeg": base64.b64encode(picture).decode(), "id": number})
                )
            await asyncio.sleep(max(0.0, started + number / 10 - loop.time()))
        await socket.close()
        await receiver
    return ready, results, errors


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    return portrait(tmp_path_factory.mktemp("media"))


@pytest.fixture
def url(server: Server) -> str:
    return server.url.replace("http", "ws") + "ws"


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
async def test_a_viewer_gets_voice_face_fused_and_top5(url: str, media: Media, binary: bool) -> None:
    ready, results, errors = await view(url, sound(media), first_picture(media), binary=binary)
    assert ready["protocol"] == 1
    assert tuple(ready["labels"]) == LABELS
    assert ready["models"]["voice"] == "audio_bilstm"
    assert not errors
    assert 4 <= len(results) <= 8
    last = results[-1]
    for path in ("voice", "face", "fused"):
        assert last[path]["state"] == "ok", last
        assert set(last[path]["probs"]) == set(LABELS)
        assert sum(last[path]["probs"].values()) == pytest.approx(1.0, abs=1e-3)
        assert last[path]["label"] == max(last[path]["probs"], key=last[path]["probs"].__getitem__)
    weight = ready["settings"]["fusion_weight"]
    for label in LABELS:
        late = weight * last["voice"]["probs"][label] + (1 - weight) * last["face"]["probs"][label]
        assert last["fused"]["probs"][label] == pytest.approx(late, abs=2e-4)
    assert [entry["prob"] for entry in last["top5"]] == sorted(last["fused"]["probs"].values(), reverse=True)[:5]
    assert last["top5"][0]["label"] == last["fused"]["label"].capitalize()
    assert last["used"]["audio"] and last["used"]["frame"]
    face = portrait_face()
    x, y, width, height = last["face"]["box"]
    assert face.x < x + width / 2 < face.x + face.width
    assert face.y < y + height / 2 < face.y + face.height


async def test_viewers_at_once_know_nothing_of_each_other(url: str, media: Media, tmp_path: Path) -> None:
    wall = nobody(tmp_path)
    seen, silent, lone = await asyncio.gather(
        view(url, sound(media), first_picture(media), binary=True),
        view(url, sound(wall), first_picture(wall), binary=False),
        view(url, None, first_picture(media), binary=True),
    )
    assert {r["fused"]["state"] for r in silent[1]} == {"none"}
    assert silent[1][-1]["voice"]["state"] == "silence"
    assert silent[1][-1]["face"]["state"] == "no_face"
    assert {r["voice"]["state"] for r in lone[1]} == {"absent"}
    assert lone[1][-1]["fused"]["state"] == "face_only"
    assert lone[1][-1]["fused"]["probs"] == lone[1][-1]["face"]["probs"]
    assert seen[1][-1]["fused"]["state"] == "ok"
    assert len({ready["session"] for ready, _, _ in (seen, silent, lone)}) == 3


async def test_a_viewer_is_calibrated_through_the_real_protocol(calibratable: Server, media: Media) -> None:
    url = calibratable.url.replace("http", "ws") + "ws"
    pcm, picture = sound(media), first_picture(media)
    told: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []

    async def listen(socket: websockets.ClientConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "calibration":
                told.append(message)
                if message["state"] == "done":
                    results.clear()
            elif message["type"] == "result":
                results.append(message)
            else:
                assert message["type"] == "ready", message
                assert message["features"] == {"calibration": True}

    async with websockets.connect(url) as socket, asyncio.timeout(30):
        listener = asyncio.create_task(listen(socket))
        await socket.send(json.dumps({"type": "calibrate", "action": "start"}))
        number = 0
        while len(results) < 4 or not told or told[-1]["state"] != "done":
            number += 1
            chunk = np.resize(np.roll(pcm, -number * CHUNK), CHUNK).astype("<i2").tobytes()
            await socket.send(struct.pack("<BI", 1, number) + chunk)
            if number % 5 == 1:
                await socket.send(struct.pack("<BI", 2, number) + picture)
            await asyncio.sleep(0.1)
        await socket.send(json.dumps({"type": "calibrate", "action": "reset"}))
        while told[-1]["state"] != "none":  # noqa: ASYNC110 - the listener has no event of its own
            await asyncio.sleep(0.05)
        await socket.close()
        await listener
    assert [message["state"] for message in told[:2]] == ["collecting", "collecting"]
    done, forgotten = told[-2], told[-1]
    assert (done["state"], done["voice"], done["face"], done["progress"]) == ("done", True, True, 1.0)
    assert (forgotten["voice"], forgotten["face"]) == (False, False)
    assert results[-1]["fused"]["state"] == "ok"
    for path in ("voice", "face", "fused"):
        assert sum(results[-1][path]["probs"].values()) == pytest.approx(1.0, abs=1e-3)


async def test_a_model_that_hears_and_sees_at_once_fuses(fusing: Server, media: Media) -> None:
    url = fusing.url.replace("http", "ws") + "ws"
    ready, results, errors = await view(url, sound(media), first_picture(media), binary=True)
    assert ready["models"] == {"voice": "audio_bilstm", "face": "fer_resnet", "fusion": NAME}
    assert ready["knows"] == {"voice": list(LABELS), "face": list(LABELS), "fusion": list(SIX)}
    assert not errors
    last = results[-1]
    assert last["fused"]["state"] == "ok", last
    assert sum(last["fused"]["probs"].values()) == pytest.approx(1.0, abs=1e-3)
    assert 0 < last["ms"]["fusion"] <= last["ms"]["total"]
    # The two others do say it, so late fusion would.
    said = {path: last[path]["probs"]["surprise"] for path in ("voice", "face", "fused")}
    assert said["fused"] == 0 < max(said["voice"], said["face"]), said
    assert "Surprise" not in {entry["label"] for entry in last["top5"]}


async def test_a_broken_picture_costs_one_error_and_nothing_else(url: str, media: Media) -> None:
    damaged = first_picture(media)[:300]
    _, results, errors = await view(url, sound(media), damaged, binary=True)
    assert {(e["code"], e["message"], e["recoverable"]) for e in errors} == {
        ("invalid_image", "the JPEG is cut short", True)
    }
    assert results[-1]["voice"]["state"] == "ok"


async def test_serving_imports_no_training_framework(media: Media) -> None:
    with Server(PYTHONPROFILEIMPORTTIME="1") as profiled:  # Python itself logs each module that it imports
        _, results, _ = await view(
            profiled.url.replace("http", "ws") + "ws", sound(media), first_picture(media), binary=True, seconds=2.5
        )
        assert results[-1]["fused"]["state"] == "ok"
        imported = {line.split("|")[-1].strip() for line in profiled.log().splitlines() if "import time:" in line}
    assert {"onnxruntime", "ai_edge_litert", "app.viewer.session"} <= imported
    assert not imported & {"mediapipe", "torch", "torchvision", "timm", "librosa", "hsemotion"}


def make_video(path: Path, media: Media, seconds: int = 3) -> Path:
    """A real MP4 of the fake camera and microphone."""
    picture = cv2.imdecode(np.frombuffer(first_picture(media), np.uint8), cv2.IMREAD_COLOR)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.height, video.width = picture.shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=16_000)
        for _ in range(seconds * 10):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(video.encode())
        samples = np.resize(sound(media), seconds * 16_000)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def stream_file(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.stream_file", *arguments, "--url", url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_stream_file_plays_a_video_with_its_sound(url: str, media: Media, tmp_path: Path) -> None:
    video = make_video(tmp_path / "clip.mp4", media)
    done = stream_file(url, str(video), "--json")
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert 4 <= len(results) <= 10
    assert results[-1]["fused"]["state"] == "ok"
    assert results[-1]["dropped"]["frames"] <= 3
    people = stream_file(url, str(video))
    assert "fused" in people.stdout.splitlines()[-1]


def test_stream_file_names_what_it_cannot_read(url: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    done = stream_file(url, str(broken))
    assert done.returncode == 1
    assert "broken.mp4" in done.stderr
    assert "Traceback" not in done.stderr


def test_stream_file_says_where_it_found_no_server(media: Media, tmp_path: Path) -> None:
    done = stream_file("ws://127.0.0.1:9/ws", str(make_video(tmp_path / "clip.mp4", media, 1)))
    assert done.returncode == 1
    assert "ws://127.0.0.1:9/ws" in done.stderr
    assert "Traceback" not in done.stderr


def test_stream_file_shows_the_token_of_the_environment(
    media: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = str(make_video(tmp_path / "clip.mp4", media, 1))
    token = "correct horse battery staple"  # noqa: S105 - of this server alone
    with Server(API_TOKEN=token) as own:
        url = own.url.replace("http", "ws") + "ws"
        monkeypatch.delenv("API_TOKEN", raising=False)
        refused = stream_file(url, video)
        assert refused.returncode == 1
        assert "token" in refused.stderr
        monkeypatch.setenv("API_TOKEN", token)
        done = stream_file(url, video, "--json")
        assert done.returncode == 0, done.stderr
        assert done.stdout
        assert token not in own.log()


@pytest.mark.data
@pytest.mark.skipif(not CLIP.is_file(), reason="needs RAVDESS video: RAVDESS_AV_ROOT")
def test_a_real_person_in_real_video_is_heard_and_seen(url: str) -> None:
    done = stream_file(url, str(CLIP), "--json")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert any(r["voice"]["state"] == "ok" for r in results)
    assert sum(r["face"]["state"] == "ok" for r in results) >= len(results) - 2
