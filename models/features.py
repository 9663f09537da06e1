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


class LogMel(nn.Module):
    """Log-mel spectrogram in decibels: waveform [B, N] in -1..1 to [B, 64, 1 + N // 160]."""

    window: Tensor
    dft: Tensor
    mel: Tensor

    def __init__(self) -> None:
        super().__init__()
        # The window is nonzero in its middle 400 samples only, so the DFT's kernels need be no longer.
        offset = (N_FFT - WIN_LENGTH) // 2
        n = np.arange(offset, offset + WIN_LENGTH)
        k = np.arange(N_FFT // 2 + 1)[:, None]
        window = scipy.signal.get_window("hann", WIN_LENGTH, fftbins=True)
        angle = 2 * np.pi * k * n / N_FFT
        basis = np.concatenate([np.cos(angle) * window, -np.sin(angle) * window])
        self.register_buffer("window", torch.hann_window(WIN_LENGTH), persistent=False)
        self.register_buffer("dft", torch.from_numpy(basis[:, None].astype(np.float32)), persistent=False)
        mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)
        self.register_buffer("mel", torch.from_numpy(mel[..., None].astype(np.float32)), persistent=False)

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
        if not torch.onnx.is_in_onnx_export():
            return torch.stft(
                waveform, N_FFT, HOP_LENGTH, WIN_LENGTH, self.window, pad_mode="constant", return_complex=True
            ).abs().square()  # fmt: skip
        # As a convolution: three times slower than the FFT, but a graph of it runs everywhere, browsers included.
        padded = nn.functional.pad(waveform.unsqueeze(1), (WIN_LENGTH // 2, WIN_LENGTH // 2))
        spectrum = nn.functional.conv1d(padded, self.dft, stride=HOP_LENGTH)
        real, imaginary = spectrum.chunk(2, dim=1)
        return real.square() + imaginary.square()


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
