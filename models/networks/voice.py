"""Voice networks: waveforms in, logits out."""

import librosa
import numpy as np
import torch
from torch import Tensor, nn

from models.features import N_MELS, N_MFCC, Cepstrum, LogMel
from models.inference import SAMPLE_RATE

LOUD_DB = 25.0
"""Frames so far below a window's loudest are pauses."""


class SpecAugment(nn.Module):
    """Hide bands of frequency and stretches of time while training (Park et al. 2019, arXiv 1904.08779)."""

    def __init__(self, bands: int = 2, band: int = 8, stretches: int = 2, stretch: float = 0.1) -> None:
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


class VocalTract(nn.Module):
    """Stretch or squeeze a log-mel spectrogram along the frequencies: another speaker (VTLP, Jaitly & Hinton 2013).

    Pitch and formants move, the pace does not. Where that would reach beyond the spectrum, its outermost band repeats.
    """

    centres: Tensor

    def __init__(self) -> None:
        super().__init__()
        centres = librosa.mel_frequencies(N_MELS + 2, fmin=0.0, fmax=SAMPLE_RATE / 2)[1:-1]
        self.register_buffer("centres", torch.from_numpy(centres.astype(np.float32)), persistent=False)

    def forward(self, log_mel: Tensor, tract: Tensor | None) -> Tensor:
        """Make a tract `tract` [B, 1] times as long in each of [B, 64, T]; None leaves all as they are."""
        if tract is None:
            return log_mel
        frames = log_mel.shape[2]
        wanted = (self.centres * tract).clamp(self.centres[0], self.centres[-1])
        above = torch.searchsorted(self.centres, wanted).clamp(1, N_MELS - 1)
        below = above - 1
        part = (wanted - self.centres[below]) / (self.centres[above] - self.centres[below])
        low, high = (log_mel.gather(1, at.unsqueeze(2).expand(-1, -1, frames)) for at in (below, above))
        return torch.lerp(low, high, part.unsqueeze(2))


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

    Each coefficient enters twice: standardised over the training set, which keeps what the window's own mean says,
    and standardised over the window (CMVN), which takes speaker and channel out.

    An `adaptive` network can be told how a person sounds when neutral, over this microphone: the first of the two is
    then standardised over that person. `describe` says what has to be known of them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int = 128, hidden: int = 128, layers: int = 2, dropout: float = 0.4,
                 classes: int = 7, adaptive: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.adaptive = adaptive
        self.log_mel, self.cepstrum = LogMel(), Cepstrum()
        self.vocal_tract, self.augment = VocalTract(), SpecAugment()
        # Of all people's speech; the trainer sets them.
        self.register_buffer("mean", torch.zeros(N_MFCC, 1), persistent=adaptive)
        self.register_buffer("deviation", torch.ones(N_MFCC, 1), persistent=adaptive)
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
        # What the convolutions say is pooled beside what the LSTM makes of it, which it learns the sooner.
        self.norm_front: nn.Module = nn.LayerNorm(channels) if adaptive else nn.Identity()
        pooled = 2 * hidden + (channels if adaptive else 0)
        self.pool = AttentionPooling(pooled)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * pooled, classes))

    def features(self, waveform: Tensor, tract: Tensor | None = None) -> Tensor:
        """Map waveforms [B, N] in -1..1, of vocal tracts as in `forward`, to MFCC [B, 40, T]."""
        mfcc: Tensor = self.cepstrum(self.augment(self.vocal_tract(self.log_mel(waveform), tract)))
        return mfcc

    def describe(self, waveform: Tensor, tract: Tensor | None = None) -> Tensor:
        """Map waveforms [B, N] to statistics [B, 80]: each coefficient's mean and mean square over the loud frames.

        They are in units of all people's deviation, from all people's mean. `models.calibration` makes a reference
        of those of many windows. Frames more than 25 dB below the loudest are pauses and do not count.
        """
        log_mel = self.vocal_tract(self.log_mel(waveform), tract)
        return self._statistics(log_mel, self.cepstrum(log_mel))

    def _statistics(self, log_mel: Tensor, mfcc: Tensor) -> Tensor:
        level = log_mel.mean(dim=1, keepdim=True)
        loud = (level >= level.amax(dim=2, keepdim=True) - LOUD_DB).to(log_mel.dtype)
        weight = loud / loud.sum(dim=2, keepdim=True)
        scaled = (mfcc - self.mean) / self.deviation
        return torch.cat([(weight * scaled).sum(dim=2), (weight * scaled.square()).sum(dim=2)], dim=1)

    def answer_and_describe(self, waveform: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits [B, classes] and the statistics [B, 80] from one spectrogram; not for training."""
        log_mel = self.log_mel(waveform)
        mfcc = self.cepstrum(log_mel)
        return self.classify(mfcc, reference), self._statistics(log_mel, mfcc)

    def classify(self, mfcc: Tensor, reference: Tensor | None = None) -> Tensor:
        """Map MFCC [B, 40, T], and who speaks (as in `forward`), to logits [B, classes]."""
        scaled = (mfcc - self.mean) / self.deviation
        if reference is not None:
            shift, log_scale = reference.unsqueeze(2).chunk(2, dim=1)
            scaled = (scaled - shift) * torch.exp(-log_scale)
        mean = mfcc.mean(dim=2, keepdim=True)
        deviation = (mfcc - mean).square().mean(dim=2, keepdim=True).sqrt()
        both = torch.cat([self.norm(scaled), (mfcc - mean) / (deviation + 1.0)], dim=1)
        front = self.front(both).transpose(1, 2)
        sequence, _ = self.lstm(self.norm_front(front))
        if self.adaptive:
            sequence = torch.cat([front, sequence], dim=2)
        logits: Tensor = self.head(self.pool(sequence))
        return logits

    def forward(self, waveform: Tensor, reference: Tensor | None = None, tract: Tensor | None = None) -> Tensor:
        """Map waveforms to logits [B, classes].

        Args:
            waveform: [B, N] in -1..1 (16 kHz, 0.5-4 s).
            reference: Of each one's speaker [B, 80], from `models.calibration`; zeros, or None, for nobody known.
            tract: How many times as long to make each one's vocal tract [B, 1], for training; None for no change.
        """
        return self.classify(self.features(waveform, tract), reference)
