"""A thread that answers one question at a time, so that whoever asks never waits."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Worker(Generic[Question, Answer]):
    """Answers in a thread of its own. Ask only when it is `free`: nothing is queued, so nothing grows old.

    Args:
        name: Of the thread.
        answer: Is called in the thread, with one question.
    """

    def __init__(self, name: str, answer: Callable[[Question], Answer]) -> None:
        self._answer = answer
        self._questions: SimpleQueue[tuple[Question] | None] = SimpleQueue()
        self._answers: SimpleQueue[Answer | Exception] = SimpleQueue()
        self._asked = self._got = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def free(self) -> bool:
        """Whether every question was answered, and the answer fetched."""
        return self._asked == self._got

    def ask(self, question: Question) -> None:
        """Give it a question.

        Raises:
            RuntimeError: It is not free.
        """
        if not self.free:
            raise RuntimeError("asked while a question is open")
        self._asked += 1
        self._questions.put((question,))

    def answer(self) -> Answer | None:
        """Return the answer if there is one, once.

        Raises:
            Exception: What the answering raised.
        """
        try:
            answer = self._answers.get_nowait()
        except Empty:
            return None
        self._got += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Let it finish what it is at, and end it."""
        self._questions.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (asked := self._questions.get()) is not None:
            try:
                self._answers.put(self._answer(*asked))
            except Exception as fault:  # whoever asked hears of it
                self._answers.put(fault)
