"""From a trained network to the ONNX file that server and browser run, proven equal before it is kept."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

from models.artefact import METADATA_KEY
from models.onnx_engine import open_session
from models.torch_engine import Calibrated

OPSET = 17
TOLERANCE = 1e-4
"""Largest difference allowed between a probability from PyTorch and from ONNX Runtime."""


def export_onnx(model: Calibrated, path: Path) -> float:
    """Write the graph with its description, and compare it with PyTorch on several batch and window sizes.

    Returns:
        The largest difference between two probabilities.

    Raises:
        RuntimeError: The two differ by more than `TOLERANCE`; nothing is written.
    """
    name = {"voice": "waveform", "face": "crops"}[model.info.kind]
    inputs = _examples(model)
    axes = {0: "batch", 1: "samples"} if model.info.kind == "voice" else {0: "batch"}
    fresh = path.with_suffix(".tmp.onnx")
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but the newer one fixes the length of the LSTM's sequence.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (inputs[0],), str(fresh), input_names=[name], output_names=["probabilities"],
            dynamic_axes={name: axes, "probabilities": {0: "batch"}}, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    graph = onnx.load(fresh)
    onnx.helper.set_model_props(graph, {METADATA_KEY: model.info.to_json()})
    onnx.checker.check_model(graph)
    onnx.save(graph, fresh)
    session = open_session(fresh, threads=1)
    worst = 0.0
    for batch in inputs:
        with torch.inference_mode():
            expected = model(batch).numpy()
        got = session.run(None, {name: batch.numpy()})[0]
        worst = max(worst, float(np.abs(got - expected).max()))
    if worst > TOLERANCE:
        fresh.unlink()
        raise RuntimeError(f"{path.name}: ONNX Runtime and PyTorch differ by {worst:.2g}")
    fresh.replace(path)
    return worst


def _examples(model: Calibrated) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    if model.info.kind == "voice":
        shapes = [(2, 16_000), (1, 8_000), (3, 64_000), (1, 23_457)]
        return [torch.randn(shape, generator=generator) * 0.1 for shape in shapes]
    size, channels = model.info.size, model.info.channels
    return [torch.rand((count, channels, size, size), generator=generator) * 255 for count in (2, 1, 5)]
