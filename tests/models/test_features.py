"""The graph's MFCC against librosa's."""

import librosa
import numpy as np
import pytest
import torch

from models.features import HOP_LENGTH, N_FFT, N_MELS, N_MFCC, WIN_LENGTH, Cepstrum, LogMel

RNG = np.random.default_rng(7)
TIMES = np.arange(16_000) / 16_000
SOUNDS = {
    "noise": RNG.standard_normal(16_000) * 0.1,
    "tone": 0.3 * np.sin(2 * np.pi * 440 * TIMES),
    "quiet": RNG.standard_normal(16_000) * 1e-4,
    "onset": np.concatenate([np.zeros(8_000), RNG.standard_normal(8_000)]),
    "half a second": RNG.standard_normal(8_000) * 0.1,
    "four seconds": RNG.standard_normal(64_000) * 0.1,
    "odd length": RNG.standard_normal(12_345) * 0.1,
}


@pytest.mark.parametrize("name", SOUNDS)
def test_mfcc_equals_librosa(name: str) -> None:
    sound = SOUNDS[name].astype(np.float32)
    expected = librosa.feature.mfcc(
        y=sound, sr=16_000, n_mfcc=N_MFCC, n_fft=N_FFT, win_length=WIN_LENGTH, hop_length=HOP_LENGTH, n_mels=N_MELS
    )
    got = Cepstrum()(LogMel()(torch.from_numpy(sound[None]))).numpy()[0]
    assert got.shape == expected.shape == (40, 1 + len(sound) // HOP_LENGTH)
    # What the README states. A difference of 1e-3 dB in each of 64 bands adds up to this much in the DCT.
    np.testing.assert_allclose(got, expected, atol=8e-3)


def test_one_window_does_not_change_another_in_its_batch() -> None:
    sounds = torch.from_numpy(np.stack([SOUNDS["noise"], SOUNDS["quiet"]]).astype(np.float32))
    together = LogMel()(sounds)
    torch.testing.assert_close(together[1], LogMel()(sounds[1:])[0])


def test_digital_silence_is_finite() -> None:
    assert torch.isfinite(LogMel()(torch.zeros(1, 16_000))).all()
