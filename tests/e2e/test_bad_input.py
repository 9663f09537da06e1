"""Bad input through the real server, byte by byte where the bytes matter, with a good viewer watching throughout."""

import asyncio
import base64
import contextlib
import json
import struct
import time
from typing import Any

import pytest
import websockets

from scripts.fuzz import CORPUS
from tests.conformance.sample import sample
from tests.e2e.serving import Server
from tests.e2e.watching import BINARY, CLOSE, CONTINUED, TEXT, Listener, connect, frame, has_viewers, watched

JPEG = CORPUS / "jpeg"
WRONG_MESSAGES = [
    ("invalid_json", "hello"),
    ("invalid_json", '{"type": "audio"'),
    ("invalid_json", "[" * 100_000),
    ("invalid_message", '{"type": "configure", "x": ' + "[" * 60 + "]" * 60 + ', "voice_smoothing": "5"}'),
    ("invalid_message", json.dumps({"type": "configure", "fusion_weight": "x" * 500_000})),
    ("invalid_message", '["audio"]'),
    ("invalid_message", '{"type": "audio", "pcm16": "AAA=", "id": true}'),
    ("invalid_message", '{"type": "configure", "fusion_weight": NaN}'),
    ("invalid_message", '{"type": "configure", "fusion_weight": 1e999}'),
    ("invalid_message", '{"type": "configure", "voice_smoothing": -Infinity}'),
    ("invalid_message", b"\x01\x00"),
    ("unknown_type", '{"type": "video"}'),
    ("unknown_type", b"\x09\x00\x00\x00\x00payload"),
    ("invalid_base64", '{"type": "audio", "pcm16": "?"}'),
    ("invalid_audio", '{"type": "audio", "pcm16": "AAAA"}'),
    ("invalid_audio", struct.pack("<BI", 1, 1) + bytes(7)),
    ("invalid_image", struct.pack("<BI", 2, 1) + (JPEG / "png").read_bytes()),
    ("invalid_image", json.dumps({"type": "frame", "jpeg": base64.b64encode((JPEG / "gif").read_bytes()).decode()})),
    ("frame_too_big", struct.pack("<BI", 2, 1) + b"\xff\xd8" + bytes(600_000)),
    ("invalid_message", '{"type": "calibrate", "action": "stop"}'),
]
WRONG_PICTURES = {
    "cut": "cut short",
    "cut_progressive": None,  # decoded as far as it goes
    "cmyk": "CMYK",
    "twelve_bits": "cannot|can be decoded",
    "sixteen_bits_lossless": "can be decoded",
    "arithmetic": "can be decoded",
    "bomb": "larger than",
    "strip": "a side longer",
    "no_height": "can be decoded",
    "a_size_after_the_first": None,
    "hidden_00": "can be decoded",
    "hidden_length_0": "can be decoded",
}


async def test_each_wrong_message_gets_its_error_and_the_stream_goes_on(server: Server) -> None:
    async with watched(server.stream), websockets.connect(server.stream, max_size=None) as socket:
        for _, message in WRONG_MESSAGES:
            await socket.send(message)
        told = [error async for error in errors(socket, len(WRONG_MESSAGES))]
        await socket.send('{"type": "configure", "voice_smoothing": 7}')
        async for text in socket:
            if (configured := json.loads(text))["type"] == "configured":
                break
    assert [error["code"] for error in told] == [code for code, _ in WRONG_MESSAGES]
    assert all(error["recoverable"] for error in told)
    assert configured["settings"]["voice_smoothing"] == 7


async def errors(socket: websockets.ClientConnection, count: int) -> Any:
    async with asyncio.timeout(20):
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "error":
                yield message
                count -= 1
                if not count:
                    return


async def look(address: str, picture: bytes) -> str | None:
    """Send a picture and then a good one; return what was wrong with the first, once the second was seen."""
    wrong = None
    async with websockets.connect(address) as socket, asyncio.timeout(20):
        await socket.send(struct.pack("<BI", 2, 1) + picture)
        sent = False
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "error":
                assert (message["code"], message["recoverable"]) == ("invalid_image", True)
                wrong = message["message"]
            if message["type"] == "result":
                if message["used"]["frame"] == 2:
                    assert message["face"]["state"] == "ok"
                    return wrong
                if not sent:
                    await socket.send(struct.pack("<BI", 2, 2) + sample()[1])
                    sent = True
    raise AssertionError("the connection was closed")


async def test_pictures_that_are_no_jpegs_for_us_are_refused_and_the_next_is_seen(server: Server) -> None:
    async with watched(server.stream):
        said = await asyncio.gather(*(look(server.stream, (JPEG / name).read_bytes()) for name in WRONG_PICTURES))
    for (name, why), words in zip(WRONG_PICTURES.items(), said, strict=True):
        if why is not None:
            assert words is not None and any(part in words for part in why.split("|")), (name, words)


def said_to(address: str, data: bytes, *, slices: int = 65_536, seconds: float = 5) -> Listener:
    """Send bytes in slices over a WebSocket of their own, and listen until it is closed or some seconds are over."""
    with contextlib.closing(connect(address)) as raw:
        listener = Listener(raw)
        for at in range(0, len(data), slices):
            raw.sendall(data[at : at + slices])
        began = time.monotonic()
        while listener.close_code is None and time.monotonic() - began < seconds:
            listener.listen(0.2)
    return listener


async def test_what_breaks_the_protocol_below_messages_ends_its_own_connection_alone(server: Server) -> None:
    interleaved = frame(TEXT, b'{"type": ', last=False) + frame(BINARY, b"\x01\0\0\0\0\0\0")
    not_utf8 = frame(TEXT, b'{"type": "\xff\xfe"}')
    parts = [frame(CONTINUED if number else BINARY, bytes(65_000), last=False) for number in range(17)]
    too_big = b"".join(parts) + frame(CONTINUED, b".")
    async with watched(server.stream):
        told = await asyncio.gather(
            *(asyncio.to_thread(said_to, server.stream, data) for data in (interleaved, not_utf8, too_big))
        )
    assert [listener.close_code for listener in told] == [1002, 1007, 1009]
    assert told[2].of_type("error")[-1]["code"] == "too_big"


async def test_a_message_may_come_one_byte_at_a_time_and_in_fragments(server: Server) -> None:
    message = b'{"type": "configure", "face_smoothing": 3}'
    pieces = frame(TEXT, message[:9], last=False) + frame(CONTINUED, message[9:20], last=False)
    data = frame(TEXT, message) + pieces + frame(CONTINUED, message[20:])
    async with watched(server.stream):
        told = await asyncio.to_thread(said_to, server.stream, data, slices=1, seconds=1.5)
    assert [answer["settings"]["face_smoothing"] for answer in told.of_type("configured")] == [3, 3]
    assert not told.of_type("error")
    assert told.of_type("result")


def flood(address: str, payload: bytes) -> Listener:
    """Send one message 2,000 times a second, more than a hundred times as often as the page, until that is too much."""
    with contextlib.closing(connect(address)) as raw:
        listener = Listener(raw)
        began = time.monotonic()
        while listener.close_code is None and time.monotonic() - began < 20:
            raw.sendall(frame(BINARY, payload) * 20)
            listener.listen(0)
            time.sleep(0.01)
    return listener


@pytest.mark.parametrize("kind", ["sound", "nonsense"])
async def test_who_sends_a_hundred_times_too_fast_ends_as_abuse_and_alone(server: Server, kind: str) -> None:
    payload = struct.pack("<BI", 1, 1) + bytes(3200) if kind == "sound" else b"\x09"
    async with watched(server.stream):
        told = await asyncio.to_thread(flood, server.stream, payload)
    codes = [error["code"] for error in told.of_type("error")]
    assert (codes[-1], told.close_code) == ("abuse", 1008)
    assert set(codes[:-1]) == {"too_fast" if kind == "sound" else "invalid_message"}


async def test_a_thousand_connects_and_disconnects(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    def churn() -> float:
        began = time.monotonic()
        for number in range(1000):
            raw = connect(server.stream)
            if number % 2:  # half of them without a word, as a crash does
                raw.sendall(frame(CLOSE, struct.pack(">H", 1000)))
            raw.close()
        return 1000 / (time.monotonic() - began)

    async with watched(server.stream):
        rate = await asyncio.to_thread(churn)
    with capsys.disabled():
        print(f"\n{rate:.0f} connects and disconnects a second")
    await has_viewers(server, 0)
