"""MFCC as tensor operations, so that the exported graph takes the waveform itself.

The same numbers as `librosa.feature.mfcc(y, sr=16000, n_mfcc=40, n_fft=512, win_length=400, hop_length=160,
n_mels=64)`: Hann window, centred frames over zero padding, Slaney mel filters, decibels with an 80 dB floor below
the window's loudest bin, orthonormal DCT-II. Browser, server and training share this one definition.
"""

import librosa
import numpy as np
import scipy.fft
import scipy.signal
import torch
from torch import Tensor, nn

from models.inference import SAMPLE_RATE

N_FFT = 512
WIN_LENGTH = 400
HOP_LENGTH = 160
N_MELS = 64
N_MFCC = 40
TOP_DB = 80.0
PHASES = 16
"""Of the samples of a frame, when its Fourier transform is taken in two steps; divides hop and window."""


class LogMel(nn.Module):
    """Log-mel spectrogram in decibels: waveform [B, N] in -1..1 to [B, 64, 1 + N // 160]."""

    window: Tensor
    mel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WIN_LENGTH), persistent=False)
        mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)
        self.register_buffer("mel", torch.from_numpy(mel[..., None].astype(np.float32)), persistent=False)
        self.by_convolution = PowerSpectrum()

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the log-mel spectrogram of each waveform."""
        # Half precision would lose quiet bins: squares of small numbers.
        with torch.autocast(waveform.device.type, enabled=False):
            mel = nn.functional.conv1d(self._power(waveform.float()), self.mel)
            decibels = 10.0 * torch.log10(mel.clamp_min(1e-10))
            loudest = decibels.amax(dim=(1, 2), keepdim=True)
            return torch.maximum(decibels, loudest - TOP_DB)

    def _power(self, waveform: Tensor) -> Tensor:
        """Return the power spectrum [B, 257, T]."""
        if torch.onnx.is_in_onnx_export():
            power: Tensor = self.by_convolution(waveform)
            return power
        return torch.stft(
            waveform, N_FFT, HOP_LENGTH, WIN_LENGTH, self.window, pad_mode="constant", return_complex=True
        ).abs().square()  # fmt: skip


class PowerSpectrum(nn.Module):
    """Power spectrum of centred frames in convolutions, which run everywhere, browsers included: [B, N] to [B, 257, T].

    The Fourier transform in two steps (Cooley & Tukey 1965), with a sixth of the multiplications of one: of sample
    16 a + b, first over a for each of the 16 phases b, a transform of 32 points, of which 17 are enough as samples
    are real; then over b for each of the 17, with the twiddle factors, a transform of 16 points. What comes out is
    bins q + 32 r, those above 256 standing for their mirror images below.
    """

    phases: Tensor
    first: Tensor
    second: Tensor
    order: Tensor

    def __init__(self) -> None:
        super().__init__()
        points = N_FFT // PHASES
        half = points // 2 + 1
        # The window is nonzero in its middle 400 samples only. Where they begin changes phases alone, not the power.
        window = scipy.signal.get_window("hann", WIN_LENGTH, fftbins=True).reshape(-1, PHASES)
        a, b, q, r = np.arange(len(window)), np.arange(PHASES), np.arange(half), np.arange(PHASES)
        first = np.exp(-2j * np.pi * np.outer(q, a) / points) * window.T[:, None]  # [b, q, a]
        bins = q[:, None] + points * r
        turn = np.exp(-2j * np.pi * bins[..., None] * b / N_FFT)  # [q, r, b]
        second = np.block([[turn.real, -turn.imag], [turn.imag, turn.real]])  # [q, 2 r, 2 b]
        kernels = {
            "phases": np.eye(PHASES)[:, None],
            "first": np.concatenate([first.real, first.imag], axis=1).reshape(-1, 1, len(window)),
            "second": second.reshape(-1, 2 * PHASES, 1),
        }
        for name, kernel in kernels.items():
            self.register_buffer(name, torch.from_numpy(kernel.astype(np.float32)), persistent=False)
        folded = np.minimum(bins, N_FFT - bins).ravel()
        self.register_buffer("order", torch.from_numpy(np.unique(folded, return_index=True)[1]), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the power spectrum of each waveform, over zero padding."""
        padded = nn.functional.pad(waveform.unsqueeze(1), (WIN_LENGTH // 2, WIN_LENGTH // 2))
        phases = nn.functional.conv1d(padded, self.phases, stride=PHASES)
        parts = nn.functional.conv1d(phases, self.first, stride=HOP_LENGTH // PHASES, groups=PHASES)
        batch, _, frames = parts.shape
        parts = parts.reshape(batch, PHASES, 2, -1, frames).permute(0, 3, 2, 1, 4)  # [B, q, re/im, b, T]
        spectrum = nn.functional.conv1d(parts.flatten(1, 3), self.second, groups=parts.shape[1])
        power = spectrum.square().reshape(batch, -1, 2, PHASES, frames).sum(dim=2).flatten(1, 2)
        return power.index_select(1, self.order)


class Cepstrum(nn.Module):
    """MFCC from a log-mel spectrogram: [B, 64, T] to [B, 40, T]."""

    dct: Tensor

    def __init__(self) -> None:
        super().__init__()
        dct = scipy.fft.dct(np.eye(N_MELS), type=2, norm="ortho", axis=0)[:N_MFCC]
        self.register_buffer("dct", torch.from_numpy(dct[..., None].astype(np.float32)), persistent=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Compute the cepstral coefficients of each frame."""
        return nn.functional.conv1d(log_mel, self.dct)
