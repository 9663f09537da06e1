"""A few people's speech, of tones: pitch and timbre are the speaker's, loudness and pulse are the label's."""

from pathlib import Path

import numpy as np
import soundfile
import torch

from models.datasets.clips import Clip
from models.inference import SAMPLE_RATE, Int16
from models.labels import LABELS
from models.networks.voice import AudioBiLSTM

Sounds = list[tuple[Clip, Int16]]


def say(label: str, pitch: float, seconds: float = 1.6, take: int = 0) -> Int16:
    """Return a harmonic tone in a little noise, between two short pauses, the same whenever it is asked for."""
    number = LABELS.index(label)
    rng = np.random.default_rng((number, round(pitch), take))
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    overtones = np.arange(1, 9)
    tone = (np.sin(2 * np.pi * pitch * times[:, None] * overtones) / overtones ** (1 + pitch / 400)).sum(axis=1)
    swell = 1 + 0.5 * np.sin(2 * np.pi * (2 + number) * times)
    voice = 0.02 * (1 + number) * swell * tone + 0.002 * rng.standard_normal(len(times))
    return np.pad(np.round(voice.clip(-1, 1) * 32767), SAMPLE_RATE // 5).astype(np.int16)


def people(clips: dict[str, list[str]]) -> Sounds:
    """Return a clip for each label that a speaker says; each speaker has a pitch of their own."""
    sounds = []
    for number, (speaker, labels) in enumerate(clips.items()):
        for take, label in enumerate(labels):
            clip = Clip(Path(f"{speaker}-{take}.wav"), label, speaker, "female" if number % 2 else "male")
            sounds.append((clip, say(label, 110 + 45 * number, take=take)))
    return sounds


def small_network(*, adaptive: bool = True) -> AudioBiLSTM:
    """Return a network of the real structure with few units and random weights, ready to answer."""
    torch.manual_seed(0)
    return AudioBiLSTM(channels=16, hidden=12, layers=1, adaptive=adaptive).eval()


def ravdess_tree(root: Path, actors: range) -> None:
    """Write one clip of each emotion of each actor, in RAVDESS' layout."""
    for actor in actors:
        for emotion, label in enumerate(("neutral", "neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")):
            path = root / f"Actor_{actor:02d}" / f"03-01-{emotion + 1:02d}-01-01-01-{actor:02d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, say(label, 100 + 12 * actor, take=emotion), SAMPLE_RATE)
