"""Stream a video file with its sound to the server as the page would, in real time, and print each result.

python -m scripts.stream_file FILE.mp4 [--url ws://127.0.0.1:8000/ws] [--json]

A file with only sound, or only a picture track, works as well. A server that asks for its token is shown the
environment's API_TOKEN.
"""

import argparse
import asyncio
import contextlib
import json
import os
import ssl
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import cv2
import numpy as np
import websockets
from pydantic import ValidationError

from app import protocol
from models.datasets.media import upright
from models.inference import SAMPLE_RATE

CHUNK = SAMPLE_RATE // 10
WIDTH = 480
"""Pictures are sent at most this wide, as the page does."""


class UnreadableFileError(ValueError):
    """The file holds neither sound nor pictures that can be decoded."""


class NoServerError(ConnectionError):
    """Nothing answers at the address."""


def media(path: Path, picture_interval: float) -> Generator[tuple[float, int, bytes], None, None]:
    """Yield (seconds since the file's start, kind, payload) in order: PCM16 chunks of 0.1 s, and JPEGs.

    Args:
        path: Anything that FFmpeg reads.
        picture_interval: Seconds between two pictures.

    Raises:
        UnreadableFileError: There is nothing to stream in it.
        ModuleNotFoundError: PyAV is not installed.
    """
    import av  # here, because it is not in the slim set: nothing that serves needs it

    try:
        with av.open(str(path)) as container:
            tracks = [*container.streams.audio[:1], *container.streams.video[:1]]
            if not tracks:
                raise UnreadableFileError(f"{path}: no sound and no picture in it")
            yield from _messages(container, tracks, picture_interval)
    except (av.FFmpegError, OSError) as error:
        raise UnreadableFileError(f"{path}: {error.strerror}") from error


def _messages(container: Any, tracks: list[Any], picture_interval: float) -> Iterator[tuple[float, int, bytes]]:
    import av

    # Recordings of broadcasts begin at any time; both tracks count from the container's.
    start = (container.start_time or 0) / av.time_base
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    waiting = np.zeros(0, np.int16)
    heard: float | None = None  # up to when the sound was sent
    next_picture = 0.0
    for frame in container.decode(*tracks):
        if isinstance(frame, av.VideoFrame):
            at = float(frame.time or 0.0) - start
            if at >= next_picture:
                next_picture = at + picture_interval
                yield at, protocol.BINARY_FRAME, jpeg(upright(frame, "bgr24"))
            continue
        if heard is None:
            heard = float(frame.time or 0.0) - start
        parts = [part.to_ndarray().ravel() for part in resampler.resample(frame)]
        waiting = np.concatenate([waiting, *parts])
        while len(waiting) >= CHUNK:
            chunk, waiting = waiting[:CHUNK], waiting[CHUNK:]
            heard += CHUNK / SAMPLE_RATE
            yield heard, protocol.BINARY_AUDIO, chunk.astype("<i2").tobytes()


def jpeg(image: np.ndarray) -> bytes:
    """Encode a BGR picture [H, W, 3], made no wider than `WIDTH`."""
    height, width = image.shape[:2]
    if width > WIDTH:
        image = cv2.resize(image, (WIDTH, max(1, round(height * WIDTH / width))), interpolation=cv2.INTER_AREA)
    done, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    if not done:
        raise UnreadableFileError("a picture could not be encoded")
    return buffer.tobytes()


def line(result: protocol.Result) -> str:
    """Return a result as a line for people."""
    parts = []
    for path, said in (("voice", result.voice), ("face", result.face), ("fused", result.fused)):
        words = said.state if said.label is None else f"{said.label} {said.probs[said.label]:.0%}"
        parts.append(f"{path} {words}")
    return f"{result.t:6.1f} s  " + "".join(f"{part:<24}" for part in parts)


async def _send(socket: websockets.ClientConnection, source: Iterator[tuple[float, int, bytes]]) -> None:
    """Send each message when its time has come."""
    clock = asyncio.get_running_loop().time
    started = clock()
    number = 0
    while (item := await asyncio.to_thread(next, source, None)) is not None:
        at, kind, payload = item
        number += 1
        await asyncio.sleep(max(0.0, started + at - clock()))
        await socket.send(protocol.encode_binary(kind, number, payload))


async def stream(path: Path, url: str, as_json: bool) -> None:
    """Stream one file, and print the results."""
    try:
        connection = await websockets.connect(url, max_size=None)
    except ssl.SSLError:
        raise
    except OSError as error:
        raise NoServerError(f"no server at {url}: start it with `uvicorn app:app`") from error
    async with connection as socket:
        ready = protocol.decode_server(await socket.recv())
        if isinstance(ready, protocol.Challenge):
            await socket.send(json.dumps({"type": "authenticate", "token": os.environ.get("API_TOKEN", "")}))
            ready = protocol.decode_server(await socket.recv())
        if not isinstance(ready, protocol.Ready):
            raise ConnectionError(ready.message if isinstance(ready, protocol.Error) else "it did not begin with ready")
        interval = ready.settings.result_interval

        async def receive() -> None:
            async for text in socket:
                match protocol.decode_server(text):
                    case protocol.Result() as result:
                        print(protocol.encode(result) if as_json else line(result), flush=True)
                    case protocol.Error() as error:
                        print(f"{error.code}: {error.message}", file=sys.stderr)

        receiver = asyncio.create_task(receive())
        try:
            await _send(socket, media(path, interval))
            await asyncio.sleep(1.5 * interval)  # the last sound still gets its result
        finally:
            await socket.close()
            await receiver


def address(text: str) -> str:
    """Return the address of the stream; for a page's address, as in a browser, that of its stream.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    url = urlsplit(text)
    if url.scheme in ("ws", "wss") and url.netloc:
        return text
    if url.scheme not in ("http", "https") or not url.netloc:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address such as ws://127.0.0.1:8000/ws or http://127.0.0.1:8000"
        )
    path = url.path.removesuffix("/ws").rstrip("/") + "/ws"
    return urlunsplit((url.scheme.replace("http", "ws"), url.netloc, path, url.query, ""))


def check(path: Path) -> None:
    """See that there is something to stream, before any server is asked.

    Raises:
        UnreadableFileError: There is not.
        ModuleNotFoundError: PyAV is not installed.
    """
    with contextlib.closing(media(path, 1.0)) as messages:
        if next(messages, None) is None:
            raise UnreadableFileError(f"{path}: no picture and less than 0.1 s of sound in it")


def main() -> None:
    """Parse the command line and stream."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--url",
        type=address,
        default="ws://127.0.0.1:8000/ws",
        help="the stream's address, or the page's (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line (default: a line for people)")
    options = parser.parse_args()
    try:
        check(options.file)
        asyncio.run(stream(options.file, options.url, options.json))
    except (UnreadableFileError, NoServerError) as error:
        sys.exit(str(error))
    except ModuleNotFoundError as error:
        sys.exit(f"scripts.stream_file needs the package {error.name}: pip install -r requirements.txt")
    except ValidationError as error:
        sys.exit(f"{options.url}: what the server says is not protocol {protocol.VERSION}: {error.errors()[0]['msg']}")
    except (OSError, websockets.WebSocketException) as error:
        sys.exit(f"{options.url}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
