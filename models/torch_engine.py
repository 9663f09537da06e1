"""Serving and storing through PyTorch: `.pt` artefacts, loaded without unpickling anything but tensors."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import scipy.optimize
import torch
from torch import Tensor, nn

from models.artefact import ArtefactError, ArtefactInfo
from models.calibration import REFERENCE
from models.checksums import record_sum
from models.inference import Float32, Int16, UInt8
from models.labels import LABELS
from models.networks.voice import AudioBiLSTM
from models.registry import build


class Calibrated(nn.Module):
    """A network with its temperature: its inputs to probabilities. This is what is served."""

    def __init__(self, network: nn.Module, info: ArtefactInfo) -> None:
        super().__init__()
        self.network, self.info = network, info

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map the network's inputs to probabilities [B, 7]."""
        return self._answer(self.network(*inputs))

    def answer_and_describe(self, waveform: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Map waveforms and references [B, 80] to probabilities [B, 7] and statistics [B, 80]: an adaptive network."""
        logits, statistics = cast(AudioBiLSTM, self.network).answer_and_describe(waveform, reference)
        return self._answer(logits), statistics

    def _answer(self, logits: Tensor) -> Tensor:
        return in_wire_order(torch.softmax(logits / self.info.temperature, dim=1), self.info.labels)

    def save(self, path: Path) -> None:
        """Write the artefact, half precision free: plain tensors and one JSON text."""
        state = {key: value.detach().cpu() for key, value in self.network.state_dict().items()}
        torch.save({"info": self.info.to_json(), "state": state}, path)
        record_sum(path)

    @classmethod
    def load(cls, path: Path, kind: str | None = None) -> "Calibrated":
        """Read an artefact that `save` wrote.

        Raises:
            ArtefactError: The file is missing, damaged or something else; or not of the `kind` asked for.
        """
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
        except OSError as error:
            raise ArtefactError(f"{path}: {error.strerror or error}") from error
        except Exception as error:  # whatever the damage makes it raise, with advice that nobody should follow
            raise ArtefactError(f"{path} is not an artefact of this project: no weights can be read from it") from error
        try:
            info = ArtefactInfo.from_json(stored["info"])
            if kind not in (None, info.kind):
                raise ArtefactError(f"it is a {info.kind} model, expected a {kind} model")
            network = build(info.network, info.options)
            network.load_state_dict(stored["state"])
        except ArtefactError as error:
            raise ArtefactError(f"{path}: {error}") from error
        except Exception as error:  # of what lies in it nothing is sure
            raise ArtefactError(f"{path} is not an artefact of this project: {error}") from error
        return cls(network, info).eval()


def in_wire_order(probs: Tensor, labels: Sequence[str]) -> Tensor:
    """Map probabilities [B, C] of `labels` [C] to [B, 7] in the order of `LABELS`, those of missing labels zero."""
    if tuple(labels) == LABELS:
        return probs
    places = [labels.index(label) if label in labels else len(labels) for label in LABELS]
    return nn.functional.pad(probs, (0, 1))[:, places]


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Choose the temperature (Guo et al. 2017) that gives held-out logits [N, C] the least Brier score.

    It lies between 0.1 and 20. Cross-entropy, usual here, goes by the few answers that are sure and count as wrong, be
    it by a wrong label. Its temperatures left faces a larger calibration error, and voices the same (docs/tried.md).
    """
    logits, true = logits.double(), nn.functional.one_hot(labels, logits.shape[1])

    def brier(log_temperature: float) -> float:
        return float(((logits / math.exp(log_temperature)).softmax(dim=1) - true).square().sum(dim=1).mean())

    # It may have several minima, and where answers are all but sure no slope: so look everywhere first.
    grid = np.linspace(math.log(0.1), math.log(20), 54)
    losses = [round(brier(place), 9) for place in grid]
    at = min(range(len(grid)), key=lambda place: (losses[place], abs(grid[place])))
    around = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    return math.exp(scipy.optimize.minimize_scalar(brier, bounds=around, method="bounded").x)


class TorchVoice:
    """A voice artefact on PyTorch; fulfils `models.inference.VoiceModel`."""

    def __init__(self, path: Path) -> None:
        self._model = Calibrated.load(path, "voice")
        info = self._model.info
        self.name, self.traits, self.heard = info.name, info.traits, frozenset(info.heard)

    @torch.inference_mode()
    def answer(self, windows: Int16, references: Float32 | None = None) -> tuple[Float32, Float32 | None]:
        """Map windows [B, N] and references [B, 80] to probabilities [B, 7] and statistics [B, 80]."""
        waveform = _waveform(windows)
        if not self.traits.adaptive:
            return self._model(waveform).numpy(), None
        who = torch.zeros(len(windows), REFERENCE) if references is None else torch.from_numpy(references)
        probs, statistics = self._model.answer_and_describe(waveform, who)
        return probs.numpy(), statistics.numpy()

    def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
        """Return the probabilities alone."""
        return self.answer(windows, references)[0]


class TorchFace:
    """A face artefact on PyTorch; fulfils `models.inference.FaceModel`."""

    def __init__(self, path: Path) -> None:
        self._model = Calibrated.load(path, "face")
        info = self._model.info
        self.name, self.traits = info.name, info.traits
        self.size, self.channels, self.geometry = info.size, info.channels, info.framing(path)

    @torch.inference_mode()
    def predict(self, crops: UInt8) -> Float32:
        """Map crops [B, size, size, channels] to probabilities [B, 7]."""
        probs: Float32 = self._model(_pixels(crops)).numpy()
        return probs


class TorchFusion:
    """An artefact of feature fusion on PyTorch; fulfils `models.inference.FusionModel`."""

    def __init__(self, path: Path) -> None:
        self._model = Calibrated.load(path, "fusion")
        info = self._model.info
        self.name, self.traits, self.heard = info.name, info.traits, frozenset(info.heard)
        self.size, self.channels, self.geometry = info.size, info.channels, info.framing(path)

    @torch.inference_mode()
    def predict(self, windows: Int16, crops: UInt8) -> Float32:
        """Map windows [B, N] and crops [B, size, size, channels] of the same moments to probabilities [B, 7]."""
        probs: Float32 = self._model(_waveform(windows), _pixels(crops)).numpy()
        return probs


def _waveform(windows: Int16) -> Tensor:
    return torch.from_numpy(windows.astype(np.float32) / np.float32(32768))


def _pixels(crops: UInt8) -> Tensor:
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float()
