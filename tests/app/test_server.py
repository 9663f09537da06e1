"""The application under a real uvicorn, through real sockets."""

import asyncio
import base64
import contextlib
import json
import logging
import re
import socket
import struct
import subprocess
import sys

import httpx2 as httpx
import numpy as np
import pytest
import uvicorn
import websockets
from arithmetic_models import FACE, MeanVoice, SumFace, tone

from app import protocol
from app.inference.local import LocalInference
from app.server import create_app
from app.settings import ROOT, Settings, load
from models.labels import LABELS

pytestmark = pytest.mark.e2e


@contextlib.asynccontextmanager
async def serving(*, pings=20.0, buffer=None, **changes):
    """A server on a free port; gives its address without the scheme, and the server."""
    settings = Settings(_env_file=None, **changes)
    app = create_app(settings, LocalInference(MeanVoice(), SumFace()))
    config = uvicorn.Config(app, port=0, log_config=None, ws_ping_interval=pings, ws_ping_timeout=pings)
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    if buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", server
    finally:
        server.should_exit = True
        await task


async def stream(address, samples, jpeg=None, *, binary=False, seconds=1.5):
    """Send sound and a picture in real time; return all messages."""
    messages = []

    async def receive(socket):
        async for text in socket:
            messages.append(json.loads(text))

    async with websockets.connect(f"ws://{address}/ws") as socket:
        receiving = asyncio.create_task(receive(socket))
        for number, start in enumerate(range(0, int(seconds * 16_000), 1600), 1):
            pcm = np.resize(samples, start + 1600)[start:].tobytes()
            if binary:
                await socket.send(struct.pack("<BI", 1, number) + pcm)
            else:
                pcm16 = base64.b64encode(pcm).decode()
                await socket.send(json.dumps({"type": "audio", "pcm16": pcm16, "id": number}))
            if jpeg and binary:
                await socket.send(struct.pack("<BI", 2, number) + jpeg)
            elif jpeg:
                text = base64.b64encode(jpeg).decode()
                await socket.send(json.dumps({"type": "frame", "jpeg": text, "id": number}))
            await asyncio.sleep(0.1)
    await receiving
    return messages


async def test_json_and_binary_viewers_at_once_each_get_their_own_results():
    async with serving(result_interval=0.25, voice_window=0.5) as (address, _):
        as_json, as_binary, other, silent = await asyncio.gather(
            stream(address, tone(16_000), FACE),
            stream(address, tone(16_000), FACE, binary=True),
            stream(address, tone(16_000, 2000), binary=True),
            stream(address, np.zeros(16_000, np.int16)),
        )
    for messages in (as_json, as_binary, other, silent):
        assert messages[0]["type"] == "ready"
        assert {message["type"] for message in messages[1:]} == {"result"}
        assert len(messages) >= 5
    for messages in (as_json, as_binary):
        result = messages[-1]
        assert result["fused"]["state"] == "ok"
        assert sorted(result["fused"]["probs"]) == sorted(LABELS)
        assert len(result["top5"]) == 5
        assert result["used"]["audio"] > 5
        assert result["used"]["frame"] > 5
    assert as_json[-1]["face"]["probs"] == as_binary[-1]["face"]["probs"]
    assert other[-1]["fused"]["state"] == "voice_only"
    assert other[-1]["voice"]["probs"] != as_json[-1]["voice"]["probs"]
    assert silent[-1]["voice"]["state"] == "silence"
    assert silent[-1]["fused"]["state"] == "none"


async def test_one_viewer_too_many_is_told_so_and_closed_with_1013():
    async with serving(max_viewers=1) as (address, _), websockets.connect(f"ws://{address}/ws") as first:
        await first.recv()
        async with websockets.connect(f"ws://{address}/ws") as second:
            assert json.loads(await second.recv())["code"] == "full"
            await second.wait_closed()
            assert second.close_code == 1013


async def test_a_wrong_token_for_a_ticket_ends_the_connection():
    async with serving(api_token="correct horse battery staple") as (address, _):  # noqa: S106 - of this test alone
        reader, writer = await asyncio.open_connection(*address.split(":"))
        writer.write(b"POST /ticket HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer guess\r\n\r\n" * 300)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                said = await reader.read()
        writer.close()
    assert said.count(b"HTTP/1.1 ") == said.count(b"HTTP/1.1 401 ") == 1


async def test_a_message_that_is_too_big_closes_with_1009():
    async with (
        serving(max_message_bytes=16_384) as (address, _),
        websockets.connect(f"ws://{address}/ws") as socket,
    ):
        await socket.recv()
        await socket.send(bytes(16_385))
        assert json.loads(await socket.recv())["code"] == "too_big"
        await socket.wait_closed()
        assert socket.close_code == 1009


def reads_nothing(address):
    """A viewer whose library stops reading, and answering pings, until somebody takes what it has read."""
    host, port = address.split(":")
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    small.connect((host, int(port)))
    return websockets.connect(f"ws://{address}/ws", sock=small, max_queue=1, compression=None, close_timeout=0.1)


async def newest(socket, since):
    """Read on until a result is from later than `since`; return it."""
    async for text in socket:
        message = json.loads(text)
        if message["type"] == "result" and message["t"] > since:
            return message
    raise AssertionError("the connection was closed")


async def test_who_reads_nothing_until_the_connection_is_full_misses_results():
    async with (
        serving(buffer=16_384, result_interval=0.1, max_faults_per_minute=0) as (address, _),
        websockets.connect(f"ws://{address}/ws") as quick,
        reads_nothing(address) as slow,
    ):
        for _ in range(2000):
            await slow.send(b"\x09")  # answered by an error: 200 kB, where 64 kB and some may wait
        on_time = await newest(quick, 2)
        late = await newest(slow, on_time["t"])
        # What the server itself was late for, both missed.
        assert late["dropped"]["results"] - on_time["dropped"]["results"] >= 5


async def test_who_reads_nothing_at_all_is_let_go():
    async with (
        serving(result_interval=0.1, pings=0.3) as (address, _),
        httpx.AsyncClient(base_url=f"http://{address}") as client,
        reads_nothing(address),
    ):
        viewers = [1]
        async with asyncio.timeout(5):
            while viewers[-1]:
                viewers.append((await client.get("/readyz")).json()["viewers"])
        assert viewers[1] == 1


async def flood(address):
    """Send nonsense as fast as it is taken; return the last words, and the code of the close."""
    said = []
    async with websockets.connect(f"ws://{address}/ws", compression=None) as socket:
        with contextlib.suppress(websockets.ConnectionClosed):
            for _ in range(5_000):
                await socket.send(b"\x09")
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in socket:
                said.append(json.loads(text))
    return said[-1]["code"], socket.close_code


async def test_a_flood_ends_its_own_connection_alone():
    async with (
        serving(result_interval=0.25, voice_window=0.5) as (address, _),
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        good, *floods = await asyncio.gather(
            stream(address, tone(16_000), FACE, seconds=3), flood(address), flood(address), flood(address)
        )
        assert (await client.get("/readyz")).json()["viewers"] == 0
    assert floods == [("abuse", 1008)] * 3
    assert {message["type"] for message in good[1:]} == {"result"}
    assert good[-1]["fused"]["state"] == "ok"
    assert good[-1]["dropped"]["audio"] == 0
    assert good[-1]["used"]["audio"] > 25


async def test_a_server_that_stops_closes_with_1012():
    async with serving() as (address, server), websockets.connect(f"ws://{address}/ws") as socket:
        await socket.recv()
        server.should_exit = True
        await socket.wait_closed()
        assert socket.close_code == 1012


async def test_the_endpoints():
    async with serving() as (address, _), httpx.AsyncClient(base_url=f"http://{address}") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"status": "ready", "viewers": 0}
        assert [(await client.head(probe)).status_code for probe in ("/healthz", "/readyz")] == [200, 200]
        schema = await client.get("/protocol.json")
        assert schema.headers["content-type"] == "application/json"
        assert schema.json() == json.loads(json.dumps(protocol.schema()))
        figures = await client.get("/metrics")
        assert figures.headers["content-type"].startswith("text/plain; version=")
        assert "emotion_viewers 0.0" in figures.text
        page = await client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["cache-control"] == "no-cache"
        again = await client.get("/", headers={"if-none-match": page.headers["etag"]})
        script = await client.get("/static/js/main.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["cache-control"] == "no-cache"
        unchanged = await client.get("/static/js/main.js", headers={"if-none-match": script.headers["etag"]})
        assert unchanged.status_code == 304
        assert again.status_code == 304
        assert (await client.head("/")).status_code == 200
        assert (await client.get("/static/../app/settings.py")).status_code == 404


@pytest.mark.parametrize("path", ["/static/js/main.js", "/docs/assets/swagger-ui.css", "/nowhere"])
async def test_a_socket_anywhere_else_is_refused_without_a_traceback(path, caplog):
    async with serving() as (address, _):
        with pytest.raises(websockets.InvalidStatus, match="403"):
            await websockets.connect(f"ws://{address}{path}")
    assert not caplog.records


async def test_the_api_documentation_asks_no_other_host():
    async with serving() as (address, _), httpx.AsyncClient(base_url=f"http://{address}") as client:
        page = (await client.get("/docs")).text
        addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert len(addresses) >= 3
        for path in addresses:
            assert path.startswith("/")
            assert (await client.get(path)).status_code == 200


async def test_it_is_not_ready_before_the_models_are_loaded():
    app = create_app(Settings(_env_file=None), LocalInference(MeanVoice(), SumFace()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200
        async with app.router.lifespan_context(app):
            assert (await client.get("/readyz")).status_code == 200
            await app.state.streaming.drain(1)
            stopping = await client.get("/readyz")
            assert (stopping.status_code, stopping.json()) == (503, {"status": "stopping"})
        assert (await client.get("/readyz")).status_code == 503


async def test_the_quick_check_reports_before_serving_and_missing_data_is_a_warning_each(caplog):
    settings = Settings(_env_file=None, face_model="fer_resnet", quick_check=True, ravdess_root=None, fer2013_root=None)
    app = create_app(settings)
    with caplog.at_level(logging.INFO, "uvicorn.error"):
        async with app.router.lifespan_context(app):
            pass
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.split(":")[0] for line in warnings] == ["voice not checked", "face not checked"]
    assert "Quick accuracy check" in caplog.text


async def test_the_env_file_that_was_read_is_named_at_the_start(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)

    async def said():
        caplog.clear()
        app = create_app(load(), LocalInference(MeanVoice(), SumFace()))
        with caplog.at_level(logging.INFO, "uvicorn.error"):
            async with app.router.lifespan_context(app):
                return caplog.text

    assert ".env" not in await said()
    (tmp_path / ".env").write_text("FUSION_WEIGHT=0.2\n")
    assert str(tmp_path / ".env") in await said()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"weights_dir": ROOT / "nowhere"}, "audio_bilstm"),
        ({"fusion": "nonsense"}, "no model 'nonsense'"),
        ({"inference_backend": "ray"}, "the package ray is not installed; requirements-cluster.txt has it"),
    ],
)
async def test_models_that_cannot_be_loaded_stop_the_start_with_one_line(changes, named, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "app.inference.ray", raising=False)
    app = create_app(Settings(_env_file=None, **{"face_model": "fer_resnet", **changes}))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    with caplog.at_level(logging.ERROR, "uvicorn.error"), pytest.raises(SystemExit):
        await server.serve()
    lines = [record.getMessage() for record in caplog.records if named in record.getMessage()]
    assert len(lines) == 1
    assert "Traceback" not in caplog.text


def test_importing_a_part_builds_nothing():
    code = (
        "import sys, app.viewer.session; "
        "heavy = {'fastapi', 'uvicorn', 'torch', 'onnxruntime', 'mediapipe', 'cv2'} & set(sys.modules); "
        "assert not heavy, heavy; "
        "assert 'app' not in vars(sys.modules['app'])"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
