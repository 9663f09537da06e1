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

    UAR is the mean of the recalls of the labels that occur. The interval of top-1 is Wilson's (1927); UAR's
    comes from 1,000 bootstrap draws within each label.
    """
    if not len(labels):
        raise ValueError("no examples")
    predicted = probs.argmax(axis=1)
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    hits = int(confusion.trace())
    counts = confusion.sum(axis=1)
    recall = {
        label: float(confusion[i, i] / counts[i]) for i, label in enumerate(LABELS) if counts[i]
    }  # fmt: skip
    return Report(
        n=len(labels),
        top1=hits / len(labels),
        top1_interval=wilson(hits, len(labels)),
        top5=top_k(probs, labels, 5),
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
    """Return the 95 % score interval of a proportion (Wilson 1927)."""
    share = hits / n
    centre = share + Z_95**2 / (2 * n)
    spread = Z_95 * sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    scale = 1 + Z_95**2 / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def expected_calibration_error(probs: Float32, labels: NDArray[np.int64], bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017, arXiv 1706.04599)."""
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(right[which == i].mean() - confidence[which == i].mean()) * (which == i).mean() for i in np.unique(which)
    ]
    return float(sum(gaps))


def _uar_interval(confusion: NDArray[np.int64], draws: int = 1000) -> tuple[float, float]:
    """Redraw each label's hits from its own recall: the bootstrap within labels, without the examples."""
    rng = np.random.default_rng(0)
    counts = confusion.sum(axis=1)
    there = counts > 0
    recalls = confusion.diagonal()[there] / counts[there]
    drawn = rng.binomial(counts[there], recalls, size=(draws, int(there.sum()))) / counts[there]
    low, high = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
