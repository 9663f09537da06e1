"""Conditions that a voice is evaluated in: noise, room, gain, telephone, and sounds that are no voice at all.

Apart from `babble`, which is made of real voices, every sound is synthesised. All of it is repeatable: chance
comes from the generator that is passed in.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from models.inference import SAMPLE_RATE, Float32, Int16
from models.windows import speech_span

MU = 255


def mix(sound: Int16, noise: Float32, snr_db: float) -> Int16:
    """Lay noise [N] under a sound [N] at a signal-to-noise ratio in dB.

    The signal's power is that of its speech alone (`windows.speech_span`): over the whole clip, with its silent
    ends, the same number would mean less noise. Where the sum would clip, all of it is made quieter: clipping
    would be a condition of its own.
    """
    clean = sound.astype(np.float64)
    first, last = speech_span(sound)
    signal, power = np.square(clean[first:last]).mean(), np.square(noise, dtype=np.float64).mean()
    mixed = clean + noise * np.sqrt(signal / power / 10 ** (snr_db / 10))
    return _int16(mixed * min(1.0, 32767.0 / np.abs(mixed).max(initial=1.0)))


def white(length: int, rng: np.random.Generator) -> Float32:
    """Return white noise [length] of unit power."""
    return _unit(rng.standard_normal(length))


def brown(length: int, rng: np.random.Generator) -> Float32:
    """Return noise [length] whose power falls with the square of the frequency above 20 Hz: a fan, moving air."""
    return _unit(_shaped(length, rng, 20.0, 2.0))


def street(length: int, rng: np.random.Generator) -> Float32:
    """Return synthetic street noise [length] of unit power.

    Three parts: the rumble of distant traffic (power falling from 60 Hz on, a steady half of it all), cars that
    pass (noise between 100 and 2000 Hz that swells and fades within 1-3 s), and short knocks and clatter.
    """
    seconds = length / SAMPLE_RATE
    times = np.arange(length) / SAMPLE_RATE
    rumble = _unit(_shaped(length, rng, 60.0, 2.0))
    passing = np.zeros(length)
    band = scipy.signal.butter(2, [100, 2000], "bandpass", fs=SAMPLE_RATE, output="sos")
    for _ in range(max(1, round(seconds / 1.5))):
        swell = np.exp(-(((times - rng.uniform(0, seconds)) / rng.uniform(0.5, 1.5)) ** 2))
        passing += swell * scipy.signal.sosfilt(band, rng.standard_normal(length))
    knocks = np.zeros(length)
    for _ in range(max(1, round(seconds * 1.5))):
        start = rng.integers(length)
        since = times[: length - start]
        ring = np.sin(2 * np.pi * rng.uniform(300, 3000) * since) + rng.standard_normal(len(since))
        knocks[start:] += ring * np.exp(-since / rng.uniform(0.01, 0.06))
    return _unit(np.sqrt(0.5) * rumble + np.sqrt(0.4) * _unit(passing) + np.sqrt(0.1) * _unit(knocks))


def babble(length: int, voices: Sequence[Int16]) -> Float32:
    """Return the sum [length] of several people's speech at equal loudness, of unit power; pauses are cut out."""
    total = np.zeros(length)
    for voice in voices:
        first, last = speech_span(voice)
        total += np.resize(_unit(voice[first:last].astype(np.float64)), length)
    return _unit(total)


def hum(length: int, mains: float = 50.0) -> Float32:
    """Return mains hum [length] of unit power: the frequency itself and seven harmonics, each 4 dB below the last."""
    times = np.arange(length) / SAMPLE_RATE
    return _unit(np.sum([10 ** (-4 * k / 20) * np.sin(2 * np.pi * mains * (k + 1) * times) for k in range(8)], axis=0))


def high_hiss(length: int, rng: np.random.Generator, above: float = 4000.0) -> Float32:
    """Return white noise [length] of unit power above so many Hz (12 dB an octave less below): steam, a nozzle."""
    high = scipy.signal.butter(2, above, "highpass", fs=SAMPLE_RATE, output="sos")
    return _unit(scipy.signal.sosfilt(high, rng.standard_normal(length)))


def rising(length: int, rng: np.random.Generator) -> Float32:
    """Return noise [length] of unit power, whose power rises with the square of the frequency: 6 dB an octave."""
    return _unit(_shaped(length, rng, 1.0, -2.0))


def knocks(length: int, ring: float = 400.0) -> Float32:
    """Return knocks [length] of unit power, two a second, each a tone of so many Hz that dies away by 1/e in 20 ms."""
    since = np.arange(length) / SAMPLE_RATE % 0.5
    return _unit(np.exp(-since / 0.02) * np.sin(2 * np.pi * ring * since))


def siren(length: int) -> Float32:
    """Return a tone [length] of unit power that glides from 500 to 1300 Hz and back, once in two seconds."""
    pitch = 900 - 400 * np.cos(np.pi * np.arange(length) / SAMPLE_RATE)
    return _unit(np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE))


def chord(length: int) -> Float32:
    """Return three notes [length] of unit power that are held, each with six harmonics: an organ."""
    notes, harmonics = np.array([220, 275, 330]), np.arange(1, 7)[:, None, None]
    times = np.arange(length) / SAMPLE_RATE
    return _unit((np.sin(2 * np.pi * harmonics * notes[:, None] * times) / harmonics).sum(axis=(0, 1)))


def melody(length: int) -> Float32:
    """Return eight plucked notes over and over [length], of unit power, three a second, each dying away."""
    times = np.arange(length) / SAMPLE_RATE
    steps = np.array([0, 4, 7, 12, 9, 5, 2, -3])[(times * 3).astype(int) % 8]
    phase = np.cumsum(330 * 2 ** (steps / 12)) / SAMPLE_RATE
    harmonics = np.arange(1, 6)[:, None]
    string = (np.sin(2 * np.pi * harmonics * phase) / harmonics).sum(axis=0)
    return _unit(string * np.exp(-(times % (1 / 3)) / 0.2))


def motor(length: int) -> Float32:
    """Return a motor [length] of unit power that is revved up in three seconds, from 40 to 160 strokes a second."""
    times = np.arange(length) / SAMPLE_RATE
    phase = np.cumsum(40 + 120 * (times % 3) / 3) / SAMPLE_RATE
    return _unit(phase % 1 - 0.5)


def applause(length: int, rng: np.random.Generator) -> Float32:
    """Return the clapping of forty people [length], of unit power, four times a second each."""
    claps = np.zeros(length)
    at = rng.integers(length, size=round(160 * length / SAMPLE_RATE))
    np.add.at(claps, at, rng.uniform(0.2, 1.0, len(at)))
    since = np.arange(SAMPLE_RATE // 20) / SAMPLE_RATE
    hand = scipy.signal.sosfilt(
        scipy.signal.butter(2, [500, 3000], "bandpass", fs=SAMPLE_RATE, output="sos"),
        rng.standard_normal(len(since)) * np.exp(-since / 0.008),
    )
    return _unit(scipy.signal.fftconvolve(claps, hand)[:length])


def at_level(noise: Float32, dbfs: float) -> Int16:
    """Return noise of unit power [N] at an RMS of `dbfs` decibels below full scale (0 is full scale)."""
    return _int16(noise.astype(np.float64) * 32768 * 10 ** (dbfs / 20))


def gain(sound: Int16, db: float) -> Int16:
    """Turn the microphone up or down by `db` decibels; what exceeds full scale is clipped, as it would be."""
    return _int16(sound * 10 ** (db / 20))


def reverberate(sound: Int16, rng: np.random.Generator, decay: float = 0.5, direct_db: float = 0.0) -> Int16:
    """Put the speaker into a synthetic room: exponentially decaying noise as its impulse response (Polack 1988).

    Args:
        sound: [N].
        rng: Draws the response.
        decay: Reverberation time RT60 in seconds.
        direct_db: Energy of the direct sound over that of the tail, in dB; 0 is a few metres away.

    Returns:
        The sound [N] at its old power: distance must not pass for loudness.
    """
    times = np.arange(1, int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = _unit(rng.standard_normal(len(times)) * 10 ** (-3 * times / decay)) / np.sqrt(len(times))
    response = np.concatenate([[1.0], tail * 10 ** (-direct_db / 20)])
    wet = scipy.signal.fftconvolve(sound.astype(np.float64), response)[: len(sound)]
    power = np.square(sound.astype(np.float64)).mean()
    wet *= np.sqrt(power / max(np.square(wet).mean(), 1e-12))
    return _int16(wet * min(1.0, 32767.0 / np.abs(wet).max(initial=1.0)))


def telephone(sound: Int16) -> Int16:
    """Send a sound [N] through a telephone: 8 kHz, 300-3400 Hz, mu-law in 8 bits (ITU-T G.711)."""
    narrow = scipy.signal.resample_poly(sound / 32768.0, 1, 2)
    band = scipy.signal.butter(4, [300, 3400], "bandpass", fs=SAMPLE_RATE // 2, output="sos")
    narrow = np.clip(scipy.signal.sosfilt(band, narrow), -1.0, 1.0)
    code = np.round(np.sign(narrow) * np.log1p(MU * np.abs(narrow)) / np.log1p(MU) * 127) / 127
    heard = np.sign(code) * np.expm1(np.abs(code) * np.log1p(MU)) / MU
    return _int16(scipy.signal.resample_poly(heard, 2, 1)[: len(sound)] * 32768.0)


def _shaped(length: int, rng: np.random.Generator, corner: float, slope: float) -> Float32:
    """Noise whose power falls (rises below 0) with `slope` powers of frequency above `corner` Hz, and is flat below."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequencies = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    shaped: Float32 = np.fft.irfft(spectrum * np.maximum(frequencies / corner, 1.0) ** (-slope / 2), length).astype(
        np.float32
    )
    return shaped


def _unit(noise: NDArray[np.floating[Any]]) -> Float32:
    unit: Float32 = (noise / np.sqrt(max(float(np.square(noise).mean()), 1e-30))).astype(np.float32)
    return unit


def _int16(sound: NDArray[np.floating[Any]]) -> Int16:
    whole: Int16 = np.clip(np.round(sound), -32768, 32767).astype(np.int16)
    return whole
