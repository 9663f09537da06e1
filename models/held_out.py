"""Voice validation: the windows that a stream would ask about, of people held out from training."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from models.calibration import REFERENCE
from models.datasets.speech import Clip
from models.inference import Float32, Int16
from models.labels import LABELS
from models.metrics import top_k, uar
from models.networks.voice import AudioBiLSTM
from models.torch_engine import in_wire_order
from models.voice_batches import adaptive, speaker_reference
from models.windows import stream_windows

CALIBRATION_CLIPS = 2
"""Neutral clips by which a speaker is known: about seven seconds."""
AT_ONCE = 128
"""Windows that a network is asked about at once."""


class HeldOut:
    """The 1 s windows of clips [K] and, for each, its clip, its label and, for adaptive networks, its speaker.

    A speaker's reference is made of their first two neutral clips; the rows of those are not in `unused`.

    Attributes:
        names: Of the network's labels [C].
        clips: The clip of each window [K].
        labels: The label of each window [K], index into `LABELS`.
        targets: The same, index into `names`.
        unused: Which windows [K] no reference was made of.
    """

    def __init__(self, network: nn.Module, sounds: list[tuple[Clip, Int16]], names: Sequence[str] = LABELS) -> None:
        cuts = [stream_windows(sound) for _, sound in sounds]
        rows = [len(windows) for windows in cuts]
        self.names = tuple(names)
        self.clips = np.repeat(np.arange(len(sounds)), rows)
        self.labels, self.targets = (
            np.repeat([order.index(clip.label) for clip, _ in sounds], rows) for order in (LABELS, self.names)
        )
        self._windows = np.concatenate(cuts)
        listener, self.unused = adaptive(network), np.ones(len(self.clips), dtype=bool)
        self._references: Tensor | None = None
        if listener is not None:
            references, used = _references(listener, sounds)
            self._references = torch.from_numpy(np.repeat(references, rows, axis=0))
            self.unused = ~np.isin(self.clips, used)

    @torch.no_grad()
    def logits(self, network: nn.Module, *, known: bool = False) -> Tensor:
        """Return logits [K, C]; `known` tells an adaptive network who speaks."""
        network.eval()
        device = next(network.parameters()).device
        answers = []
        for start in range(0, len(self._windows), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            given = [torch.from_numpy(self._windows[part] / np.float32(32768))]
            if known and self._references is not None:
                given.append(self._references[part])
            answers.append(network(*(values.to(device) for values in given)).cpu())
        return torch.cat(answers)

    def probs(self, logits: Tensor) -> Float32:
        """Return the probabilities [K, 7] of logits [K, C]; labels that the network does not know have none."""
        probs: Float32 = in_wire_order(logits.softmax(dim=1), self.names).numpy()
        return probs

    def metrics(self, network: nn.Module) -> dict[str, float]:
        """Return top-1 and UAR of single windows, and for adaptive networks the UAR where the speaker is known."""
        probs = self.probs(self.logits(network))
        figures = {"top1": top_k(probs, self.labels, 1), "uar": uar(probs, self.labels)}
        if self._references is not None:
            known = self.probs(self.logits(network, known=True))[self.unused]
            figures["uar_known"] = uar(known, self.labels[self.unused])
        return figures

    def neutral(self, probs: Float32) -> tuple[float, ...]:
        """Return the geometric mean [7] of the answers [K, 7] to neutral windows, as probabilities; () for none."""
        answers = probs[self.labels == LABELS.index("neutral")]
        if not len(answers):
            return ()
        mean = np.exp(np.log(answers.clip(1e-6)).mean(axis=0)) * np.isin(LABELS, self.names)
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
