"""What a few neutral seconds tell of a person: the reference that an adaptive voice model is given."""

from collections.abc import Sequence

import numpy as np

from models.inference import Float32

REFERENCE = 80
"""Length of a reference: shift and log-scale of each of the 40 coefficients."""
PRIOR_WINDOWS = 3.0
"""How many windows' worth of belief there is in a person being like all others (empirical Bayes)."""
LEAST_VARIATION = 0.42
"""Deviation of a window's coefficients, on average, all people's being 1: what varies less is no speech.

Looked at by hand: a fan, a hum, hisses, knocks and half of a siren stay below; of windows of RAVDESS that pass the gate
one in a hundred does, most of them shouted, and with street or white noise 10 dB below the speech one in twenty.
"""


def is_speech(statistics: Float32) -> bool:
    """Return whether statistics [80] are of a window in which somebody speaks; a steady noise is not."""
    mean, square = np.split(np.asarray(statistics, np.float64), 2)
    return bool(np.sqrt(np.maximum(square - mean**2, 0.0)).mean() >= LEAST_VARIATION)


def reference(statistics: Sequence[Float32]) -> Float32:
    """Make a reference [80] of the statistics [80] of windows in which a person speaks neutrally.

    The person's mean and deviation of each coefficient, relative to all people's, as (shift, log-scale); both are
    pulled towards zero, which is nobody in particular, the more the fewer windows there are.

    Raises:
        ValueError: There are no windows.
    """
    if not len(statistics):
        raise ValueError("a reference needs at least one window")
    mean, square = np.split(np.mean(statistics, axis=0, dtype=np.float64), 2)
    deviation = np.sqrt(np.maximum(square - mean**2, 0.05))
    trust = len(statistics) / (len(statistics) + PRIOR_WINDOWS)
    both = np.concatenate([mean.clip(-4, 4), np.log(deviation).clip(-1, 1)])
    return np.asarray(trust * both, dtype=np.float32)
