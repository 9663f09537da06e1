"""The silence gate: is there voice worth asking the model about?"""

from models.inference import Int16
from models.windows import rms


def is_silence(samples: Int16, threshold: float) -> bool:
    """Whether the RMS of the samples, as a fraction of full scale, is below the threshold (0 to 1)."""
    return rms(samples) < threshold
