import asyncio
import threading

import numpy as np
import pytest
from arithmetic_models import (
    BOX,
    BROKEN,
    FACE,
    NEUTRAL,
    NO_FACE,
    OTHER_FACE,
    MeanVoice,
    ProductFusion,
    SumFace,
    face_crop,
    face_probs,
    fusion_probs,
    tone,
    voice_probs,
    voice_statistics,
)

from app.inference.interface import InferenceError, InvalidImageError
from app.inference.local import LocalInference
from app.viewer.calibration import NOBODY
from models.calibration import REFERENCE
from models.haar import HaarFace
from models.inference import FaceReading, Trace, Traits

ADAPTIVE = Traits(adaptive=True)


@pytest.fixture
def inference():
    inference = LocalInference(MeanVoice(), SumFace(), max_batch=4)
    yield inference
    inference.close()


async def test_each_viewer_gets_the_answer_to_its_own_question(inference):
    windows = [tone(800, amplitude) for amplitude in range(1000, 11000, 1000)]
    answers = await asyncio.gather(*(inference.voice(window) for window in windows))
    for window, answer in zip(windows, answers, strict=True):
        assert answer.probs == pytest.approx(voice_probs(window))
        assert answer.statistics is None


async def test_a_broken_picture_fails_alone(inference):
    good, nobody, broken = await asyncio.gather(
        inference.face(FACE), inference.face(NO_FACE), inference.face(BROKEN), return_exceptions=True
    )
    assert good.probs == pytest.approx(face_probs(FACE))
    assert nobody == FaceReading()
    assert isinstance(broken, InvalidImageError)


async def test_the_face_path_is_told_where_the_face_was():
    told = []

    class Following(SumFace):
        def analyse(self, jpegs, traces=()):
            told.extend(traces)
            return super().analyse(jpegs)

    inference = LocalInference(MeanVoice(), Following())
    trace = Trace(HaarFace(BOX, 1), np.zeros((28, 28), np.uint8), (48, 64))
    await inference.face(FACE)
    await inference.face(FACE, trace)
    assert told == [None, trace]
    inference.close()


@pytest.mark.parametrize("factor", [np.nan, np.inf, 0.0, -1.0])
async def test_what_are_no_probabilities_are_no_answer(factor):
    class Nan(MeanVoice):
        def predict(self, windows, references=None):
            return super().predict(windows) * factor

    class NanFace(SumFace):
        def analyse(self, jpegs, traces=()):
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
        def analyse(self, jpegs, traces=()):
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


async def test_it_passes_on_what_the_models_say_of_themselves():
    face = Traits(neutral=NEUTRAL)
    inference = LocalInference(MeanVoice(ADAPTIVE), SumFace(face))
    assert (inference.voice_traits, inference.face_traits) == (ADAPTIVE, face)
    inference.close()


async def test_viewers_with_different_references_share_one_call():
    calls = []
    busy, go = threading.Event(), threading.Event()

    class Counting(MeanVoice):
        def answer(self, windows, references=None):
            busy.set()
            assert go.wait(10)
            calls.append(len(windows))
            return super().answer(windows, references)

    inference = LocalInference(Counting(ADAPTIVE), SumFace())
    first = asyncio.create_task(inference.voice(tone(800)))
    await asyncio.to_thread(busy.wait, 10)
    windows = [tone(800, amplitude) for amplitude in (1000, 2000, 3000)]
    references = [np.full(REFERENCE, 0.01, np.float32), NOBODY, np.full(REFERENCE, -0.02, np.float32)]
    questions = zip(windows, references, strict=True)
    rest = [asyncio.create_task(inference.voice(*question)) for question in questions]
    await asyncio.sleep(0)
    go.set()
    await first
    for task, window, reference in zip(rest, windows, references, strict=True):
        assert (await task).probs == pytest.approx(voice_probs(window, reference))
        assert (await task).statistics == pytest.approx(voice_statistics(window))
    assert calls == [1, 3]
    inference.close()


async def test_statistics_that_are_not_finite_are_no_answer_and_cost_nobody_else():
    class Overflowing(MeanVoice):
        def answer(self, windows, references=None):
            probs, statistics = super().answer(windows, references)
            loud = np.abs(windows).max(axis=1, keepdims=True) > 5000
            return probs, np.where(loud, np.float32(np.inf), statistics)

    inference = LocalInference(Overflowing(ADAPTIVE), SumFace())
    questions = [inference.voice(tone(800, amplitude)) for amplitude in (8000, 900)]
    loud, quiet = await asyncio.gather(*questions, return_exceptions=True)
    assert isinstance(loud, InferenceError)
    assert quiet.statistics == pytest.approx(voice_statistics(tone(800, 900)))
    inference.close()


async def test_a_model_that_is_not_adaptive_has_no_statistics(inference):
    assert (await inference.voice(tone(800))).statistics is None


async def test_pairs_of_all_viewers_share_calls_and_each_gets_its_own_answer():
    four = Traits(labels=("angry", "happy", "neutral", "sad"))
    inference = LocalInference(MeanVoice(), SumFace(), ProductFusion(four))
    assert (inference.fusion_name, inference.fusion_traits) == ("product", four)
    pairs = [(tone(800, 1000 * loud), face_crop(jpeg)) for loud in (1, 2, 3) for jpeg in (FACE, OTHER_FACE)]
    answers = await asyncio.gather(*(inference.fusion(*pair) for pair in pairs))
    for pair, probs in zip(pairs, answers, strict=True):
        assert probs == pytest.approx(fusion_probs(*pair))
    inference.close()
    with pytest.raises(InferenceError, match="closed"):
        await inference.fusion(*pairs[0])


async def test_a_fused_answer_that_is_not_finite_is_none_and_costs_nobody_else():
    class Overflowing(ProductFusion):
        def predict(self, windows, crops):
            return np.where(crops.reshape(len(crops), -1)[:, :1] == 7, np.nan, super().predict(windows, crops))

    inference = LocalInference(MeanVoice(), SumFace(), Overflowing())
    crops = np.full((8, 8, 1), 7, np.uint8), face_crop(FACE)
    bad, good = await asyncio.gather(*(inference.fusion(tone(800), crop) for crop in crops), return_exceptions=True)
    assert isinstance(bad, InferenceError)
    assert good == pytest.approx(fusion_probs(tone(800), face_crop(FACE)))
    inference.close()


async def test_without_a_fusion_model_there_is_nobody_to_ask(inference):
    assert inference.fusion_name is None
    with pytest.raises(InferenceError, match="no fusion model"):
        await inference.fusion(tone(800), face_crop(FACE))


async def test_a_frame_goes_to_a_face_path_that_is_free():
    held, go, seen = threading.Event(), threading.Event(), []

    class Slow(SumFace):
        def analyse(self, jpegs, traces=()):
            held.set()
            assert go.wait(10)
            return super().analyse(jpegs)

    class Free(SumFace):
        def analyse(self, jpegs, traces=()):
            seen.extend(jpegs)
            return super().analyse(jpegs)

    inference = LocalInference(MeanVoice(), Free(), more_faces=[Slow()])
    first = asyncio.create_task(inference.face(FACE))  # the second path's turn
    await asyncio.to_thread(held.wait, 10)
    for _ in range(3):
        reading = await inference.face(OTHER_FACE)
        assert reading.probs == pytest.approx(face_probs(OTHER_FACE))
    assert seen == [OTHER_FACE] * 3
    go.set()
    assert (await first).probs == pytest.approx(face_probs(FACE))
    inference.close()


async def test_a_face_path_that_hangs_is_left_alone_while_another_answers():
    held, go = threading.Event(), threading.Event()

    class Hanging(SumFace):
        def analyse(self, jpegs, traces=()):
            held.set()
            assert go.wait(10)
            return super().analyse(jpegs)

    inference = LocalInference(MeanVoice(), SumFace(), more_faces=[Hanging()], patience=0.05)
    hanging = asyncio.create_task(inference.face(FACE))  # the second path's turn
    await asyncio.to_thread(held.wait, 10)
    hanging.cancel()  # as a viewer does who has no answer in time, so that nobody seems to wait there
    await asyncio.sleep(0.1)
    crowd = await asyncio.gather(*(inference.face(OTHER_FACE) for _ in range(20)))
    assert all(reading.probs == pytest.approx(face_probs(OTHER_FACE)) for reading in crowd)
    go.set()
    inference.close()


async def test_face_paths_that_are_all_free_have_each_its_turn_and_all_are_closed():
    closed = []

    class Named(SumFace):
        def __init__(self, name):
            super().__init__()
            self.label, self.asked = name, 0

        def analyse(self, jpegs, traces=()):
            self.asked += len(jpegs)
            return super().analyse(jpegs)

        def close(self):
            closed.append(self.label)

    paths = [Named(name) for name in "abc"]
    inference = LocalInference(MeanVoice(), paths[0], more_faces=paths[1:])
    for _ in range(30):
        await inference.face(FACE)
    inference.close()
    assert min(path.asked for path in paths) > 0
    assert sorted(closed) == ["a", "b", "c"]
