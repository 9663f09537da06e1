"""Small voice networks on MFCC: waveforms in, logits out."""

import numpy as np
import scipy.signal
import torch
from torch import Tensor, nn

from models.features import N_MFCC, Cepstrum, LogMel


class Deltas(nn.Module):
    """Change over time and its change: [B, C, T] to [B, 3, C, T], the coefficients themselves first.

    The same numbers as `librosa.feature.delta(mfcc, width=9, order=1 or 2, mode="nearest")`: derivatives of a parabola
    or line fitted to nine frames (Savitzky-Golay).
    """

    kernels: Tensor

    def __init__(self, width: int = 9) -> None:
        super().__init__()
        self.reach = width // 2
        kernels = np.stack([scipy.signal.savgol_coeffs(width, order, deriv=order, use="dot") for order in (1, 2)])
        self.register_buffer("kernels", torch.from_numpy(kernels[:, None].astype(np.float32)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Stack each coefficient's value, slope and curvature."""
        frames = nn.functional.pad(x, (self.reach, self.reach), mode="replicate").flatten(0, 1).unsqueeze(1)
        slopes = nn.functional.conv1d(frames, self.kernels)
        return torch.cat([x.unsqueeze(1), slopes.reshape(-1, N_MFCC, *slopes.shape[1:]).transpose(1, 2)], dim=1)


class CnnMfcc(nn.Module):
    """MFCC and their deltas, averaged over the window, and a CNN along the coefficients.

    The voice path of many published desktop programs. The average of a delta is next to nothing (what rises falls
    again), so with `spread`, the default here, each number's deviation over the window goes in beside its average;
    without, the network is as published.
    """

    def __init__(self, channels: int = 64, hidden: int = 128, dropout: float = 0.3, spread: bool = True,
                 classes: int = 7) -> None:  # fmt: skip
        super().__init__()
        self.spread = spread
        self.log_mel, self.cepstrum, self.deltas = LogMel(), Cepstrum(), Deltas()
        planes = 6 if spread else 3
        self.norm = nn.BatchNorm1d(planes * N_MFCC)  # the numbers' scales differ a thousandfold
        self.body = nn.Sequential(
            nn.Conv1d(planes, channels, 5, 1, 2, bias=False), nn.BatchNorm1d(channels), nn.ReLU(inplace=True),
            nn.MaxPool1d(2), nn.Dropout(dropout),
            nn.Conv1d(channels, 2 * channels, 5, 1, 2, bias=False), nn.BatchNorm1d(2 * channels), nn.ReLU(inplace=True),
            nn.MaxPool1d(2), nn.Dropout(dropout),
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(2 * channels * (N_MFCC // 4), hidden), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, waveform: Tensor) -> Tensor:
        """Map waveforms [B, N] in -1..1 (16 kHz, at least 0.5 s) to logits [B, classes]."""
        frames = self.deltas(self.cepstrum(self.log_mel(waveform)))
        mean = frames.mean(dim=3)
        if self.spread:
            deviation = (frames - mean.unsqueeze(3)).square().mean(dim=3).add(1e-5).sqrt()
            mean = torch.cat([mean, deviation], dim=1)
        scaled = self.norm(mean.flatten(1)).unflatten(1, (-1, N_MFCC))
        logits: Tensor = self.head(self.body(scaled))
        return logits


class ResLstm(nn.Module):
    """ResLSTM-SA (Krasnoproshin & Vashkevich 2026, arXiv 2606.03359): two small LSTMs, a shortcut, soft attention.

    An LSTM as wide as its input is added to that input and normalised; a second one of `hidden` follows; a learned
    vector weighs its states over time. `hidden` 32, 64 and 128 are the paper's. Theirs sees 34 MFCC and 12 chroma
    bins in 46 numbers every 43 ms; this one sees the 40 MFCC of the rest of this project, averaged over 40 ms, and
    standardises them by running statistics in place of two passes over the data.
    """

    def __init__(self, hidden: int = 64, dropout: float = 0.3, classes: int = 7) -> None:
        super().__init__()
        self.log_mel, self.cepstrum = LogMel(), Cepstrum()
        self.frames = nn.AvgPool1d(4)
        self.norm = nn.BatchNorm1d(N_MFCC, affine=False)
        self.first = _lstm(N_MFCC, N_MFCC)
        self.between = nn.BatchNorm1d(N_MFCC)
        self.second = _lstm(N_MFCC, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.head = nn.Sequential(nn.BatchNorm1d(hidden), nn.Dropout(dropout), nn.Linear(hidden, classes))

    def forward(self, waveform: Tensor) -> Tensor:
        """Map waveforms [B, N] in -1..1 (16 kHz, at least 0.5 s) to logits [B, classes]."""
        frames = self.norm(self.frames(self.cepstrum(self.log_mel(waveform)))).transpose(1, 2)
        context, _ = self.first(frames)
        joined = self.between((frames + context).transpose(1, 2)).transpose(1, 2)
        states, _ = self.second(joined)
        weight = self.score(states).softmax(dim=1)
        logits: Tensor = self.head((weight * states).sum(dim=1))
        return logits


def _lstm(inputs: int, hidden: int) -> nn.LSTM:
    """Return an LSTM that begins by remembering: its forget gates start open, as the paper has it."""
    lstm = nn.LSTM(inputs, hidden, batch_first=True)
    for name, values in lstm.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_normal_(values)
        elif name.startswith("weight_hh"):
            nn.init.orthogonal_(values)
        else:
            nn.init.zeros_(values)
            nn.init.ones_(values.data[hidden : 2 * hidden])
    return lstm
