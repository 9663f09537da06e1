"""Serving through ONNX Runtime: the default engine, without any training framework."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from models.artefact import METADATA_KEY, ArtefactError, ArtefactInfo
from models.calibration import REFERENCE
from models.inference import Float32, Int16, UInt8

CPU: Final = "CPUExecutionProvider"
_SUFFIX: Final = "ExecutionProvider"

_providers: tuple[str, ...] = (CPU,)  # of the whole process, as the threads of PyTorch and OpenCV are


class ProviderError(ImportError):
    """ONNX Runtime, as it is installed here, cannot run graphs on what was asked for."""


def choose_providers(names: Iterable[str]) -> None:
    """Say what runs every graph that this process opens from now on.

    Args:
        names: Of ONNX Runtime's execution providers, the preferred first: `CUDAExecutionProvider`, or `cuda` for short.

    Raises:
        ProviderError: The build of ONNX Runtime that is installed has no such provider.
    """
    global _providers  # noqa: PLW0603 - there is one choice, as there is one machine
    there = {name.removesuffix(_SUFFIX).lower(): name for name in onnxruntime.get_available_providers()}
    chosen = []
    for name in names:
        short = name.lower().removesuffix(_SUFFIX.lower())
        if short not in there:
            offered = ", ".join(sorted(there))
            raise ProviderError(f"ONNX_PROVIDERS={name}: ONNX Runtime as it is installed here has only {offered}")
        chosen.append(there[short])
    _providers = tuple(chosen) or (CPU,)


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Open a graph on the chosen providers, the CPU where nobody chose.

    Raises:
        ArtefactError: The file is missing or no ONNX graph.
        ProviderError: A chosen provider does not start, for want of a device or of its libraries.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A waiting thread must sleep: the cores belong to the other models and to the event loop.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=list(_providers))
    except Exception as error:  # the runtime's own exceptions share no base class
        raise ArtefactError(f"cannot open {path}: {error}") from error
    # The runtime goes on without a provider that does not start; whoever chose it is to know.
    if missing := set(_providers) - set(session.get_providers()):
        raise ProviderError(f"ONNX_PROVIDERS: {', '.join(sorted(missing))} does not start on this machine")
    return session


def read_info(session: onnxruntime.InferenceSession, path: Path, kind: str | None = None) -> ArtefactInfo:
    """Return what the graph says of itself; it is to be of this kind, if one is given.

    Raises:
        ArtefactError: It is not an artefact of this project, or of another kind.
    """
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ArtefactError(f"{path} does not describe itself: export it with this project's scripts")
    try:
        info = ArtefactInfo.from_json(text)
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from error
    if kind not in (None, info.kind):
        raise ArtefactError(f"{path} is a {info.kind} model, expected a {kind} model")
    return info


class OnnxVoice:
    """A voice artefact on ONNX Runtime; fulfils `models.inference.VoiceModel`."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._session = open_session(path, threads)
        info = read_info(self._session, path, "voice")
        self.name, self.traits, self.heard = info.name, info.traits, frozenset(info.heard)

    def answer(self, windows: Int16, references: Float32 | None = None) -> tuple[Float32, Float32 | None]:
        """Map windows [B, N] and references [B, 80] to probabilities [B, 7] and statistics [B, 80]."""
        inputs = {"waveform": _waveform(windows)}
        if not self.traits.adaptive:
            return self._session.run(["probabilities"], inputs)[0], None
        inputs["reference"] = np.zeros((len(windows), REFERENCE), np.float32) if references is None else references
        # Both come of one spectrogram: the statistics cost next to nothing.
        probs, statistics = self._session.run(["probabilities", "statistics"], inputs)
        return probs, statistics

    def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
        """Return the probabilities alone."""
        return self.answer(windows, references)[0]


class OnnxFace:
    """A face artefact on ONNX Runtime; fulfils `models.inference.FaceModel`."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._session = open_session(path, threads)
        info = read_info(self._session, path, "face")
        self.name, self.traits = info.name, info.traits
        self.size, self.channels, self.geometry = info.size, info.channels, info.framing(path)

    def predict(self, crops: UInt8) -> Float32:
        """Map crops [B, size, size, channels] to probabilities [B, 7]."""
        probs: Float32 = self._session.run(None, {"crops": _pixels(crops)})[0]
        return probs


class OnnxFusion:
    """An artefact of feature fusion on ONNX Runtime; fulfils `models.inference.FusionModel`."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._session = open_session(path, threads)
        info = read_info(self._session, path, "fusion")
        self.name, self.traits, self.heard = info.name, info.traits, frozenset(info.heard)
        self.size, self.channels, self.geometry = info.size, info.channels, info.framing(path)

    def predict(self, windows: Int16, crops: UInt8) -> Float32:
        """Map windows [B, N] and crops [B, size, size, channels] of the same moments to probabilities [B, 7]."""
        probs: Float32 = self._session.run(None, {"waveform": _waveform(windows), "crops": _pixels(crops)})[0]
        return probs


def _waveform(windows: Int16) -> Float32:
    return windows.astype(np.float32) / np.float32(32768)


def _pixels(crops: UInt8) -> Float32:
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2), dtype=np.float32)
