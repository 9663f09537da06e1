"""Nothing of a viewer is kept, logged or written once its socket is closed: the process itself is searched for it."""

import base64
import json
import random
import re
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
from websockets.sync.client import ClientConnection, connect

from models.labels import LABELS
from tests.conformance.sample import sample
from tests.e2e.serving import ROOT, Server

SECONDS = 10
WORD = b"tell-n0body-0f-this"
SOUND = np.random.default_rng(3).integers(-9000, 9000, 32).astype("<i2").tobytes()
SOUGHT = (WORD, SOUND)
PASSING = {"fastapi", "starlette", "uvicorn"}


class Inspected(Server):
    """The server with `/inspect`, see inspected.py."""

    def __init__(self, **environment: str) -> None:
        hidden = " ".join(bytes(byte ^ 0xFF for byte in word).hex() for word in SOUGHT)
        super().__init__(PYTHONPATH=str(ROOT), INSPECTED_FOR=hidden, **environment)

    def command(self) -> list[str]:
        here = str(Path(__file__).parent)
        return [sys.executable, "-m", "uvicorn", "--app-dir", here, "inspected:app", "--port", str(self.port)]

    def ask(self, path: str, method: str = "GET") -> Any:
        with urlopen(Request(f"{self.url}{path}", method=method), timeout=60) as answer:  # noqa: S310 - http
            text = answer.read().decode()
        return text if path == "metrics" else json.loads(text)


def picture() -> bytes:
    """A portrait, with a word of its viewer's in a comment of the JPEG."""
    _, jpeg = sample()
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(WORD)) + WORD + jpeg[2:]


def chunk(at: int) -> bytes:
    """A tenth of a second of voice, with samples in it that nobody else has."""
    voice, _ = sample()
    part = voice[at * 3200 : (at + 1) * 3200]
    return part[:1000] + SOUND + part[1000 + len(SOUND) :]


def say_all(viewer: ClientConnection) -> str:
    """Say everything that there is to say, in every way, until it is answered; return the session's name."""
    word, wanted = WORD.decode(), {"unknown_type", "invalid_image", "configured", "calibration", "ok"}
    ready = json.loads(viewer.recv(timeout=SECONDS))
    viewer.send(json.dumps({"type": word}))
    viewer.send(json.dumps({"type": "configure", "fusion_weight": 0.5, "name": word}))
    viewer.send(json.dumps({"type": "calibrate", "action": "start", "name": word}))
    for at in range(6):
        viewer.send(struct.pack("<BI", 1, at + 1) + chunk(at))
        viewer.send(json.dumps({"type": "audio", "pcm16": base64.b64encode(chunk(at + 6)).decode(), "id": at + 1}))
    viewer.send(struct.pack("<BI", 2, 1) + picture())
    while wanted:
        message = json.loads(viewer.recv(timeout=SECONDS))
        wanted -= {message.get("code"), message["type"]}
        if message["type"] == "result" and message["fused"]["state"] == "ok":
            wanted.discard("ok")
            viewer.send(struct.pack("<BI", 2, 2) + b"\xff\xd8" + WORD)  # no picture
    viewer.send(json.dumps({"type": "frame", "jpeg": base64.b64encode(picture()).decode(), "id": 2}))
    return str(ready["session"])


def visit(server: Server, *, politely: bool = True) -> str:
    """Come, say all, and leave with a close or without a word; return the session's name."""
    word = WORD.decode()
    with connect(f"ws://127.0.0.1:{server.port}/ws?name={word}", user_agent_header=word) as viewer:
        name = say_all(viewer)
        if not politely:
            viewer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            viewer.socket.close()
    return name


def after_all_left(server: Inspected) -> dict[str, Any]:
    """Return what is held once nobody is there any more, and what was asked last has been answered."""
    deadline = time.monotonic() + SECONDS
    while server.ask("readyz")["viewers"] and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    held: dict[str, Any] = server.ask("inspect")
    return held


def left_over(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return of what there is more than before."""
    return {kind: count - before.get(kind, 0) for kind, count in after.items() if count > before.get(kind, 0)}


def test_nothing_of_a_viewer_is_held_logged_or_written_once_it_has_left() -> None:
    with Inspected(STALE_AFTER="60") as server:  # what is held of who is there is not to go while it is looked for
        with connect(f"ws://127.0.0.1:{server.port}/ws?name={WORD.decode()}") as viewer:
            say_all(viewer)
            during = server.ask("inspect")
        assert "app.viewer.session.Session" in during["alive"]
        assert {words.split()[0] for words in during["held"]} == {"0", "1"}  # it finds what there is to find
        before, figures = after_all_left(server), server.ask("metrics")
        server.ask("inspect/writing", "POST")
        random.seed(1)
        names = [visit(server, politely=politely) for politely in (True, False, True)]
        after, log = after_all_left(server), server.log()
        figures_after = server.ask("metrics")
    assert (before["held"], after["held"]) == ({}, {})
    assert "app.viewer.session.Session" not in after["alive"]
    assert left_over(before["alive"], after["alive"]) == {}
    assert after["written"] == []
    for said in (WORD.decode(), base64.b64encode(SOUND[:48]).decode(), *names, *LABELS):
        assert said not in log
    # Figures have no label that came with a viewer, and no name.
    series = [set(re.findall(r"^(\w+(?:\{.*?\})?) ", text, re.MULTILINE)) for text in (figures, figures_after)]
    assert series[0] == series[1]
    assert not [name for name in (*names, WORD.decode(), "127.0.0.1") if name in figures_after]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in names)


def test_a_server_that_keeps_what_it_must_not_is_found_out() -> None:
    with Inspected(INSPECTED_LEAK="yes") as server:
        before = after_all_left(server)
        server.ask("inspect/writing", "POST")
        visit(server)
        after = after_all_left(server)
    assert {"0 in bytes", "1 in ndarray"} <= set(after["held"])
    more = left_over(before["alive"], after["alive"])
    assert {"app.connection.Connection", "app.viewer.session.Session", "app.viewer.ring_buffer.RingBuffer"} <= set(more)
    assert any(kind.startswith("array float32") for kind in more)
    assert after["written"] == ["/dev/null"]
