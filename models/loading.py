"""From a model's name in the settings to a model that is ready to serve."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from models.artefact import ArtefactError
from models.checksums import check_sum
from models.inference import VoiceModel

if TYPE_CHECKING:
    from models.onnx_engine import OnnxFace, OnnxFusion
    from models.torch_engine import TorchFace, TorchFusion

Model = TypeVar("Model")


def load_voice(name: str, *, engine: str, weights_dir: Path, threads: int = 1) -> VoiceModel:
    """Load `weights_dir/name.onnx` or `.pt`.

    Args:
        name: Of the artefact, e.g. `audio_bilstm`.
        engine: `onnx` (ONNX Runtime) or `torch`.
        weights_dir: Where the artefacts lie.
        threads: Of one call. PyTorch has one such number for the whole process.

    Raises:
        ArtefactError: There is no such artefact, or it is damaged (`models.checksums`).
        ImportError: The engine is not installed.
    """
    if engine == "torch":
        _prepare_torch(threads)
        from models.torch_engine import TorchVoice

        return _open(TorchVoice, weights_dir, name, ".pt")
    from models.onnx_engine import OnnxVoice

    return _open(lambda path: OnnxVoice(path, threads), weights_dir, name, ".onnx")


def load_face(
    name: str, *, engine: str, weights_dir: Path, threads: int = 1, besides: Sequence[str] = ()
) -> "OnnxFace | TorchFace":
    """Load a face artefact; arguments and errors as in `load_voice`.

    `besides` are names that the caller knows as well: an `ArtefactError` for an unknown name offers them.
    """
    if engine == "torch":
        _prepare_torch(threads)
        from models.torch_engine import TorchFace

        return _open(TorchFace, weights_dir, name, ".pt", besides)
    from models.onnx_engine import OnnxFace

    return _open(lambda path: OnnxFace(path, threads), weights_dir, name, ".onnx", besides)


def load_fusion(name: str, *, engine: str, weights_dir: Path, threads: int = 1) -> "OnnxFusion | TorchFusion":
    """Load an artefact of feature fusion; arguments and errors as in `load_voice`."""
    if engine == "torch":
        _prepare_torch(threads)
        from models.torch_engine import TorchFusion

        return _open(TorchFusion, weights_dir, name, ".pt")
    from models.onnx_engine import OnnxFusion

    return _open(lambda path: OnnxFusion(path, threads), weights_dir, name, ".onnx")


def _prepare_torch(threads: int) -> None:
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"INFERENCE_ENGINE=torch needs the packages of requirements.txt: {error}") from error
    torch.set_num_threads(threads)


def _open(
    model: Callable[[Path], Model], weights_dir: Path, name: str, suffix: str, besides: Sequence[str] = ()
) -> Model:
    path = weights_dir / f"{name}{suffix}"
    if path.is_file():
        check_sum(path)
        return model(path)
    fitting = [other.stem for other in sorted(weights_dir.glob(f"*{suffix}")) if _opens(model, other)]
    there = ", ".join([*besides, *fitting]) or "none"
    raise ArtefactError(f"no model {name!r}: there is no {path}; models of this kind: {there}")


def _opens(model: Callable[[Path], Model], path: Path) -> bool:
    try:
        model(path)
    except ArtefactError:  # of the other kind, or damaged
        return False
    return True
