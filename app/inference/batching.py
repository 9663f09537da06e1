"""A micro-batcher: the requests of all viewers become few model calls; one thread owns a model."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

log = logging.getLogger(__name__)


class InferenceError(RuntimeError):
    """The model could not answer: it failed, or the batcher is closed."""


class Batcher(Generic[Item, Outcome]):
    """Runs `run` on batches of what viewers submit, on a thread of its own.

    Greedy: a batch is everything that waits when the model becomes free, at most `max_batch`. So a
    lone viewer never waits, and many viewers share calls.

    Args:
        name: Names the thread.
        run: Maps items [B] to outcomes [B]; an exception as an outcome fails that item alone.
        max_batch: Most items of one call.
        release: Called last, on the same thread, to free the model.
        observe: Called after each call of `run`, on the same thread, with its items and its seconds.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Item]], Sequence[Outcome | Exception]],
        *,
        max_batch: int,
        release: Callable[[], None] | None = None,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self._name = name
        self._run = run
        self._max_batch = max_batch
        self._release = release
        self._observe = observe
        self.closed = False
        self._failing = False
        self._waiting: queue.SimpleQueue[tuple[Item, Future[Outcome]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def submit(self, item: Item) -> Outcome:
        """Return the item's outcome.

        Raises:
            InferenceError: the model failed on the batch, or the batcher is closed.
            Exception: the item's own outcome where that is an exception.
        """
        if self.closed:
            raise InferenceError(f"{self._name} is closed")
        future: Future[Outcome] = Future()
        self._waiting.put((item, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the thread after the call under way; what still waits fails with `InferenceError`."""
        if not self.closed:
            self.closed = True
            self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            batch = self._next_batch()
            if self.closed:
                self._fail(batch, InferenceError(f"{self._name} is closed"))
            elif batch:
                self._answer(batch)
            del batch  # nothing of a viewer is to lie here until the next question
            if self.closed and self._waiting.empty():
                break
        if self._release is not None:
            self._release()

    def _next_batch(self) -> list[tuple[Item, Future[Outcome]]]:
        """Wait for an item, then take all that is there; whoever gave up is left out."""
        taken = [self._waiting.get()]
        while len(taken) < self._max_batch and not self._waiting.empty():
            taken.append(self._waiting.get())
        return [entry for entry in taken if entry is not None and entry[1].set_running_or_notify_cancel()]

    def _answer(self, batch: list[tuple[Item, Future[Outcome]]]) -> None:
        started = time.monotonic()
        try:
            outcomes = self._run([item for item, _ in batch])
            if len(outcomes) != len(batch):
                raise RuntimeError(f"{len(outcomes)} outcomes for {len(batch)} items")
        except Exception:
            # A model that fails does so for every batch: one traceback is enough until it recovers.
            if not self._failing:
                log.exception("%s failed on a batch of %d", self._name, len(batch))
            self._failing = True
            self._fail(batch, InferenceError(f"{self._name} failed"))
            return
        finally:
            if self._observe is not None:
                self._observe(len(batch), time.monotonic() - started)
        self._failing = False
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    @staticmethod
    def _fail(batch: list[tuple[Item, Future[Outcome]]], error: InferenceError) -> None:
        for _, future in batch:
            future.set_exception(error)
