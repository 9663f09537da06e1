"""Networks in 8-bit integers: about half the time and a third of the bytes, for a little of their precision.

By ONNX Runtime's own tools, after training. Convolutions statically (Jacob et al. 2018, arXiv 1712.05877): each one's
weights by channel, its inputs by the range that they have on examples like those it was trained on. An LSTM
dynamically: its weights by channel, its inputs by the range that they have in a call.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.artefact import METADATA_KEY, ArtefactError
from models.calibration import REFERENCE
from models.inference import Float32, Int16, UInt8
from models.onnx_engine import open_session, read_info

BATCH: Final = 32
FIXED: Final = frozenset({"log_mel", "cepstrum", "deltas"})
"""Parts of a voice network that are the definition of its features, not learned; decibels need all their digits."""

_WEIGHTS: Final[dict[str, Any]] = {
    "per_channel": True,
    "weight_type": QuantType.QInt8,
    # 7 bits of weight: with 8, processors without VNNI overflow where they add up pairs.
    "reduce_range": True,
}


def quantise_face(source: Path, target: Path, crops: UInt8) -> None:
    """Write a face artefact anew, in integers, under the name of its new file.

    Args:
        source: The artefact, `NAME.onnx`.
        target: Where the new one goes.
        crops: Like those that it was trained on [N, size, size, channels]: a few hundred of all labels.

    Raises:
        ArtefactError: There is no such face artefact, or nothing in it that is quantised here.
    """
    _quantise(source, target, "face", {"crops": crops.transpose(0, 3, 1, 2)})


def quantise_voice(source: Path, target: Path, windows: Int16) -> None:
    """Write a voice artefact anew, in integers, under the name of its new file.

    Args:
        source: The artefact, `NAME.onnx`.
        target: Where the new one goes.
        windows: Like those that it was trained on [N, samples]: a few hundred of all labels.

    Raises:
        ArtefactError: There is no such voice artefact, or nothing in it that is quantised here.
    """
    waveform = windows.astype(np.float32) / np.float32(32768)
    _quantise(
        source, target, "voice", {"waveform": waveform, "reference": np.zeros((len(windows), REFERENCE), np.float32)}
    )


def _quantise(source: Path, target: Path, kind: str, examples: dict[str, Float32 | UInt8]) -> None:
    session = open_session(source, 1)
    info = read_info(session, source, kind)
    taken = {given.name: examples[given.name] for given in session.get_inputs()}
    with tempfile.TemporaryDirectory() as folder:
        fresh, before = Path(folder, "fresh.onnx"), Path(folder, "before.onnx")
        quant_pre_process(str(source), str(fresh), skip_symbolic_shape=True)  # that cannot do all voice networks
        graph = onnx.load(fresh).graph
        learned = _learned(graph)
        has_lstm = any(node.op_type == "LSTM" for node in graph.node)
        if not learned and not has_lstm:
            raise ArtefactError(f"{source} has neither a convolution nor an LSTM to put into integers")
        if has_lstm:
            fresh.replace(before)
            quantize_dynamic(str(before), str(fresh), op_types_to_quantize=["LSTM"], **_WEIGHTS)
        if learned:  # to name none would mean all
            fresh.replace(before)
            quantize_static(
                str(before), str(fresh), _Reader(taken), nodes_to_quantize=learned, op_types_to_quantize=["Conv"],
                activation_type=QuantType.QUInt8, **_WEIGHTS,
            )  # fmt: skip
        graph = onnx.load(fresh)
        text = replace(info, name=target.stem).to_json()
        onnx.helper.set_model_props(graph, {METADATA_KEY: text})
        onnx.checker.check_model(graph)
        onnx.save(graph, target)


def _learned(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the convolutions that are put into integers.

    One of a single channel, as a network's first of a grey picture, stays in floating point: it is faster so, and the
    picture keeps its digits.
    """
    channels = {weights.name: weights.dims[1] for weights in graph.initializer if len(weights.dims) > 1}
    return [
        node.name for node in graph.node if node.op_type == "Conv" and FIXED.isdisjoint(node.name.split("/"))
        and channels.get(node.input[1], 0) * _groups(node) > 1
    ]  # fmt: skip


def _groups(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


class _Reader(CalibrationDataReader):  # type: ignore[misc] # comes without types
    """Hands examples to the tool, a batch at a time."""

    def __init__(self, examples: dict[str, Float32 | UInt8]) -> None:
        count = len(next(iter(examples.values())))
        self._batches: Iterator[dict[str, Float32]] = (
            {name: np.ascontiguousarray(values[start : start + BATCH], np.float32) for name, values in examples.items()}
            for start in range(0, count, BATCH)
        )

    def get_next(self) -> dict[str, Float32] | None:
        return next(self._batches, None)
