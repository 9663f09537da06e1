"""Sounds that no one makes."""

from collections.abc import Callable

import numpy as np
import pytest

from models import non_speech

RATE = 16_000
SHORTEST = RATE // 2
"""Of a window, in samples."""


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("length", [SHORTEST, 4 * RATE])
def test_each_lies_between_a_whisper_and_a_roar_and_follows_its_seed(seed: int, length: int) -> None:
    sound, again = (non_speech.draw(length, np.random.default_rng(seed)) for _ in range(2))
    assert sound.shape == (length,) and sound.dtype == np.float32
    assert np.abs(sound).max() <= 1
    level = np.sqrt(np.square(sound, dtype=np.float64).mean())
    assert 10 ** (-51 / 20) < level < 10 ** (-9.9 / 20), "clipped sharp strokes are quieter, nothing is louder"
    np.testing.assert_array_equal(sound, again)


def test_no_two_are_alike() -> None:
    rng = np.random.default_rng(0)
    sounds = [non_speech.draw(SHORTEST, rng) for _ in range(20)]
    alike = np.corrcoef(sounds) - np.eye(20)
    assert np.abs(alike).max() < 0.9


@pytest.mark.parametrize("kind", non_speech.KINDS)
@pytest.mark.parametrize("seed", range(20))
def test_a_kind_is_never_silence(kind: Callable[[int, np.random.Generator], np.ndarray], seed: int) -> None:
    sound = kind(SHORTEST, np.random.default_rng(seed))
    assert sound.shape == (SHORTEST,)
    assert np.isfinite(sound).all() and sound.std() > 1e-6


def high_share(sound: np.ndarray) -> float:
    """Return the share of a sound's power above 4 kHz."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float(power[len(power) // 2 :].sum() / power.sum())


def test_noise_falls_as_well_as_it_rises() -> None:
    shares = [high_share(non_speech.noise(RATE, np.random.default_rng(seed))) for seed in range(40)]
    assert min(shares) < 0.05 and max(shares) > 0.75


def test_tones_stay_and_glide_and_break_off() -> None:
    def pitches(sound: np.ndarray) -> np.ndarray:
        """Return the strongest frequency of each tenth of a second that sounds."""
        parts = sound.reshape(-1, RATE // 10)
        loud = parts[parts.std(axis=1) > 0.1 * sound.std()]
        return np.abs(np.fft.rfft(loud * np.hanning(RATE // 10), axis=1)).argmax(axis=1) * 10.0

    drawn = [non_speech.tones(2 * RATE, np.random.default_rng(seed)) for seed in range(40)]
    spread = [np.ptp(pitches(sound)) for sound in drawn]
    assert sum(hertz <= 20 for hertz in spread) >= 5 and sum(hertz > 200 for hertz in spread) >= 5
    broken = [np.isclose(sound, 0).mean() > 0.1 for sound in drawn]
    assert 3 <= sum(broken) <= 30


def test_strokes_come_one_to_ten_times_a_second() -> None:
    seconds = 8
    for seed in range(20):
        sound = non_speech.strokes(seconds * RATE, np.random.default_rng(seed))
        loudness = np.abs(sound).reshape(-1, RATE // 100).max(axis=1)
        onsets = ((loudness[1:] > 0.2 * loudness.max()) & (loudness[1:] > 2 * loudness[:-1])).sum()
        assert 0.6 * seconds <= onsets <= 13 * seconds


def test_a_hum_is_of_the_mains_and_its_harmonics() -> None:
    for seed in range(10):
        power = np.abs(np.fft.rfft(non_speech.hum(RATE, np.random.default_rng(seed)))) ** 2  # a bin for each Hz
        mains = max((50, 60), key=lambda hertz: power[hertz : 9 * hertz : hertz].sum())
        assert power[mains : 9 * mains : mains].sum() > 0.999 * power.sum()


def test_bands_lie_low_and_high_and_are_narrow_and_wide() -> None:
    centres, widths = [], []
    for seed in range(40):
        power = np.cumsum(np.abs(np.fft.rfft(non_speech.band_noise(RATE, np.random.default_rng(seed)))) ** 2)
        low, middle, high = np.searchsorted(power / power[-1], [0.1, 0.5, 0.9])
        centres.append(middle)
        widths.append(high / low)
    assert min(centres) < 400 and max(centres) > 5000
    assert min(widths) < 2 and max(widths) > 5


def test_no_tone_is_folded_at_half_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    def spectrum(times: int, seed: int) -> np.ndarray:
        """Return the power in each 50 Hz up to 8 kHz of the tones of a seed, made at so many times the rate."""
        monkeypatch.setattr(non_speech, "SAMPLE_RATE", times * RATE)
        power = np.abs(np.fft.rfft(non_speech.tones(times * RATE, np.random.default_rng(seed)))) ** 2
        return power[: RATE // 2].reshape(-1, 50).sum(axis=1) / power.sum()

    for seed in range(60):
        assert np.minimum(spectrum(1, seed), spectrum(4, seed)).sum() > 0.95, "they sound the same at any rate"
