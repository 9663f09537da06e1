"""The last step of training: export, and write the model card beside the weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from models.artefact import ArtefactInfo
from models.export import TOLERANCE, export_onnx
from models.labels import LABELS
from models.metrics import Report
from models.torch_engine import Calibrated


def publish(
    network: nn.Module,
    info: ArtefactInfo,
    figures: Report,
    weights_dir: Path,
    made_by: str,
    notes: dict[str, str],
) -> None:
    """Write `NAME.pt`, `NAME.onnx` and `NAME.md` into `weights_dir`.

    Args:
        network: The trained network.
        info: Its description, temperature and all.
        figures: On held-out examples.
        weights_dir: Where the artefacts go.
        made_by: The command that made them, and the commit of its code, in words.
        notes: Lines of the card by heading, `Data` and `Licence` among them: these two the artefact says as well.
    """
    weights_dir.mkdir(parents=True, exist_ok=True)
    info = replace(info, data=notes["Data"], licence=notes["Licence"])
    model = Calibrated(network.cpu(), info).eval()
    difference = export_onnx(model, weights_dir / f"{info.name}.onnx")
    model.save(weights_dir / f"{info.name}.pt")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    lines = [
        f"# {info.name}",
        "",
        f"- Network: `{info.network}` {info.options}, {parameters:,} parameters",
        *(f"- {heading}: {text}" for heading, text in notes.items()),
        f"- Temperature: {info.temperature:.3f}; sharpening of answers in a row: {info.sharpening:.2f}",
        f"- ONNX and PyTorch differ by {difference:.1g} at most (limit {TOLERANCE:g})",
        f"- Made by {made_by}",
        "",
        *card_table(figures),
        "",
    ]
    (weights_dir / f"{info.name}.md").write_text("\n".join(lines))


def card_table(figures: Report) -> list[str]:
    """Return the figures as lines of Markdown, recall and confusion matrix of the labels that occur among them."""
    said = np.sum(figures.confusion, axis=0)
    there = [row for row, label in enumerate(LABELS) if label in figures.recall or said[row]]
    low, high = figures.top1_interval
    uar_low, uar_high = figures.uar_interval
    rows = [
        "| held-out examples | top-1 [95 %] | top-5 | UAR [95 %] | ECE |",
        "|---|---|---|---|---|",
        f"| {figures.n} | {figures.top1:.1%} [{low:.1%}, {high:.1%}] | {figures.top5:.1%} "
        f"| {figures.uar:.1%} [{uar_low:.1%}, {uar_high:.1%}] | {figures.ece:.3f} |",
        "",
        "| true \\ said | " + " | ".join(LABELS[column] for column in there) + " | recall |",
        "|---" * (len(there) + 2) + "|",
    ]
    for row in there:
        counts = " | ".join(str(figures.confusion[row][column]) for column in there)
        rows.append(f"| {LABELS[row]} | {counts} | {figures.recall.get(LABELS[row], 0.0):.1%} |")
    return rows
