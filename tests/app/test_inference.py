import asyncio
import threading

import numpy as np
import pytest
from arithmetic_models import BOX, BROKEN, FACE, NO_FACE, MeanVoice, SumFace, face_probs, tone, voice_probs

from app.inference import InferenceError, InvalidImageError, LocalInference
from models.inference import FaceReading


@pytest.fixture
def inference():
    inference = LocalInference(MeanVoice(), SumFace(), max_batch=4)
    yield inference
    inference.close()


async def test_each_viewer_gets_the_answer_to_its_own_question(inference):
    windows = [tone(800, amplitude) for amplitude in range(1000, 11000, 1000)]
    answers = await asyncio.gather(*(inference.voice(window) for window in windows))
    for window, answer in zip(windows, answers, strict=True):
        assert answer == pytest.approx(voice_probs(window))


async def test_a_broken_picture_fails_alone(inference):
    good, nobody, broken = await asyncio.gather(
        inference.face(FACE), inference.face(NO_FACE), inference.face(BROKEN), return_exceptions=True
    )
    assert good.probs == pytest.approx(face_probs(FACE))
    assert nobody == FaceReading()
    assert isinstance(broken, InvalidImageError)


async def test_probabilities_that_are_not_finite_are_no_answer():
    class Nan(MeanVoice):
        def predict(self, windows):
            return super().predict(windows) * np.nan

    class NanFace(SumFace):
        def analyse(self, jpegs):
            return [FaceReading(BOX, face_probs(jpeg) * np.inf) for jpeg in jpegs]

    inference = LocalInference(Nan(), NanFace())
    with pytest.raises(InferenceError):
        await inference.voice(tone(800))
    with pytest.raises(InferenceError):
        await inference.face(FACE)
    inference.close()


async def test_the_face_path_is_closed_once_by_the_thread_that_owned_it():
    used, closed = [], []

    class Owned(SumFace):
        def analyse(self, jpegs):
            used.append(threading.get_ident())
            return super().analyse(jpegs)

        def close(self):
            closed.append(threading.get_ident())

    inference = LocalInference(MeanVoice(), Owned())
    await inference.face(FACE)
    assert not closed
    inference.close()
    inference.close()
    assert closed == used
