"""Artefacts that can be calibrated, made of the shipped ones: the same networks, asked in another way."""

from dataclasses import replace
from pathlib import Path

import onnx
from serving import ROOT

from models.artefact import METADATA_KEY, ArtefactInfo
from models.export import export_onnx
from models.registry import build
from models.torch_engine import Calibrated

WEIGHTS = ROOT / "weights"
NEUTRAL = (0.06, 0.03, 0.06, 0.1, 0.55, 0.15, 0.05)


def make_weights(folder: Path) -> Path:
    """Write an adaptive voice model and a face model that knows its neutral answer; returns the folder."""
    shipped = Calibrated.load(WEIGHTS / "audio_bilstm.pt")
    info = replace(shipped.info, options={**shipped.info.options, "adaptive": True}, adaptive=True)
    network = build(info.network, info.options)
    network.load_state_dict(shipped.network.state_dict(), strict=False)
    export_onnx(Calibrated(network, info).eval(), folder / "audio_bilstm.onnx")

    graph = onnx.load(WEIGHTS / "fer_resnet.onnx")
    said = {entry.key: entry.value for entry in graph.metadata_props}
    face = replace(ArtefactInfo.from_json(said[METADATA_KEY]), neutral=NEUTRAL)
    onnx.helper.set_model_props(graph, {**said, METADATA_KEY: face.to_json()})
    onnx.save(graph, folder / "fer_resnet.onnx")
    return folder
