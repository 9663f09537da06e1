"""Several answers in a row about one moment of a person: how much surer than one they are."""

import numpy as np
from numpy.typing import NDArray

from models.inference import Float32
from models.windows import WHOLE_HOP, WHOLE_SECONDS


def sharpened(mean: Float32, count: float, sharpening: float) -> Float32:
    """Return the mean [7] of `count` answers in a row, raised to the power `count ** sharpening`, as probabilities.

    A mean is as sure as one of its answers, but several that agree are more evidence than one. How much more the
    model says (`models.inference.Traits.sharpening`, >= 0): 0 leaves the mean as it is. One answer is never changed,
    and the most probable label stays the most probable.
    """
    power = count**sharpening
    if power == 1.0:
        return mean
    values = mean.tolist()  # of so few numbers Python's own are faster
    largest = max(values)
    powers = [(value / largest) ** power for value in values]
    total = sum(powers)
    return np.array([value / total for value in powers], dtype=np.float32)


def evidence(windows: int) -> float:
    """Return as how many answers in a row those of a whole recording count: as windows side by side would, 5 at most.

    They overlap by far (`WHOLE_HOP`), and a long recording is not of one moment: what `fit_sharpening` looked at ends
    at 5 as well.
    """
    return min(5.0, 1 + (windows - 1) * WHOLE_HOP / WHOLE_SECONDS)


def fit_sharpening(
    probs: Float32, labels: NDArray[np.int64], clips: NDArray[np.int64], count: int = 5, most: float = 1.5
) -> float:
    """Choose the sharpening that gives smoothed answers the least cross-entropy.

    Args:
        probs: Of single windows [K, 7], in the order in which they were spoken.
        labels: Of each [K].
        clips: The clip of each [K]; a mean joins windows of one clip.
        count: The smoothing: most windows that are averaged.
        most: Largest sharpening to try, from 0 on in steps of 0.05.
    """
    means, counts, truth = [], [], []
    for clip in np.unique(clips):
        rows = np.flatnonzero(clips == clip)
        for end in range(1, len(rows) + 1):
            joined = rows[max(0, end - count) : end]
            means.append(probs[joined].mean(axis=0))
            counts.append(len(joined))
            truth.append(labels[rows[0]])
    mean, power = np.log(np.clip(means, 1e-9, None)), np.array(counts, dtype=np.float64)[:, None]

    def loss(sharpening: float) -> float:
        logits = mean * power**sharpening
        logits -= logits.max(axis=1, keepdims=True)
        chosen = np.take_along_axis(logits, np.array(truth)[:, None], axis=1)[:, 0]
        return float((np.log(np.exp(logits).sum(axis=1)) - chosen).mean())

    return float(min(np.arange(0.0, most + 1e-9, 0.05), key=loss))
