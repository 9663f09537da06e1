"""The shipped artefacts, and a fusion model of six labels; it is tiny and was never trained."""

import shutil
from pathlib import Path

import torch
from serving import ROOT

from models.artefact import ArtefactInfo
from models.crop import FER2013
from models.export import export_onnx
from models.labels import LABELS
from models.registry import build, entry
from models.torch_engine import Calibrated

WEIGHTS = ROOT / "weights"
NAME = "concat"
SIX = tuple(label for label in LABELS if label != "surprise")


def make_weights(folder: Path) -> Path:
    """Write all three into a folder, and return it."""
    for name in ("audio_bilstm", "fer_resnet"):
        shutil.copy(WEIGHTS / f"{name}.onnx", folder)
    torch.manual_seed(0)
    options = {**entry(NAME).tiny, "classes": len(SIX)}
    info = ArtefactInfo(NAME, "fusion", NAME, options, labels=SIX, size=48, channels=1, geometry=FER2013)
    export_onnx(Calibrated(build(NAME, options), info).eval(), folder / f"{NAME}.onnx")
    return folder
