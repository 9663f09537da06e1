"""Confusion matrices and reliability diagrams as PNG."""

import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.inference import Float32
from models.metrics import expected_calibration_error, reliability, report
from models.plots import draw_confusion


def draw(folder: Path, title: str, probs: Float32, labels: NDArray[np.int64]) -> Path:
    """Write one PNG: the confusion matrix in shares of the true label, and accuracy against confidence."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    figure.suptitle(f"{title} (n = {len(labels)})")
    left, right = figure.subplots(1, 2)
    draw_confusion(left, report(probs, labels).confusion)
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
