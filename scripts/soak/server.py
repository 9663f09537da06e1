"""The real server, whose models fail now and then, and which tells at `/soak` what its process holds.

Started by `python -m scripts.soak`. As `python -m app`, with the settings of the environment; every SOAK_FAULT_EVERY
seconds one kind of fault after the other lasts for a second.
"""

import asyncio
import gc
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

import numpy as np

from app.__main__ import serve
from app.inference.loading import load_models
from app.inference.local import LocalInference
from app.server import create_app
from app.settings import Settings, load
from app.watch.children import used
from app.watch.telemetry import Telemetry

PROCESS_DIES: Final = "face's process dies"
DIE: Final = ("voice's thread dies", "face's thread dies", PROCESS_DIES)
FAULTS: Final = ("voice fails", "face fails", "voice is not a number", "face is slow", *DIE)
LASTS: Final = 1.0
SLOW: Final = 0.4


class Faults:
    """Which fault is on, by the time: each in turn, the first after one interval.

    Args:
        every: Seconds between the beginnings of two.
        kinds: Those that come, in turn.
        clock: Monotonic seconds.
    """

    def __init__(
        self, every: float, kinds: Sequence[str] = FAULTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every = every
        self._kinds = kinds
        self._clock = clock
        self._began = clock()
        self._died = -1.0
        self.done: Counter[str] = Counter()

    def strike(self, part: str) -> str | None:
        """Return the fault that is on where it is of this part, and count it; what dies does so once in its turn."""
        turn, passed = divmod(self._clock() - self._began, self._every)
        fault = self._kinds[(int(turn) - 1) % len(self._kinds)]
        if turn < 1 or passed > LASTS or not fault.startswith(part):
            return None
        if fault in DIE:
            if self._died == turn:
                return None
            self._died = turn
        self.done[fault] += 1
        return fault


class Flawed:
    """A model, or the path to one, that works unless a fault is on."""

    def __init__(self, real: Any, part: str, faults: Faults) -> None:
        self._real = real
        self._part = part
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def answer(self, *questions: Any) -> Any:
        """Answer as the voice model does, or not."""
        match self._faults.strike(self._part):
            case "voice fails":
                raise RuntimeError("the soak lets the voice model fail")
            case "voice's thread dies":
                raise SystemExit
            case "voice is not a number":
                probs, statistics = self._real.answer(*questions)
                return probs * np.nan, statistics
        return self._real.answer(*questions)

    def analyse(self, *questions: Any) -> Any:
        """Answer as the face path does, or not."""
        match self._faults.strike(self._part):
            case "face fails":
                raise RuntimeError("the soak lets the face path fail")
            case "face is slow":
                time.sleep(SLOW)
            case "face's thread dies":
                raise SystemExit
            case "face's process dies":
                for process in multiprocessing.active_children()[:1]:
                    process.kill()
        return self._real.analyse(*questions)


def flawed_inference(settings: Settings, telemetry: Telemetry, faults: Faults) -> LocalInference:
    """Load the models as the server does, and let them fail."""
    models = load_models(settings)
    return LocalInference(
        Flawed(models.voice, "voice", faults),
        Flawed(models.face, "face", faults),
        models.fusion,
        more_faces=[Flawed(face, "face", faults) for face in models.more_faces],
        fallback=models.fallback,
        max_batch=settings.max_batch,
        patience=settings.inference_timeout,
        observe=telemetry.called,
    )


def main() -> None:
    """Serve until interrupted."""
    settings = load()
    telemetry = Telemetry(settings)
    kinds = [fault for fault in FAULTS if settings.face_processes or fault != PROCESS_DIES]
    faults = Faults(float(os.environ.get("SOAK_FAULT_EVERY", "30")), kinds)
    application = create_app(settings, flawed_inference(settings, telemetry, faults), telemetry)
    asked = count(1)

    @application.get("/soak", include_in_schema=False)
    async def state(collect: bool = False) -> dict[str, Any]:
        if collect:  # what nobody can reach and the collector did not see yet may be a quarter of all, and is no leak
            gc.collect()
        tasks = Counter(_name(task) for task in asyncio.all_tasks() if task is not asyncio.current_task())
        family = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
        return {
            "asked": next(asked),
            "mib": sum(its.memory for pid in family if pid is not None and (its := used(pid)) is not None) / 2**20,
            "threads": sorted(thread.name for thread in threading.enumerate()),
            "tasks": dict(tasks),
            "objects": len(gc.get_objects()),
            "viewers": application.state.streaming.viewers,
            "load": telemetry.admission.load(time.monotonic()),
            "faults": dict(faults.done),
        }

    serve(settings, application)


def _name(task: "asyncio.Task[Any]") -> str:
    return str(getattr(task.get_coro(), "__qualname__", task.get_coro()))


if __name__ == "__main__":
    main()
