"""Intervals and what chance adds, against cases that can be counted by hand."""

import numpy as np
import pytest

from models.intervals import (
    calibration_error_by_chance,
    calibration_error_interval,
    gap_interval,
    paired_interval,
    speaker_interval,
)
from models.metrics import expected_calibration_error, report
from tests.models.test_metrics import sure_of


def test_speakers_who_differ_widen_the_interval_over_speakers() -> None:
    labels = np.tile(np.arange(7), 40)
    speakers = np.repeat([f"s{i}" for i in range(10)], 28)
    # Half of the speakers are always understood, the others never: half of the clips, but not of the draws.
    right = np.repeat(np.arange(10) % 2 == 0, 28)
    probs = sure_of(np.where(right, labels, (labels + 1) % 7).tolist())
    low, high = speaker_interval(probs, labels, speakers)
    assert low <= 0.25
    assert high >= 0.75
    within = report(probs, labels).uar_interval
    assert high - low > 2 * (within[1] - within[0])


def test_speakers_who_are_alike_have_no_interval_to_speak_of() -> None:
    labels = np.tile(np.arange(7), 4)
    probs = sure_of([0, 1, 2, 3, 4, 5, 5] * 4)
    speakers = np.repeat(["a", "b", "c", "d"], 7)
    assert speaker_interval(probs, labels, speakers) == pytest.approx((6 / 7, 6 / 7))
    with pytest.raises(ValueError, match="two"):
        speaker_interval(probs, labels, np.full(28, "a"))


def test_the_interval_over_speakers_bears_labels_that_few_have() -> None:
    labels = np.array([0, 1, 0, 1, 0, 6])
    low, high = speaker_interval(sure_of([0, 1, 0, 1, 0, 6]), labels, np.array(["a", "a", "b", "b", "c", "c"]))
    assert (low, high) == (1.0, 1.0)


def test_a_paired_interval_knows_that_the_examples_are_the_same() -> None:
    labels = np.tile(np.arange(7), 30)
    wrong = (labels + 1) % 7
    one = sure_of(np.where(np.arange(210) % 3 == 0, wrong, labels).tolist())
    assert paired_interval(one, one, labels) == (0.0, 0.0)
    better = sure_of(labels.tolist())
    low, high = paired_interval(better, one, labels)
    assert 0.2 < low < 1 / 3 < high < 0.45
    assert paired_interval(one, better, labels) == pytest.approx((-high, -low), abs=0.03)


def people(*right: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return answers, labels and speakers: each says every label once, and is always or never understood."""
    labels = np.tile(np.arange(7), len(right))
    said = np.where(np.repeat(right, 7), labels, (labels + 1) % 7)
    return sure_of(said.tolist()), labels, np.repeat([f"s{number}" for number in range(len(right))], 7)


def test_speakers_are_redrawn_within_each_group_and_not_together() -> None:
    ahead = np.repeat([True, True, False, False], 7)
    # Of the group behind one of two is understood: a draw has none, one or both of them (1 : 2 : 1).
    assert gap_interval(*people(True, True, True, False), ahead) == pytest.approx((0.0, 1.0))
    assert gap_interval(*people(True, True, False, False), ahead) == (1.0, 1.0)
    # Both alike: one draw in sixteen is as bad for one and as good for the other as can be, and the other way round.
    assert gap_interval(*people(True, False, True, False), ahead) == pytest.approx((-1.0, 1.0))
    with pytest.raises(ValueError, match="two"):
        gap_interval(*people(True, True, False), np.repeat([True, True, False], 7))


def test_whole_units_are_redrawn_for_the_calibration_error() -> None:
    # One unit is a quarter surer than it should be, the other is never right: draws have 0.25, 0.25 or 0.75.
    probs, labels = sure_of([0] * 8, 0.75), np.array([0] * 4 + [1] * 4)
    assert expected_calibration_error(probs, labels) == pytest.approx(0.25)
    units = np.repeat(["a", "b"], 4)
    assert calibration_error_interval(probs, labels, units) == pytest.approx((0.25, 0.75))
    # By themselves: of k right ones of eight |k / 8 - 0.75|, and k is from 1 to 7 in 99 draws of 100.
    low, high = calibration_error_interval(probs, labels)
    assert (low, high) == pytest.approx((0.0, 0.625))


def test_chance_is_what_few_examples_cannot_tell_from_a_calibration_error() -> None:
    # One example that is 0.7 sure: off by 0.3 in 7 of 10 draws, by 0.7 in the others. Two: by 0.3, 0.2 or 0.7.
    assert calibration_error_by_chance(sure_of([0], 0.7), draws=20_000) == pytest.approx(0.42, abs=0.01)
    assert calibration_error_by_chance(sure_of([0] * 2, 0.7), draws=20_000) == pytest.approx(0.294, abs=0.01)
    # In two bins of one example each as with one, and of very many hardly anything.
    apart = np.concatenate([sure_of([0], 0.7), sure_of([0], 0.3)])
    assert calibration_error_by_chance(apart, draws=20_000) == pytest.approx(0.42, abs=0.01)
    assert calibration_error_by_chance(sure_of([0] * 4_000, 0.7)) < 0.01
