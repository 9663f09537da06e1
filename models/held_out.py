"""Voice validation: the windows that a stream would ask about, of people held out from training."""

import numpy as np
import torch
from torch import Tensor

from models.calibration import REFERENCE
from models.datasets.speech import Clip
from models.inference import Float32, Int16
from models.labels import LABELS
from models.metrics import top_k, uar
from models.networks.voice import AudioBiLSTM
from models.voice_batches import NEUTRAL, speaker_reference
from models.windows import stream_windows

CALIBRATION_CLIPS = 2
"""Neutral clips by which a speaker is known: about seven seconds."""


class HeldOut:
    """The 1 s windows of clips [K] and, for each, its clip, its label and its speaker's reference.

    A reference is made of a speaker's first two neutral clips; the rows of those are not in `unused`.
    """

    def __init__(self, network: AudioBiLSTM, sounds: list[tuple[Clip, Int16]]) -> None:
        cuts = [stream_windows(sound) for _, sound in sounds]
        rows = [len(windows) for windows in cuts]
        self.clips = np.repeat(np.arange(len(sounds)), rows)
        self.labels = np.repeat([LABELS.index(clip.label) for clip, _ in sounds], rows)
        with torch.no_grad():
            network.eval()
            self._mfcc = torch.cat([network.features(torch.from_numpy(part / np.float32(32768))) for part in cuts])
        references, used = _references(network, sounds)
        self._references = torch.from_numpy(np.repeat(references, rows, axis=0))
        self.unused = ~np.isin(self.clips, used)

    @torch.no_grad()
    def logits(self, network: AudioBiLSTM, *, known: bool = False) -> Tensor:
        """Return logits [K, 7]; `known` tells the network who speaks."""
        network.eval()
        device = network.mean.device
        references = self._references if known else torch.zeros_like(self._references)
        parts = [slice(start, start + 256) for start in range(0, len(references), 256)]
        return torch.cat(
            [network.classify(self._mfcc[part].to(device), references[part].to(device)).cpu() for part in parts]
        )

    def metrics(self, network: AudioBiLSTM) -> dict[str, float]:
        """Return top-1 and UAR of single windows, and the UAR where the speaker is known."""
        probs = self.logits(network).softmax(dim=1).numpy()
        known = self.logits(network, known=True).softmax(dim=1).numpy()[self.unused]
        return {
            "top1": top_k(probs, self.labels, 1),
            "uar": uar(probs, self.labels),
            "uar_known": uar(known, self.labels[self.unused]),
        }

    def neutral(self, probs: Float32) -> tuple[float, ...]:
        """Return the geometric mean [7] of the answers [K, 7] to neutral windows, as probabilities."""
        mean = np.exp(np.log(probs[self.labels == NEUTRAL].clip(1e-6)).mean(axis=0))
        return tuple(float(p) for p in mean / mean.sum())


def _references(network: AudioBiLSTM, sounds: list[tuple[Clip, Int16]]) -> tuple[Float32, list[int]]:
    """Return the reference of each clip's speaker [clips, 80], and the clips that were used for one."""
    references = np.zeros((len(sounds), REFERENCE), np.float32)
    used: list[int] = []
    for speaker in {clip.speaker for clip, _ in sounds}:
        theirs = [index for index, (clip, _) in enumerate(sounds) if clip.speaker == speaker]
        neutral = [index for index in theirs if sounds[index][0].label == "neutral"][:CALIBRATION_CLIPS]
        if neutral:
            references[theirs] = speaker_reference(network, [sounds[index][1] for index in neutral])
            used += neutral
    return references, used
