"""Augmentation of speech: who speaks (pace and pitch), in which room, over which line, beside which noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
import scipy.signal
import soxr

from models.inference import SAMPLE_RATE, Float32
from models.windows import speech_span

Others = Callable[[int], Sequence[Float32]]

WIDEST_TRACT = 0.12
"""Largest change of a vocal tract's length, as the logarithm of the factor: of the order of that between people."""
TALKERS = 7
"""Most people who talk beside the voice."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What stays the same from one utterance of a person to the next; None leaves the sound as it is.

    Attributes:
        speed: Factor of pace and pitch together (Ko et al. 2015): another speaker.
        room: Impulse response [N].
        noise: What is heard beside the voice.
        snr_db: The power of what is speech relative to it.
        band: Filter of a telephone or a cheap microphone, in second-order sections.
        gain: Factor.
        tract: How many times as long the speaker's vocal tract is made, which is for the network to do.
    """

    speed: float | None = None
    room: Float32 | None = None
    noise: "Noise | None" = None
    snr_db: float = 0.0
    band: Float32 | None = None
    gain: float = 1.0
    tract: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Channel":
        """Draw one as rooms, microphones and other speakers of the same mood would be."""
        return cls(
            speed=float(np.exp(rng.uniform(np.log(0.87), np.log(1.15)))) if rng.random() < 0.6 else None,
            tract=float(np.exp(rng.uniform(-WIDEST_TRACT, WIDEST_TRACT))) if rng.random() < 0.5 else 1.0,
            room=impulse_response(rng) if rng.random() < 0.25 else None,
            noise=Noise.draw(rng) if rng.random() < 0.7 else None,
            snr_db=rng.uniform(0, 25),
            band=band_filter(rng) if rng.random() < 0.15 else None,
            gain=10 ** (rng.uniform(-12, 6) / 20),
        )

    @property
    def speaker(self) -> "Channel":
        """The same person, as loud, in a quiet room before a good microphone."""
        return replace(self, room=None, noise=None, band=None)

    def apply(self, clip: Float32, others: Others, rng: np.random.Generator) -> Float32:
        """Send one clip (in -1..1) through; `others` gives so many other people's speech.

        The sound gets shorter or longer by `speed`.
        """
        if self.speed is not None:
            clip = change_speed(clip, self.speed)
        if self.room is not None:
            clip = reverberate(clip, self.room)
        if self.noise is not None:
            clip = add_noise(clip, self.noise.sound(len(clip), others, rng), self.snr_db)
        if self.band is not None:
            clip = scipy.signal.sosfilt(self.band, clip).astype(np.float32)
        return np.clip(clip * np.float32(self.gain), -1.0, 1.0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Noise:
    """What is heard beside a voice: other people, or coloured noise that swells and fades.

    Attributes:
        talkers: How many people talk; 0 for none, up to `TALKERS`.
        slope: Powers of frequency by which the noise's power falls, where nobody talks: 0 white, 2 brown.
        swell_db: How far it swells and fades.
    """

    talkers: int
    slope: float
    swell_db: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Noise":
        """Draw one."""
        talks = rng.random() < 0.5
        return cls(int(rng.integers(1, TALKERS + 1)) if talks else 0, rng.uniform(0, 2), rng.choice([0, 4, 8]))

    def sound(self, length: int, others: Others, rng: np.random.Generator) -> Float32:
        """Return it for so many samples; silence where people should talk and there is nobody else."""
        if self.talkers:
            crowd = np.zeros(length, np.float32)
            for other in others(self.talkers):
                crowd += np.resize(other, length) / np.float32(max(float(other.std()), 1e-4))
            return crowd
        noise = coloured_noise(length, self.slope, rng)
        if not self.swell_db:
            return noise
        knots = rng.standard_normal(length // (SAMPLE_RATE // 4) + 2) * self.swell_db / 20
        at = np.linspace(0, len(knots) - 1, length, dtype=np.float32)
        swelling: Float32 = noise * 10 ** np.interp(at, np.arange(len(knots)), knots).astype(np.float32)
        return swelling


def change_speed(clip: Float32, factor: float) -> Float32:
    """Play faster (above 1) or slower; pitch moves along."""
    # Quick quality: an image 60 dB down is far below the noise that is added afterwards.
    slowed: Float32 = soxr.resample(clip, SAMPLE_RATE * factor, SAMPLE_RATE, quality="LQ")
    return slowed


def impulse_response(rng: np.random.Generator) -> Float32:
    """Draw a synthetic room: exponentially decaying noise after the direct sound, RT60 0.15-0.7 s."""
    decay = rng.uniform(0.15, 0.7)
    times = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(times)) * 10 ** (-3 * times / decay)
    tail *= rng.uniform(0.1, 0.5) / np.sqrt((tail**2).sum())
    tail[0] += 1.0
    return np.asarray(tail, dtype=np.float32)


def reverberate(clip: Float32, room: Float32) -> Float32:
    """Put a clip [N] into a room."""
    wet: Float32 = scipy.signal.fftconvolve(clip, room)[: len(clip)].astype(np.float32)
    return wet


def coloured_noise(length: int, slope: float, rng: np.random.Generator) -> Float32:
    """Noise [N] whose power falls by `slope` powers of frequency: 0 is white, 2 brown."""
    fast = scipy.fft.next_fast_len(length, real=True)
    spectrum = scipy.fft.rfft(rng.standard_normal(fast, dtype=np.float32))
    spectrum *= np.maximum(1, np.arange(len(spectrum), dtype=np.float32)) ** np.float32(-slope / 2)
    noise: Float32 = scipy.fft.irfft(spectrum, fast)[:length].astype(np.float32)
    return noise


def add_noise(clip: Float32, noise: Float32, snr_db: float) -> Float32:
    """Mix noise [N] into a clip [N] at a signal-to-noise ratio over what is speech of it, in dB."""
    first, last = speech_span(np.round(np.clip(clip, -1.0, 1.0) * 32767).astype(np.int16))
    signal, power = float(np.square(clip[first:last]).mean()), float(np.square(noise).mean())
    scale = np.sqrt(signal / max(power, 1e-12) / 10 ** (snr_db / 10))
    return (clip + noise * np.float32(scale)).astype(np.float32)


def band_filter(rng: np.random.Generator) -> Float32:
    """Draw the band of a telephone or a cheap microphone."""
    low, high = rng.uniform(50, 350), rng.uniform(3000, 7000)
    sections: Float32 = scipy.signal.butter(4, [low, high], "bandpass", fs=SAMPLE_RATE, output="sos").astype(np.float32)
    return sections
