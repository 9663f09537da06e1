"""Figures of merit against hand counts and against scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

from models.metrics import expected_calibration_error, report, top_k, uar, wilson


def sure_of(predicted: list[int], confidence: float = 0.7) -> np.ndarray:
    probs = np.full((len(predicted), 7), (1 - confidence) / 6, dtype=np.float32)
    probs[np.arange(len(predicted)), predicted] = confidence
    return probs


def test_uar_counts_a_rare_label_like_a_frequent_one() -> None:
    labels = np.array([3] * 9 + [1])
    assert uar(sure_of([3] * 10), labels) == 0.5
    assert top_k(sure_of([3] * 10), labels, 1) == 0.9


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60))
def test_figures_equal_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array([p[0] for p in pairs]), [p[1] for p in pairs]
    probs = sure_of(predicted)
    figures = report(probs, labels)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that were predicted but never occur: both leave them out
        expected = balanced_accuracy_score(labels, predicted)
    assert figures.uar == pytest.approx(expected)
    assert figures.top1 == pytest.approx(top_k_accuracy_score(labels, probs, k=1, labels=range(7)))
    low, high = figures.top1_interval
    assert low - 1e-9 <= figures.top1 <= high + 1e-9
    assert np.array(figures.confusion).sum() == len(pairs) == figures.n


def test_wilson_interval_of_a_textbook_case() -> None:
    low, high = wilson(8, 10)
    assert (low, high) == (pytest.approx(0.4901, abs=1e-3), pytest.approx(0.9433, abs=1e-3))


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    labels = np.array([0] * 7 + [1] * 3)
    assert expected_calibration_error(sure_of([0] * 10, 0.7), labels) == pytest.approx(0.0, abs=1e-6)
    assert expected_calibration_error(sure_of([0] * 10, 0.95), labels) == pytest.approx(0.25, abs=1e-6)


def test_no_examples_is_an_error() -> None:
    with pytest.raises(ValueError, match="no examples"):
        report(np.zeros((0, 7), np.float32), np.zeros(0, np.int64))
