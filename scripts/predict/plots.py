"""Answers as PNG: probabilities over time, or bars where there is no time."""

from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from models.labels import LABELS
from scripts.predict.answer import Answer

PARTS: Final = ("voice", "face", "fused")


def draw(answer: Answer, path: Path) -> None:
    """Write one picture.

    Raises:
        OSError: The file cannot be written.
    """
    figure = Figure(figsize=(10, 7) if answer.timeline else (8, 4), layout="constrained")
    figure.suptitle(f"{answer.source}\n{answer.used}", fontsize=10, parse_math=False)
    if answer.timeline:
        _lines(figure, answer)
    else:
        _bars(figure, answer)
    figure.savefig(path, dpi=100, format="png")


def _lines(figure: Figure, answer: Answer) -> None:
    panels = figure.subplots(len(PARTS), 1, sharex=True, sharey=True)
    times = [result.t for result in answer.timeline]
    for name, panel in zip(PARTS, panels, strict=True):
        parts = [getattr(result, name) for result in answer.timeline]
        for number, label in enumerate(LABELS):
            values = [part.probs.get(label, float("nan")) for part in parts]  # no line where nothing is said
            panel.plot(times, values, color=f"C{number}", label=label, marker=".", markersize=4)
        panel.set(ylabel=name, ylim=(0, 1))
        panel.grid(alpha=0.3)
    panels[-1].set(xlabel="seconds")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")


def _bars(figure: Figure, answer: Answer) -> None:
    panel = figure.subplots()
    height = 0.8 / len(PARTS)
    for number, name in enumerate(PARTS):
        part = getattr(answer, name)
        places = [row + (number - 1) * height for row in range(len(LABELS))]
        values = [part.probs.get(label, 0.0) for label in LABELS]
        said = part.label or part.state.replace("_", " ")
        panel.barh(places, values, height=height, color=f"C{number}", label=f"{name}: {said}")
    panel.set(yticks=range(len(LABELS)), yticklabels=LABELS, xlim=(0, 1), xlabel="probability")
    panel.invert_yaxis()
    panel.legend()
