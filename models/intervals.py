"""How far figures would move with other people or other examples: 95 % intervals by bootstrap, and what chance adds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.inference import Float32
from models.labels import LABELS
from models.metrics import confidence_bins


def speaker_interval(
    probs: Float32, labels: NDArray[np.int64], speakers: NDArray[np.str_], draws: int = 2000
) -> tuple[float, float]:
    """Return the 95 % interval of the UAR over people: whole speakers are redrawn, with all that they said.

    Clips of one speaker are not independent, so an interval over clips is too narrow for the question how well
    a stranger is understood. With few speakers this one is still somewhat too narrow (a percentile bootstrap
    over clusters; Field & Welsh 2007), and with less than two it does not exist.

    Args:
        probs: [N, 7].
        labels: [N], index into `LABELS`.
        speakers: [N], who each example is of.
        draws: Of the bootstrap.

    Raises:
        ValueError: There are fewer than two speakers.
    """
    return interval_over_speakers(probs.argmax(axis=1) == labels, labels, speakers, draws)


def interval_over_speakers(
    scores: NDArray[Any], labels: NDArray[np.int64], speakers: NDArray[np.str_], draws: int = 2000
) -> tuple[float, float]:
    """Return the 95 % interval of the labels' mean score, whole speakers redrawn with all that they said.

    Args:
        scores: [N], one for each example: whether it was right, or by how much one answer was better than another.
        labels: [N], index into `LABELS`.
        speakers: [N], who each example is of.
        draws: Of the bootstrap.

    Raises:
        ValueError: There are fewer than two speakers.
    """
    return _middle(_redrawn_means(scores, labels, speakers, draws, np.random.default_rng(0)))


def gap_interval(
    probs: Float32,
    labels: NDArray[np.int64],
    speakers: NDArray[np.str_],
    ahead: NDArray[np.bool_],
    draws: int = 2000,
) -> tuple[float, float]:
    """Return the 95 % interval of UAR(one group) - UAR(the other), whole speakers redrawn within each group.

    Args:
        probs: [N, 7].
        labels: [N], index into `LABELS`.
        speakers: [N], who each example is of.
        ahead: [N], whether that is one of the group whose UAR comes first.
        draws: Of the bootstrap.

    Raises:
        ValueError: There are fewer than two speakers in a group.
    """
    rng = np.random.default_rng(0)  # one for both: redrawn alike, two groups would move together
    right = probs.argmax(axis=1) == labels
    one, other = (_redrawn_means(right[group], labels[group], speakers[group], draws, rng) for group in (ahead, ~ahead))
    return _middle(one - other)


def paired_interval(one: Float32, other: Float32, labels: NDArray[np.int64], draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % interval of UAR(one) - UAR(other) on the same examples [N, 7], redrawn in pairs in each label."""
    rng = np.random.default_rng(0)
    gain = (one.argmax(axis=1) == labels).astype(np.float64) - (other.argmax(axis=1) == labels)
    parts = [gain[labels == label] for label in np.unique(labels)]
    means = [rng.choice(part, size=(draws, len(part))).mean(axis=1) for part in parts]
    return _middle(np.mean(means, axis=0))


def calibration_error_interval(
    probs: Float32, labels: NDArray[np.int64], units: NDArray[Any] | None = None, draws: int = 1000
) -> tuple[float, float]:
    """Return the 95 % interval of the expected calibration error, whole units redrawn.

    That error is the sum over the bins of what right answers and confidence differ by there, without its sign, over N.
    Each redraw adds chance of its own, which mostly raises it: where it is small the interval lies too high, and is to
    be read beside `calibration_error_by_chance`.

    Args:
        probs: [N, 7], at least one row.
        labels: [N], index into `LABELS`.
        units: [N], what each example belongs to, a speaker for instance; None: each is by itself.
        draws: Of the bootstrap.
    """
    confidence = probs.max(axis=1).astype(np.float64)
    bins = confidence_bins(confidence)
    off = (probs.argmax(axis=1) == labels) - confidence
    names, which = np.unique(np.arange(len(labels)) if units is None else units, return_inverse=True)
    sums = np.zeros((len(names), bins.max() + 1))
    np.add.at(sums, (which, bins), off)
    times = _times(len(names), draws, np.random.default_rng(0))
    return _middle(np.abs(times @ sums).sum(axis=1) / (times @ np.bincount(which)))


def calibration_error_by_chance(probs: Float32, draws: int = 500) -> float:
    """Return the expected calibration error that a perfectly calibrated model would show with these confidences.

    It is above zero, since in a bin of few examples none is right exactly as often as it is sure; only what is above it
    tells of miscalibration. Labels are drawn from the probabilities [N, 7], each by itself, and the error's mean over
    the draws is returned (consistency resampling; Bröcker & Smith 2007, Weather and Forecasting 22). Of examples that
    hang together, as windows of one clip do, chance makes more than this.
    """
    confidence = probs.max(axis=1).astype(np.float64)
    bins = confidence_bins(confidence)
    # The label is the most probable one as often as that one is probable: more is not asked of it here.
    right = np.random.default_rng(0).random((draws, len(confidence))) < confidence
    return float(np.abs((right - confidence) @ np.eye(bins.max() + 1)[bins]).sum(axis=1).mean() / len(confidence))


def _redrawn_means(
    scores: NDArray[Any], labels: NDArray[np.int64], speakers: NDArray[np.str_], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    names, who = np.unique(speakers, return_inverse=True)
    if len(names) < 2:
        raise ValueError("an interval over speakers needs at least two of them")
    sums, counts = np.zeros((2, len(names), len(LABELS)))
    np.add.at(sums, (who, labels), scores)
    np.add.at(counts, (who, labels), 1)
    times = _times(len(names), draws, rng)
    drawn_sums, drawn_counts = times @ sums, times @ counts
    # A label that nobody in a draw acted has no part in it, as in `uar`.
    means = np.divide(drawn_sums, drawn_counts, out=np.full_like(drawn_sums, np.nan), where=drawn_counts > 0)
    return np.asarray(np.nanmean(means, axis=1), np.float64)


def _times(units: int, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each unit comes in each draw [draws, units]."""
    return rng.multinomial(units, np.full(units, 1 / units), size=draws)


def _middle(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """Return what the middle 95 % of the draws lie between."""
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
