"""MFCC against librosa's: by the FFT, as they are trained on and served, and by convolution, as graphs have them."""

import warnings
from collections.abc import Callable

import librosa
import numpy as np
import pytest
import torch
from torch import nn

from models.features import HOP_LENGTH, N_FFT, N_MELS, N_MFCC, WIN_LENGTH, Cepstrum, LogMel
from models.onnx_engine import open_session

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


Mfcc = Callable[[np.ndarray], np.ndarray]
"""Waveforms [B, N] to coefficients [B, 40, T]."""


@pytest.fixture(scope="module")
def by_fft() -> Mfcc:
    network = nn.Sequential(LogMel(), Cepstrum())
    return lambda waveform: network(torch.from_numpy(waveform)).numpy()


@pytest.fixture(scope="module")
def by_convolution(tmp_path_factory: pytest.TempPathFactory) -> Mfcc:
    path = tmp_path_factory.mktemp("graph") / "mfcc.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as `models.export` does
        torch.onnx.export(
            nn.Sequential(LogMel(), Cepstrum()).eval(), (torch.zeros(1, 16_000),), str(path),
            input_names=["waveform"], dynamic_axes={"waveform": {0: "batch", 1: "samples"}}, dynamo=False,
        )  # fmt: skip
    session = open_session(path, threads=1)
    return lambda waveform: np.asarray(session.run(None, {"waveform": waveform})[0])


@pytest.mark.parametrize("way", ["by_fft", "by_convolution"])
@pytest.mark.parametrize("name", SOUNDS)
def test_mfcc_equals_librosa(name: str, way: str, request: pytest.FixtureRequest) -> None:
    sound = SOUNDS[name].astype(np.float32)
    expected = librosa.feature.mfcc(
        y=sound, sr=16_000, n_mfcc=N_MFCC, n_fft=N_FFT, win_length=WIN_LENGTH, hop_length=HOP_LENGTH, n_mels=N_MELS
    )
    (got,) = request.getfixturevalue(way)(sound[None])
    assert got.shape == expected.shape == (40, 1 + len(sound) // HOP_LENGTH)
    # What the README states. A difference of 1e-3 dB in each of 64 bands adds up to this much in the DCT.
    np.testing.assert_allclose(got, expected, atol=8e-3)


def test_half_precision_around_it_loses_nothing() -> None:
    sound = torch.from_numpy(np.stack([SOUNDS["quiet"], SOUNDS["tone"]]).astype(np.float32))
    with torch.autocast("cpu", torch.bfloat16):
        autocast = LogMel()(sound)
    torch.testing.assert_close(autocast, LogMel()(sound), rtol=0, atol=0)


def test_one_window_does_not_change_another_in_its_batch() -> None:
    sounds = torch.from_numpy(np.stack([SOUNDS["noise"], SOUNDS["quiet"]]).astype(np.float32))
    together = LogMel()(sounds)
    torch.testing.assert_close(together[1], LogMel()(sounds[1:])[0])


def test_digital_silence_is_finite() -> None:
    assert torch.isfinite(LogMel()(torch.zeros(1, 16_000))).all()
