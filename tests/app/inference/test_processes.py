"""The face path in a process of its own: what is answered, and what comes of it when that process is lost."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest

from app.inference.interface import InferenceError
from app.inference.loading import LoadingError, Models, load_models
from app.inference.local import LocalInference
from app.inference.processes import PAUSE_SECONDS, FaceProcess, LostError, NotLoadedError
from app.settings import Settings
from models.inference import FaceReading, InvalidImageError
from tests.conformance.sample import sample


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, face_model="fer_resnet", face_threads=1, inference_timeout=2.0, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lost() -> list[None]:
    """One entry for each process that was lost."""
    return []


@pytest.fixture(scope="module")
def loaded(lost: list[None]) -> Iterator[Models]:
    """Two processes, and in another form what they have loaded."""
    models = load_models(settings(face_processes=2, fusion="concat"), lost=lambda: lost.append(None))
    yield models
    for path in (models.face, *models.more_faces):
        path.close()
    assert multiprocessing.active_children() == []


@pytest.fixture
def process(loaded: Models) -> FaceProcess:
    assert isinstance(loaded.face, FaceProcess)
    return loaded.face


def pid(process: FaceProcess) -> int:
    number = process._process.pid
    assert number is not None
    return number


def test_answers_are_those_of_a_face_path_in_this_process(loaded: Models) -> None:
    face = sample()[1]
    here = load_models(settings(fusion="concat")).face
    for path in (loaded.face, *loaded.more_faces):
        assert (path.name, path.model.traits, path.model.size) == (here.name, here.model.traits, here.model.size)
        first, broken = path.analyse([face, b"no picture"])
        expected, _ = here.analyse([face, b"no picture"])
        assert isinstance(first, FaceReading)
        assert isinstance(expected, FaceReading)
        assert isinstance(broken, InvalidImageError)
        np.testing.assert_array_equal(first.probs, expected.probs)  # type: ignore[arg-type]
        np.testing.assert_array_equal(first.crop, expected.crop)  # type: ignore[arg-type]
        assert first.box == expected.box
        # What finds the face again is of use there too.
        (followed,) = path.analyse([face], [first.trace])
        assert isinstance(followed, FaceReading)
        assert followed.trace is not None
        assert followed.trace.frames == 1
    crops = np.zeros((2, here.model.size, here.model.size, here.model.channels), np.uint8)
    np.testing.assert_array_equal(loaded.face.model.predict(crops), here.model.predict(crops))
    here.close()


def test_there_are_as_many_as_are_asked_for(loaded: Models) -> None:
    processes = [path for path in (loaded.face, *loaded.more_faces) if isinstance(path, FaceProcess)]
    assert len({pid(process) for process in processes} - {os.getpid()}) == 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_dies_or_hangs_is_lost_once_and_another_answers(
    process: FaceProcess, number: signal.Signals, caplog: pytest.LogCaptureFixture, lost: list[None]
) -> None:
    before = pid(process)
    lost.clear()
    os.kill(before, number)
    with pytest.raises(LostError):
        process.analyse([sample()[1]])
    assert "The process of the face path was lost" in caplog.text
    assert len(lost) == 1
    (reading,) = process.analyse([sample()[1]])
    assert isinstance(reading, FaceReading)
    assert reading.probs is not None
    assert pid(process) != before
    with pytest.raises(ProcessLookupError):  # nothing of it is left
        os.kill(before, 0)


def test_one_that_hangs_and_reads_nothing_is_lost_however_much_it_is_sent(process: FaceProcess) -> None:
    """More than a pipe holds: to send it would take as long as the process hangs."""
    os.kill(pid(process), signal.SIGSTOP)
    with pytest.raises(LostError):
        process.analyse([bytes(4_000_000)])
    assert process.analyse([sample()[1]])


def test_where_none_can_be_started_nobody_tries_all_the_time(
    process: FaceProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    starts: list[float] = []
    monkeypatch.setattr(process, "_clock", lambda: now[0])
    with monkeypatch.context() as broken:
        start = process._start

        def count() -> None:
            starts.append(now[0])
            start()

        broken.setattr(process, "_start", count)
        broken.setattr(process, "_order", process._order._replace(name="nobody"))
        process.close()
        for _ in range(5):
            with pytest.raises(RuntimeError):
                process.analyse([sample()[1]])
            now[0] += PAUSE_SECONDS / 4
        assert starts == [1000.0, 1000.0 + PAUSE_SECONDS]
    now[0] += PAUSE_SECONDS
    assert process.analyse([sample()[1]])


def test_an_answer_that_nobody_took_is_no_answer_to_the_next_question(
    process: FaceProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that asked is killed between question and answer; the next one asks for somebody else."""
    before = pid(process)

    def killed(patience: float | None) -> None:
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(process, "_answer", killed)
        process.analyse([sample()[1]])
    (outcome,) = process.analyse([b"no picture"])
    assert isinstance(outcome, InvalidImageError)
    assert pid(process) != before


def test_one_that_does_not_load_in_time_in_place_of_another_is_lost_too(
    process: FaceProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.inference.processes.RESTART_SECONDS", 0.0)
    monkeypatch.setattr("app.inference.processes.PAUSE_SECONDS", 0.0)
    process.close()
    with pytest.raises(LostError):
        process.analyse([sample()[1]])
    monkeypatch.undo()
    assert process.analyse([sample()[1]])


def test_a_task_that_fails_there_says_why_and_the_process_goes_on(process: FaceProcess) -> None:
    before = pid(process)
    with pytest.raises(RuntimeError, match="in the process of the face path\nTraceback"):
        process.model.predict(np.zeros((1, 3, 3, 1), np.uint8))
    assert process.analyse([b"no picture"])
    assert pid(process) == before


async def test_while_one_cannot_be_started_the_others_are_asked(
    loaded: Models, process: FaceProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    inference = LocalInference(loaded.voice, process, more_faces=loaded.more_faces)
    monkeypatch.setattr(process, "_order", process._order._replace(name="nobody"))
    process.close()
    with pytest.raises(NotLoadedError):
        process.analyse([sample()[1]])
    for _ in range(3):
        readings = await asyncio.gather(*(inference.face(sample()[1]) for _ in range(4)))
        assert all(reading.probs is not None for reading in readings)
    monkeypatch.undo()
    process._down_until = time.monotonic()
    assert process.analyse([sample()[1]])


async def test_a_viewer_gets_one_error_and_then_answers_again(loaded: Models, process: FaceProcess) -> None:
    inference = LocalInference(loaded.voice, process)
    os.kill(pid(process), signal.SIGKILL)
    with pytest.raises(InferenceError, match="face path failed"):
        await inference.face(sample()[1])
    assert (await inference.face(sample()[1])).probs is not None
    inference.close()
    assert not process._process.is_alive()


@pytest.mark.parametrize("missing", ["face_model", "voice_model"])
def test_a_model_that_is_missing_is_told_in_one_line_and_leaves_no_process(missing: str) -> None:
    before = multiprocessing.active_children()
    wish = settings(face_processes=1, **({"voice_model": "nothing"} if missing == "voice_model" else {}))
    if missing == "face_model":
        wish = wish.model_copy(update={"face_model": "nothing"})
    with pytest.raises(LoadingError, match=r"The models cannot be loaded: no model 'nothing'.*\Z"):
        load_models(wish)
    assert len(multiprocessing.active_children()) == len(before)
