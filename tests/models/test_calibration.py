"""What a reference says of a person: nothing of somebody like all others, else what sets them apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.settings import ROOT
from models.calibration import LEAST_VARIATION, PRIOR_WINDOWS, REFERENCE, is_speech, reference
from models.conditions import voice as conditions
from models.loading import load_voice

HALF = REFERENCE // 2


def window(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the statistics [80] of a window whose frames have this mean [40] and deviation [40]."""
    return np.concatenate([mean, mean**2 + deviation**2]).astype(np.float32)


AVERAGE = window(np.zeros(HALF), np.ones(HALF))
SHIFTS = arrays(np.float64, HALF, elements=st.floats(-3, 3))
DEVIATIONS = arrays(np.float64, HALF, elements=st.floats(0.5, 2.5))


@given(st.integers(1, 40))
def test_a_person_like_all_others_is_nobody_in_particular(count: int) -> None:
    said = reference([AVERAGE] * count)
    assert said.shape == (REFERENCE,)
    assert said.dtype == np.float32
    assert not said.any()


@given(SHIFTS, DEVIATIONS)
def test_many_windows_say_how_a_person_differs(shift: np.ndarray, deviation: np.ndarray) -> None:
    said = reference([window(shift, deviation)] * 3000)
    np.testing.assert_allclose(said[:HALF], shift, atol=5e-3)
    np.testing.assert_allclose(said[HALF:], np.log(deviation), atol=5e-3)


@given(SHIFTS, DEVIATIONS, st.integers(1, 30))
def test_few_windows_say_the_same_with_less_conviction(shift: np.ndarray, deviation: np.ndarray, count: int) -> None:
    few, many = (reference([window(shift, deviation)] * n) for n in (count, 30_000))
    np.testing.assert_allclose(few, many * count / (count + PRIOR_WINDOWS), atol=2e-3)


def test_three_windows_are_believed_by_half() -> None:
    said = reference([window(np.full(HALF, 2.0), np.ones(HALF))] * 3)
    np.testing.assert_allclose(said[:HALF], 1.0, atol=1e-5)


def test_windows_that_differ_among_each_other_widen_a_person() -> None:
    """The deviation is that of all frames together, not the mean of the windows' deviations."""
    still = np.zeros(HALF)
    apart = [window(still + 1, still + 0.5), window(still - 1, still + 0.5)] * 500
    said = reference(apart)
    np.testing.assert_allclose(said[:HALF], 0, atol=1e-6)
    np.testing.assert_allclose(said[HALF:], np.log(np.sqrt(1.25)), atol=1e-3)


@given(st.lists(arrays(np.float32, REFERENCE, elements=st.floats(-1e4, 1e4, width=32)), min_size=1, max_size=8))
def test_a_reference_is_finite_and_bounded_whatever_was_measured(statistics: list[np.ndarray]) -> None:
    said = reference(statistics)
    assert np.isfinite(said).all()
    assert np.abs(said[:HALF]).max() <= 4
    assert np.abs(said[HALF:]).max() <= 1


@given(st.permutations(range(5)))
def test_the_order_of_the_windows_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(0)
    windows = [window(rng.standard_normal(HALF), rng.uniform(0.5, 2, HALF)) for _ in order]
    np.testing.assert_allclose(reference([windows[i] for i in order]), reference(windows), atol=1e-6)


def test_no_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one window"):
        reference([])


@given(SHIFTS, st.floats(0, 2))
def test_what_varies_less_than_speech_does_is_none(shift: np.ndarray, deviation: float) -> None:
    told = np.concatenate([shift, shift**2 + deviation**2])
    assert is_speech(told) == (deviation >= LEAST_VARIATION) or deviation == pytest.approx(LEAST_VARIATION)


def test_to_the_model_that_ships_a_fan_a_hum_and_a_hiss_are_no_speech() -> None:
    chance = np.random.default_rng(0)
    model = load_voice("audio_bilstm", engine="onnx", weights_dir=ROOT / "weights")
    noises = [conditions.brown(16_000, chance), conditions.white(16_000, chance), conditions.hum(16_000)]
    sounds = [conditions.at_level(noise, level) for noise in noises for level in (-45.0, -25.0)]
    assert not any(is_speech(told) for told in model.answer(np.stack(sounds))[1])
