"""Sounds that no one makes, for a voice network to learn that they are nobody's mood."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from models.augment_voice import coloured_noise
from models.inference import SAMPLE_RATE, Float32

Sound = NDArray[np.floating[Any]]

HIGHEST: Final = 0.49 * SAMPLE_RATE
"""Hz; above half the rate a tone would come out as another one."""


def draw(length: int, rng: np.random.Generator) -> Float32:
    """Draw a sound [N] of one of `KINDS`, or of two at once, that may swell and fade, at -50 to -10 dBFS.

    What is sharper than that level allows, as a single stroke is, is clipped, as a microphone would.
    """
    sound = np.zeros(length)
    for kind in rng.choice(len(KINDS), rng.choice([1, 2])):
        sound += rng.uniform(0.1, 1.0) * _unit(KINDS[kind](length, rng))
    if rng.random() < 0.3:
        sound *= _swelling(length, rng)
    level = 10 ** (rng.uniform(-50, -10) / 20)
    return np.clip(_unit(sound) * level, -1.0, 1.0).astype(np.float32)


def hum(length: int, rng: np.random.Generator) -> Sound:
    """Mains, a transformer, a motor that idles: the harmonics of 50 or 60 Hz."""
    harmonics = rng.exponential(size=8) / np.arange(1, 9) ** rng.uniform(0, 1.5)
    cycles = np.arange(1, 9)[:, None] * rng.choice([50.0, 60.0]) * _seconds(length) + rng.random((8, 1))
    return np.asarray(harmonics @ np.sin(2 * np.pi * cycles))


def noise(length: int, rng: np.random.Generator) -> Sound:
    """A fan, rain, a hiss: noise whose power falls, or rises, by up to 6 dB an octave."""
    return coloured_noise(length, rng.uniform(-2, 2), rng)


def band_noise(length: int, rng: np.random.Generator) -> Sound:
    """Steam, wind in a gap, a tap: noise in a band from a third of an octave to all above its lower edge."""
    low = _log_uniform(100, 5000, rng)
    high = min(low * _log_uniform(1.26, 80, rng), HIGHEST)
    band = scipy.signal.butter(2, [low, high], "bandpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(scipy.signal.sosfilt(band, rng.standard_normal(length)))


def tones(length: int, rng: np.random.Generator) -> Sound:
    """A siren, a whistle, a machine, beeps: a tone that stays or glides to and fro, through or broken off."""
    times = _seconds(length)
    lowest, width = np.log(_log_uniform(250, 3000, rng)), rng.choice([0.0, rng.uniform(0, 1.2)])
    width = min(width, np.log(HIGHEST) - lowest)
    glide = 0.5 - 0.5 * np.cos(2 * np.pi * (_log_uniform(0.2, 6, rng) * times + rng.random()))
    pitch = np.exp(lowest + width * glide)
    phase = np.cumsum(pitch) / SAMPLE_RATE
    harmonics = enumerate(rng.exponential(size=3) / [1, 2, 4], 1)
    sound = sum(loud * np.sin(2 * np.pi * k * phase) * (k * pitch <= HIGHEST) for k, loud in harmonics)
    if rng.random() < 0.3:
        sound = sound * ((_log_uniform(2, 8, rng) * times + rng.random()) % 1 < rng.uniform(0.2, 0.8))
    return np.asarray(sound)


def strokes(length: int, rng: np.random.Generator) -> Sound:
    """Knocks, typing, steps, drops: what rings and dies away, one to ten times a second, not quite in time."""
    sound = np.zeros(length)
    period = SAMPLE_RATE / _log_uniform(1, 10, rng)
    pitch, decay, rough = _log_uniform(150, 4000, rng), _log_uniform(0.005, 0.1, rng), rng.random()
    start = rng.uniform(0, min(period, length / 2))
    while start < length:
        since = _seconds(length - int(start))
        ring = (1 - rough) * np.sin(2 * np.pi * pitch * since) + rough * rng.standard_normal(len(since))
        sound[int(start) :] += rng.uniform(0.3, 1) * ring * np.exp(-since / decay)
        start += period * rng.uniform(0.7, 1.3)
    return sound


KINDS: Final[tuple[Callable[[int, np.random.Generator], Sound], ...]] = (hum, noise, band_noise, tones, strokes)


def _swelling(length: int, rng: np.random.Generator) -> Sound:
    knots = 10 ** (rng.standard_normal(length // (SAMPLE_RATE // 4) + 2) * 8 / 20)
    return np.interp(np.linspace(0, len(knots) - 1, length), np.arange(len(knots)), knots)


def _seconds(length: int) -> Sound:
    return np.arange(length) / SAMPLE_RATE


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _unit(sound: Sound) -> Sound:
    return sound / max(float(np.sqrt(np.square(sound).mean())), 1e-9)
