"""The shipped artefacts, the face model told what its mean answer to neutral people is."""

import shutil
from dataclasses import replace
from pathlib import Path

import onnx
from serving import ROOT

from models.artefact import METADATA_KEY, ArtefactInfo

WEIGHTS = ROOT / "weights"
NEUTRAL = (0.06, 0.03, 0.06, 0.1, 0.55, 0.15, 0.05)


def make_weights(folder: Path) -> Path:
    """Write both into a folder, and return it."""
    shutil.copy(WEIGHTS / "audio_bilstm.onnx", folder)
    graph = onnx.load(WEIGHTS / "fer_resnet.onnx")
    said = {entry.key: entry.value for entry in graph.metadata_props}
    face = replace(ArtefactInfo.from_json(said[METADATA_KEY]), neutral=NEUTRAL)
    onnx.helper.set_model_props(graph, {**said, METADATA_KEY: face.to_json()})
    onnx.save(graph, folder / "fer_resnet.onnx")
    return folder
