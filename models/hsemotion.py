"""HSEmotion `enet_b2_7` (Savchenko 2022, doi:10.1109/TAFFC.2022.3188390): EfficientNet-B2 on AffectNet.

The network is published by its authors (Apache-2.0) and downloaded on first use into the cache that their own
packages use: as ONNX for ONNX Runtime, and as a pickled module for PyTorch. The pickle is never executed: it is
read by torch's weights-only unpickler, which is allowed the layers of this one architecture and nothing else.
"""

import contextlib
import importlib
import io
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from models.artefact import ArtefactError
from models.crop import AFFECTNET
from models.download import DamagedFileError, Limits, Opener, Published, UnavailableError, obtain
from models.inference import Float32, Traits, UInt8
from models.labels import LABELS
from models.onnx_engine import open_session

NAME: Final = "enet_b2_7"
SIZE: Final = 260
CHANNELS: Final = 3
CLASSES: Final = ("Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise")
"""The order of the network's outputs, in HSEmotion's words."""

CACHE: Final = Path("~/.hsemotion")
"""The folder that the packages `hsemotion` and `hsemotion-onnx` keep their networks in."""

_TREE: Final = (
    "https://github.com/sb-ai-lab/EmotiEffLib/raw/f1df0e8548c666d268826e50b7de107fd5553e9d/models/affectnet_emotions"
)
ONNX_FILE: Final = Published(
    f"{_TREE}/onnx/{NAME}.onnx", f"{NAME}.onnx", "cdd6a6070b72ed2e59e15e810ae0ecdbcb0f7626", 64 << 20
)
TORCH_FILE: Final = Published(f"{_TREE}/{NAME}.pt", f"{NAME}.pt", "5a8ccbb17913461296003be726a22b6fc40d602b", 64 << 20)

TEMPERATURE: Final = 1.0
"""By which the logits are divided before the softmax (Guo et al. 2017). One, that is as published and perhaps
too sure of itself: it was never fitted, for lack of the published weights where this was written."""

_OUR_NAMES: Final = {
    "Anger": "angry",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happiness": "happy",
    "Neutral": "neutral",
    "Sadness": "sad",
    "Surprise": "surprise",
}
_IMAGENET_MEAN: Final = np.array((0.485, 0.456, 0.406), np.float32)
_IMAGENET_STD: Final = np.array((0.229, 0.224, 0.225), np.float32)

# Every class in the published module (timm 0.9.7, `tf_efficientnet_b2_ns` with seven outputs), each under the
# module path that the pickle names. torch allows tensors, parameters and plain containers by itself.
_ALLOWED: Final = {
    "timm.models.efficientnet": ("EfficientNet",),
    "timm.models._efficientnet_blocks": ("DepthwiseSeparableConv", "InvertedResidual", "SqueezeExcite"),
    "timm.layers.adaptive_avgmax_pool": ("SelectAdaptivePool2d",),
    "timm.layers.conv2d_same": ("Conv2dSame",),
    "timm.layers.drop": ("DropPath",),
    "timm.layers.norm_act": ("BatchNormAct2d",),
    "torch.nn.modules.activation": ("SiLU", "Sigmoid"),
    "torch.nn.modules.batchnorm": ("BatchNorm2d",),
    "torch.nn.modules.container": ("Sequential",),
    "torch.nn.modules.conv": ("Conv2d",),
    "torch.nn.modules.dropout": ("Dropout",),
    "torch.nn.modules.flatten": ("Flatten",),
    "torch.nn.modules.linear": ("Identity", "Linear"),
    "torch.nn.modules.pooling": ("AdaptiveAvgPool2d",),
}


def order_of(classes: tuple[str, ...]) -> list[int]:
    """Return, for each of `LABELS`, its place among HSEmotion's `classes`.

    Raises:
        DamagedFileError: `classes` are not the seven that are known.
    """
    ours = [_OUR_NAMES.get(name) for name in classes]
    if sorted(map(str, ours)) != sorted(LABELS):
        raise DamagedFileError(f"its classes are {', '.join(classes)}, not the seven of {NAME}")
    return [ours.index(label) for label in LABELS]


def softmax(logits: Float32) -> Float32:
    """Map logits [B, 7] to probabilities [B, 7], at `TEMPERATURE`."""
    powers = np.exp((logits - logits.max(axis=1, keepdims=True)) / TEMPERATURE)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


class HSEmotionOnnx:
    """The published ONNX network through ONNX Runtime. A `FaceModel`.

    Raises:
        DamagedFileError: the file is not an ONNX network of this architecture.
    """

    name, size, channels, geometry = NAME, SIZE, CHANNELS, AFFECTNET
    traits = Traits()

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._session = open_onnx(path, threads)
        self._input = self._session.get_inputs()[0].name
        self._order = order_of(CLASSES)

    def predict(self, crops: UInt8) -> Float32:
        """Map RGB crops [B, 260, 260, 3] (UInt8) to probabilities [B, 7]."""
        pixels = (crops.astype(np.float32) / 255 - _IMAGENET_MEAN) / _IMAGENET_STD
        planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        (logits,) = self._session.run(None, {self._input: planes})
        return softmax(logits[:, self._order])


class HSEmotionTorch:
    """The published module through the package `hsemotion`. A `FaceModel`.

    Raises:
        DamagedFileError: the file is not a module of this architecture, or holds anything besides one.
        UnavailableError: the packages for this engine are not installed.
    """

    name, size, channels, geometry = NAME, SIZE, CHANNELS, AFFECTNET
    traits = Traits()

    def __init__(self, path: Path, threads: int = 1) -> None:
        try:
            import torch  # here, because only this engine needs it
            from hsemotion.facial_emotions import HSEmotionRecognizer
        except ImportError as error:
            raise UnavailableError(f"INFERENCE_ENGINE=torch needs the packages of requirements.txt: {error}") from error
        _refuse_strangers(path)
        torch.set_num_threads(threads)
        self._torch = torch
        try:
            # The package takes a name and looks for it in its cache; an absolute name is found where it lies.
            # It prints its settings, which nobody asked for.
            with (
                torch.serialization.safe_globals(_allowed_classes()),
                contextlib.redirect_stdout(io.StringIO()),
            ):
                self._recognizer: Any = HSEmotionRecognizer(str(path.absolute().with_suffix("")), device="cpu")
        except Exception as error:  # whatever a damaged module raises on its way in
            raise DamagedFileError(f"{path} could not be loaded: {error}") from error
        if self._recognizer.img_size != SIZE:
            raise DamagedFileError(f"{path} is not {NAME}")
        self._order = order_of(tuple(self._recognizer.idx_to_class.values()))

    def predict(self, crops: UInt8) -> Float32:
        """Map RGB crops [B, 260, 260, 3] (UInt8) to probabilities [B, 7]."""
        with self._torch.inference_mode():
            _, logits = self._recognizer.predict_multi_emotions(list(crops), logits=True)
        return softmax(np.asarray(logits, np.float32)[:, self._order])


def load_hsemotion(
    engine: str,
    *,
    threads: int = 1,
    cache: Path = CACHE,
    limits: Limits | None = None,
    opener: Opener | None = None,
) -> HSEmotionOnnx | HSEmotionTorch:
    """Load `enet_b2_7`, downloading it on first use.

    Args:
        engine: `onnx` or `torch`.
        threads: CPU threads of one model call.
        cache: folder of downloaded networks.
        limits: the download's time limits.
        opener: replaces the https client.

    Raises:
        UnavailableError: there is no folder for it, it is not in the cache and could not be downloaded, or it
            cannot be loaded.
    """
    published, check = (TORCH_FILE, check_module) if engine == "torch" else (ONNX_FILE, check_onnx)
    try:
        folder = cache.expanduser()
    except RuntimeError as error:  # a user without a home, as in some containers
        raise UnavailableError(f"{cache} is no folder: {error}") from error
    path = obtain(published, folder, check, limits=limits, opener=opener)
    try:
        return HSEmotionTorch(path, threads) if engine == "torch" else HSEmotionOnnx(path, threads)
    except DamagedFileError as error:
        raise UnavailableError(str(error)) from error


def open_onnx(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open an ONNX network and see that it maps [B, 3, 260, 260] to [B, 7].

    Raises:
        DamagedFileError: it does not, or is not ONNX.
    """
    try:
        session = open_session(path, threads)
    except ArtefactError as error:
        raise DamagedFileError(f"not an ONNX network: {str(error)[:200]}") from error
    shapes = [tensor.shape for tensor in (*session.get_inputs(), *session.get_outputs())]
    if len(shapes) != 2 or shapes[0][1:] != [CHANNELS, SIZE, SIZE] or shapes[1][1:] != [len(CLASSES)]:
        raise DamagedFileError(f"its shapes are {shapes}, not those of {NAME}")
    return session


def check_onnx(path: Path) -> None:
    """Raise `DamagedFileError` unless the file is an ONNX network with the expected shapes."""
    open_onnx(path)


def check_module(path: Path) -> None:
    """Raise `DamagedFileError` unless the file is a whole torch archive. Reads no pickle."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > TORCH_FILE.max_bytes:
                raise DamagedFileError("it unpacks to too much")
            if sum(member.filename.endswith("/data.pkl") for member in members) != 1:
                raise DamagedFileError("not a torch archive")
            broken = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise DamagedFileError(f"not a torch archive: {error}") from error
    if broken is not None:
        raise DamagedFileError(f"{broken} in it is damaged")


def _refuse_strangers(path: Path) -> None:
    """Raise `DamagedFileError` where a module's pickle names anything but the layers of this network.

    Only the names are read. `hsemotion` calls `torch.load` in its default mode; that is the weights-only one,
    but an environment variable can switch it off, so the package alone is not relied upon.
    """
    import torch

    allowed = {f"{module}.{name}" for module, names in _ALLOWED.items() for name in names}
    try:
        strangers = set(torch.serialization.get_unsafe_globals_in_checkpoint(path)) - allowed
    except Exception as error:  # whatever a damaged archive raises
        raise DamagedFileError(f"{path} is not a torch archive: {error}") from error
    if strangers:
        raise DamagedFileError(
            f"{path} is refused: it holds {', '.join(sorted(strangers))}, which {NAME} has no use for"
        )


def _allowed_classes() -> list[Any]:
    return [getattr(importlib.import_module(module), name) for module, names in _ALLOWED.items() for name in names]
