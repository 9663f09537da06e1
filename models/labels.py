"""The seven emotion labels, in the one order that every array of probabilities uses."""

from typing import Final

LABELS: Final[tuple[str, ...]] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Wire labels, alphabetical. Axis -1 of every `[B, 7]` array of probabilities follows this order."""

OTHER_NAMES: Final = {
    "anger": "angry", "disgusted": "disgust", "fearful": "fear", "happiness": "happy", "sadness": "sad",
    "surprised": "surprise",
}  # fmt: skip
"""What data sets call them."""
