"""From a trained network to the ONNX file that server and browser run, proven equal before it is kept."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

from models.artefact import METADATA_KEY, ArtefactInfo
from models.calibration import REFERENCE
from models.checksums import record_sum
from models.onnx_engine import open_session
from models.torch_engine import Calibrated

OPSET = 17
TOLERANCE = 1e-4
"""Largest difference allowed, relative where it is above one, between a number from PyTorch and from ONNX Runtime."""


def export_onnx(model: Calibrated, path: Path) -> float:
    """Write the graph with its description, and compare it with PyTorch on several batch and window sizes.

    Returns:
        The largest difference between two numbers.

    Raises:
        RuntimeError: The two differ by more than `TOLERANCE`; nothing is written.
    """
    graph_of = _Adaptive(model).eval() if model.info.adaptive else model
    inputs, outputs, axes = _signature(model.info)
    examples = _examples(model.info)
    fresh = path.with_suffix(".tmp.onnx")
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but the newer one fixes the length of the LSTM's sequence.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph_of, examples[0], str(fresh), input_names=inputs, output_names=outputs,
            dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    graph = onnx.load(fresh)
    onnx.helper.set_model_props(graph, {METADATA_KEY: model.info.to_json()})
    onnx.checker.check_model(graph)
    onnx.save(graph, fresh)
    session = open_session(fresh, threads=1)
    worst = 0.0
    for given in examples:
        with torch.inference_mode():
            expected = graph_of(*given)
        got = session.run(outputs, {name: part.numpy() for name, part in zip(inputs, given, strict=True)})
        for mine, torchs in zip(got, (expected,) if len(outputs) == 1 else expected, strict=True):
            difference = np.abs(mine - torchs.numpy()) / np.maximum(1.0, np.abs(torchs.numpy()))
            worst = max(worst, float(difference.max()))
    if worst > TOLERANCE:
        fresh.unlink()
        raise RuntimeError(f"{path.name}: ONNX Runtime and PyTorch differ by {worst:.2g}")
    fresh.replace(path)
    record_sum(path)
    return worst


class _Adaptive(torch.nn.Module):
    """Both things that an adaptive voice model is asked for, in one graph."""

    def __init__(self, model: Calibrated) -> None:
        super().__init__()
        self.model = model

    def forward(self, waveform: torch.Tensor, reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.model.answer_and_describe(waveform, reference)


def _signature(info: ArtefactInfo) -> tuple[list[str], list[str], dict[str, dict[int, str]]]:
    """Return the graph's inputs, its outputs, and their dynamic axes."""
    waveform, rows = {0: "batch", 1: "samples"}, {0: "batch"}
    if info.kind == "face":
        return ["crops"], ["probabilities"], {"crops": rows, "probabilities": rows}
    if info.kind == "fusion":
        return (
            ["waveform", "crops"], ["probabilities"], {"waveform": waveform, "crops": rows, "probabilities": rows},
        )  # fmt: skip
    if not info.adaptive:
        return ["waveform"], ["probabilities"], {"waveform": waveform, "probabilities": rows}
    return (
        ["waveform", "reference"], ["probabilities", "statistics"],
        {"waveform": waveform, "reference": rows, "probabilities": rows, "statistics": rows},
    )  # fmt: skip


def _examples(info: ArtefactInfo) -> list[tuple[torch.Tensor, ...]]:
    generator = torch.Generator().manual_seed(0)

    def crops(count: int) -> torch.Tensor:
        return torch.rand((count, info.channels, info.size, info.size), generator=generator) * 255

    if info.kind == "face":
        return [(crops(count),) for count in (2, 1, 5)]
    shapes = [(2, 16_000), (1, 8_000), (3, 64_000), (1, 23_457)]
    waveforms = [torch.randn(shape, generator=generator) * 0.1 for shape in shapes]
    if info.kind == "fusion":
        return [(waveform, crops(len(waveform))) for waveform in waveforms]
    if not info.adaptive:
        return [(waveform,) for waveform in waveforms]
    return [(waveform, torch.randn(len(waveform), REFERENCE, generator=generator) * 0.3) for waveform in waveforms]
