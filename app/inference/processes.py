"""The face path in processes of their own.

Python runs one thread of a process at a time, and faces would take turns with the event loop. Beside that, a frame that
crashes a decoder or makes it hang costs a process that is started anew, and nobody's stream.
"""

import ctypes
import logging
import math
import multiprocessing
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from multiprocessing.connection import Connection
from typing import Any, Final, Literal

from app.inference.face_process import Loaded, Order, serve
from models.inference import FaceModel, FaceReading, Float32, InvalidImageError, Trace, UInt8

log = logging.getLogger(__name__)

Task = Literal["analyse", "classify"]

RESTART_SECONDS: Final = 60.0
"""How long a process that replaces another may take to load: nothing is downloaded any more."""
PAUSE_SECONDS: Final = 10.0
"""How long nobody tries to replace a process again where the last one that was to could not load."""

M_ARENA_MAX: Final = -8
"""Of glibc's `malloc.h`: how many pools of memory threads may have."""


class NotLoadedError(RuntimeError):
    """The process cannot load its face path, for a reason that one line tells."""


class LostError(RuntimeError):
    """The process ended or hangs; the next question starts another."""


class Classifier:
    """The face model in that process. A `models.inference.FaceModel`, but for the one thread that owns the process."""

    def __init__(self, process: "FaceProcess", about: Loaded) -> None:
        self._process = process
        self.name, self.traits = about.name, about.traits
        self.size, self.channels = about.size, about.channels

    def predict(self, crops: UInt8) -> Float32:
        """Map crops [B, size, size, channels] to probabilities [B, 7]."""
        probs: Float32 = self._process.ask("classify", crops)
        return probs


class FaceProcess:
    """Asks the face path of a process that it starts. A `models.inference.FacePath`; one thread owns it.

    Args:
        order: What the process is to load.
        patience: Seconds after which an answer counts as lost.
        log_json: Whether the process logs as JSON.
        lost: Called, on the thread that asked, when the process was lost.
        clock: Monotonic seconds.

    Attributes:
        fallback: Why the preferred face model could not be had, or None; known once it is `ready`, as its model is.
    """

    name: str
    model: FaceModel
    fallback: str | None

    def __init__(
        self,
        order: Order,
        patience: float,
        *,
        log_json: bool = False,
        lost: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._order = order
        self._patience = patience
        self._log_json = log_json
        self._tell = lost
        self._clock = clock
        self._down_until = -math.inf
        self._start()

    @property
    def is_down(self) -> bool:
        """Whether there is no process, and none is tried for now, since the last one could not load."""
        return self._clock() < self._down_until

    def ready(self, patience: float | None = None) -> None:
        """Wait until the process has loaded, for so many seconds at most.

        Raises:
            NotLoadedError: It cannot.
            LostError: It ended before, or is not there in time.
        """
        about = self._answer(patience)
        if not isinstance(about, Loaded):
            raise NotLoadedError(about)
        self.name, self.fallback = about.name, about.fallback
        self.model = Classifier(self, about)

    def analyse(
        self, jpegs: Sequence[bytes], traces: Sequence[Trace | None] = ()
    ) -> list[FaceReading | InvalidImageError]:
        """Return one outcome for each JPEG [B], in order.

        Raises:
            LostError: The process ended meanwhile, or hangs and was ended.
        """
        outcomes: list[FaceReading | InvalidImageError] = self.ask("analyse", jpegs, traces)
        return outcomes

    def ask(self, task: Task, *arguments: object) -> Any:
        """Have the process do a task; one that was lost is replaced before.

        Raises:
            LostError: As in `analyse`.
            RuntimeError: The task failed.
        """
        try:
            if self._line.closed:
                self._replace()
            self._line.send((task, arguments))
            answer = self._answer(self._patience)
        except OSError as fault:
            raise self._lost() from fault
        except BaseException:  # the thread is killed: what is on its way must not answer somebody else's question
            self.close()
            raise
        if isinstance(answer, RuntimeError):
            raise answer
        return answer

    def close(self) -> None:
        """End the process."""
        self._line.close()
        self._process.kill()
        self._process.join()

    def _replace(self) -> None:
        if self.is_down:
            raise LostError("no process of the face path could be started")
        self._start()
        try:
            self.ready(RESTART_SECONDS)
        except (NotLoadedError, LostError):
            self._down_until = self._clock() + PAUSE_SECONDS
            raise

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        line, there = context.Pipe()
        process = context.Process(
            target=serve, args=(there, self._order), kwargs={"log_json": self._log_json}, name="face path", daemon=True
        )
        with there:
            process.start()
        _bound_sending(line, self._patience)
        self._line, self._process = line, process

    def _answer(self, patience: float | None) -> Any:
        try:
            if not self._line.poll(patience):
                raise TimeoutError(f"no answer in {patience:g} seconds")
            return self._line.recv()
        except (OSError, EOFError) as fault:  # a TimeoutError is one
            raise self._lost() from fault

    def _lost(self) -> LostError:
        self.close()
        log.error("The process of the face path was lost (exit code %s)", self._process.exitcode)
        if self._tell is not None:
            self._tell()
        return LostError("the process of the face path was lost")


def _bound_sending(line: Connection, seconds: float) -> None:
    """Have a pipe that is full for so long raise an `OSError`, where pipes are sockets: who hangs reads nothing."""
    if sys.platform != "win32":
        timeval = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
        with socket.socket(fileno=os.dup(line.fileno())) as pipe:
            pipe.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)


def share_memory() -> None:
    """Have all threads that start from now on allocate from one pool, where the C library is glibc.

    What a thread receives over a pipe is large and of all sizes, and what the event loop keeps of it little: in a pool
    of the thread's own that leaves holes, and the process grew by a megabyte a minute.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(M_ARENA_MAX, 1)


@contextmanager
def started(
    count: int, order: Order, patience: float, *, log_json: bool = False, lost: Callable[[], None] | None = None
) -> Iterator[list[FaceProcess]]:
    """Start processes, and wait at the end of the context until all have loaded; an error there ends them all.

    Arguments but for their number as of `FaceProcess`.
    The first is waited for before the others start: what it has to download they find there.

    Raises:
        NotLoadedError: One cannot load its face path.
        LostError: One ended before.
    """
    share_memory()
    with ExitStack() as stack:
        processes: list[FaceProcess] = []

        def start() -> None:
            processes.append(stack.enter_context(closing(FaceProcess(order, patience, log_json=log_json, lost=lost))))

        start()
        yield processes
        processes[0].ready()
        for _ in range(1, count):
            start()
        for process in processes[1:]:
            process.ready()
        stack.pop_all()
