"""The real server, and beside it `/inspect`: what its process holds of viewers. `uvicorn inspected:app`.

What to look for comes in INSPECTED_FOR, each byte inverted, so that asking for it does not put it into this process.
With INSPECTED_LEAK the server keeps what it must not: the control of the test that uses this.
"""

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np

from app.connection import Connection
from app.server import create_app
from app.settings import load
from app.viewer.session import Session

OWN = ("app.", "models.")
SOUGHT = [bytes.fromhex(word) for word in os.environ["INSPECTED_FOR"].split()]  # still inverted
LEAST = min(map(len, SOUGHT))
WRITING = os.O_WRONLY | os.O_RDWR
written: list[str] = []
kept: list[Any] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
        written.append(str(arguments[0]))


def _frames() -> Iterator[FrameType]:
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame is not None:
            yield frame
            frame = frame.f_back


def objects() -> Iterator[Any]:
    """Yield all that Python's collector knows, what is referred to by it, and the local variables of all threads."""
    gc.collect()
    seen: set[int] = set()
    known = gc.get_objects()
    known += [value for frame in _frames() for value in frame.f_locals.values()]
    while known:
        thing = known.pop()
        if id(thing) not in seen:
            seen.add(id(thing))
            yield thing
            known += [next_one for next_one in gc.get_referents(thing) if id(next_one) not in seen]


def _content(thing: Any) -> bytes | str:
    match thing:
        case bytes() | bytearray() | str():
            return thing  # type: ignore[return-value]
        case memoryview():
            return thing.tobytes()
        case np.ndarray() if thing.dtype == np.float32:  # sound as networks take it
            with np.errstate(all="ignore"):
                return np.rint(np.asarray(thing) * 32768).clip(-32768, 32767).astype("<i2").tobytes()
        case np.ndarray() if thing.dtype != object:
            return np.ascontiguousarray(thing).tobytes()
    return b""


def holdings() -> dict[str, Any]:
    """Tell which of what is sought is held, as what; and how many there are of this project's objects and of arrays."""
    sought = [bytes(byte ^ 0xFF for byte in word) for word in SOUGHT]
    words = [word.decode(errors="replace") for word in sought]
    here = {id(word) for word in (*sought, *words)}
    held: Counter[str] = Counter()
    alive: Counter[str] = Counter()
    for thing in objects():
        kind = type(thing)
        if str(kind.__module__).startswith(OWN):
            alive[f"{kind.__module__}.{kind.__qualname__}"] += 1
        if isinstance(thing, np.ndarray):
            alive[f"array {thing.dtype} {thing.shape}"] += 1
        content = _content(thing)
        if len(content) >= LEAST and id(thing) not in here:
            for number, word in enumerate(words if isinstance(content, str) else sought):
                if word in content:
                    held[f"{number} in {kind.__name__}"] += 1
    return {"held": held, "alive": alive, "written": written}


def _leak() -> None:
    take_frame, take_sound, serve = Session.receive_frame, Session.receive_audio, Connection.run

    def receive_frame(self: Session, jpeg: bytes, *rest: Any) -> None:
        kept.append({"picture": jpeg})
        take_frame(self, jpeg, *rest)

    def receive_audio(self: Session, samples: Any, *rest: Any) -> None:
        kept.append([samples.astype(np.float32) / 32768])
        take_sound(self, samples, *rest)

    async def run(self: Connection) -> None:
        kept.append(self)
        with open(os.devnull, "w") as diary:  # noqa: PTH123, ASYNC230 - what a leak would do
            diary.write("a viewer")
        await serve(self)

    Session.receive_frame, Session.receive_audio, Connection.run = receive_frame, receive_audio, run  # type: ignore[method-assign]


if os.environ.get("INSPECTED_LEAK"):
    _leak()
app = create_app(load())


@app.get("/inspect")
def inspect() -> dict[str, Any]:
    """Return what is held."""
    return holdings()


@app.post("/inspect/writing")
def watch_writing() -> None:
    """Note from now on which files are opened to be written."""
    sys.addaudithook(_audit)
