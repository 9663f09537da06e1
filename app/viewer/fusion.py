"""Late fusion of the two paths' probabilities, and the Top-k."""

from collections.abc import Collection
from itertools import compress

import numpy as np

from models.inference import Float32
from models.labels import LABELS


def late_fusion(
    voice: Float32 | None,
    face: Float32 | None,
    weight: float,
    voice_labels: Collection[str] = LABELS,
    face_labels: Collection[str] = LABELS,
) -> Float32 | None:
    """Fuse probabilities [7]: `weight * voice + (1 - weight) * face`.

    Renormalises over what is there: one path alone is that path, whatever its weight; none is None.

    Where a path cannot say every label, its answer is about its own labels alone, so that only ratios to the labels
    that both can say compare. With v and f the two answers, and V and F what they give these common labels in all,

        common label          weight * v * F + (1 - weight) * f * V
        of the voice alone    v * F
        of the face alone     f * V

    divided by the sum, V + F - V * F. So what one path alone can say keeps the odds that this path gives it, whatever
    the weight; where the voice can say all labels (F = 1) it is v itself. Labels that neither can say stay 0. If
    neither gives the common labels anything, there are no such odds, and the first formula holds.
    """
    if voice is None or face is None:
        return face if voice is None else voice
    answers = list(zip(voice.tolist(), face.tolist(), strict=True))  # of so few numbers Python's own are faster
    fused = [weight * v + (1.0 - weight) * f for v, f in answers]
    common = [label in voice_labels and label in face_labels for label in LABELS]
    if not all(common):
        common_v = sum(v for v, _ in compress(answers, common))
        common_f = sum(f for _, f in compress(answers, common))
        if common_v + common_f > 0.0:
            fused = [
                weight * v * common_f + (1.0 - weight) * f * common_v if both else v * common_f + f * common_v
                for (v, f), both in zip(answers, common, strict=True)
            ]
    total = sum(fused)
    return np.array([value / total for value in fused], dtype=np.float32)


def sayable(
    voice: Float32 | None, face: Float32 | None, voice_labels: Collection[str], face_labels: Collection[str]
) -> set[str]:
    """Return the labels that late fusion of what is there can name; the others are 0 whatever is heard and seen."""
    return {*(voice_labels if voice is not None else ()), *(face_labels if face is not None else ())}


def top_label(probs: Float32) -> str:
    """Return the label of the highest probability."""
    return LABELS[int(probs.argmax())]


def top_k(probs: Float32, k: int = 5, labels: Collection[str] = LABELS) -> list[tuple[str, float]]:
    """Return the k most probable of some labels, first letter a capital, with their probabilities."""
    ranked = sorted(zip(LABELS, probs.tolist(), strict=True), key=lambda row: -row[1])
    return [(label.capitalize(), p) for label, p in ranked if label in labels][:k]
