"""Confusion matrices and reliability diagrams as PNG."""

import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.inference import Float32
from models.labels import LABELS
from models.metrics import expected_calibration_error, reliability, report


def draw(folder: Path, title: str, probs: Float32, labels: NDArray[np.int64]) -> Path:
    """Write one PNG: the confusion matrix in shares of the true label, and accuracy against confidence."""
    counts = np.array(report(probs, labels).confusion)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    figure = Figure(figsize=(11, 5), layout="constrained")
    figure.suptitle(f"{title} (n = {len(labels)})")
    left, right = figure.subplots(1, 2)
    left.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    left.set(xlabel="said", ylabel="true", xticks=range(len(LABELS)), yticks=range(len(LABELS)))
    left.set_xticklabels(LABELS, rotation=45, ha="right")
    left.set_yticklabels(LABELS)
    for (row, column), part in np.ndenumerate(shares):
        left.text(
            column, row, f"{part:.0%}", ha="center", va="center", color="white" if part > 0.5 else "black", fontsize=8
        )
    confidence, accuracy, weight = reliability(probs, labels)
    right.plot([0, 1], [0, 1], color="grey", linestyle=":")
    right.plot(confidence, accuracy, color="tab:blue")
    right.scatter(confidence, accuracy, s=10 + 600 * weight, color="tab:blue", alpha=0.6)
    right.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    right.set_title(f"ECE {expected_calibration_error(probs, labels):.3f} (area: share of the answers)", fontsize=10)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub('[^a-z0-9.]+', '_', title.lower()).strip('_')}.png"
    figure.savefig(path, dpi=100)
    return path
