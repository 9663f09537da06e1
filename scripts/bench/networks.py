"""Which face model the benchmark serves: an embedded one, or one as large as HSEmotion's with made-up weights."""

from pathlib import Path
from typing import Final

from app.settings import ROOT
from models.crop import AFFECTNET

EMBEDDED: Final = "fer_resnet"
INTEGERS: Final = "fer_resnet_int8"
B2: Final = "b2"
VOICE: Final = "audio_bilstm"


def prepare(face: str, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings under which this server, and the textbook server, serve a face model.

    `B2` is EfficientNet-B2 on 260 x 260 pixels, HSEmotion's architecture; its artefacts are put into `folder`. What it
    answers means nothing; it costs what the published network costs. `INTEGERS` is the textbook server's `EMBEDDED`.
    """
    chosen = {"VOICE_MODEL": VOICE, "FACE_MODEL": face, "WEIGHTS_DIR": str(ROOT / "weights")}
    if face == INTEGERS:
        return chosen, {**chosen, "FACE_MODEL": EMBEDDED}
    if face == B2:
        _make_b2(folder)
        chosen["WEIGHTS_DIR"] = str(folder)
    return chosen, chosen


def _make_b2(folder: Path) -> None:
    import torch

    from models.artefact import ArtefactInfo
    from models.export import export_onnx
    from models.registry import build
    from models.torch_engine import Calibrated

    torch.manual_seed(0)
    info = ArtefactInfo(B2, "face", "efficientnet_b2", {}, size=260, channels=3, geometry=AFFECTNET)
    model = Calibrated(build(info.network, info.options), info).eval()
    model.save(folder / f"{B2}.pt")
    export_onnx(model, folder / f"{B2}.onnx")
    for suffix in (".onnx", ".pt"):
        (folder / f"{VOICE}{suffix}").symlink_to(ROOT / "weights" / f"{VOICE}{suffix}")
