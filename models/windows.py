"""Windows of sound: how loud they are, and how a stream cuts a clip into them."""

import math

import numpy as np

from models.inference import SAMPLE_RATE, Float32, Int16

SILENCE_RMS = 0.002
"""Root mean square (full scale = 1) under which a window is taken for silence: -54 dBFS. Studio silence in
RAVDESS lies below 0.0003; the loudest second of its quietest neutral clips at 0.0012 to 0.002."""


WHOLE_SECONDS, WHOLE_HOP = 2.0, 0.25
"""How a whole recording is cut, whose answers are averaged: seconds of a window, and from one to the next. Chosen on
the validation speakers of five folds, see docs/tried.md."""

UNTHREADED = 8_000
"""Numbers that a BLAS multiplies on the thread that asks. More are shared with threads that spin while they wait, for
longer than the sum takes: OpenBLAS begins at 10,000."""

SECONDS = 0.6, 3.0
"""Shortest and longest window to train on; others serve as well. Up to 4 s: see docs/tried.md."""


def rms(samples: Int16) -> float:
    """Return the root mean square of Int16 samples [N], as a fraction of full scale; 0 for none."""
    if not len(samples):
        return 0.0
    # Int16 squares overflow; float64 sums hold four seconds of full scale exactly.
    wide = samples.astype(np.float64)
    parts = (wide[start : start + UNTHREADED] for start in range(0, len(wide), UNTHREADED))
    return min(1.0, math.sqrt(sum(float(part @ part) for part in parts) / len(wide)) / 32768.0)


def stream_windows(clip: Int16, seconds: float = 1.0, hop: float = 0.5, silence_rms: float = SILENCE_RMS) -> Int16:
    """Cut a clip as the live stream would: a window every `hop` seconds, the silent ones left out.

    Returns:
        Windows [K, seconds * 16000]. A clip shorter than one window is padded with silence at its start,
        and a clip that is silent throughout gives its loudest window, so K is at least 1.
    """
    length, step = round(seconds * SAMPLE_RATE), round(hop * SAMPLE_RATE)
    if len(clip) < length:
        clip = np.concatenate([np.zeros(length - len(clip), np.int16), clip])
    windows = np.lib.stride_tricks.sliding_window_view(clip, length)[::step]
    loudness = np.array([rms(window) for window in windows])
    keep = loudness >= silence_rms
    if not keep.any():
        keep[loudness.argmax()] = True
    return windows[keep]


def speech_span(clip: Int16, floor_db: float = -35.0) -> tuple[int, int]:
    """Return the samples where speech begins and ends: 20 ms frames within `floor_db` of the loudest."""
    frame = SAMPLE_RATE // 50
    frames = clip[: len(clip) // frame * frame].reshape(-1, frame).astype(np.float32)
    energy = np.square(frames).mean(axis=1)
    loud = np.flatnonzero(energy >= energy.max(initial=1.0) * 10 ** (floor_db / 10))
    if not loud.size:
        return 0, len(clip)
    return int(loud[0]) * frame, int(loud[-1] + 1) * frame


def draw_length(rng: np.random.Generator) -> int:
    """Draw the samples of a window to train on: a second in one case of two, else anything of `SECONDS`."""
    seconds = 1.0 if rng.random() < 0.5 else float(np.exp(rng.uniform(*np.log(SECONDS))))
    return round(seconds * SAMPLE_RATE)


def draw_start(clip: Int16, span: tuple[int, int], length: int, rng: np.random.Generator) -> int:
    """Draw where a window of `length` samples begins, two fifths of which or more are speech, which lies in `span`.

    A stream has such windows too, whenever somebody begins to speak or has ended.
    """
    last = max(0, len(clip) - length)
    low = min(last, max(0, span[0] - int(0.6 * length)))
    high = max(low, min(last, span[1] - int(0.4 * length)))
    return int(rng.integers(low, high + 1))


def cut(clip: Int16, start: int, length: int) -> Float32:
    """Cut out a window [length], in -1..1; silence comes before a clip that is shorter."""
    window = clip[start : start + length].astype(np.float32) / 32768
    return np.pad(window, (length - len(window), 0))
