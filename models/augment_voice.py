"""Augmentation of speech before its windows are cut: pace and pitch, room, noise, band and gain."""

import numpy as np
import scipy.signal
import soxr

from models.inference import SAMPLE_RATE, Float32


def augment_speech(clip: Float32, babble: Float32, rng: np.random.Generator) -> Float32:
    """Alter one clip (in -1..1) as rooms, microphones and other speakers of the same mood would.

    Args:
        clip: Speech [N].
        babble: Other people's speech, at least as long as the clip, to mix in as noise.
        rng: Where the chance comes from.
    """
    if rng.random() < 0.6:
        clip = change_speed(clip, float(np.exp(rng.uniform(np.log(0.87), np.log(1.15)))))
    if rng.random() < 0.25:
        clip = reverberate(clip, rng)
    if rng.random() < 0.5:
        noise = coloured_noise(len(clip), rng) if rng.random() < 0.7 else np.resize(babble, len(clip))
        clip = add_noise(clip, noise, snr_db=rng.uniform(5, 30))
    if rng.random() < 0.15:
        clip = band_limit(clip, rng)
    gain = 10 ** (rng.uniform(-12, 6) / 20)
    return np.clip(clip * gain, -1.0, 1.0).astype(np.float32)


def non_speech(length: int, rng: np.random.Generator) -> Float32:
    """Draw a sound [N] that no one makes: a fan, a hiss, a mains hum, or a mixture, at -50 to -10 dBFS."""
    times = np.arange(length) / SAMPLE_RATE
    mains = rng.choice([50.0, 60.0]) * np.arange(1, 9)
    harmonics = rng.exponential(size=8) / np.arange(1, 9) ** rng.uniform(0, 1.5)
    phases = rng.uniform(0, 2 * np.pi, 8)
    hum = (harmonics[:, None] * np.sin(2 * np.pi * mains[:, None] * times + phases[:, None])).sum(axis=0)
    noise = coloured_noise(length, rng)
    share = rng.choice([0.0, 1.0, rng.random()])
    sound = share * hum / hum.std() + (1.0 - share) * noise / noise.std()
    level = 10 ** (rng.uniform(-50, -10) / 20)
    scaled: Float32 = np.clip(sound / sound.std() * level, -1.0, 1.0).astype(np.float32)
    return scaled


def change_speed(clip: Float32, factor: float) -> Float32:
    """Play faster (above 1) or slower; pitch moves along, as in Ko et al. 2015."""
    # Quick quality: an image 60 dB down is far below the noise that is added afterwards.
    slowed: Float32 = soxr.resample(clip, SAMPLE_RATE * factor, SAMPLE_RATE, quality="LQ")
    return slowed


def reverberate(clip: Float32, rng: np.random.Generator) -> Float32:
    """Convolve with a synthetic room: exponentially decaying noise, reverberation time 0.15-0.7 s."""
    decay = rng.uniform(0.15, 0.7)
    times = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(times)) * 10 ** (-3 * times / decay)
    tail *= rng.uniform(0.1, 0.5) / np.sqrt((tail**2).sum())
    tail[0] += 1.0
    wet: Float32 = scipy.signal.fftconvolve(clip, tail)[: len(clip)].astype(np.float32)
    return wet


def coloured_noise(length: int, rng: np.random.Generator) -> Float32:
    """Noise whose power falls by 0 (white) to 2 (brown) powers of frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum *= np.maximum(1, np.arange(len(spectrum))) ** (-rng.uniform(0, 2) / 2)
    return np.fft.irfft(spectrum, length).astype(np.float32)


def add_noise(clip: Float32, noise: Float32, snr_db: float) -> Float32:
    """Mix noise [N] into a clip [N] at a signal-to-noise ratio over the whole clip, in dB."""
    signal, power = float(np.square(clip).mean()), float(np.square(noise).mean())
    scale = np.sqrt(signal / max(power, 1e-12) / 10 ** (snr_db / 10))
    return (clip + noise * np.float32(scale)).astype(np.float32)


def band_limit(clip: Float32, rng: np.random.Generator) -> Float32:
    """Pass a telephone's or a cheap microphone's band only."""
    low, high = rng.uniform(50, 350), rng.uniform(3000, 7000)
    filters = scipy.signal.butter(4, [low, high], "bandpass", fs=SAMPLE_RATE, output="sos")
    limited: Float32 = scipy.signal.sosfilt(filters, clip).astype(np.float32)
    return limited
