"""Voice networks: waveforms in, logits out."""

import torch
from torch import Tensor, nn

from models.features import N_MFCC, Cepstrum, LogMel


class SpecAugment(nn.Module):
    """Hide bands of frequency and stretches of time while training (Park et al. 2019, arXiv 1904.08779)."""

    def __init__(self, bands: int = 2, band: int = 10, stretches: int = 2, stretch: float = 0.12) -> None:
        super().__init__()
        self.bands, self.band, self.stretches, self.stretch = bands, band, stretches, stretch

    def forward(self, x: Tensor) -> Tensor:
        """Set the hidden parts of [B, F, T] to each example's mean."""
        if not self.training:
            return x
        hidden = torch.zeros(x.shape, dtype=torch.bool, device=x.device)
        for _ in range(self.bands):
            hidden |= self._span(x.shape[0], x.shape[1], self.band, x.device).unsqueeze(2)
        for _ in range(self.stretches):
            width = int(x.shape[2] * self.stretch)
            hidden |= self._span(x.shape[0], x.shape[2], width, x.device).unsqueeze(1)
        return torch.where(hidden, x.mean(dim=(1, 2), keepdim=True), x)

    @staticmethod
    def _span(count: int, length: int, widest: int, device: torch.device) -> Tensor:
        width = torch.rand(count, 1, device=device) * widest
        start = torch.rand(count, 1, device=device) * (length - width)
        at = torch.arange(length, device=device).unsqueeze(0)
        return (at >= start) & (at < start + width)


class AttentionPooling(nn.Module):
    """Weighted mean and deviation over time (Okabe et al. 2018, arXiv 1803.10963)."""

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(channels, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, C] to [B, 2 C]."""
        weight = self.score(x).softmax(dim=1)
        mean = (weight * x).sum(dim=1)
        variance = (weight * (x - mean.unsqueeze(1)).square()).sum(dim=1)
        return torch.cat([mean, (variance + 1e-5).sqrt()], dim=1)


class AudioBiLSTM(nn.Module):
    """MFCC(40) -> convolutions -> BiLSTM -> attention pooling, for windows of 0.5 to 4 s.

    Each coefficient enters twice: standardised over the training set (batch norm), which keeps what the window's
    own mean says, and standardised over the window (CMVN), which takes speaker and channel out.
    """

    def __init__(self, channels: int = 128, hidden: int = 128, layers: int = 2, dropout: float = 0.4,
                 classes: int = 7) -> None:  # fmt: skip
        super().__init__()
        self.log_mel, self.augment, self.cepstrum = LogMel(), SpecAugment(), Cepstrum()
        self.norm = nn.BatchNorm1d(N_MFCC)
        self.front = nn.Sequential(
            nn.Conv1d(2 * N_MFCC, channels, 5, 1, 2, bias=False), nn.BatchNorm1d(channels), nn.GELU(),
            nn.Dropout1d(dropout / 4),
            nn.Conv1d(channels, channels, 5, 2, 2, bias=False), nn.BatchNorm1d(channels), nn.GELU(),
            nn.Dropout1d(dropout / 4),
            nn.Conv1d(channels, channels, 3, 2, 1, bias=False), nn.BatchNorm1d(channels), nn.GELU(),
        )  # fmt: skip
        self.lstm = nn.LSTM(
            channels,
            hidden,
            layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.pool = AttentionPooling(2 * hidden)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * hidden, classes))

    def features(self, waveform: Tensor) -> Tensor:
        """Map waveforms [B, N] in -1..1 to MFCC [B, 40, T]."""
        mfcc: Tensor = self.cepstrum(self.augment(self.log_mel(waveform)))
        return mfcc

    def classify(self, mfcc: Tensor) -> Tensor:
        """Map MFCC [B, 40, T] to logits [B, classes]."""
        mean = mfcc.mean(dim=2, keepdim=True)
        deviation = (mfcc - mean).square().mean(dim=2, keepdim=True).sqrt()
        both = torch.cat([self.norm(mfcc), (mfcc - mean) / (deviation + 1.0)], dim=1)
        sequence, _ = self.lstm(self.front(both).transpose(1, 2))
        logits: Tensor = self.head(self.pool(sequence))
        return logits

    def forward(self, waveform: Tensor) -> Tensor:
        """Map waveforms [B, N] in -1..1 (16 kHz, 0.5-4 s) to logits [B, classes]."""
        return self.classify(self.features(waveform))
