"""Sharpening: one answer stays as it is, more are as sure as the evidence that they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.labels import LABELS
from models.pooling import evidence, fit_sharpening, sharpened


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


MEANS = st.lists(st.floats(-20, 20), min_size=len(LABELS), max_size=len(LABELS)).map(lambda row: softmax(np.array(row)))


@given(MEANS, st.floats(0, 3))
def test_one_answer_is_never_sharpened(mean: np.ndarray, sharpening: float) -> None:
    assert sharpened(mean, 1, sharpening).tolist() == mean.tolist()


@given(MEANS, st.integers(1, 50))
def test_without_sharpening_a_mean_is_left_as_it_is(mean: np.ndarray, count: int) -> None:
    assert sharpened(mean, count, 0.0).tolist() == mean.tolist()


@given(MEANS, st.integers(1, 50), st.floats(0, 3))
def test_the_most_probable_label_gets_surer_and_never_another(mean: np.ndarray, count: int, sharpening: float) -> None:
    sure = sharpened(mean, count, sharpening)
    assert sure.dtype == np.float32
    assert np.isfinite(sure).all()
    assert sure.sum() == pytest.approx(1.0, abs=1e-5)
    assert sure[mean.argmax()] == sure.max() >= mean.max() - 1e-6
    order = np.argsort(mean, kind="stable")
    assert (np.diff(sure[order]) >= 0).all()


@given(MEANS, st.integers(2, 9))
def test_full_sharpening_multiplies_answers_as_independent_evidence_is(mean: np.ndarray, count: int) -> None:
    product = mean.astype(np.float64) ** count
    np.testing.assert_allclose(sharpened(mean, count, 1.0), product / product.sum(), atol=1e-5)


def test_a_certain_answer_stays_finite_however_much_it_is_sharpened() -> None:
    certain = np.eye(7, dtype=np.float32)[3]
    assert sharpened(certain, 50, 3.0).tolist() == certain.tolist()


# --- fitting: answers whose evidence is known ---


def answers(
    shared: float, clips: int = 400, windows: int = 6, strength: float = 1.2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities [K, 7], labels [K] and clips [K] of windows that tell the truth, as far as they know it.

    Each window's evidence is the label's direction and Gaussian noise of deviation 1, of whose variance `shared` is
    the same in all windows of a clip; its probabilities are exactly what one such window is worth.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(7, size=clips)
    noise = np.sqrt(shared) * rng.standard_normal((clips, 1, 7)) + np.sqrt(1 - shared) * rng.standard_normal(
        (clips, windows, 7)
    )
    seen = strength * np.eye(7)[labels][:, None] + noise
    probs = softmax(strength * seen).reshape(-1, 7)
    return probs, labels.repeat(windows), np.arange(clips).repeat(windows)


def test_answers_that_repeat_each_other_are_not_sharpened() -> None:
    assert fit_sharpening(*answers(shared=1.0, clips=4000)) <= 0.05


def test_independent_answers_count_about_each_for_itself() -> None:
    assert 0.85 <= fit_sharpening(*answers(shared=0.0, strength=0.5)) <= 1.15


def test_the_less_windows_share_the_more_they_are_sharpened() -> None:
    fitted = [fit_sharpening(*answers(shared)) for shared in (0.9, 0.5, 0.1)]
    assert 0 < fitted[0] < fitted[1] < fitted[2]


@pytest.mark.parametrize("exponent", [0.0, 0.3, 0.8, 1.2])
def test_a_known_exponent_is_found_again(exponent: float) -> None:
    """Of clips of two like windows, as many have each label as the mean of the two says when it is sharpened so."""
    answer = softmax(np.array([1.2, 0.6, 0.4, 0.0, -0.2, -0.5, -0.9]))
    counts = np.rint(1000 * sharpened(answer, 2, exponent)).astype(int)
    labels = np.arange(7).repeat(counts)
    clips = np.arange(len(labels))
    fitted = fit_sharpening(np.tile(answer, (2 * len(clips), 1)), labels.repeat(2), clips.repeat(2))
    assert fitted == pytest.approx(exponent, abs=1e-9)


def test_a_mean_joins_windows_of_one_clip_and_no_more_than_are_smoothed() -> None:
    probs, labels, clips = answers(shared=0.0, strength=0.5)
    assert fit_sharpening(probs, labels, clips, count=1) == 0.0  # every power is one: the least is chosen
    alone = np.arange(len(labels))
    assert fit_sharpening(probs, labels, alone) == 0.0


def test_no_more_is_tried_than_was_allowed() -> None:
    probs, labels, clips = answers(shared=0.0, strength=0.5)
    assert fit_sharpening(probs, labels, clips, most=0.5) == pytest.approx(0.5)


def test_overlapping_windows_count_as_those_that_lie_side_by_side() -> None:
    assert [evidence(windows) for windows in (1, 9, 17)] == [1.0, 2.0, 3.0]
    assert evidence(14_000) == 5.0  # an hour is not of one moment
