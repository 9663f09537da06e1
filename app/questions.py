"""One viewer's questions to the models: one under way for each path, and none that nobody has patience for any more."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from app import protocol
from app.inference.interface import Inference, InferenceError, InvalidImageError
from app.viewer.fusing import Pair
from app.viewer.hearing import Window
from app.viewer.seeing import Picture
from app.viewer.session import Session

_MEDIA: Final = {"voice": "sound", "face": "picture", "fusion": "sound and the picture"}
Question = TypeVar("Question")
Tell = Callable[[protocol.ErrorCode, str], Awaitable[None]]


class Questions:
    """Takes what is to be asked from a session, and brings it the answers.

    Args:
        session: Has the questions.
        inference: Has the answers.
        timeout: Seconds that one may take.
        tell: Tells the viewer of one that has no answer: an error's code and words.
        clock: Monotonic seconds.
    """

    def __init__(
        self, session: Session, inference: Inference, timeout: float, tell: Tell, clock: Callable[[], float]
    ) -> None:
        self._session = session
        self._inference = inference
        self._timeout = timeout
        self._tell = tell
        self._clock = clock
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._patience: dict[str, tuple[float, asyncio.Timeout]] = {}
        self._seconds: dict[str, float] = {}
        self._arrivals: dict[str, float] = {}  # of what the next result is the first to show

    @property
    def is_waiting(self) -> bool:
        """Whether a model owes an answer; not whether the viewer has yet to read that there is none."""
        return bool(self._patience)

    async def ask(self, deadline: float) -> None:
        """Ask each path that is free and has something to ask, and wait for answers until then.

        What is late goes on by itself, and its answer is in a later result.
        """
        now = self._clock()
        asked = []
        if self._is_free("voice") and (window := self._session.take_window(now)):
            asked.append(self._start("voice", self._hear, window))
        if self._is_free("face") and (picture := self._session.take_frame(now)):
            asked.append(self._start("face", self._see, picture))
        await self._wait(asked, deadline)
        # Voice and face may have answered: now there is something to ask about both.
        if self._is_free("fusion") and (pair := self._session.take_pair(self._clock())):
            await self._wait([self._start("fusion", self._fuse, pair)], deadline)

    def lose_patience(self) -> None:
        """End questions that have no answer yet: a tick looks, which is often enough and costs no timers."""
        now = self._clock()
        for since, patience in self._patience.values():
            if now - since >= self._timeout and patience.when() is None:
                patience.reschedule(0.0)

    def take_seconds(self) -> dict[str, float]:
        """Return how long each path's newest answer took, of those that came since this was last asked."""
        seconds, self._seconds = self._seconds, {}
        return seconds

    def take_arrivals(self) -> dict[str, float]:
        """Return when the newest `audio` and `frame` came that were answered since this was last asked."""
        arrivals, self._arrivals = self._arrivals, {}
        return arrivals

    def let_go(self) -> list[asyncio.Task[None]]:
        """Return what is under way, for whoever ends it: kept here, its end would know this, and this its end."""
        under_way = list(self._asked.values())
        self._asked.clear()
        return under_way

    async def _wait(self, asked: list[asyncio.Task[None]], deadline: float) -> None:
        if asked:
            await asyncio.wait(asked, timeout=max(0.0, deadline - self._clock()))

    def _is_free(self, path: str) -> bool:
        task = self._asked.get(path)
        if task is not None and task.done():
            task.result()  # a question that ended by anything but an answer ends the stream
            return True
        return task is None

    def _start(self, path: str, ask: Callable[[Question], Awaitable[None]], question: Question) -> asyncio.Task[None]:
        async def timed() -> None:
            started = self._clock()
            try:
                async with asyncio.timeout(None) as patience:
                    self._patience[path] = started, patience
                    try:
                        await ask(question)
                    finally:
                        del self._patience[path], patience  # which knows this task
            except TimeoutError:
                await self._tell("inference_failed", f"no answer about the {_MEDIA[path]} came in time")
            except InferenceError as fault:
                await self._tell("inference_failed", str(fault))
            except InvalidImageError as fault:
                await self._tell("invalid_image", str(fault))
            else:
                self._seconds[path] = self._clock() - started

        self._asked[path] = asyncio.create_task(timed())
        return self._asked[path]

    async def _hear(self, window: Window) -> None:
        reading = await self._inference.voice(window.samples, window.reference)
        self._session.heard(window, reading.probs, self._clock(), reading.statistics)
        self._arrivals["audio"] = window.arrived

    async def _see(self, picture: Picture) -> None:
        reading = await self._inference.face(picture.jpeg, picture.trace)
        self._session.saw(picture, reading, self._clock())
        self._arrivals["frame"] = picture.at

    async def _fuse(self, pair: Pair) -> None:
        probs = await self._inference.fusion(pair.window, pair.crop)
        self._session.fused(pair, probs, self._clock())
