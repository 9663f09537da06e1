"""From a model's name in the settings to a model that is ready to serve."""

from pathlib import Path
from typing import TYPE_CHECKING

from models.artefact import ArtefactError
from models.inference import VoiceModel

if TYPE_CHECKING:
    from models.onnx_engine import OnnxFace
    from models.torch_engine import TorchFace


def load_voice(name: str, *, engine: str, weights_dir: Path, threads: int = 1) -> VoiceModel:
    """Load `weights_dir/name.onnx` or `.pt`.

    Args:
        name: Of the artefact, e.g. `audio_bilstm`.
        engine: `onnx` (ONNX Runtime) or `torch`.
        weights_dir: Where the artefacts lie.
        threads: Of one call. PyTorch has one such number for the whole process.

    Raises:
        ArtefactError: There is no such artefact, or it is damaged.
    """
    path = _find(name, engine, weights_dir)
    if engine == "torch":
        from models.torch_engine import TorchVoice

        _limit_torch(threads)
        return TorchVoice(path)
    from models.onnx_engine import OnnxVoice

    return OnnxVoice(path, threads)


def load_face(name: str, *, engine: str, weights_dir: Path, threads: int = 1) -> "OnnxFace | TorchFace":
    """Load a face artefact; arguments and errors as in `load_voice`."""
    path = _find(name, engine, weights_dir)
    if engine == "torch":
        from models.torch_engine import TorchFace

        _limit_torch(threads)
        return TorchFace(path)
    from models.onnx_engine import OnnxFace

    return OnnxFace(path, threads)


def _limit_torch(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _find(name: str, engine: str, weights_dir: Path) -> Path:
    suffix = {"onnx": ".onnx", "torch": ".pt"}[engine]
    path = weights_dir / f"{name}{suffix}"
    if not path.is_file():
        there = sorted(p.stem for p in weights_dir.glob(f"*{suffix}"))
        raise ArtefactError(
            f"no model {name!r} in {weights_dir} for the engine {engine!r}; there is: {there} (of any kind)"
        )
    return path
