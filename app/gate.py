"""The silence gate: is there voice worth asking the model about?"""

import numpy as np

from models.inference import Int16

_FULL_SCALE = 32768.0


def rms(samples: Int16) -> float:
    """Root mean square of Int16 samples [N] as a fraction of full scale, 0 to 1; 0 for none."""
    if not len(samples):
        return 0.0
    # Int16 squares overflow; float64 sums hold four seconds of full scale exactly.
    wide = samples.astype(np.float64)
    return min(1.0, float(np.sqrt(wide @ wide / len(wide))) / _FULL_SCALE)


def is_silence(samples: Int16, threshold: float) -> bool:
    """Whether the RMS of the samples is below the threshold (0 to 1)."""
    return rms(samples) < threshold
