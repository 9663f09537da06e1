"""Figures of merit for classifiers. NumPy alone, so that the server's quick check can use them."""

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.inference import Float32
from models.labels import LABELS

Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Report:
    """Accuracy over `n` examples; shares lie in 0..1 and intervals are 95 %."""

    n: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    top5_interval: tuple[float, float]
    uar: float
    uar_interval: tuple[float, float]
    ece: float
    recall: dict[str, float]
    confusion: list[list[int]]
    """Rows are true labels, columns predicted ones, both in the order of `LABELS`."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)


def report(probs: Float32, labels: NDArray[np.int64]) -> Report:
    """Sum up probabilities [N, 7] against labels [N] (index into `LABELS`).

    UAR is the mean of the recalls of the labels that occur. The intervals of top-1 and top-5 are Wilson's (1927); UAR's
    comes from 1,000 bootstrap draws within each label.

    Raises:
        ValueError: There are no examples.
    """
    if not len(labels):
        raise ValueError("no examples")
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    np.add.at(confusion, (labels, probs.argmax(axis=1)), 1)
    hits = int(confusion.trace())
    counts = confusion.sum(axis=1)
    recall = {label: float(confusion[i, i] / counts[i]) for i, label in enumerate(LABELS) if counts[i]}
    top5 = top_k(probs, labels, 5)
    return Report(
        n=len(labels),
        top1=hits / len(labels),
        top1_interval=wilson(hits, len(labels)),
        top5=top5,
        top5_interval=wilson(round(top5 * len(labels)), len(labels)),
        uar=uar(probs, labels),
        uar_interval=_uar_interval(confusion),
        ece=expected_calibration_error(probs, labels),
        recall=recall,
        confusion=confusion.tolist(),
    )


def uar(probs: Float32, labels: NDArray[np.int64]) -> float:
    """Unweighted average recall (balanced accuracy): each label counts the same, however rare."""
    right = probs.argmax(axis=1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def top_k(probs: Float32, labels: NDArray[np.int64], k: int) -> float:
    """Share of examples whose label is among the k most probable ones."""
    best = np.argsort(probs, axis=1)[:, -k:]
    return float((best == labels[:, None]).any(axis=1).mean())


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of `hits` among `n` > 0 (Wilson 1927)."""
    share = hits / n
    centre = share + Z_95**2 / (2 * n)
    spread = Z_95 * sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    scale = 1 + Z_95**2 / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def confidence_bins(confidence: NDArray[np.float64], bins: int = 15) -> NDArray[np.int64]:
    """Return the number of the bin [N] that each confidence [N] falls into, of so many of equal width in 0..1."""
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def reliability(
    probs: Float32, labels: NDArray[np.int64], bins: int = 15
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean confidence, the accuracy and the share of the examples of each bin that has any.

    The bins are of equal width in confidence, the highest probability (Guo et al. 2017, arXiv 1706.04599).
    """
    confidence = probs.max(axis=1).astype(np.float64)
    right = probs.argmax(axis=1) == labels
    which = confidence_bins(confidence, bins)
    inside = [which == i for i in np.unique(which)]
    return (
        np.array([confidence[bin_].mean() for bin_ in inside]),
        np.array([right[bin_].mean() for bin_ in inside]),
        np.array([bin_.mean() for bin_ in inside]),
    )


def expected_calibration_error(probs: Float32, labels: NDArray[np.int64], bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017, arXiv 1706.04599)."""
    confidence, accuracy, share = reliability(probs, labels, bins)
    return float((np.abs(accuracy - confidence) * share).sum())


def selective(probs: Float32, labels: NDArray[np.int64], least: float) -> tuple[float, float | None, float | None]:
    """Return how right the answers are that are sure enough, and how many (Geifman & El-Yaniv 2017, arXiv 1705.08500).

    Args:
        probs: [N, 7].
        labels: [N], index into `LABELS`.
        least: Highest probability that an answer needs.

    Returns:
        The share of the answers that have it (the coverage), the top-1 of these and that of the others, None of none.
    """
    sure = probs.max(axis=1) >= least
    right = probs.argmax(axis=1) == labels
    top1 = [float(right[part].mean()) if part.any() else None for part in (sure, ~sure)]
    return float(sure.mean()), top1[0], top1[1]


def _uar_interval(confusion: NDArray[np.int64], draws: int = 1000) -> tuple[float, float]:
    """Redraw each label's hits from its own recall: the bootstrap within labels, without the examples."""
    rng = np.random.default_rng(0)
    counts = confusion.sum(axis=1)
    there = counts > 0
    recalls = confusion.diagonal()[there] / counts[there]
    drawn = rng.binomial(counts[there], recalls, size=(draws, int(there.sum()))) / counts[there]
    low, high = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
