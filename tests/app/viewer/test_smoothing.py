import numpy as np
import pytest
from arithmetic_models import probabilities
from hypothesis import given
from hypothesis import strategies as st

from app.viewer.smoothing import Smoother

READINGS = st.lists(st.tuples(st.integers(0, 8), st.floats(0, 10)), max_size=30)


@given(st.integers(1, 6), READINGS, st.integers(0, 8), st.integers(0, 8))
def test_is_the_mean_of_the_newest_readings_that_are_not_too_old(count, readings, later, lasting):
    smoother, now, history = Smoother(count, 1.0, lasting), 0, []
    for pause, value in readings:
        now += pause
        smoother.add(probabilities(value), now)
        history.append((now, probabilities(value)))
    now += later
    kept = [probs for at, probs in history[-count:] if now - at <= count]
    if not kept and history and now - history[-1][0] <= lasting:
        kept = [history[-1][1]]
    mean = smoother.mean(now)
    if not kept:
        assert mean is None
    else:
        assert mean == pytest.approx(np.mean(kept, axis=0), abs=1e-6)
        assert mean.sum() == pytest.approx(1.0, abs=1e-5)


def test_keeps_the_newest_when_it_shrinks_and_its_history_when_it_grows():
    smoother = Smoother(3, 1.0, 0.0)
    for second, value in enumerate((1.0, 2.0, 3.0)):
        smoother.add(probabilities(value), second)
    smoother.resize(5)
    assert smoother.mean(2.0) == pytest.approx(np.mean([probabilities(v) for v in (1, 2, 3)], axis=0), abs=1e-6)
    smoother.resize(1)
    assert smoother.mean(2.0) == pytest.approx(probabilities(3.0))


def test_forgets_when_cleared():
    smoother = Smoother(3, 1.0, 0.0)
    smoother.add(probabilities(1.0), 0.0)
    smoother.clear()
    assert smoother.mean(0.0) is None


def test_sharpening_follows_the_number_of_readings_in_the_mean():
    smoother = Smoother(4, 1.0, 0.0, sharpening=0.5)
    answer = probabilities(1.0)
    for second in range(4):
        smoother.add(answer, second)
    assert smoother.mean(3.0) == pytest.approx(answer**2 / (answer**2).sum(), abs=1e-6)  # 4 ** 0.5
    assert smoother.mean(7.0) == pytest.approx(answer, abs=1e-6)  # the newest is left alone


@given(READINGS.filter(bool), st.lists(st.floats(0.1, 10), min_size=7, max_size=7))
def test_each_reading_is_weighed_and_made_probabilities_before_the_mean(readings, factors):
    smoother = Smoother(30, 1000.0, 0.0)
    for at, (_, value) in enumerate(readings):
        smoother.add(probabilities(value), at)
    smoother.factors = np.array(factors, np.float32)
    rows = np.stack([probabilities(value) for _, value in readings]) * smoother.factors
    expected = (rows / rows.sum(axis=1, keepdims=True)).mean(axis=0)
    mean = smoother.mean(len(readings))
    assert mean == pytest.approx(expected, abs=1e-6)
    assert mean.dtype == np.float32
