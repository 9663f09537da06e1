"""Figures of merit against hand counts and against scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

from models.metrics import (
    expected_calibration_error,
    reliability,
    report,
    selective,
    top_k,
    uar,
    wilson,
)


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


def test_sure_answers_are_judged_apart_from_the_others() -> None:
    probs = np.concatenate([sure_of([0, 1, 2], 0.75), sure_of([3, 4], 0.35)])
    labels = np.array([0, 1, 6, 3, 6])
    assert selective(probs, labels, 0.5) == (0.6, pytest.approx(2 / 3), 0.5)
    assert selective(probs, labels, 0.75) == selective(probs, labels, 0.5)  # as sure as that is sure enough
    assert selective(probs, labels, 0.3) == (1.0, 0.6, None)
    assert selective(probs, labels, 0.8) == (0.0, None, 0.6)


def test_reliability_is_by_confidence() -> None:
    labels = np.zeros(10, np.int64)
    probs = np.concatenate([sure_of([0] * 6, 0.9), sure_of([1] * 2 + [0] * 2, 0.5)])
    confidence, accuracy, share = reliability(probs, labels)
    assert confidence.tolist() == pytest.approx([0.5, 0.9])
    assert accuracy.tolist() == pytest.approx([0.5, 1.0])
    assert share.tolist() == pytest.approx([0.4, 0.6])
