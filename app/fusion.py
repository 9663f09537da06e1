"""Late fusion of the two paths' probabilities, and the Top-k."""

import numpy as np

from models.inference import Float32
from models.labels import LABELS


def late_fusion(voice: Float32 | None, face: Float32 | None, weight: float) -> Float32 | None:
    """Fuse probabilities [7]: `weight * voice + (1 - weight) * face`.

    Renormalises over what is there: one path alone is that path, whatever its weight; none is None.
    """
    if voice is None or face is None:
        return face if voice is None else voice
    fused = weight * voice + (1.0 - weight) * face
    return np.asarray(fused / fused.sum(), dtype=np.float32)


def top_label(probs: Float32) -> str:
    """Return the label of the highest probability."""
    return LABELS[int(np.argmax(probs))]


def top_k(probs: Float32, k: int = 5) -> list[tuple[str, float]]:
    """Return the k most probable labels, first letter a capital, with their probabilities."""
    order = np.argsort(-probs, kind="stable")[:k]
    return [(LABELS[i].capitalize(), float(probs[i])) for i in order]
