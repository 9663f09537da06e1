import asyncio
import ctypes
import logging
import sys
import threading
import weakref

import pytest

from app.inference.batching import Apart, Batcher, InferenceError

KILLED = "The thread of reciprocal was killed, and is replaced"


class Gate:
    """Doubles what it gets, once the test lets it; remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.busy = threading.Event()
        self.go = threading.Event()

    def __call__(self, items):
        self.batches.append(list(items))
        self.busy.set()
        assert self.go.wait(10)
        return [ValueError("odd") if item % 2 else 2 * item for item in items]


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def batcher(gate):
    batcher = Batcher("doubler", gate, max_batch=3)
    yield batcher
    gate.go.set()
    batcher.close()


async def submit_while_busy(gate, batcher, items):
    """Occupy the model with item 0, then submit the rest, then let it go."""
    tasks = [asyncio.create_task(batcher.submit(0))]
    await asyncio.to_thread(gate.busy.wait, 10)
    tasks += [asyncio.create_task(batcher.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_what_waits_becomes_one_call_of_at_most_max_batch(gate, batcher):
    tasks = await submit_while_busy(gate, batcher, [2, 4, 6, 8])
    gate.go.set()
    assert await asyncio.gather(*tasks) == [0, 4, 8, 12, 16]
    assert gate.batches == [[0], [2, 4, 6], [8]]


async def test_an_item_that_fails_does_not_spoil_its_neighbours(gate, batcher):
    tasks = await submit_while_busy(gate, batcher, [2, 3, 4])
    gate.go.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcomes[i] for i in (0, 1, 3)] == [0, 4, 8]
    assert isinstance(outcomes[2], ValueError)


async def test_who_gave_up_is_not_computed(gate, batcher):
    tasks = await submit_while_busy(gate, batcher, [2, 4])
    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    gate.go.set()
    assert await tasks[2] == 8
    assert gate.batches == [[0], [4]]


async def test_a_model_that_raises_fails_its_batch_and_goes_on(caplog):
    def reciprocal(items):
        return [1 / item for item in items]

    batcher = Batcher("reciprocal", reciprocal, max_batch=1)
    with caplog.at_level(logging.ERROR, "app.inference.batching"):
        for _ in range(3):
            with pytest.raises(InferenceError):
                await batcher.submit(0)
    assert len(caplog.records) == 1  # not once for each failure
    assert await batcher.submit(4) == 0.25
    batcher.close()


async def test_an_item_on_which_the_model_raises_costs_the_others_in_its_batch_nothing(gate, caplog):
    def reciprocals(items):
        gate.busy.set()
        assert gate.go.wait(10)
        return [1 / (item - 2) for item in items]

    batcher = Batcher("reciprocals", reciprocals, max_batch=3)
    tasks = await submit_while_busy(gate, batcher, [1, 2, 3])
    gate.go.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcomes[i] for i in (0, 1, 3)] == [-0.5, -1.0, 1.0]
    assert isinstance(outcomes[2], InferenceError)
    batcher.close()


async def test_who_gave_up_on_a_call_that_failed_is_not_asked_about_again(gate):
    """As all have whose call hung: whatever it hung on would make the next hang too."""

    def fail_together(items):
        gate.batches.append(list(items))
        gate.busy.set()
        assert gate.go.wait(10)
        if len(items) > 1:
            raise TimeoutError
        return items

    batcher = Batcher("doubler", fail_together, max_batch=3)
    asked = [asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3)]
    await asyncio.to_thread(gate.busy.wait, 10)
    asked[1].cancel()
    await asyncio.wait([asked[1]])
    gate.go.set()
    assert await asked[0] == 1
    assert await asked[2] == 3
    assert gate.batches == [[1, 2, 3], [1], [3]]
    batcher.close()


def test_who_sends_what_a_model_fails_on_does_not_flood_the_log(caplog):
    now = 0.0
    ask = Apart("reciprocals", lambda items: [1 / item for item in items], clock=lambda: now)
    for _ in range(10):
        now += 5.0
        assert ask([1, 2]) == [1, 0.5]
        good, bad = ask([1, 0])
        assert good == 1
        assert isinstance(bad, InferenceError)
    assert len(caplog.records) == 1
    now += 15.0
    ask([0])
    assert len(caplog.records) == 2  # a minute after the first: it fails still


async def test_a_model_that_answers_too_little_fails_its_batch(caplog):
    batcher = Batcher("forgetful", lambda items: [], max_batch=1)
    with pytest.raises(InferenceError):
        await batcher.submit(1)
    batcher.close()
    assert "0 outcomes for 1 items" in caplog.text


async def test_nothing_that_was_submitted_is_kept_after_its_answer():
    class Picture:
        pass

    batcher = Batcher("looker", lambda items: [0 for _ in items], max_batch=1)
    picture = Picture()
    kept = weakref.ref(picture)
    assert await batcher.submit(picture) == 0
    del picture
    async with asyncio.timeout(10):
        while kept() is not None:  # noqa: ASYNC110 - the thread may still be on its way to the next question
            await asyncio.sleep(0)
    batcher.close()


async def test_nothing_of_who_gave_up_waits_behind_a_call_that_hangs(gate, batcher):
    class Picture:
        pass

    pictures = [Picture(), Picture()]
    kept = [weakref.ref(picture) for picture in pictures]
    tasks = await submit_while_busy(gate, batcher, pictures)
    pictures.clear()
    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    del tasks[1]
    assert [picture() is not None for picture in kept] == [False, True]
    gate.batches.clear()
    gate.go.set()
    with pytest.raises(InferenceError):  # it cannot be doubled, but it was asked about
        await tasks[1]
    assert [len(batch) for batch in gate.batches] == [1]


async def test_closing_answers_what_waits_and_ends_the_thread(gate, batcher):
    tasks = await submit_while_busy(gate, batcher, [2, 4, 6, 8])
    closing = asyncio.create_task(asyncio.to_thread(batcher.close))
    while not batcher.closed:  # noqa: ASYNC110 - the thread has no event of its own
        await asyncio.sleep(0)
    gate.go.set()
    await closing
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes[0] == 0
    assert all(isinstance(outcome, InferenceError) for outcome in outcomes[1:])
    assert "doubler" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(InferenceError):
        await batcher.submit(2)
    batcher.close()  # twice does no harm


async def test_each_call_is_told_with_its_items_and_its_seconds(gate):
    calls = []
    batcher = Batcher("doubler", gate, max_batch=3, observe=lambda *call: calls.append(call))
    tasks = await submit_while_busy(gate, batcher, [2, 4, 6, 8])
    await asyncio.sleep(0.02)
    gate.go.set()
    await asyncio.gather(*tasks)
    batcher.close()
    assert [size for size, _ in calls] == [1, 3, 1]
    assert calls[0][1] >= 0.02


async def test_a_call_that_fails_is_told_as_well(caplog):
    calls = []
    batcher = Batcher("broken", lambda items: [1 / 0], max_batch=1, observe=lambda *call: calls.append(call))
    with pytest.raises(InferenceError):
        await batcher.submit(1)
    batcher.close()
    assert [size for size, _ in calls] == [1]


async def test_nothing_is_put_behind_a_call_that_hangs_until_that_ends(gate, caplog):
    batcher = Batcher("doubler", gate, max_batch=3, patience=0.05)
    (hanging,) = await submit_while_busy(gate, batcher, [])
    waiting = asyncio.create_task(batcher.submit(2))
    await asyncio.sleep(0.1)
    for _ in range(3):
        with pytest.raises(InferenceError, match="doubler hangs"):
            await batcher.submit(4)
    assert caplog.text.count("doubler hangs") == 1
    gate.go.set()
    assert await asyncio.gather(hanging, waiting) == [0, 4]
    assert await batcher.submit(6) == 12
    assert gate.batches == [[0], [2], [6]]
    batcher.close()


async def test_a_call_that_hangs_does_not_keep_the_batcher_from_closing(gate, caplog):
    batcher = Batcher("doubler", gate, max_batch=3)
    await submit_while_busy(gate, batcher, [])
    await asyncio.to_thread(batcher.close)
    assert "doubler hangs" in caplog.text
    gate.go.set()


async def test_a_thread_that_is_killed_is_replaced_and_what_it_was_at_fails(caplog):
    def reciprocal(items):
        if 0 in items:
            raise SystemExit
        return [1 / item for item in items]

    batcher = Batcher("reciprocal", reciprocal, max_batch=1)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "reciprocal")
    doomed, waiting = asyncio.create_task(batcher.submit(0)), asyncio.create_task(batcher.submit(4))
    with pytest.raises(InferenceError, match="reciprocal failed"):
        await doomed
    assert await waiting == 0.25
    assert await batcher.submit(2) == 0.5
    thread.join(10)  # it logs last, when the other is at work
    assert [record.getMessage() for record in caplog.records] == [
        "The thread of reciprocal was killed, and is replaced"
    ]
    batcher.close()
    assert "reciprocal" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_is_replaced_even_where_its_end_cannot_be_logged(monkeypatch):
    def reciprocal(items):
        if 0 in items:
            raise SystemExit
        return [1 / item for item in items]

    def fail(*words):
        raise SystemExit

    monkeypatch.setattr(logging.getLogger("app.inference.batching"), "exception", fail)
    batcher = Batcher("reciprocal", reciprocal, max_batch=1)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "reciprocal")
    with pytest.raises(InferenceError):
        await batcher.submit(0)
    assert await batcher.submit(4) == 0.25
    batcher.close()
    thread.join(10)  # or else the next test is told of its end


@pytest.fixture
def untraced():
    """Without a tracer: under one, CPython 3.11 spins for ever while a killed thread has not woken up to die."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


async def test_a_thread_that_is_killed_from_outside_while_it_waits_is_replaced(caplog, untraced):
    batcher = Batcher("doubler", lambda items: [2 * item for item in items], max_batch=1)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "doubler")
    killed = ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
    assert killed == 1
    outcomes = []
    async with asyncio.timeout(10):
        while outcomes[-1:] != [8]:
            try:  # what was in its hands may be lost without a word: whoever asked has a time-out
                outcomes.append(await asyncio.wait_for(batcher.submit(4), 0.2))
            except (InferenceError, TimeoutError) as fault:
                outcomes.append(fault)
    assert len(outcomes) <= 3
    assert not thread.is_alive()
    assert "was killed" in caplog.text
    batcher.close()


async def test_what_is_submitted_in_one_turn_is_asked_together_though_the_model_is_free(gate, batcher):
    gate.go.set()
    assert await asyncio.gather(*(batcher.submit(item) for item in (2, 4, 6))) == [4, 8, 12]
    assert gate.batches == [[2, 4, 6]]


async def test_what_is_not_yet_handed_over_when_the_batcher_is_closed_fails(gate, batcher):
    gate.go.set()
    waiting = asyncio.create_task(batcher.submit(2))
    asyncio.get_running_loop().call_soon(batcher.close)  # after the task's first step, before the turn's end
    with pytest.raises(InferenceError, match="closed"):
        await waiting
    assert gate.batches == []


def test_an_event_loop_that_ended_before_it_handed_over_holds_up_no_other(gate, batcher):
    gate.go.set()
    ended = asyncio.new_event_loop()
    question = batcher.submit(2)
    ended.run_until_complete(_step(question))
    ended.close()
    question.close()
    assert asyncio.run(batcher.submit(4)) == 8


async def _step(coroutine):
    coroutine.send(None)
