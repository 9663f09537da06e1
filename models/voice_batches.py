"""What a voice network is trained on: windows of many speakers through many channels, and who each speaker is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models import non_speech
from models.augment_voice import Channel, Others
from models.calibration import REFERENCE, reference
from models.datasets.clips import draw_weights
from models.datasets.speech import Clip
from models.distillation import Teachers
from models.inference import SAMPLE_RATE, Float32, Int16
from models.labels import LABELS
from models.networks.voice import AudioBiLSTM
from models.training import Batch, Recipe, mixup, soft_targets
from models.windows import cut, draw_length, draw_start, speech_span, stream_windows

Sounds = list[tuple[Clip, Int16]]
CHANNELS = 6
"""Channels that each speaker is heard over in an epoch."""


@dataclass(frozen=True, slots=True)
class Mix:
    """What a batch is made of.

    Attributes:
        batches: Length of an epoch.
        known: Share of the windows whose speaker's reference is told to an adaptive network.
        non_speech: Share of the windows without a voice; their target is that every label is as likely as another.
    """

    batches: int
    known: float = 0.5
    non_speech: float = 0.08


@dataclass(frozen=True, slots=True)
class Drawn:
    """A channel of a speaker, and the reference [80] that the speaker's neutral voice gives over it, and in quiet."""

    channel: Channel
    reference: Float32 = field(default_factory=lambda: np.zeros(REFERENCE, np.float32))
    in_quiet: Float32 = field(default_factory=lambda: np.zeros(REFERENCE, np.float32))


class SpeechBatches:
    """Draws augmented windows of clips, those by `draw_weights`. Each batch has one window length.

    For an adaptive network, windows of one person that came over one channel share a reference, which was made of a
    few of that person's neutral clips over the same channel. With `teachers` a part `trust` of the targets is what they
    say of the same window in quiet.
    """

    def __init__(
        self,
        sounds: Sounds,
        recipe: Recipe,
        mix: Mix,
        network: nn.Module,
        labels: Sequence[str] = LABELS,
        teachers: Teachers | None = None,
        trust: float = 0.0,
    ) -> None:
        self._sounds, self._recipe, self._mix, self._adaptive = sounds, recipe, mix, adaptive(network)
        self._teachers, self._trust = teachers, trust
        self._classes = len(labels)
        self._spans = [speech_span(sound) for _, sound in sounds]
        self._labels = np.array([labels.index(clip.label) for clip, _ in sounds])
        self._is_neutral = np.array([clip.label == "neutral" for clip, _ in sounds])
        self._speakers = np.array([clip.speaker for clip, _ in sounds])
        self._weights = draw_weights([clip for clip, _ in sounds])

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield an epoch of (inputs, targets [B, C]); the same for the same seed and number.

        Inputs are waveforms [B, N], or (waveforms [B, N], references [B, 80], tracts [B, 1]) for an adaptive network.
        """
        recipe, mix = self._recipe, self._mix
        rng = np.random.default_rng((recipe.seed, number))
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + number)
        channels = self._draw_channels(rng)
        for _ in range(mix.batches):
            length = draw_length(rng)
            chosen = rng.choice(len(self._sounds), recipe.batch_size, p=self._weights)
            windows, in_quiet = (np.zeros((recipe.batch_size, length), np.float32) for _ in range(2))
            references, quiet_references = (np.zeros((recipe.batch_size, REFERENCE), np.float32) for _ in range(2))
            tracts = np.ones((recipe.batch_size, 1), np.float32)
            for row, index in enumerate(chosen):
                drawn = channels[self._speakers[index]][rng.integers(CHANNELS)]
                # A fifth more than is needed: a change of speed shortens it.
                voice = self._cut(index, length * 6 // 5, rng)
                altered = drawn.channel.apply(voice, self._others(self._speakers[index], rng), rng)[-length:]
                windows[row, length - len(altered) :] = altered
                if self._teachers:
                    spoken = drawn.channel.speaker.apply(voice, _nobody, rng)[-length:]
                    in_quiet[row, length - len(spoken) :] = spoken
                tracts[row] = drawn.channel.tract
                if rng.random() < mix.known:
                    references[row], quiet_references[row] = drawn.reference, drawn.in_quiet
            targets = soft_targets(torch.from_numpy(self._labels[chosen]), self._classes, recipe.label_smoothing)
            if self._teachers:
                quiet = torch.from_numpy(in_quiet)
                who = torch.from_numpy(quiet_references), torch.from_numpy(tracts)
                heard = quiet if self._adaptive is None else (quiet, *who)
                targets = self._teachers.correct(targets, heard, self._trust)
            inputs, targets = mixup(torch.from_numpy(windows), targets, recipe.mixup, generator)
            # After the mixup: a fan blended into quiet speech would drown it.
            for row in np.flatnonzero(rng.random(recipe.batch_size) < mix.non_speech):
                inputs[row] = torch.from_numpy(non_speech.draw(length, rng))
                targets[row] = 1.0 / self._classes
            known = torch.from_numpy(references), torch.from_numpy(tracts)
            yield (inputs if self._adaptive is None else (inputs, *known)), targets

    def _cut(self, index: int, length: int, rng: np.random.Generator) -> Float32:
        """Draw a window of `length` samples, a good part of it speech."""
        sound = self._sounds[index][1]
        return cut(sound, draw_start(sound, self._spans[index], length, rng), length)

    def _others(self, speaker: str, rng: np.random.Generator) -> Others:
        """Return what draws other people to talk at the same time as `speaker`; where there are none, nobody does."""

        def draw(count: int) -> list[Float32]:
            others = np.flatnonzero(self._speakers != speaker)
            return [self._cut(int(i), 2 * SAMPLE_RATE, rng) for i in rng.choice(others, count if len(others) else 0)]

        return draw

    def _draw_channels(self, rng: np.random.Generator) -> dict[str, list[Drawn]]:
        """Draw channels for each speaker, and what each makes of that speaker's neutral voice."""
        drawn = {}
        for speaker in sorted(set(self._speakers)):
            neutral = np.flatnonzero((self._speakers == speaker) & self._is_neutral)
            drawn[speaker] = [self._over(Channel.draw(rng), neutral, rng) for _ in range(CHANNELS)]
        return drawn

    def _over(self, channel: Channel, neutral: NDArray[np.intp], rng: np.random.Generator) -> Drawn:
        if self._adaptive is None or not len(neutral):  # nobody asks, or nothing to go by
            return Drawn(channel)
        others = self._others(self._speakers[neutral[0]], rng)
        references = []
        chosen = rng.choice(neutral, min(len(neutral), 2), replace=False)
        for way in (channel, channel.speaker) if self._teachers else (channel,):
            clips = [way.apply(self._sounds[index][1].astype(np.float32) / 32768, others, rng) for index in chosen]
            heard = [np.round(clip * 32767).astype(np.int16) for clip in clips]
            references.append(speaker_reference(self._adaptive, heard, channel.tract))
        return Drawn(channel, *references)


def _nobody(_: int) -> list[Float32]:
    return []


def adaptive(network: nn.Module) -> AudioBiLSTM | None:
    """Return the network if it takes references beside waveforms."""
    return network if isinstance(network, AudioBiLSTM) and network.adaptive else None


@torch.no_grad()
def speaker_reference(network: AudioBiLSTM, clips: list[Int16], tract: float = 1.0) -> Float32:
    """Return the reference [80] that a stream of these neutral clips would give.

    Args:
        network: Describes them.
        clips: Of one person, over one channel.
        tract: How many times as long to make their vocal tract.
    """
    windows = np.concatenate([stream_windows(clip) for clip in clips]).astype(np.float32) / 32768
    device = network.mean.device
    tracts = torch.full((len(windows), 1), tract, device=device)
    return reference(list(network.describe(torch.from_numpy(windows).to(device), tracts).cpu().numpy()))


@torch.no_grad()
def set_population(network: AudioBiLSTM, sounds: Sounds) -> None:
    """Tell the network the mean and deviation of all people's coefficients, from the middle second of each clip."""
    statistics = []
    for _, sound in sounds:
        start, end = speech_span(sound)
        middle = max(0, (start + end - SAMPLE_RATE) // 2)
        window = np.zeros(SAMPLE_RATE, np.float32)
        found = sound[middle : middle + SAMPLE_RATE].astype(np.float32) / 32768
        window[: len(found)] = found
        statistics.append(network.describe(torch.from_numpy(window)[None])[0])
    mean, square = torch.stack(statistics).mean(dim=0).chunk(2)
    # In units of what it was told before, if so.
    network.mean.add_(mean[:, None] * network.deviation)
    network.deviation.mul_((square - mean.square()).sqrt()[:, None])
