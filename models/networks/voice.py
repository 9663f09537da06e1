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


class VocalTracts(nn.Module):
    """Make vocal tracts longer or shorter while training: other speakers (VTLP, Jaitly & Hinton 2013).

    A log-mel spectrogram is stretched or squeezed along the frequencies in Hz, its ends held fast; pitch and formants
    move, the pace does not.

    Args:
        widest: Largest change, as the logarithm of the factor.
        share: Of the examples that are changed.
    """

    centres: Tensor

    def __init__(self, widest: float = 0.12, share: float = 0.5) -> None:
        super().__init__()
        self.widest, self.share = widest, share
        centres = librosa.mel_frequencies(N_MELS + 2, fmin=0.0, fmax=SAMPLE_RATE / 2)[1:-1]
        self.register_buffer("centres", torch.from_numpy(centres.astype(np.float32)), persistent=False)

    def forward(self, log_mel: Tensor, fixed: Tensor) -> Tensor:
        """Change some of [B, 64, T], but none of those that the mask `fixed` [B] names."""
        if not self.training:
            return log_mel
        count, bands, frames = log_mel.shape
        factor = torch.exp((torch.rand(count, 1, device=log_mel.device) * 2 - 1) * self.widest)
        still = (torch.rand(count, 1, device=log_mel.device) >= self.share) | fixed.unsqueeze(1)
        wanted = self.centres * torch.where(still, torch.ones_like(factor), factor)
        wanted = wanted.clamp(self.centres[0], self.centres[-1])
        above = torch.searchsorted(self.centres, wanted).clamp(1, bands - 1)
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
        self.speakers, self.augment = VocalTracts(), SpecAugment()
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

    def features(self, waveform: Tensor, reference: Tensor | None = None) -> Tensor:
        """Map waveforms [B, N] in -1..1, and who speaks (as in `forward`), to MFCC [B, 40, T].

        While training, voices of nobody known become others'; a reference is of a voice as it is.
        """
        known = waveform.new_zeros(len(waveform), dtype=torch.bool) if reference is None else reference.any(dim=1)
        mfcc: Tensor = self.cepstrum(self.augment(self.speakers(self.log_mel(waveform), known)))
        return mfcc

    def describe(self, waveform: Tensor) -> Tensor:
        """Map waveforms [B, N] to statistics [B, 80]: each coefficient's mean and mean square over the loud frames.

        They are in units of all people's deviation, from all people's mean. `models.calibration` makes a reference
        of those of many windows. Frames more than 25 dB below the loudest are pauses and do not count.
        """
        log_mel = self.log_mel(waveform)
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

    def forward(self, waveform: Tensor, reference: Tensor | None = None) -> Tensor:
        """Map waveforms to logits [B, classes].

        Args:
            waveform: [B, N] in -1..1 (16 kHz, 0.5-4 s).
            reference: Of each one's speaker [B, 80], from `models.calibration`; zeros, or None, for nobody known.
        """
        return self.classify(self.features(waveform, reference), reference)
