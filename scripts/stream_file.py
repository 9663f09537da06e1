"""Stream a video file with its sound to the server as the page would, in real time, and print each result.

python -m scripts.stream_file FILE.mp4 [--url ws://127.0.0.1:8000/ws] [--json]

A file with only sound, or only a picture track, works as well.
"""

import argparse
import asyncio
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import websockets

from models.inference import SAMPLE_RATE

SOUND, PICTURE = 1, 2
"""First byte of a binary message."""
CHUNK = SAMPLE_RATE // 10
WIDTH = 480
"""Pictures are sent at most this wide, as the page does."""


class UnreadableFileError(ValueError):
    """The file holds neither sound nor pictures that can be decoded."""


def media(path: Path, picture_interval: float) -> Iterator[tuple[float, int, bytes]]:
    """Yield (seconds since the start, kind, payload) in order: PCM16 chunks of 0.1 s, and JPEGs.

    Args:
        path: Anything that FFmpeg reads.
        picture_interval: Seconds between two pictures.

    Raises:
        UnreadableFileError: There is nothing to stream in it.
    """
    try:
        with av.open(str(path)) as container:
            tracks = [*container.streams.audio[:1], *container.streams.video[:1]]
            if not tracks:
                raise UnreadableFileError(f"{path}: no sound and no picture in it")
            yield from _messages(container, tracks, picture_interval)
    except (av.FFmpegError, OSError) as error:
        raise UnreadableFileError(f"{path}: {error}") from error


def _messages(container: Any, tracks: list[Any], picture_interval: float) -> Iterator[tuple[float, int, bytes]]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    waiting = np.zeros(0, np.int16)
    sent = 0
    next_picture = 0.0
    for frame in container.decode(*tracks):
        if isinstance(frame, av.VideoFrame):
            at = float(frame.time or 0.0)
            if at >= next_picture:
                next_picture = at + picture_interval
                yield at, PICTURE, jpeg(frame.to_ndarray(format="bgr24"))
            continue
        parts = [part.to_ndarray().ravel() for part in resampler.resample(frame)]
        waiting = np.concatenate([waiting, *parts])
        while len(waiting) >= CHUNK:
            chunk, waiting = waiting[:CHUNK], waiting[CHUNK:]
            sent += CHUNK
            yield sent / SAMPLE_RATE, SOUND, chunk.astype("<i2").tobytes()


def jpeg(image: np.ndarray) -> bytes:
    """Encode a BGR picture [H, W, 3], made no wider than `WIDTH`."""
    height, width = image.shape[:2]
    if width > WIDTH:
        image = cv2.resize(image, (WIDTH, round(height * WIDTH / width)), interpolation=cv2.INTER_AREA)
    done, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    if not done:
        raise UnreadableFileError("a picture could not be encoded")
    return buffer.tobytes()


def line(result: dict[str, Any]) -> str:
    """Return a result as a line for people."""
    parts = []
    for path in ("voice", "face", "fused"):
        said = result[path]
        label = said["label"]
        words = said["state"] if label is None else f"{label} {said['probs'][label]:.0%}"
        parts.append(f"{path} {words}")
    return f"{result['t']:6.1f} s  " + "".join(f"{part:<24}" for part in parts)


async def _send(socket: websockets.ClientConnection, source: Iterator[tuple[float, int, bytes]]) -> None:
    """Send each message when its time has come."""
    clock = asyncio.get_running_loop().time
    started = clock()
    number = 0
    while (item := await asyncio.to_thread(next, source, None)) is not None:
        at, kind, payload = item
        number += 1
        await asyncio.sleep(max(0.0, started + at - clock()))
        await socket.send(struct.pack("<BI", kind, number) + payload)


async def stream(path: Path, url: str, as_json: bool) -> int:
    """Stream one file; return how many results came."""
    results = 0
    async with websockets.connect(url, max_size=None) as socket:
        ready = json.loads(await socket.recv())
        if ready["type"] == "error":
            raise ConnectionError(ready["message"])
        interval = ready["settings"]["result_interval"]

        async def receive() -> None:
            nonlocal results
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "result":
                    results += 1
                    print(json.dumps(message) if as_json else line(message), flush=True)
                elif message["type"] == "error":
                    print(f"{message['code']}: {message['message']}", file=sys.stderr)

        receiver = asyncio.create_task(receive())
        try:
            await _send(socket, media(path, interval))
            await asyncio.sleep(1.5 * interval)  # the last sound still gets its result
        finally:
            await socket.close()
            await receiver
    return results


def main() -> None:
    """Parse the command line and stream."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--url", default="ws://127.0.0.1:8000/ws")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    options = parser.parse_args()
    try:
        asyncio.run(stream(options.file, options.url, options.json))
    except UnreadableFileError as error:
        sys.exit(str(error))
    except (OSError, websockets.WebSocketException) as error:
        sys.exit(f"{options.url}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
