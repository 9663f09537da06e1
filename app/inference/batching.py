"""A micro-batcher: the requests of all viewers become few model calls; one thread owns a model."""

import asyncio
import contextlib
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

log = logging.getLogger(__name__)


class InferenceError(RuntimeError):
    """The model could not answer: it failed, it hangs, or the batcher is closed."""


LAST_CALL_SECONDS: Final = 0.5
"""How long the call under way may still take when the batcher is closed."""
QUIET_SECONDS: Final = 60.0
"""How long a model that fails again is not told of again: whoever sends what it fails on sends more of it."""


class _Question(NamedTuple, Generic[Item, Outcome]):
    """An item, taken out again where whoever asked gives up, and the answer that the event loop waits for."""

    items: list[Item]
    answer: asyncio.Future[Outcome]


class Apart(Generic[Item, Outcome]):
    """Asks a model. Where it raises for several questions at once, that is to cost only who is to blame its answer.

    Args:
        name: Of the model, for the log.
        run: As of `Batcher`.
        logger: Is told why it raised, once in `QUIET_SECONDS`.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Item]], Sequence[Outcome | Exception]],
        logger: logging.Logger = log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._run = run
        self._log = logger
        self._clock = clock
        self._told = -math.inf

    def __call__(
        self, items: Sequence[Item], matters: Callable[[int], bool] = lambda index: True
    ) -> Sequence[Outcome | Exception]:
        """Map items [B] to outcomes [B]; each is asked again by itself where all together make the model raise.

        Only those are that somebody still waits for, as `matters` says of their numbers: all that a call which hung
        was at have given up by then, and whichever it hung on would make the next hang.
        """
        try:
            outcomes = self._run(items)
            if len(outcomes) != len(items):
                raise RuntimeError(f"{len(outcomes)} outcomes for {len(items)} items")
        except Exception:
            if self._clock() - self._told >= QUIET_SECONDS:
                self._told = self._clock()
                self._log.exception("%s failed on a batch of %d", self._name, len(items))
            failed = InferenceError(f"{self._name} failed")
            if len(items) == 1:
                return [failed]
            return [self([item])[0] if matters(index) else failed for index, item in enumerate(items)]
        return outcomes


class Batcher(Generic[Item, Outcome]):
    """Runs `run` on batches of what viewers submit, on a thread of its own.

    Greedy: a batch is everything that waits when the model becomes free, at most `max_batch`. So a
    lone viewer never waits, and many viewers share calls. What is submitted in one turn of the event loop is handed
    to the thread together, at the turn's end: else the first would be asked alone, and the others after it.

    A call that hangs cannot be ended. Until it ends by itself nothing more is put behind it, so that what waits stays
    little. A thread that is killed is replaced, and what it was at fails.

    Args:
        name: Names the thread.
        run: Maps items [B] to outcomes [B]; an exception as an outcome fails that item alone.
        max_batch: Most items of one call.
        patience: Seconds after which a call hangs.
        release: Called last, on the same thread, to free the model.
        observe: Called after each call of `run`, on the same thread, with its items and its seconds.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Item]], Sequence[Outcome | Exception]],
        *,
        max_batch: int,
        patience: float = 10.0,
        release: Callable[[], None] | None = None,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self._name = name
        self._ask = Apart(name, run)
        self._max_batch = max_batch
        self._patience = patience
        self._release = release
        self._observe = observe
        self.closed = False
        self._coming: deque[_Question[Item, Outcome]] = deque()  # to be handed over
        self._loop: asyncio.AbstractEventLoop | None = None  # at the end of whose turn that is done
        self._waiting: queue.SimpleQueue[_Question[Item, Outcome] | None] = queue.SimpleQueue()
        self._batch: list[tuple[Item, asyncio.Future[Outcome]]] = []  # under way
        self._called: float | None = None  # when
        self._hanging: float | None = None  # since then, as was logged
        self._thread = self._start()

    @property
    def pending(self) -> int:
        """How many items have no outcome yet, about: the thread goes on meanwhile."""
        return len(self._coming) + self._waiting.qsize() + sum(not answer.done() for _, answer in self._batch)

    @property
    def hangs(self) -> bool:
        """Whether the call under way takes longer than `patience`."""
        called = self._called
        return called is not None and time.monotonic() - called > self._patience

    async def submit(self, item: Item) -> Outcome:
        """Return the item's outcome.

        Raises:
            InferenceError: the model failed on the batch, hangs since an earlier one, or the batcher is closed.
            Exception: the item's own outcome where that is an exception.
        """
        if self.closed:
            raise InferenceError(f"{self._name} is closed")
        if self.hangs:
            if self._hanging != self._called:
                log.error("%s hangs: a call has not ended in %g seconds", self._name, self._patience)
                self._hanging = self._called
            raise InferenceError(f"{self._name} hangs")
        loop = asyncio.get_running_loop()
        question: _Question[Item, Outcome] = _Question([item], loop.create_future())
        del item
        self._coming.append(question)
        if self._loop is not loop:
            self._loop = loop
            loop.call_soon(self._hand_over)
        try:
            return await question.answer
        finally:
            question.items.clear()  # behind a call that hangs the question would lie there with it

    def close(self) -> None:
        """End the thread after the call under way; what still waits fails with `InferenceError`.

        A thread that does not end in `LAST_CALL_SECONDS` is left to itself, and dies with the process.
        """
        if not self.closed:
            self._hand_over()
            self.closed = True
            self._waiting.put(None)
        self._thread.join(LAST_CALL_SECONDS)
        if self._thread.is_alive():
            log.warning("%s hangs, and is left behind", self._name)

    def _hand_over(self) -> None:
        self._loop = None
        while self._coming:
            self._waiting.put(self._coming.popleft())

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._live, name=self._name, daemon=True)
        thread.start()
        return thread

    def _live(self) -> None:
        try:
            self._work()
        except BaseException:
            self._called = None
            batch, self._batch = self._batch, []
            if not (self.closed and self._waiting.empty()):
                self._thread = self._start()
            self._fail(batch, InferenceError(f"{self._name} failed"))
            # Last: where even this fails, the other thread is at work.
            log.exception("The thread of %s was killed, and is replaced", self._name)

    def _work(self) -> None:
        while True:
            self._batch = self._next_batch()
            if self.closed:
                self._fail(self._batch, InferenceError(f"{self._name} is closed"))
            elif self._batch:
                self._answer(self._batch)
            self._batch = []  # nothing of a viewer is to lie here until the next question
            if self.closed and self._waiting.empty():
                break
        if self._release is not None:
            self._release()

    def _next_batch(self) -> list[tuple[Item, asyncio.Future[Outcome]]]:
        """Wait for an item, then take all that is there; whoever gave up is left out."""
        taken = [self._waiting.get()]
        while len(taken) < self._max_batch and not self._waiting.empty():
            taken.append(self._waiting.get())
        return [(item, question.answer) for question in taken if question is not None for item in list(question.items)]

    def _answer(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        started = self._called = time.monotonic()
        try:
            outcomes = self._ask([item for item, _ in batch], lambda index: not batch[index][1].done())
        finally:
            self._called = None
            if self._observe is not None:
                self._observe(len(batch), time.monotonic() - started)
        _tell(zip((answer for _, answer in batch), outcomes, strict=True))

    @staticmethod
    def _fail(batch: list[tuple[Item, asyncio.Future[Outcome]]], error: InferenceError) -> None:
        _tell((answer, error) for _, answer in batch)


def _tell(answers: Iterable[tuple[asyncio.Future[Outcome], Outcome | Exception]]) -> None:
    """Have each event loop set its answers, all at once: to wake it costs more than to set them."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Outcome], Outcome | Exception]]] = {}
    for answer, outcome in answers:
        by_loop.setdefault(answer.get_loop(), []).append((answer, outcome))
    for loop, its in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it is closed, and nobody waits
            loop.call_soon_threadsafe(_set, its)


def _set(answers: Iterable[tuple[asyncio.Future[Outcome], Outcome | Exception]]) -> None:
    for answer, outcome in answers:
        if answer.done():  # whoever asked has given up
            continue
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
