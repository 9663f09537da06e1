"""Which networks the benchmark serves: embedded ones, or a face model as large as HSEmotion's with made-up weights."""

from pathlib import Path
from typing import Final

from app.settings import ROOT
from models.crop import AFFECTNET

EMBEDDED: Final = "fer_resnet"
INTEGERS: Final = "fer_resnet_int8"
B2: Final = "b2"
VOICE: Final = "audio_bilstm"
VOICE_INTEGERS: Final = "audio_bilstm_int8"
FACES: Final = (EMBEDDED, INTEGERS, B2)
VOICES: Final = (VOICE, VOICE_INTEGERS)


def prepare(face: str, voice: str, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings under which this server, and the textbook server, serve these models.

    `B2` is EfficientNet-B2 on 260 x 260 pixels, HSEmotion's architecture; its artefacts are put into `folder`. What it
    answers means nothing; it costs what the published network costs. PyTorch, and so the textbook server, has no
    networks in integers: there the same ones in floating point take their place.
    """
    chosen = {"VOICE_MODEL": voice, "FACE_MODEL": face, "WEIGHTS_DIR": str(ROOT / "weights")}
    if face == B2:
        _make_b2(folder)
        chosen["WEIGHTS_DIR"] = str(folder)
    in_floats = {INTEGERS: EMBEDDED, VOICE_INTEGERS: VOICE}
    return chosen, {name: in_floats.get(value, value) for name, value in chosen.items()}


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
    for name in (f"{VOICE}.onnx", f"{VOICE}.pt", f"{VOICE_INTEGERS}.onnx"):
        (folder / name).symlink_to(ROOT / "weights" / name)
