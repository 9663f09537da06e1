"""Pictures of a training: its curves by epoch, and which label was taken for which."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from models.labels import LABELS


def plot_curves(path: Path, history: list[dict[str, float]]) -> None:
    """Draw the training loss, and top-1 and UAR on held-out data, by epoch."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    left = figure.subplots()
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["loss"] for row in history], color="tab:gray", label="training loss")
    left.set(xlabel="epoch", ylabel="training loss")
    right = left.twinx()
    for name, colour in (("top1", "tab:blue"), ("uar", "tab:orange")):
        right.plot(epochs, [row[name] for row in history], color=colour, label=f"held-out {name}")
    right.set(ylabel="share", ylim=(0, 1))
    figure.legend(loc="outside upper center", ncols=3)
    figure.savefig(path, dpi=120)


def plot_confusion(path: Path, counts: ArrayLike) -> None:
    """Draw a confusion matrix [7, 7] alone."""
    figure = Figure(figsize=(6, 5.5), layout="constrained")
    draw_confusion(figure.subplots(), counts)
    figure.savefig(path, dpi=100)


def draw_confusion(axes: Axes, counts: ArrayLike) -> None:
    """Draw a confusion matrix [7, 7] (rows are true labels, in the order of `LABELS`) in shares of the true label."""
    counted = np.asarray(counts)
    shares = counted / counted.sum(axis=1, keepdims=True).clip(min=1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks: Any = range(len(LABELS))
    axes.set(xlabel="said", ylabel="true", xticks=ticks, yticks=ticks)
    axes.set_xticklabels(LABELS, rotation=45, ha="right")
    axes.set_yticklabels(LABELS)
    for (row, column), part in np.ndenumerate(shares):
        colour = "white" if part > 0.5 else "black"
        axes.text(column, row, f"{part:.0%}", ha="center", va="center", color=colour, fontsize=8)
